"""The score table: the loss of each task in each network, for each seed.

Training produces it, and solving reads nothing else. A task outside a network's group has no cell;
a cell without a measurement is absent too. Absence is NaN inside the arrays and never a large number.
"""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from html import escape
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from grouping.domain.networks import Network, NetworkKey
from grouping.domain.tasks import Task, check_name
from grouping.errors import InvalidInputError, UnknownNameError

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Score:
    """The losses of one task in one trial of a network; lower is better.

    Attributes:
        network: the network that was trained.
        task: name of a task of its group.
        seed: the seed of the trial.
        validation_loss: loss that decides; finite.
        test_loss: loss that is only reported; None where unknown.
    """

    network: Network
    task: str
    seed: int
    validation_loss: float
    test_loss: float | None = None


def mean_and_standard_error(values: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Compute the mean over the last axis and its standard error, without NaN; NaN if there is too little."""
    n = np.sum(~np.isnan(values), axis=-1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # empty slices stay NaN, which is what they mean
        mean: FloatArray = np.nanmean(values, axis=-1)
        deviation: FloatArray = np.nanstd(values, axis=-1, ddof=1)
    return mean, np.where(n > 1, deviation / np.sqrt(np.maximum(n, 1)), np.nan)


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

    @abstractmethod
    def on_common_seeds(self) -> Self:
        """Return the table on which all networks may be compared."""

    @abstractmethod
    def select(self, rows: Sequence[int] | NDArray[np.int64]) -> Self:
        """Return the table of these networks only, in this order."""

    @property
    def task_names(self) -> tuple[str, ...]:
        """Names of the tasks, in display order."""
        return tuple(task.name for task in self.tasks)

    @property
    def weights(self) -> FloatArray:
        """Weights of the tasks in the total loss, ``[T]``, divided by their scales."""
        return np.array([task.objective_weight for task in self.tasks])

    @property
    def costs_snt(self) -> FloatArray:
        """Inference costs of the networks, ``[N]``, in SNT."""
        return np.array([network.cost_snt for network in self.networks], dtype=np.float64)

    @cached_property
    def membership(self) -> NDArray[np.bool_]:
        """``[N, T]``: whether the task is in the network's group."""
        column = {name: t for t, name in enumerate(self.task_names)}
        member = np.zeros((len(self.networks), len(column)), dtype=np.bool_)
        for n, network in enumerate(self.networks):
            try:
                member[n, [column[name] for name in network.group]] = True
            except KeyError:
                unknown = sorted(network.group - set(column))
                raise InvalidInputError(
                    f"Network {network} has unknown tasks: {', '.join(unknown)}."
                ) from None
        return member

    @cached_property
    def is_complete(self) -> NDArray[np.bool_]:
        """``[N]``: whether every task of the group has a validation loss."""
        return np.asarray((~np.isnan(self.validation) | ~self.membership).all(axis=1))

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
        return self._positions.get(NetworkKey(group, size))

    @cached_property
    def _positions(self) -> Mapping[NetworkKey, int]:
        return {network.key: n for n, network in enumerate(self.networks)}

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

    def _frozen(self, label: str, shape: tuple[int, ...]) -> None:
        """Check an array of losses and make it read-only."""
        losses = np.array(getattr(self, label), dtype=np.float64)
        if losses.shape != shape:
            raise InvalidInputError(f"{label} has shape {losses.shape}; expected {shape}.")
        if np.isinf(losses).any():
            raise InvalidInputError(f"{label} holds an infinite value; leave diverged cells absent.")
        member = self.membership.reshape(self.membership.shape + (1,) * (len(shape) - 2))
        if (~np.isnan(losses) & ~member).any():
            raise InvalidInputError(f"{label} has a value for a task outside the network's group.")
        losses.flags.writeable = False
        object.__setattr__(self, label, losses)

    def _costs_of(self, rows: NDArray[np.int64]) -> dict[str, FloatArray]:
        return {name: costs[rows] for name, costs in self.other_costs.items()}


@dataclass(frozen=True, eq=False)
class ScoreTable(LossTable):
    """Measured losses of `T` tasks in `N` networks over `S` seeds; immutable. For the rest see `LossTable`.

    Attributes:
        seeds: the `S` seeds.
        validation_losses: ``[N, T, S]``, NaN where absent; lower is better. Decisions read only these.
        test_losses: ``[N, T, S]``, NaN where absent or unknown. Never read to decide anything.
    """

    seeds: tuple[int, ...]
    validation_losses: FloatArray = field(repr=False)
    test_losses: FloatArray = field(repr=False)

    def __post_init__(self) -> None:
        self._check()
        shape = (len(self.networks), len(self.tasks), len(self.seeds))
        for label in ("validation_losses", "test_losses"):
            self._frozen(label, shape)

    @classmethod
    def from_scores(
        cls,
        tasks: Iterable[Task],
        networks: Iterable[Network],
        scores: Iterable[Score],
        other_costs: Mapping[str, FloatArray] | None = None,
    ) -> ScoreTable:
        """Build a table from single scores, in any order.

        Args:
            tasks: the tasks, in display order.
            networks: the networks, in display order; one without scores keeps an empty row.
            scores: at most one per network, task and seed.
            other_costs: further inference costs of the networks; see `LossTable`.

        Raises:
            InvalidInputError: on a duplicate, a non-finite loss, or a score outside tasks and networks.
        """
        tasks, networks, scores = tuple(tasks), tuple(networks), tuple(scores)
        seeds = tuple(sorted({score.seed for score in scores}))
        row = {network: n for n, network in enumerate(networks)}
        column = {task.name: t for t, task in enumerate(tasks)}
        layer = {seed: s for s, seed in enumerate(seeds)}
        validation = np.full((len(networks), len(tasks), len(seeds)), np.nan)
        test = validation.copy()
        for score in scores:
            if score.network not in row or score.task not in column:
                raise InvalidInputError(
                    f"A score names {score.network} and {score.task!r}, not in the table."
                )
            cell = (row[score.network], column[score.task], layer[score.seed])
            if not np.isnan(validation[cell]):
                raise InvalidInputError(
                    f"Two scores for task {score.task!r} in network {score.network} with seed {score.seed}."
                )
            if not np.isfinite(score.validation_loss):
                raise InvalidInputError(
                    f"Network {score.network}, task {score.task!r}: the loss is not finite."
                )
            validation[cell] = score.validation_loss
            if score.test_loss is not None:
                test[cell] = score.test_loss
        return cls(tasks, networks, seeds, validation, test, other_costs=other_costs or {})

    @cached_property
    def validation(self) -> FloatArray:
        """``[N, T]``: mean validation loss over the seeds; NaN where absent."""
        return mean_and_standard_error(self.validation_losses)[0]

    @cached_property
    def validation_standard_error(self) -> FloatArray:
        """``[N, T]``: standard error of the mean over seeds; NaN with fewer than two."""
        return mean_and_standard_error(self.validation_losses)[1]

    @cached_property
    def test(self) -> FloatArray:
        """``[N, T]``: mean test loss over the seeds; NaN where absent."""
        return mean_and_standard_error(self.test_losses)[0]

    @cached_property
    def test_standard_error(self) -> FloatArray:
        """``[N, T]``: standard error of the mean test loss; NaN with fewer than two seeds."""
        return mean_and_standard_error(self.test_losses)[1]

    def select(self, rows: Sequence[int] | NDArray[np.int64]) -> ScoreTable:
        """Return the table of these networks only, in this order."""
        index = np.asarray(rows, dtype=np.int64)
        return ScoreTable(
            self.tasks,
            tuple(self.networks[n] for n in index),
            self.seeds,
            self.validation_losses[index],
            self.test_losses[index],
            other_costs=self._costs_of(index),
            cost_unit=self.cost_unit,
        )

    def on_common_seeds(self) -> ScoreTable:
        """Return the table with only the seeds that every completely measured network has.

        Means over different seeds are not comparable: a seed may be easy or hard for all networks alike.
        It is the table itself when nothing is missing.
        """
        cells = ~np.isnan(self.validation_losses) | ~self.membership[:, :, None]
        trained: NDArray[np.bool_] = np.asarray(cells.all(axis=1))[self.is_complete]  # [complete networks, S]
        common: NDArray[np.bool_] = np.asarray(trained.all(axis=0))
        if common.all():
            return self
        return ScoreTable(
            self.tasks,
            self.networks,
            tuple(seed for seed, keep in zip(self.seeds, common, strict=True) if keep),
            self.validation_losses[:, :, common],
            self.test_losses[:, :, common],
            other_costs=self.other_costs,
            cost_unit=self.cost_unit,
        )

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ScoreTable):
            return NotImplemented
        return (self.tasks, self.networks, self.seeds) == (other.tasks, other.networks, other.seeds) and bool(
            np.array_equal(self.validation_losses, other.validation_losses, equal_nan=True)
            and np.array_equal(self.test_losses, other.test_losses, equal_nan=True)
            and self.other_costs.keys() == other.other_costs.keys()
            and all(
                np.array_equal(costs, other.other_costs[name]) for name, costs in self.other_costs.items()
            )
        )

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"ScoreTable({len(self.networks)} networks, {len(self.tasks)} tasks, {len(self.seeds)} seeds)"

    def _repr_html_(self) -> str:
        """Return the HTML that notebooks display: mean validation losses with their standard errors."""
        head = "".join(f"<th scope='col'>{escape(name)}</th>" for name in self.task_names)
        rows = "".join(self._html_row(n) for n in range(len(self.networks)))
        return (
            f"<table><caption>Mean validation loss over {len(self.seeds)} seeds; lower is better</caption>"
            f"<thead><tr><th>network</th><th>cost (SNT)</th>{head}</tr></thead><tbody>{rows}</tbody></table>"
        )

    def _html_row(self, n: int) -> str:
        cells: list[Any] = []
        for t in range(len(self.tasks)):
            mean, error = self.validation[n, t], self.validation_standard_error[n, t]
            noise = "" if np.isnan(error) else f" ± {error:.2g}"
            cells.append("" if np.isnan(mean) else f"{mean:.4g}{noise}")
        network = self.networks[n]
        body = "".join(f"<td>{cell}</td>" for cell in cells)
        name = escape(network.name(self.task_names))
        return f"<tr><th scope='row'>{name}</th><td>{network.cost_snt:g}</td>{body}</tr>"


