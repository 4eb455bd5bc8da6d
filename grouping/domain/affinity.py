"""Affinity: the directed effect of a source task on a target task. Higher is better."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from html import escape

import numpy as np
from numpy.typing import NDArray

from grouping.domain.gains import GainFormula, losses_alone
from grouping.domain.scores import FloatArray, ScoreTable, mean_and_standard_error


@dataclass(frozen=True, slots=True)
class Effect:
    """One cell of an affinity matrix, with its tasks named."""

    source: str
    target: str
    value: float
    standard_error: float


@dataclass(frozen=True, eq=False)
class AffinityMatrix:
    """Effect of every task on every other.

    Attributes:
        tasks: names of the `T` tasks.
        method: name of the method that measured it.
        formula: the formula of a cell, in words.
        values: ``[T, T]``; ``values[source, target]`` is what training together with `source` does to
            `target`. Positive helps, negative harms; NaN on the diagonal and where nothing was measured.
        standard_errors: ``[T, T]`` over seeds; NaN with fewer than two.
        n_networks: ``[T, T]``, number of networks behind each cell.
        warnings: what a reader should know before trusting it.
    """

    tasks: tuple[str, ...]
    method: str
    formula: str
    values: FloatArray = field(repr=False)
    standard_errors: FloatArray = field(repr=False)
    n_networks: NDArray[np.int64] = field(repr=False)
    warnings: tuple[str, ...] = ()

    def effects(self) -> tuple[Effect, ...]:
        """All measured cells, strongest help first."""
        cells = [
            Effect(source, target, float(self.values[i, j]), float(self.standard_errors[i, j]))
            for i, source in enumerate(self.tasks)
            for j, target in enumerate(self.tasks)
            if not np.isnan(self.values[i, j])
        ]
        return tuple(sorted(cells, key=lambda effect: (-effect.value, effect.source, effect.target)))

    def summary(self) -> str:
        """A sentence that names the strongest help and the strongest harm."""
        effects = self.effects()
        if not effects:
            return "No pair of tasks has been trained yet."
        parts = []
        if effects[0].value > 0:
            parts.append(f"{effects[0].source} helps {effects[0].target} most ({effects[0].value:+.1%})")
        if effects[-1].value < 0:
            parts.append(f"{effects[-1].source} harms {effects[-1].target} most ({effects[-1].value:+.1%})")
        return ("; ".join(parts) or "No pair of tasks changes the other's loss") + "."

    def _repr_html_(self) -> str:
        """Notebook display."""
        head = "".join(f"<th scope='col'>{escape(task)}</th>" for task in self.tasks)
        body = ""
        for i, source in enumerate(self.tasks):
            cells = "".join("<td></td>" if np.isnan(v) else f"<td>{v:+.1%}</td>" for v in self.values[i])
            body += f"<tr><th scope='row'>{escape(source)}</th>{cells}</tr>"
        return (
            f"<table><caption>{escape(self.method)}: {escape(self.formula)}; row helps or harms column"
            f"</caption><thead><tr><th></th>{head}</tr></thead><tbody>{body}</tbody></table>"
        )


def pairwise_affinity(
    table: ScoreTable, formula: GainFormula = GainFormula.RELATIVE_TO_ALONE
) -> AffinityMatrix:
    """Gain of a task in the full-size network it shares with one other task, paired by seed."""
    return _affinity(table, "pairwise", "seeds", formula, lambda group: len(group) == 2)


def higher_order_affinity(
    table: ScoreTable, formula: GainFormula = GainFormula.RELATIVE_TO_ALONE
) -> AffinityMatrix:
    """Mean gain of a task over all measured full-size groups that hold it and the source."""
    return _affinity(table, "higher-order", "groups and seeds", formula, lambda group: len(group) >= 2)


METHODS = {"pairwise": pairwise_affinity, "higher-order": higher_order_affinity}
"""Methods by name, each a function of a table and a gain formula."""


def _affinity(
    table: ScoreTable,
    method: str,
    over: str,
    formula: GainFormula,
    counts: Callable[[frozenset[str]], bool],
) -> AffinityMatrix:
    names = table.task_names
    n_tasks = len(names)
    gains = formula.apply(losses_alone(table)[None, :, :], table.validation_losses)
    sums = np.zeros((n_tasks, n_tasks, len(table.seeds)))
    counted = np.zeros_like(sums)
    for n, network in enumerate(table.networks):
        if network.size != 1 or not counts(network.group) or not table.is_complete[n]:
            continue
        members = [t for t, name in enumerate(names) if name in network.group]
        for target in members:
            known = ~np.isnan(gains[n, target])
            for source in members:
                if source != target:
                    sums[source, target] += np.where(known, gains[n, target], 0.0)
                    counted[source, target] += known
    with np.errstate(invalid="ignore", divide="ignore"):
        by_seed = np.where(counted > 0, sums / counted, np.nan)
    values, errors = mean_and_standard_error(by_seed)
    warnings = []
    if len(table.seeds) < 2:
        warnings.append("One seed only: the noise of these values is unknown.")
    if np.isnan(values[~np.eye(n_tasks, dtype=bool)]).any():
        warnings.append("Some pairs have not been measured.")
    n_networks = counted.max(axis=2, initial=0).astype(np.int64)
    described = f"mean over {over} of {formula.value}, validation losses, full-size networks"
    return AffinityMatrix(names, method, described, values, errors, n_networks, tuple(warnings))
