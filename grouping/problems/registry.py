"""Registry of problems: the built-in ones, those of installed plug-ins, and those made of stored tables.

A plug-in is a distribution with entry points in the group ``mtl_grouping.problems``; the value of each is a
`Problem` or a callable without arguments that gives one. What becomes of a plug-in that cannot be used is
told in `grouping.plug_ins`.
"""

from __future__ import annotations

from functools import cache
from importlib.metadata import EntryPoint

from grouping.plug_ins import Catalogue, Unavailable, discover
from grouping.problems.cancer import BREAST_CANCER
from grouping.problems.digits import DIGITS, DIGITS_8
from grouping.problems.from_tables import find_stored, stored_problems
from grouping.problems.problem import Problem
from grouping.problems.sentences import SENTENCES

ENTRY_POINT_GROUP = "mtl_grouping.problems"
BUILT_IN = (DIGITS, DIGITS_8, BREAST_CANCER, SENTENCES)


@cache
def discover_problems() -> Catalogue[Problem]:
    """Find the problems of this installation, once per process; ``cache_clear()`` makes it look again."""
    return discover(ENTRY_POINT_GROUP, BUILT_IN, _load_plug_in)


def list_problems() -> tuple[Problem, ...]:
    """List every problem that can be trained: built in, installed, made of stored tables."""
    return (*discover_problems().found, *stored_problems())


def list_unavailable() -> tuple[Unavailable, ...]:
    """List installed plug-ins that cannot be used, with the reason."""
    return discover_problems().unavailable


def get_problem(name: str) -> Problem:
    """Return the problem of that name; the name of a data set is that of the newest problem made of it.

    Raises:
        UnknownNameError: if there is none.
        InvalidInputError: if a plug-in of that name is installed but cannot be used.
    """
    installed = discover_problems()
    if all(problem.name != name for problem in installed.found) and (stored := find_stored(name)) is not None:
        return stored
    everything = Catalogue((*installed.found, *stored_problems()), installed.unavailable)
    return everything.get(name, kind="problem", pointer="/problem")


def _load_plug_in(point: EntryPoint) -> Problem:
    found = point.load()
    problem = found if isinstance(found, Problem) else found()
    if not isinstance(problem, Problem):
        raise TypeError(f"{point.value} gives a {type(problem).__name__} and not a Problem")
    return problem
