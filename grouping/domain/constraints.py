"""Constraints: what a user may demand of a grouping beside the inference budget."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, TypeVar

import numpy as np

from grouping.domain.gains import mean_losses_alone
from grouping.domain.networks import Network
from grouping.domain.objectives import Objective as Objective
from grouping.domain.scores import FloatArray, LossTable
from grouping.errors import InvalidInputError, UnknownNameError

TableT = TypeVar("TableT", bound=LossTable)


def under_objective(table: TableT, objective: Objective) -> TableT:
    """Return the table with scales that make the weighted sum of losses the objective.

    Raises:
        InvalidInputError: if the objective is relative and a task has no positive loss alone.
    """
    if objective is Objective.SUM:
        return table
    alone = dict(zip(table.task_names, mean_losses_alone(table), strict=True))
    unknown = [name for name, loss in alone.items() if not loss > 0]
    if unknown:
        raise InvalidInputError(
            "The relative objective divides by each task's loss alone, which is not measured or not "
            f"positive for {', '.join(unknown)}. Train those single-task networks, or choose the raw sum.",
            pointer="/objective",
        )
    return replace(table, tasks=tuple(replace(task, scale=float(alone[task.name])) for task in table.tasks))


@dataclass(frozen=True, slots=True)
class Constraints:
    """Demands on a grouping; all of them hold at once. Networks are meant by group and size.

    Attributes:
        together: sets of tasks that must be served by the same network.
        apart: sets of tasks of which no chosen network may be trained on two.
        max_networks: the most networks chosen.
        max_group_size: the most tasks a chosen network is trained on.
        is_partition: whether the groups must be disjoint, so that every task is trained once.
        ceilings: upper bound on the validation loss of a task, by name.
        ceilings_alone: upper bound as a multiple of the task's loss alone: 1 is "no worse than alone".
        forced: networks that must be chosen; they are paid for even where they serve no task.
        forbidden: networks that must not be chosen.
        limits: the most that the chosen networks may cost together by the table's further costs.
    """

    together: tuple[frozenset[str], ...] = ()
    apart: tuple[frozenset[str], ...] = ()
    max_networks: int | None = None
    max_group_size: int | None = None
    is_partition: bool = False
    ceilings: Mapping[str, float] = field(default_factory=dict)
    ceilings_alone: Mapping[str, float] = field(default_factory=dict)
    forced: tuple[Network, ...] = ()
    forbidden: tuple[Network, ...] = ()
    limits: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("together", "apart"):
            sets = tuple(frozenset(tasks) for tasks in getattr(self, name))
            if any(len(tasks) < 2 for tasks in sets):
                raise InvalidInputError(f"Each set in {name!r} needs at least two tasks.", pointer=f"/{name}")
            object.__setattr__(self, name, sets)
        for name in ("max_networks", "max_group_size"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise InvalidInputError(f"{name} must be at least 1; got {value}.", pointer=f"/{name}")
        for name in ("forced", "forbidden"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        for name in ("ceilings", "ceilings_alone", "limits"):
            values = {str(key): float(value) for key, value in getattr(self, name).items()}
            for key, value in values.items():
                if not math.isfinite(value) or (name != "ceilings" and value < 0):
                    raise InvalidInputError(
                        f"{name}: the number for {key!r} must be finite and not negative; got {value}.",
                        pointer=f"/{name}",
                    )
            object.__setattr__(self, name, values)

    def check(self, table: LossTable) -> None:
        """Refuse demands that name what the table does not have.

        Raises:
            InvalidInputError: on an unknown task or network, or a relative ceiling without a loss alone.
            UnknownNameError: on an unknown further cost.
        """
        known = set(table.task_names)
        for where in ("together", "apart"):
            for tasks in getattr(self, where):
                _refuse_unknown(tasks - known, where)
        for where in ("ceilings", "ceilings_alone"):
            _refuse_unknown(set(getattr(self, where)) - known, where)
        for where in ("forced", "forbidden"):
            for network in getattr(self, where):
                row = table.find_position(*network.key)
                if row is None or (where == "forced" and not table.is_complete[row]):
                    raise InvalidInputError(
                        f"{where}: network {network} is not measured in this table.", pointer=f"/{where}"
                    )
        for name in self.limits:
            if name not in table.other_costs:
                raise UnknownNameError("cost", name, tuple(table.other_costs), pointer="/limits")
        alone = dict(zip(table.task_names, mean_losses_alone(table), strict=True))
        for task, factor in self.ceilings_alone.items():
            if not (alone[task] > 0 or (factor == 1 and alone[task] <= 0)):
                raise InvalidInputError(
                    f"ceilings_alone: task {task!r} has no positive loss alone to compare with. Train its "
                    "single-task network, or give an absolute ceiling.",
                    pointer="/ceilings_alone",
                )

    def task_ceilings(self, table: LossTable) -> FloatArray:
        """Return the upper bound on each task's validation loss, ``[T]``; infinite where none is set."""
        ceilings = np.full(len(table.tasks), np.inf)
        alone = mean_losses_alone(table)
        for t, task in enumerate(table.task_names):
            if task in self.ceilings:
                ceilings[t] = self.ceilings[task]
            if task in self.ceilings_alone:
                ceilings[t] = min(ceilings[t], self.ceilings_alone[task] * alone[t])
        return ceilings

    def blocks(self, tasks: Sequence[str]) -> tuple[tuple[int, ...], ...]:
        """Return sets of tasks that must be served together, as positions; single tasks included."""
        leader = list(range(len(tasks)))
        for wanted in self.together:
            members = [t for t, task in enumerate(tasks) if task in wanted]
            leaders = {leader[t] for t in members}
            leader = [min(leaders) if known in leaders else known for known in leader]
        return tuple(
            tuple(t for t in range(len(tasks)) if leader[t] == first) for first in sorted(set(leader))
        )

    def split(self) -> tuple[Constraints, ...]:
        """Return one `Constraints` per single demand."""
        demands: list[dict[str, Any]] = []
        for item in fields(self):
            value = getattr(self, item.name)
            if isinstance(value, tuple):
                demands += [{item.name: (one,)} for one in value]
            elif isinstance(value, Mapping):
                demands += [{item.name: {key: one}} for key, one in value.items()]
            elif value != item.default:
                demands.append({item.name: value})
        return tuple(Constraints(**demand) for demand in demands)

    def merge(self, other: Constraints) -> Constraints:
        """Combine both sets of demands; numbers of `other` replace those of this one."""
        changes: dict[str, Any] = {}
        for item in fields(self):
            ours, theirs = getattr(self, item.name), getattr(other, item.name)
            if isinstance(ours, tuple):
                changes[item.name] = tuple(dict.fromkeys((*ours, *theirs)))
            elif isinstance(ours, Mapping):
                changes[item.name] = {**ours, **theirs}
            elif theirs != item.default:
                changes[item.name] = theirs
        return replace(self, **changes)

    def sentences(self) -> Iterator[str]:
        """Yield each demand as a sentence."""
        for tasks in self.together:
            yield f"{_listed(tasks)} are served by the same network"
        for tasks in self.apart:
            yield f"{_listed(tasks)} are never trained in the same network"
        if self.max_networks is not None:
            yield f"at most {self.max_networks} networks"
        if self.max_group_size is not None:
            yield f"at most {self.max_group_size} tasks in a network"
        if self.is_partition:
            yield "every task is trained in one network only"
        for task, ceiling in self.ceilings.items():
            yield f"the loss of {task} is at most {ceiling:.6g}"
        for task, factor in self.ceilings_alone.items():
            if factor == 1:
                yield f"{task} is served no worse than alone"
            else:
                yield f"the loss of {task} is at most {factor:.6g} times its loss alone"
        for network in self.forced:
            yield f"network {network} is chosen"
        for network in self.forbidden:
            yield f"network {network} is not chosen"
        for name, most in self.limits.items():
            yield f"{name} is at most {most:.6g} in total"


def standing_demands(table: LossTable) -> Constraints:
    """Return the demands that the tasks of a table make themselves, where their losses alone are known."""
    names = [task.name for task in table.tasks if task.must_not_worsen]
    if not names:
        return Constraints()
    alone = dict(zip(table.task_names, mean_losses_alone(table), strict=True))
    return Constraints(ceilings_alone={name: 1.0 for name in names if math.isfinite(alone[name])})


def _listed(tasks: frozenset[str]) -> str:
    *first, last = sorted(tasks)
    return f"{', '.join(first)} and {last}"


def _refuse_unknown(unknown: set[str] | frozenset[str], where: str) -> None:
    if unknown:
        raise InvalidInputError(
            f"{where}: there is no task {', '.join(sorted(map(repr, unknown)))} in this table.",
            pointer=f"/{where}",
        )
