"""The score table: the loss of each task in each network, for each seed.

Training produces it, and solving reads nothing else. A task outside a network's group has no cell;
a cell without a measurement is absent too. Absence is NaN inside the arrays and never a large number.

A table keeps its losses by cell (`grouping.domain.tables.cells`). Its arrays ``[N, T]`` are made when they
are first read, and kept; what has to do with tables of any size reads cells.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from html import escape
from typing import Any

import numpy as np
from numpy.typing import NDArray

from grouping.domain.networks import Network
from grouping.domain.tables.cells import FloatArray as FloatArray
from grouping.domain.tables.cells import TableCells
from grouping.domain.tables.loss_table import LossTable, finite_losses, losses_by_cell
from grouping.domain.tasks import Task
from grouping.errors import InvalidInputError


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
    if values.shape[-1] == 1:
        return values[..., 0], np.full(values.shape[:-1], np.nan)
    n = np.sum(~np.isnan(values), axis=-1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # empty slices stay NaN, which is what they mean
        mean: FloatArray = np.nanmean(values, axis=-1)
        deviation: FloatArray = np.nanstd(values, axis=-1, ddof=1)
    return mean, np.where(n > 1, deviation / np.sqrt(np.maximum(n, 1)), np.nan)


@dataclass(frozen=True, eq=False)
class ScoreTable(LossTable):
    """Measured losses of `T` tasks in `N` networks over `S` seeds; immutable. For the rest see `LossTable`.

    `from_arrays` makes one of arrays ``[N, T, S]``, `from_scores` of single scores.

    Attributes:
        seeds: the `S` seeds.
        validation_scores: ``[E, S]``, validation losses by cell, in the order of `cells`; NaN where not
            measured; lower is better. Decisions read only these.
        test_scores: ``[E, S]``, NaN where absent or unknown. Never read to decide anything.
    """

    seeds: tuple[int, ...]
    validation_scores: FloatArray = field(repr=False)
    test_scores: FloatArray = field(repr=False)

    def __post_init__(self) -> None:
        self._check()
        shape = (self.cells.n_cells, len(self.seeds))
        for label in ("validation_scores", "test_scores"):
            scores = finite_losses(label, getattr(self, label), shape)
            scores.flags.writeable = False
            object.__setattr__(self, label, scores)

    @classmethod
    def from_arrays(
        cls,
        tasks: Iterable[Task],
        networks: Iterable[Network],
        seeds: Iterable[int],
        validation_losses: FloatArray,
        test_losses: FloatArray | None = None,
        *,
        other_costs: Mapping[str, FloatArray] | None = None,
        cost_unit: str = "SNT",
    ) -> ScoreTable:
        """Build a table from arrays of all places.

        Args:
            tasks: the tasks, in display order.
            networks: the networks, in display order.
            seeds: the seeds.
            validation_losses: ``[N, T, S]``, NaN where absent; lower is better.
            test_losses: ``[N, T, S]``, NaN where absent or unknown; None where all are unknown.
            other_costs: further inference costs of the networks; see `LossTable`.
            cost_unit: unit of the networks' ``cost_snt``.

        Raises:
            InvalidInputError: on a shape that does not fit, an infinite loss, a loss of a task outside the
                network's group, or as `LossTable` checks.
        """
        tasks, networks, seeds = tuple(tasks), tuple(networks), tuple(seeds)
        cells = TableCells.of([task.name for task in tasks], networks)
        given = {"validation_losses": validation_losses, "test_losses": test_losses}
        scores = [
            np.full((cells.n_cells, len(seeds)), np.nan)
            if losses is None
            else losses_by_cell(label, losses, cells, (len(networks), len(tasks), len(seeds)))
            for label, losses in given.items()
        ]
        return cls(
            tasks, networks, seeds, scores[0], scores[1], other_costs=other_costs or {}, cost_unit=cost_unit
        )

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
        cells = TableCells.of(list(column), networks)
        place = {at: e for e, at in enumerate(zip(cells.rows.tolist(), cells.columns.tolist(), strict=True))}
        validation = np.full((cells.n_cells, len(seeds)), np.nan)
        test = validation.copy()
        for score in scores:
            if score.network not in row or score.task not in column:
                raise InvalidInputError(
                    f"A score names {score.network} and {score.task!r}, not in the table."
                )
            at = place.get((row[score.network], column[score.task]))
            if at is None:
                raise InvalidInputError(
                    f"A score names {score.task!r}, which is outside the group of {score.network}."
                )
            cell = (at, layer[score.seed])
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

    def with_arrays(
        self, validation_losses: FloatArray | None = None, test_losses: FloatArray | None = None
    ) -> ScoreTable:
        """Return the table with other losses, ``[N, T, S]``; those that are left out stay.

        Raises:
            InvalidInputError: as `from_arrays`.
        """
        given = {"validation_losses": validation_losses, "test_losses": test_losses}
        shape = (len(self.networks), len(self.tasks), len(self.seeds))
        changes: dict[str, Any] = {
            label.replace("losses", "scores"): losses_by_cell(label, losses, self.cells, shape)
            for label, losses in given.items()
            if losses is not None
        }
        return replace(self, **changes)

    @cached_property
    def validation_losses(self) -> FloatArray:
        """``[N, T, S]``: validation losses of all places; NaN where absent."""
        return self._spread(self.validation_scores)

    @cached_property
    def test_losses(self) -> FloatArray:
        """``[N, T, S]``: test losses of all places; NaN where absent or unknown."""
        return self._spread(self.test_scores)

    def _spread(self, values: FloatArray) -> FloatArray:
        whole: FloatArray = self.cells.spread(values)
        whole.flags.writeable = False
        return whole

    @property
    def n_bytes(self) -> int:
        """Bytes of the losses, as kept by cell and as arrays that were read."""
        made = (
            self.__dict__.get(name) for name in ("validation_losses", "test_losses", "validation", "test")
        )
        return sum(
            array.nbytes for array in (self.validation_scores, self.test_scores, *made) if array is not None
        )

    @cached_property
    def _by_cell(self) -> dict[str, tuple[FloatArray, FloatArray]]:
        return {
            "validation": mean_and_standard_error(self.validation_scores),
            "test": mean_and_standard_error(self.test_scores),
        }

    @property
    def cell_losses(self) -> FloatArray:
        """``[E]``: mean validation loss over the seeds, by cell; NaN where it was not measured."""
        return self._by_cell["validation"][0]

    @property
    def cell_test_losses(self) -> FloatArray:
        """``[E]``: mean test loss over the seeds, by cell; NaN where unknown."""
        return self._by_cell["test"][0]

    @property
    def cell_standard_errors(self) -> FloatArray:
        """``[E]``: standard error of the mean over seeds, by cell; NaN with fewer than two."""
        return self._by_cell["validation"][1]

    @property
    def cell_test_standard_errors(self) -> FloatArray:
        """``[E]``: standard error of the mean test loss, by cell; NaN with fewer than two seeds."""
        return self._by_cell["test"][1]

    @cached_property
    def validation(self) -> FloatArray:
        """``[N, T]``: mean validation loss over the seeds; NaN where absent."""
        return self.cells.spread(self.cell_losses)

    @cached_property
    def validation_standard_error(self) -> FloatArray:
        """``[N, T]``: standard error of the mean over seeds; NaN with fewer than two."""
        return self.cells.spread(self.cell_standard_errors)

    @cached_property
    def test(self) -> FloatArray:
        """``[N, T]``: mean test loss over the seeds; NaN where absent."""
        return self.cells.spread(self.cell_test_losses)

    @cached_property
    def test_standard_error(self) -> FloatArray:
        """``[N, T]``: standard error of the mean test loss; NaN with fewer than two seeds."""
        return self.cells.spread(self.cell_test_standard_errors)

    def select(self, rows: Sequence[int] | NDArray[np.int64]) -> ScoreTable:
        """Return the table of these networks only, in this order."""
        index = np.asarray(rows, dtype=np.int64)
        at = self.cells.of_rows(index)
        return ScoreTable(
            self.tasks,
            tuple(self.networks[n] for n in index),
            self.seeds,
            self.validation_scores[at],
            self.test_scores[at],
            other_costs=self._costs_of(index),
            cost_unit=self.cost_unit,
        )

    def on_common_seeds(self) -> ScoreTable:
        """Return the table with only the seeds that every completely measured network has.

        Means over different seeds are not comparable: a seed may be easy or hard for all networks alike.
        It is the table itself when nothing is missing.
        """
        of_complete = self.is_complete[self.cells.rows]
        is_measured = ~np.isnan(self.validation_scores) | ~of_complete[:, None]  # [E, S]
        common: NDArray[np.bool_] = np.asarray(is_measured.all(axis=0))
        if common.all():
            return self
        return replace(
            self,
            seeds=tuple(seed for seed, keep in zip(self.seeds, common, strict=True) if keep),
            validation_scores=self.validation_scores[:, common],
            test_scores=self.test_scores[:, common],
        )

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ScoreTable):
            return NotImplemented
        return (self.tasks, self.networks, self.seeds) == (other.tasks, other.networks, other.seeds) and bool(
            np.array_equal(self.validation_scores, other.validation_scores, equal_nan=True)
            and np.array_equal(self.test_scores, other.test_scores, equal_nan=True)
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
        cells = [""] * len(self.tasks)
        own = self.cells.of_row(n)
        for t, mean, error in zip(
            self.cells.columns[own], self.cell_losses[own], self.cell_standard_errors[own], strict=True
        ):
            noise = "" if np.isnan(error) else f" ± {error:.2g}"
            cells[t] = "" if np.isnan(mean) else f"{mean:.4g}{noise}"
        network = self.networks[n]
        body = "".join(f"<td>{cell}</td>" for cell in cells)
        name = escape(network.name(self.task_names))
        return f"<tr><th scope='row'>{name}</th><td>{network.cost_snt:g}</td>{body}</tr>"
