"""Registry of problems: the built-in ones, and those of installed plug-ins.

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
from grouping.problems.problem import Problem
from grouping.problems.sentences import SENTENCES

ENTRY_POINT_GROUP = "mtl_grouping.problems"
BUILT_IN = (DIGITS, DIGITS_8, BREAST_CANCER, SENTENCES)


@cache
def discover_problems() -> Catalogue[Problem]:
    """Find the problems of this installation, once per process; ``cache_clear()`` makes it look again."""
    return discover(ENTRY_POINT_GROUP, BUILT_IN, _load_plug_in)


def list_problems() -> tuple[Problem, ...]:
    """List every problem that can be trained, built-in ones first."""
    return discover_problems().found


def list_unavailable() -> tuple[Unavailable, ...]:
    """List installed plug-ins that cannot be used, with the reason."""
    return discover_problems().unavailable


def get_problem(name: str) -> Problem:
    """Return the problem of that name.

    Raises:
        UnknownNameError: if there is none.
        InvalidInputError: if a plug-in of that name is installed but cannot be used.
    """
    return discover_problems().get(name, kind="problem", pointer="/problem")


def _load_plug_in(point: EntryPoint) -> Problem:
    found = point.load()
    problem = found if isinstance(found, Problem) else found()
    if not isinstance(problem, Problem):
        raise TypeError(f"{point.value} gives a {type(problem).__name__} and not a Problem")
    return problem
