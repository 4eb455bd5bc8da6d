"""Affinity: the directed effect of a source task on a target task, or how alike two tasks are.

Some methods compare trained networks and are computed from a score table: `pairwise` and `higher-order` here,
`estimate` in `grouping.strategies.affinity.estimate`. The others are measured in a joint run: the training of
one network on several tasks. ``docs/explanation/affinity.md`` says what each measures, and when not to trust
it.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from html import escape

import numpy as np
from numpy.typing import NDArray

from grouping.domain.affinity_methods import METHODS
from grouping.domain.affinity_status import CellStatus
from grouping.domain.affinity_summary import summarise
from grouping.domain.gains import GainFormula, losses_alone
from grouping.domain.pair_gaps import PairGaps, list_some
from grouping.domain.percentages import fixed_percent
from grouping.domain.scores import FloatArray, ScoreTable, mean_and_standard_error

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
        n_networks: ``[T, T]``, number of networks behind each cell; for the method `estimate`, number of
            trained networks of any size that hold both tasks, whether the cell is measured or estimated.
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
        places = range(len(self.tasks))
        found = Counter(self.status(i, j) for i in places for j in places if i != j)
        return {status: found[status] for status in CellStatus}

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

    def effects(self) -> tuple[Effect, ...]:
        """List all cells with a value, the highest first: the strongest help, or the most alike."""
        cells = [
            Effect(
                source,
                target,
                float(self.values[i, j]),
                float(self.standard_errors[i, j]),
                self.status(i, j),
            )
            for i, source in enumerate(self.tasks)
            for j, target in enumerate(self.tasks)
            if not np.isnan(self.values[i, j])
        ]
        return tuple(sorted(cells, key=lambda effect: (-effect.value, effect.source, effect.target)))

    def summary(self) -> str:
        """Summarise the matrix in sentences; see ``grouping.domain.affinity_summary.summarise``."""
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
    named = [
        f"{a} and {b}"
        for i, a in enumerate(tasks)
        for j, b in enumerate(tasks)
        if i < j and (absent[i, j] or absent[j, i])
    ]
    return f"Some pairs have not been measured: {list_some(named)}."


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
    gains = formula.apply(losses_alone(table)[None, :, :], table.validation_losses)
    sums = np.zeros((n_tasks, n_tasks, len(table.seeds)))
    counted = np.zeros_like(sums)
    sizes = set[int]()
    for n, network in enumerate(table.networks):
        if network.size != 1 or not counts(network.group) or not table.is_complete[n]:
            continue
        members = [t for t, name in enumerate(names) if name in network.group]
        if len(members) > 1:
            sizes.add(len(members))
        for target in members:
            known = ~np.isnan(gains[n, target])
            for source in members:
                if source != target:
                    sums[source, target] += np.where(known, gains[n, target], 0.0)
                    counted[source, target] += known
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
