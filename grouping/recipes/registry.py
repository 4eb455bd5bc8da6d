"""Registry of the methods a recipe may name: the built-in ones, and those of installed plug-ins.

A plug-in is a distribution with entry points in one of the groups ``mtl_grouping.encoders``, ``.sharing``,
``.weighting``, ``.schedules``, ``.sampling``, ``.optimisers``, ``.learning_rate_schedules`` and
``.augmentation``; the value of each is a `Declaration`. It should not import PyTorch: the implementation it
names may.
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from importlib.metadata import EntryPoint
from importlib.util import find_spec
from typing import Any

from grouping.domain.trainings.recipes import Method, Part, Recipe
from grouping.errors import InvalidInputError
from grouping.parameters import build, schema_of
from grouping.plug_ins import Catalogue, Unavailable, discover
from grouping.recipes.augmentation import AUGMENTATIONS
from grouping.recipes.declarations import Declaration
from grouping.recipes.encoders import ENCODERS
from grouping.recipes.learning_rate_schedules import LEARNING_RATE_SCHEDULES
from grouping.recipes.optimisers import OPTIMISERS
from grouping.recipes.sampling import SAMPLING
from grouping.recipes.schedules import SCHEDULES
from grouping.recipes.sharing import SHARING
from grouping.recipes.weighting import WEIGHTING

BUILT_IN: Mapping[Part, tuple[type[Declaration], ...]] = {
    Part.ENCODER: ENCODERS,
    Part.SHARING: SHARING,
    Part.WEIGHTING: WEIGHTING,
    Part.SCHEDULE: SCHEDULES,
    Part.SAMPLING: SAMPLING,
    Part.OPTIMISER: OPTIMISERS,
    Part.LEARNING_RATE_SCHEDULE: LEARNING_RATE_SCHEDULES,
    Part.AUGMENTATION: AUGMENTATIONS,
}
ENTRY_POINT_GROUPS: Mapping[Part, str] = {
    Part.ENCODER: "mtl_grouping.encoders",
    Part.SHARING: "mtl_grouping.sharing",
    Part.WEIGHTING: "mtl_grouping.weighting",
    Part.SCHEDULE: "mtl_grouping.schedules",
    Part.SAMPLING: "mtl_grouping.sampling",
    Part.OPTIMISER: "mtl_grouping.optimisers",
    Part.LEARNING_RATE_SCHEDULE: "mtl_grouping.learning_rate_schedules",
    Part.AUGMENTATION: "mtl_grouping.augmentation",
}


@dataclass(frozen=True, slots=True)
class MethodInfo:
    """Name, description and parameters of a method, for lists.

    Attributes:
        part: the part of a recipe that it is chosen for.
        name: its name in recipes.
        title: its name for people.
        description: what it does.
        source: the paper it comes from; empty for what needs none.
        parameters: JSON Schema of its parameters.
    """

    part: Part
    name: str
    title: str
    description: str
    source: str
    parameters: Mapping[str, Any] = field(default_factory=dict)


@cache
def discover_methods(part: Part) -> Catalogue[type[Declaration]]:
    """Find the methods of this installation, once per process; ``cache_clear()`` makes it look again."""
    missing = {method: _missing_modules(method) for method in BUILT_IN[part]}
    usable = [method for method in BUILT_IN[part] if not missing[method]]
    unavailable = [
        Unavailable(
            method.name,
            None,
            f"It needs {' and '.join(modules)}, which an extra brings: install mtl-grouping[{method.name}] "
            "where the API and the workers run.",
        )
        for method, modules in missing.items()
        if modules
    ]
    catalogue = discover(ENTRY_POINT_GROUPS[part], usable, _load_plug_in)
    return replace(catalogue, unavailable=(*unavailable, *catalogue.unavailable))


def list_methods(part: Part) -> tuple[MethodInfo, ...]:
    """List every method for a part of a recipe, built-in ones first; the first one is the default."""
    return tuple(
        MethodInfo(part, m.name, m.title, m.description, m.source, schema_of(m))
        for m in discover_methods(part).found
    )


def list_unavailable(part: Part) -> tuple[Unavailable, ...]:
    """List plug-ins and built-in methods for a part that cannot be used here, with the reason."""
    return discover_methods(part).unavailable


def get_declaration(part: Part, method: Method) -> Declaration:
    """Return the declaration of a method, with its parameters checked and completed.

    Raises:
        UnknownNameError: if there is no such method, pointing into the recipe.
        InvalidInputError: if it does not take one of the parameters, or not that value, or if its plug-in
            cannot be used.
    """
    declaration = discover_methods(part).get(method.name, kind=part.words, pointer=f"/{part}/name")
    what = f"{part.words} {method.name}"
    return build(declaration, method.parameters, what=what, pointer=f"/{part}/parameters")


def complete(recipe: Recipe) -> Recipe:
    """Fill in every parameter of a recipe's methods, so that equal recipes compare equal.

    Raises:
        UnknownNameError: if it names a method that does not exist.
        InvalidInputError: if a method does not take a parameter it is given.
    """
    chosen: dict[str, Method] = {}
    for part in Part:
        method = recipe.method(part)
        declaration = get_declaration(part, method)
        chosen[part.value] = Method(method.name, dataclasses.asdict(declaration))  # type: ignore[call-overload]
    return replace(recipe, **chosen)  # type: ignore[arg-type]


def check_named_tasks(recipe: Recipe, tasks: Collection[str]) -> None:
    """Refuse a recipe whose parameters name a task that the problem does not have.

    Declarations whose parameters name tasks have a method ``named_tasks`` that gives each name with the JSON
    pointer of its place below the parameters.

    Raises:
        InvalidInputError: pointing at the name.
    """
    for part in Part:
        declaration = get_declaration(part, recipe.method(part))
        named_tasks = getattr(declaration, "named_tasks", None)
        for place, name in named_tasks() if named_tasks is not None else ():
            if name not in tasks:
                raise InvalidInputError(
                    f"The {part.words} {declaration.name} names the task {name!r}, which the problem does "
                    f"not have. Its tasks: {', '.join(tasks)}.",
                    pointer=f"/{part}/parameters{place}",
                )


def _missing_modules(method: type[Declaration]) -> list[str]:
    return [module for module in getattr(method, "requires", ()) if find_spec(module) is None]


def _load_plug_in(point: EntryPoint) -> type[Declaration]:
    declaration: type[Declaration] = load_declaration(point)
    return declaration


def load_declaration(point: EntryPoint, *more: str) -> Any:
    """Load the declaration of an entry point: a dataclass with the attributes of all declarations.

    Args:
        point: entry point of a plug-in.
        more: names of further attributes that it must have.

    Raises:
        TypeError: if it is no such declaration.
    """
    found = point.load()
    wanted = ("name", "title", "description", "source", "implementation", *more)
    if not (inspect.isclass(found) and dataclasses.is_dataclass(found)):
        raise TypeError(f"{point.value} is not a dataclass")
    if missing := [attribute for attribute in wanted if not hasattr(found, attribute)]:
        raise TypeError(f"{point.value} has no {', '.join(missing)}")
    schema_of(found)
    return found