@dataclass(frozen=True, eq=False)
class PredictedLosses(LossTable):
    """Expected losses of networks, measured or predicted; immutable.

    Attributes:
        losses: ``[N, T]``, NaN where absent; lower is better.
        test_losses: ``[N, T]``, expected losses on the test rows; NaN unless given.
    """

    losses: FloatArray = field(repr=False)
    test_losses: FloatArray | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        self._check()
        shape = (len(self.networks), len(self.tasks))
        self._frozen("losses", shape)
        if self.test_losses is not None:
            self._frozen("test_losses", shape)

    @property
    def validation(self) -> FloatArray:
        """``[N, T]``: the expected losses."""
        return self.losses

    @property
    def test(self) -> FloatArray:
        """``[N, T]``: the expected test losses; NaN where unknown."""
        return np.full_like(self.losses, np.nan) if self.test_losses is None else self.test_losses

    def on_common_seeds(self) -> PredictedLosses:
        """Return the table itself: expected losses belong to no seed."""
        return self

    def select(self, rows: Sequence[int] | NDArray[np.int64]) -> PredictedLosses:
        """Return the table of these networks only, in this order."""
        index = np.asarray(rows, dtype=np.int64)
        return PredictedLosses(
            self.tasks,
            tuple(self.networks[n] for n in index),
            self.losses[index],
            None if self.test_losses is None else self.test_losses[index],
            other_costs=self._costs_of(index),
            cost_unit=self.cost_unit,
        )
