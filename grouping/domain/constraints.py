"""Constraints: what a user may demand of a grouping beside the inference budget."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, TypeVar

from grouping.domain.networks import Candidates, Network
from grouping.domain.objectives import Objective as Objective
from grouping.errors import InvalidInputError, UnknownNameError

if TYPE_CHECKING:  # a job is described without NumPy
    from grouping.domain.tables.loss_table import LossTable
    from grouping.domain.tables.score_table import FloatArray

TableT = TypeVar("TableT", bound="LossTable")
LEAST_DIVISOR = 1e-100
"""Least loss alone by which losses are divided; by a smaller one a quotient could be beyond a double."""


def under_objective(table: TableT, objective: Objective) -> TableT:
    """Return the table with scales that make the weighted sum of losses the objective.

    Raises:
        InvalidInputError: if the objective is relative and a task has no positive loss alone.
    """
    if objective is Objective.SUM:
        return table
    alone = _losses_alone(table)
    unknown = [name for name, loss in alone.items() if not loss > LEAST_DIVISOR]
    if unknown:
        raise InvalidInputError(
            "The relative objective divides by each task's loss alone, which is not measured, not "
            f"positive or below {LEAST_DIVISOR:g} for {', '.join(unknown)}. Train those "
            "single-task networks, or choose the raw sum.",
            pointer="/objective",
        )
    return replace(table, tasks=tuple(replace(task, scale=float(alone[task.name])) for task in table.tasks))


@dataclass(frozen=True, slots=True)
class Constraints:
    """Demands on a grouping; all of them hold at once. Networks are meant by group and size.

    Networks may be given by their names, such as ``depth+edges@0.5``.

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
            networks = (_network(given) for given in getattr(self, name))
            object.__setattr__(self, name, tuple(networks))
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
        alone = _losses_alone(table) if self.ceilings_alone else {}
        for task, factor in self.ceilings_alone.items():
            if not (alone[task] > 0 or (factor == 1 and alone[task] <= 0)):
                raise InvalidInputError(
                    f"ceilings_alone: task {task!r} has no positive loss alone to compare with. Train its "
                    "single-task network, or give an absolute ceiling.",
                    pointer="/ceilings_alone",
                )

    def of_search(self, candidates: Candidates) -> Constraints:
        """Return the demands with the networks that are meant, as they are among the candidates of a search.

        What no grouping of the search could ever meet is refused, before anything is trained.

        Raises:
            InvalidInputError: on an unknown task, a network that is no candidate, tasks that are to be served
                together and kept apart, or a network that is forced and not allowed.
        """
        known = set(candidates.tasks)
        for where in ("together", "apart"):
            for tasks in getattr(self, where):
                _refuse_unknown(tasks - known, where, "this search")
        for where in ("ceilings", "ceilings_alone"):
            _refuse_unknown(set(getattr(self, where)) - known, where, "this search")
        forced = tuple(self._meant("forced", candidates))
        forbidden = tuple(self._meant("forbidden", candidates))
        for block in self.blocks(candidates.tasks):
            served = {candidates.tasks[t] for t in block}
            for place, tasks in enumerate(self.apart):
                if len(both := tasks & served) > 1:
                    raise InvalidInputError(
                        f"apart: {_listed(frozenset(both))} must be served together as well.",
                        pointer=f"/apart/{place}",
                    )
        for place, network in enumerate(self.forced):
            if not self.allows(network):
                raise InvalidInputError(
                    f"forced: network {network} breaks another of the constraints.",
                    pointer=f"/forced/{place}",
                )
        return replace(self, forced=forced, forbidden=forbidden)

    def _meant(self, where: str, candidates: Candidates) -> Iterator[Network]:
        """Yield the candidates that are named; a name has six digits of a size."""
        for place, network in enumerate(getattr(self, where)):
            sizes = (network.size, *(s for s in candidates.single_sizes if f"{s:g}" == f"{network.size:g}"))
            found = [candidates.find(network.group, size) for size in sizes]
            meant = next((one for one in found if one is not None), None)
            if meant is None:
                raise InvalidInputError(
                    f"{where}: network {network} is no candidate of this search.",
                    pointer=f"/{where}/{place}",
                )
            yield meant

    def allows(self, network: Network) -> bool:
        """Return whether a grouping may have this network, as far as its group and size tell."""
        if self.max_group_size is not None and len(network.group) > self.max_group_size:
            return False
        if any(network.key == other.key for other in self.forbidden):
            return False
        return not any(len(network.group & tasks) > 1 for tasks in self.apart)

    @property
    def rules_out_networks(self) -> bool:
        """Whether some network is never allowed, whatever else is chosen."""
        return bool(self.apart or self.forbidden or self.max_group_size is not None)

    def narrow(self, candidates: Candidates) -> Candidates:
        """Return the candidates without those that no grouping may have."""
        largest = min(candidates.max_group_size, self.max_group_size or candidates.max_group_size)
        listed = candidates.networks
        if listed is not None:
            listed = tuple(network for network in listed if self.allows(network))
        return replace(
            candidates, max_group_size=largest, networks=listed, apart=(*candidates.apart, *self.apart)
        )

    def known_in(self, table: LossTable) -> Constraints:
        """Return the demands that a table has what it takes to hold to.

        A search begins without scores: a multiple of the loss alone is a demand once that loss is measured, a
        network has to be chosen once it is, and a further cost is limited once every network has it.
        """
        alone = _losses_alone(table)
        rows = {network: table.find_position(*network.key) for network in (*self.forced, *self.forbidden)}
        return replace(
            self,
            ceilings_alone={
                task: factor
                for task, factor in self.ceilings_alone.items()
                if alone[task] > 0 or (factor == 1 and alone[task] <= 0)
            },
            forced=tuple(n for n in self.forced if (row := rows[n]) is not None and table.is_complete[row]),
            forbidden=tuple(n for n in self.forbidden if rows[n] is not None),
            limits={name: most for name, most in self.limits.items() if name in table.other_costs},
        )

    def unknown_in(self, table: LossTable) -> Constraints:
        """Return the demands that `known_in` leaves out, but for networks that are not there to be chosen."""
        known = self.known_in(table)
        return Constraints(
            ceilings_alone={t: f for t, f in self.ceilings_alone.items() if t not in known.ceilings_alone},
            forced=tuple(network for network in self.forced if network not in known.forced),
            limits={name: most for name, most in self.limits.items() if name not in known.limits},
        )

    def task_ceilings(self, table: LossTable) -> FloatArray:
        """Return the upper bound on each task's validation loss, ``[T]``; infinite where none is set."""
        import numpy as np

        ceilings = np.full(len(table.tasks), np.inf)
        alone = _losses_alone(table) if self.ceilings_alone else {}
        for t, task in enumerate(table.task_names):
            if task in self.ceilings:
                ceilings[t] = self.ceilings[task]
            if task in self.ceilings_alone:
                ceilings[t] = min(ceilings[t], self.ceilings_alone[task] * alone[task])
        return ceilings

    def blocks(self, tasks: Sequence[str]) -> tuple[tuple[int, ...], ...]:
        """Return sets of tasks that must be served together, as positions; single tasks included."""
        if not self.together:
            return tuple((t,) for t in range(len(tasks)))
        leader = list(range(len(tasks)))
        for wanted in self.together:
            members = [t for t, task in enumerate(tasks) if task in wanted]
            leaders = {leader[t] for t in members}
            leader = [min(leaders) if known in leaders else known for known in leader]
        return tuple(
            tuple(t for t in range(len(tasks)) if leader[t] == first) for first in sorted(set(leader))
        )

    def among(self, tasks: Collection[str]) -> Constraints:
        """Return the demands that are left where only these tasks are grouped."""
        known = set(tasks)
        changes: dict[str, Any] = {}
        for name in ("together", "apart"):
            changes[name] = tuple(left for one in getattr(self, name) if len(left := one & known) > 1)
        for name in ("ceilings", "ceilings_alone"):
            changes[name] = {task: value for task, value in getattr(self, name).items() if task in known}
        for name in ("forced", "forbidden"):
            changes[name] = tuple(network for network in getattr(self, name) if network.group <= known)
        return replace(self, **changes)

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


