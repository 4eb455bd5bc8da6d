"""Affinity: the directed effect of a source task on a target task, or how alike two tasks are.

Some methods compare trained networks and are computed from a score table: `pairwise` and `higher-order` here,
`estimate` and `posterior` in `grouping.strategies.affinity`. The others are measured in a joint run: the
training of one network on several tasks. ``docs/explanation/affinity.md`` says what each measures, and when
not to trust it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from html import escape
from operator import attrgetter

import numpy as np
from numpy.typing import NDArray

from grouping.domain.affinities.methods import METHODS
from grouping.domain.affinities.status import CellStatus
from grouping.domain.affinities.summary import summarise
from grouping.domain.percentages import fixed_percent
from grouping.domain.tables.pair_gaps import NAMED, PairGaps, list_some
from grouping.domain.tables.score_table import FloatArray, ScoreTable, mean_and_standard_error
from grouping.domain.verdicts.gains import GainFormula, losses_alone

ONE_SEED = "One seed only: the noise of these values is unknown."
"""The warning of a matrix without a standard error."""
STANDS_OUT = 2.0
"""Standard errors by which an effect must differ from 0 to stand out from the noise."""


@dataclass(frozen=True, slots=True)
class Effect:
    """One cell of an affinity matrix, with the names of its tasks."""

    source: str
    target: str
    value: float
    standard_error: float
    status: CellStatus = CellStatus.MEASURED

    @property
    def is_within_noise(self) -> bool:
        """Whether the value is at most `STANDS_OUT` standard errors from 0; False if the error is unknown."""
        return abs(self.value) <= STANDS_OUT * self.standard_error


@dataclass(frozen=True, eq=False)
class AffinityMatrix:
    """Effects of every task on every other, or how alike they are, by one method.

    Attributes:
        tasks: names of the `T` tasks.
        method: name of the method that measured it.
        formula: the formula of a cell, in words.
        values: ``[T, T]``; ``values[source, target]`` is the effect on `target` of training it together
            with `source`. Positive helps, negative harms; where `is_effect` is False, how alike the two are,
            from 0 to 1. NaN on the diagonal and where nothing was measured.
        standard_errors: ``[T, T]``; for measured values over seeds, NaN with fewer than two; for estimated
            values by the model.
        n_networks: ``[T, T]``, number of networks behind each cell; for the methods `estimate` and
            `posterior`, number of trained networks of any size that hold both tasks.
        warnings: reasons not to trust the matrix blindly, in sentences.
        self_values: ``[T]``, effect of a task's own gradient step on itself; for the overlap of masks, the
            share of the weights in the task's mask. None where the method has no such values.
        is_estimated: ``[T, T]``, whether a value is estimated rather than measured; None if none is.
        why_empty: why the matrix has no value at all, in sentences; empty if it has one.
    """

    tasks: tuple[str, ...]
    method: str
    formula: str
    values: FloatArray = field(repr=False)
    standard_errors: FloatArray = field(repr=False)
    n_networks: NDArray[np.int64] = field(repr=False)
    warnings: tuple[str, ...] = ()
    self_values: FloatArray | None = field(default=None, repr=False)
    is_estimated: NDArray[np.bool_] | None = field(default=None, repr=False)
    why_empty: str = ""

    @property
    def is_known(self) -> bool:
        """Whether any cell has a value."""
        return bool((~np.isnan(self.values)).any())

    def status(self, source: int, target: int) -> CellStatus:
        """Return how a cell off the diagonal is known, by the positions of its tasks."""
        if np.isnan(self.values[source, target]):
            return CellStatus.UNKNOWN
        is_estimated = self.is_estimated is not None and self.is_estimated[source, target]
        return CellStatus.ESTIMATED if is_estimated else CellStatus.MEASURED

    @property
    def statuses(self) -> list[list[CellStatus | None]]:
        """``[T][T]``: how each cell is known; None on the diagonal."""
        places = range(len(self.tasks))
        return [[None if i == j else self.status(i, j) for j in places] for i in places]

    def counts(self) -> Mapping[CellStatus, int]:
        """Count the cells off the diagonal by status, in the order of ``CellStatus``."""
        is_known = ~np.isnan(self.values)
        np.fill_diagonal(is_known, val=False)
        n_known = int(is_known.sum())
        n_estimated = 0 if self.is_estimated is None else int((is_known & self.is_estimated).sum())
        n_cells = len(self.tasks) * (len(self.tasks) - 1)
        return {
            CellStatus.MEASURED: n_known - n_estimated,
            CellStatus.ESTIMATED: n_estimated,
            CellStatus.UNKNOWN: n_cells - n_known,
        }

    @property
    def is_share(self) -> bool:
        """Whether a value is a share of a loss, shown in percent."""
        return self.method not in METHODS or METHODS[self.method].is_share

    @property
    def is_effect(self) -> bool:
        """Whether a value is a signed effect, positive helps; else it is how alike two tasks are, 0 to 1."""
        return self.method not in METHODS or METHODS[self.method].is_effect

    @property
    def at_random(self) -> FloatArray | None:
        """Expected overlap of two random masks, ``[T, T]``; None for a matrix of effects.

        ``pq / (p + q - pq)``, with `self_values` as the shares p and q of the weights that they keep.
        """
        if self.is_effect or self.self_values is None:
            return None
        kept, others = self.self_values[:, None], self.self_values[None, :]
        both = kept * others
        with np.errstate(invalid="ignore", divide="ignore"):
            found: FloatArray = both / (kept + others - both)
        np.fill_diagonal(found, np.nan)
        return found

    @property
    def decimals(self) -> int:
        """Number of decimals that shows two digits of the largest value, in the unit that is displayed."""
        known = np.abs(self.values[~np.isnan(self.values)])
        largest = float(known.max(initial=0.0)) * (100 if self.is_share else 1)
        least = 1 if self.is_share else 2
        return min(9, max(least, 1 - math.floor(math.log10(largest)))) if largest > 0 else least

    def shown(self, value: float) -> str:
        """Format a value with sign and unit: ``+3.4 %``, ``-0.12``; ``0.12`` where it is not an effect."""
        if self.is_share:
            return fixed_percent(value, self.decimals, signed=self.is_effect)
        return f"{value:{'+' if self.is_effect else ''}.{self.decimals}f}"

    def shown_noise(self, standard_error: float) -> str:
        """Format a standard error with its unit, such as ``1.2 %``; empty where it is unknown."""
        return "" if np.isnan(standard_error) else self.shown(standard_error).removeprefix("+")

    def verb(self, value: float) -> str:
        """Return the verb for a value, to stand between the names of source and target."""
        if not self.is_effect:
            return "overlaps with"
        return "helps" if value > 0 else "harms" if value < 0 else "does not change"

    def reordered(self, positions: Sequence[int]) -> AffinityMatrix:
        """Return the matrix with its tasks in another order, on both axes."""
        square = np.ix_(positions, positions)
        own = None if self.self_values is None else self.self_values[list(positions)]
        return replace(
            self,
            tasks=tuple(self.tasks[i] for i in positions),
            values=self.values[square],
            standard_errors=self.standard_errors[square],
            n_networks=self.n_networks[square],
            self_values=own,
            is_estimated=None if self.is_estimated is None else self.is_estimated[square],
        )

    def effect(self, source: int, target: int) -> Effect:
        """Return a cell that has a value, by the positions of its tasks."""
        return Effect(
            self.tasks[source],
            self.tasks[target],
            float(self.values[source, target]),
            float(self.standard_errors[source, target]),
            self.status(source, target),
        )

    def effects(self) -> tuple[Effect, ...]:
        """List all cells with a value, the highest first: the strongest help, or the most alike."""
        cells = [self.effect(i, j) for i, j in np.argwhere(~np.isnan(self.values)).tolist()]
        return tuple(sorted(cells, key=lambda effect: (-effect.value, effect.source, effect.target)))

    @property
    def is_within_noise(self) -> NDArray[np.bool_]:
        """``[T, T]``: whether a value is at most two standard errors from 0; False where one is unknown."""
        return np.abs(self.values) <= STANDS_OUT * self.standard_errors

    def ends(self, among: NDArray[np.bool_] | None = None) -> tuple[Effect, Effect] | None:
        """Return the first and the last of `effects`, without making all of them; None where there are none.

        Args:
            among: ``[T, T]``, the cells that count; all unless given.
        """
        is_known = ~np.isnan(self.values) if among is None else among & ~np.isnan(self.values)
        if not is_known.any():
            return None
        found = self.values[is_known]
        highest, lowest = (
            [self.effect(i, j) for i, j in np.argwhere(is_known & (self.values == value)).tolist()]
            for value in (found.max(), found.min())
        )
        names = attrgetter("source", "target")
        return min(highest, key=names), max(lowest, key=names)

    def summary(self) -> str:
        """Summarise the matrix in sentences; see ``grouping.domain.affinities.summary.summarise``."""
        return summarise(self)

    def _repr_html_(self) -> str:
        """Return the HTML that notebooks display."""
        head = "".join(f"<th scope='col'>{escape(task)}</th>" for task in self.tasks)
        body = ""
        for i, source in enumerate(self.tasks):
            cells = "".join(f"<td>{self._short(i, j)}</td>" for j in range(len(self.tasks)))
            body += f"<tr><th scope='row'>{escape(source)}</th>{cells}</tr>"
        cell = "row helps or harms column" if self.is_effect else "how alike row and column are, 0 to 1"
        if self.counts()[CellStatus.ESTIMATED]:
            cell += "; ~ is estimated"
        return (
            f"<table><caption>{escape(self.summary())} {escape(self.method)}: {escape(self.formula)}; {cell}"
            f"</caption><thead><tr><th></th>{head}</tr></thead><tbody>{body}</tbody></table>"
        )

    def _short(self, i: int, j: int) -> str:
        value = float(self.values[i, j])
        if np.isnan(value):
            return ""
        return f"{'~' if self.status(i, j) is CellStatus.ESTIMATED else ''}{self.shown(value)}"


_MOST_PAIRS = 4_000_000
"""Pairs within networks that are looked at at once."""


def pairwise_affinity(
    table: ScoreTable, formula: GainFormula = GainFormula.RELATIVE_TO_ALONE
) -> AffinityMatrix:
    """Compute the gain of a task in its full-size network with one other task, paired by seed."""
    empty = f"No pair is measured beside its single tasks. {PairGaps.of(table).sentence()}".rstrip()
    return _affinity(table, "pairwise", "seeds", formula, lambda group: len(group) == 2, empty)


def higher_order_affinity(
    table: ScoreTable, formula: GainFormula = GainFormula.RELATIVE_TO_ALONE
) -> AffinityMatrix:
    """Compute the mean gain of a task over all measured full-size groups that hold it and the source."""
    empty = "No full-size network of two or more tasks was trained beside one of a single task of them."
    return _affinity(table, "higher-order", "groups and seeds", formula, lambda group: len(group) > 1, empty)


def mean_over_seeds(
    sums: FloatArray, counted: FloatArray
) -> tuple[FloatArray, FloatArray, NDArray[np.int64]]:
    """Compute means, standard errors and counts over seeds from sums over networks, both ``[T, T, S]``."""
    with np.errstate(invalid="ignore", divide="ignore"):
        by_seed = np.where(counted > 0, sums / counted, np.nan)
    values, errors = mean_and_standard_error(by_seed)
    return values, errors, counted.max(axis=2, initial=0).astype(np.int64)


def missing_pairs(tasks: tuple[str, ...], values: FloatArray) -> str:
    """Return the warning for a matrix with unmeasured cells; it names some of the pairs."""
    absent = np.isnan(values)
    if absent.all():
        return "No pair has been measured."
    pairs = np.argwhere(np.triu(absent | absent.T, k=1))
    named = [f"{tasks[i]} and {tasks[j]}" for i, j in pairs[:NAMED].tolist()]
    return f"Some pairs have not been measured: {list_some(named, len(pairs))}."


def _affinity(
    table: ScoreTable,
    method: str,
    over: str,
    formula: GainFormula,
    counts: Callable[[frozenset[str]], bool],
    why_empty: str,
) -> AffinityMatrix:
    names = table.task_names
    n_tasks = len(names)
    cells, alone = table.cells, losses_alone(table)
    is_counted = table.is_complete & np.array([network.size == 1 for network in table.networks], dtype=bool)
    for n in np.flatnonzero(is_counted).tolist():
        is_counted[n] = counts(table.networks[n].group)
    sums = np.zeros((n_tasks * n_tasks, len(table.seeds)))
    counted = np.zeros_like(sums)
    group_sizes = cells.group_sizes
    sizes = set(group_sizes[is_counted & (group_sizes > 1)].tolist())
    for size in sizes:
        rows = np.flatnonzero(is_counted & (group_sizes == size))
        for part in np.array_split(rows, 1 + rows.size * size * size // _MOST_PAIRS):
            at = cells.starts[part][:, None] + np.arange(size)
            members = cells.columns[at].astype(np.int64)  # [networks, size]
            gains = formula.apply(alone[members], table.validation_scores[at])  # of each target, by seed
            is_other = ~np.eye(size, dtype=bool)  # [source, target]
            pair = (members[:, :, None] * n_tasks + members[:, None, :])[:, is_other].ravel()
            target = np.broadcast_to(np.arange(size), (size, size))[is_other]
            for s in range(len(table.seeds)):
                gain = gains[:, target, s].ravel()
                known = ~np.isnan(gain)
                sums[:, s] += np.bincount(pair[known], weights=gain[known], minlength=len(sums))
                counted[:, s] += np.bincount(pair[known], minlength=len(sums))
    shape = (n_tasks, n_tasks, len(table.seeds))
    sums, counted = sums.reshape(shape), counted.reshape(shape)
    values, errors, n_networks = mean_over_seeds(sums, counted)
    warnings = []
    if len(table.seeds) < 2:
        warnings.append(ONE_SEED)
    if len(sizes) > 1:
        warnings.append(
            f"Groups of {min(sizes)} to {max(sizes)} tasks stand behind these values, in networks of one "
            "size: a harm may come from too little capacity and not from the source."
        )
    is_empty = bool(np.isnan(values).all())
    if not is_empty and np.isnan(values[~np.eye(n_tasks, dtype=bool)]).any():
        warnings.append(missing_pairs(names, values))
    described = f"mean over {over} of {formula.value}, validation losses, full-size networks"
    return AffinityMatrix(
        names,
        method,
        described,
        values,
        errors,
        n_networks,
        () if is_empty else tuple(warnings),
        why_empty=why_empty if is_empty else "",
    )
