"""Where solves are carried out: in this process, or in one that can be ended."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import ParamSpec, Protocol, TypeVar

from grouping.computing.messages import Call
from grouping.computing.processes import Processes
from grouping.work import Work, find_work

P = ParamSpec("P")
T = TypeVar("T")
GRACE_S = 1.0
"""Seconds that a solve may take beyond its time, to end by itself with what it has found."""
MODULES = (
    "grouping.clustering",
    "grouping.solver",
    "grouping.strategies.affinity.from_table",
    "grouping.use_cases.stepwise_curve",
    "networkx",
    "scipy.linalg",
    "scipy.optimize",
)
"""What solves need, imported once; libraries too that our modules import only when they are used."""


class Computing(Protocol):
    """Place where functions at the top level of a module are carried out, on data that is given to them."""

    @property
    def left_s(self) -> float:
        """Wall time that is left for what is asked."""

    def call(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Carry out a function."""

    def each(self, function: Callable[P, Iterator[T]], /, *args: P.args, **kwargs: P.kwargs) -> Iterator[T]:
        """Carry out a function that yields, as far as the iterator is read."""


@dataclass(frozen=True, slots=True)
class InThisProcess:
    """Carries functions out in this process.

    Attributes:
        left_s: wall time of each.
    """

    left_s: float

    def call(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Carry out a function."""
        return function(*args, **kwargs)

    def each(self, function: Callable[P, Iterator[T]], /, *args: P.args, **kwargs: P.kwargs) -> Iterator[T]:
        """Carry out a function that yields."""
        return function(*args, **kwargs)


@dataclass(frozen=True, slots=True)
class InProcesses:
    """Carries each function out in a process of its own, for the current `grouping.work.Work`.

    Attributes:
        processes: maker of the processes.
        memory_limit_bytes: address space of each.
    """

    processes: Processes
    memory_limit_bytes: int

    @property
    def left_s(self) -> float:
        """Wall time that is left of the current work."""
        return _work().left_s

    def call(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Carry out a function; see `Processes.each` for the errors."""
        work = _work()
        call = Call(function, args, kwargs, self.memory_limit_bytes, work.left_s + GRACE_S)
        result: T = self.processes.call(call, work, grace_s=GRACE_S)
        return result

    def each(self, function: Callable[P, Iterator[T]], /, *args: P.args, **kwargs: P.kwargs) -> Iterator[T]:
        """Carry out a function that yields; see `Processes.each` for the errors."""
        work = _work()
        call = Call(function, args, kwargs, self.memory_limit_bytes, work.left_s + GRACE_S)
        return self.processes.each(call, work, grace_s=GRACE_S)


def _work() -> Work:
    work = find_work()
    if work is None:
        raise RuntimeError("a route that computes says so, and is given a turn; see grouping_api.turns")
    work.check()
    return work