def _losses_alone(table: LossTable) -> Mapping[str, float]:
    """Return each task's own single-task loss; NaN where it is not measured."""
    from grouping.domain.verdicts.gains import mean_losses_alone

    return dict(zip(table.task_names, mean_losses_alone(table).tolist(), strict=True))


def standing_demands(table: LossTable) -> Constraints:
    """Return the demands that the tasks of a table make themselves, where their losses alone are known."""
    names = [task.name for task in table.tasks if task.must_not_worsen]
    if not names:
        return Constraints()
    alone = _losses_alone(table)
    return Constraints(ceilings_alone={name: 1.0 for name in names if math.isfinite(alone[name])})


def without_standing(table: TableT) -> TableT:
    """Return a table whose tasks demand nothing themselves."""
    return replace(table, tasks=tuple(replace(task, must_not_worsen=False) for task in table.tasks))


def _network(given: Network | str) -> Network:
    return Network.parse(given) if isinstance(given, str) else given


def _listed(tasks: frozenset[str]) -> str:
    *first, last = sorted(tasks)
    return f"{', '.join(first)} and {last}"


def _refuse_unknown(unknown: set[str] | frozenset[str], where: str, what: str = "this table") -> None:
    if unknown:
        raise InvalidInputError(
            f"{where}: there is no task {', '.join(sorted(map(repr, unknown)))} in {what}.",
            pointer=f"/{where}",
        )
