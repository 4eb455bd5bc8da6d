"""Networks with a loss for each of their tasks, measured or predicted: what a grouping is chosen from.

A task outside a network's group has no cell; a cell that is not known is absent too. Absence is NaN inside
the arrays and never a large number.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from grouping.domain.networks import Network, NetworkKey
from grouping.domain.tables.cells import FloatArray, TableCells
from grouping.domain.tasks import Task, check_name
from grouping.errors import InvalidInputError, UnknownNameError


def _fixed(values: Sequence[float]) -> FloatArray:
    """Return numbers as an array that cannot be changed."""
    fixed = np.array(values, dtype=np.float64)
    fixed.flags.writeable = False
    return fixed


def finite_losses(label: str, values: FloatArray, shape: tuple[int, ...]) -> FloatArray:
    """Return a copy of an array of losses.

    Raises:
        InvalidInputError: if it has another shape, or an infinite value.
    """
    losses = np.array(values, dtype=np.float64)
    if losses.shape != shape:
        raise InvalidInputError(f"{label} has shape {losses.shape}; expected {shape}.")
    if np.isinf(losses).any():
        raise InvalidInputError(f"{label} holds an infinite value; leave diverged cells absent.")
    return losses


def losses_by_cell(label: str, values: FloatArray, cells: TableCells, shape: tuple[int, ...]) -> FloatArray:
    """Return an array ``[N, T, ...]`` of losses by cell.

    Raises:
        InvalidInputError: if it has another shape, an infinite value, or a value outside the groups.
    """
    losses = finite_losses(label, values, shape)
    inside: FloatArray = cells.gather(losses)
    if (~np.isnan(losses)).sum() > (~np.isnan(inside)).sum():
        raise InvalidInputError(f"{label} has a value for a task outside the network's group.")
    return inside


@dataclass(frozen=True, eq=False)
class LossTable(ABC):
    """Networks with a loss for each of their tasks, measured or predicted: what a grouping is chosen from.

    A `ScoreTable` holds measured losses, seed by seed; `PredictedLosses` holds expected ones.

    Attributes:
        tasks: the `T` tasks, in display order.
        networks: the `N` networks, without duplicates.
        other_costs: further inference costs of the networks by name, such as ``latency_ms``; ``[N]`` each,
            finite and not negative.
        cost_unit: unit of the networks' ``cost_snt`` and of inference budgets; see `priced_by`.
    """

    tasks: tuple[Task, ...]
    networks: tuple[Network, ...]
    other_costs: Mapping[str, FloatArray] = field(default_factory=dict, repr=False, kw_only=True)
    cost_unit: str = field(default="SNT", kw_only=True)

    @property
    @abstractmethod
    def validation(self) -> FloatArray:
        """``[N, T]``: the loss that decides, lower is better; NaN where absent."""

    @property
    @abstractmethod
    def test(self) -> FloatArray:
        """``[N, T]``: the loss that is only reported; NaN where absent or unknown."""

    @property
    @abstractmethod
    def cell_losses(self) -> FloatArray:
        """``[E]``: the loss that decides, by cell; NaN where it was not measured."""

    @property
    @abstractmethod
    def cell_test_losses(self) -> FloatArray:
        """``[E]``: the loss that is only reported, by cell; NaN where unknown."""

    @abstractmethod
    def on_common_seeds(self) -> Self:
        """Return the table on which all networks may be compared."""

    @abstractmethod
    def select(self, rows: Sequence[int] | NDArray[np.int64]) -> Self:
        """Return the table of these networks only, in this order."""

    @cached_property
    def task_names(self) -> tuple[str, ...]:
        """Names of the tasks, in display order."""
        return tuple(task.name for task in self.tasks)

    @cached_property
    def weights(self) -> FloatArray:
        """Weights of the tasks in the total loss, ``[T]``, divided by their scales."""
        return _fixed([task.objective_weight for task in self.tasks])

    @cached_property
    def costs_snt(self) -> FloatArray:
        """Inference costs of the networks, ``[N]``, in SNT."""
        return _fixed([network.cost_snt for network in self.networks])

    @cached_property
    def cells(self) -> TableCells:
        """The pairs of a network and a task of its group, in the order of all that is kept by cell."""
        return TableCells.of(self.task_names, self.networks)

    @cached_property
    def membership(self) -> NDArray[np.bool_]:
        """``[N, T]``: whether the task is in the network's group."""
        return self.cells.spread(np.ones(self.cells.n_cells, dtype=np.bool_), absent=False)

    @cached_property
    def is_complete(self) -> NDArray[np.bool_]:
        """``[N]``: whether every task of the group has a validation loss."""
        complete = np.ones(len(self.networks), dtype=np.bool_)
        complete[self.cells.rows[np.isnan(self.cell_losses)]] = False
        return complete

    def losses_at(
        self, rows: Sequence[int] | NDArray[np.int64], columns: Sequence[int] | NDArray[np.int64]
    ) -> FloatArray:
        """Return the deciding loss of each pair of a network and a task; NaN where absent."""
        return self._at(self.cell_losses, rows, columns)

    def test_losses_at(
        self, rows: Sequence[int] | NDArray[np.int64], columns: Sequence[int] | NDArray[np.int64]
    ) -> FloatArray:
        """Return the reported loss of each pair of a network and a task; NaN where absent or unknown."""
        return self._at(self.cell_test_losses, rows, columns)

    def _at(self, values: FloatArray, rows: Any, columns: Any) -> FloatArray:
        places = self.cells.places(np.asarray(rows, dtype=np.int64), np.asarray(columns, dtype=np.int64))
        found = np.full((len(places), *values.shape[1:]), np.nan)
        found[places >= 0] = values[places[places >= 0]]
        return found

    def position(self, network: Network) -> int:
        """Return the row of the network with a group and size.

        Raises:
            InvalidInputError: if the table has none.
        """
        found = self.find_position(*network.key)
        if found is None:
            raise InvalidInputError(f"Network {network} is not in the score table.")
        return found

    def find_position(self, group: frozenset[str], size: float = 1.0) -> int | None:
        """Find the row of the network with a group and size, or None."""
        return self._positions.get((group, size))

    def rows_of(self, group: frozenset[str]) -> tuple[int, ...]:
        """Return the rows of the networks with a group, at any size."""
        return self._rows_by_group.get(group, ())

    @cached_property
    def _rows_by_group(self) -> Mapping[frozenset[str], tuple[int, ...]]:
        found: dict[frozenset[str], tuple[int, ...]] = {}
        for n, network in enumerate(self.networks):
            found[network.group] = (*found.get(network.group, ()), n)
        return found

    @cached_property
    def _positions(self) -> Mapping[tuple[frozenset[str], float], int]:
        return {(network.group, network.size): n for n, network in enumerate(self.networks)}

    def __getstate__(self) -> dict[str, Any]:
        """Return what makes the table, for another process: not the arrays that were made of it."""
        kept = {item.name for item in fields(self)} | {"cells"}
        return {name: value for name, value in self.__dict__.items() if name in kept}

    def with_weights(self, weights: Mapping[str, float]) -> Self:
        """Return the same losses with other weights; tasks not named keep theirs.

        Raises:
            InvalidInputError: if a name is not a task of the table, or a weight is not positive.
        """
        if unknown := set(weights) - set(self.task_names):
            raise InvalidInputError(f"Weights for unknown tasks: {', '.join(sorted(unknown))}.")
        tasks = tuple(task.with_weight(weights.get(task.name, task.weight)) for task in self.tasks)
        return replace(self, tasks=tasks)

    def priced_by(self, name: str) -> Self:
        """Return the table with another cost as ``cost_snt``; budgets and costs then count in its unit.

        Raises:
            UnknownNameError: if the table has no such cost.
            InvalidInputError: if that cost of a network is 0.
        """
        if name not in self.other_costs:
            raise UnknownNameError("cost", name, tuple(self.other_costs), pointer="/cost")
        costs = self.other_costs[name]
        networks = tuple(
            replace(network, cost_snt=float(cost)) for network, cost in zip(self.networks, costs, strict=True)
        )
        return replace(self, networks=networks, cost_unit=name)

    def _check(self) -> None:
        names = [task.name for task in self.tasks]
        if not names:
            raise InvalidInputError("A score table needs at least one task.")
        if len(set(names)) != len(names):
            raise InvalidInputError(f"Task names must be unique; got {', '.join(names)}.")
        seen = set[NetworkKey]()
        for network in self.networks:
            if network.key in seen:
                raise InvalidInputError(f"Network {network} stands in the table more than once.")
            seen.add(network.key)
        object.__setattr__(self, "other_costs", self._checked_costs())

    def _checked_costs(self) -> Mapping[str, FloatArray]:
        checked = {}
        for name, values in self.other_costs.items():
            check_name(name, "cost")
            costs = np.array(values, dtype=np.float64)
            if costs.shape != (len(self.networks),) or not (np.isfinite(costs) & (costs >= 0)).all():
                raise InvalidInputError(
                    f"The cost {name!r} needs a finite number, not negative, for each of the "
                    f"{len(self.networks)} networks."
                )
            costs.flags.writeable = False
            checked[name] = costs
        return checked

    def _frozen(self, label: str) -> None:
        """Check an array of losses ``[N, T]`` and make it read-only."""
        losses = np.array(getattr(self, label), dtype=np.float64)
        losses_by_cell(label, losses, self.cells, (len(self.networks), len(self.tasks)))
        losses.flags.writeable = False
        object.__setattr__(self, label, losses)

    def _costs_of(self, rows: NDArray[np.int64]) -> dict[str, FloatArray]:
        return {name: costs[rows] for name, costs in self.other_costs.items()}
