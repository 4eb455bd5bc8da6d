"""Problems by name: the built-in ones, and those of installed plug-ins.

A plug-in is a distribution with entry points in the group ``mtl_grouping.problems``; the value of each is a
`Problem` or a callable without arguments that gives one. A plug-in that cannot be used is reported in the
log and listed as unavailable with the reason: it never takes the service down, and never replaces a
built-in problem.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points

from grouping.errors import InvalidInputError, UnknownNameError
from grouping.problems.cancer import BREAST_CANCER
from grouping.problems.digits import DIGITS, DIGITS_8
from grouping.problems.problem import Problem

ENTRY_POINT_GROUP = "mtl_grouping.problems"
BUILT_IN = (DIGITS, DIGITS_8, BREAST_CANCER)

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class UnavailableProblem:
    """A plug-in that is installed and cannot be used.

    Attributes:
        name: name of its entry point.
        distribution: what installed it, with its version; None where unknown.
        reason: what is wrong, in words for the person who installed it.
    """

    name: str
    distribution: str | None
    reason: str


@dataclass(frozen=True, slots=True)
class Catalogue:
    """All problems of this installation.

    Attributes:
        problems: built-in ones first, then plug-ins by the name of their entry point.
        unavailable: plug-ins that cannot be used.
    """

    problems: tuple[Problem, ...]
    unavailable: tuple[UnavailableProblem, ...]


@cache
def discover_problems() -> Catalogue:
    """Find the problems of this installation, once per process; ``cache_clear()`` makes it look again."""
    problems = {problem.name: problem for problem in BUILT_IN}
    unavailable = []
    for point in sorted(entry_points(group=ENTRY_POINT_GROUP), key=lambda p: (p.name, p.value)):
        try:
            problem = _load_plug_in(point)
            if problem.name in problems:
                raise InvalidInputError(f"The name {problem.name!r} is taken by another problem.")
        except Exception as error:
            # Whatever a stranger's module raises at import concerns that plug-in alone.
            reason = f"{type(error).__name__}: {error}"
            source = f"{point.dist.name} {point.dist.version}" if point.dist is not None else None
            _logger.warning(
                "The plug-in problem %r of %s is unavailable: %s", point.name, source, reason, exc_info=True
            )
            unavailable.append(UnavailableProblem(point.name, source, reason))
        else:
            problems[problem.name] = problem
    return Catalogue(tuple(problems.values()), tuple(unavailable))


def list_problems() -> tuple[Problem, ...]:
    """All problems that can be trained, built-in ones first."""
    return discover_problems().problems


def list_unavailable() -> tuple[UnavailableProblem, ...]:
    """Installed plug-ins that cannot be used, with the reason."""
    return discover_problems().unavailable


def get_problem(name: str) -> Problem:
    """The problem of that name.

    Raises:
        UnknownNameError: if there is none.
        InvalidInputError: if a plug-in of that name is installed but cannot be used.
    """
    catalogue = discover_problems()
    by_name = {problem.name: problem for problem in catalogue.problems}
    if name in by_name:
        return by_name[name]
    for broken in catalogue.unavailable:
        if broken.name == name:
            raise InvalidInputError(
                f"The problem {name!r} is installed but cannot be used. {broken.reason}", pointer="/problem"
            )
    raise UnknownNameError("problem", name, tuple(by_name), pointer="/problem")


def _load_plug_in(point: EntryPoint) -> Problem:
    found = point.load()
    problem = found if isinstance(found, Problem) else found()
    if not isinstance(problem, Problem):
        raise TypeError(f"{point.value} gives a {type(problem).__name__} and not a Problem")
    return problem
