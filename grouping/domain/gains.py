"""Gain: how much better or worse a task does in a network than alone. Higher is better."""

from __future__ import annotations

from dataclasses import dataclass, field
from html import escape

import numpy as np

from grouping.domain.gain_formula import GainFormula as GainFormula
from grouping.domain.scores import FloatArray, LossTable, ScoreTable, mean_and_standard_error


def losses_alone(table: ScoreTable) -> FloatArray:
    """Return each task's validation loss in its own full-size network, ``[T, S]``; NaN if unknown."""
    alone = np.full((len(table.tasks), len(table.seeds)), np.nan)
    for t, name in enumerate(table.task_names):
        row = table.find_position(frozenset({name}))
        if row is not None:
            alone[t] = table.validation_losses[row, t]
    return alone


def find_own_network(table: ScoreTable, task: str) -> int | None:
    """Find the row of the task's own network, of full size or else of the size nearest to it.

    Of two sizes as near the larger one is taken. None if the task was never measured alone.
    """
    own = [
        (abs(network.size - 1), -network.size, row)
        for row, network in enumerate(table.networks)
        if network.group == frozenset({task}) and table.is_complete[row]
    ]
    return min(own)[-1] if own else None


def mean_losses_alone(table: LossTable) -> FloatArray:
    """Return each task's mean validation loss in its own full-size network, ``[T]``; NaN if unknown."""
    rows = [table.find_position(frozenset({name})) for name in table.task_names]
    losses = [np.nan if row is None else table.validation[row, t] for t, row in enumerate(rows)]
    return np.array(losses, dtype=np.float64)


@dataclass(frozen=True, eq=False)
class GainMatrix:
    """Gain of each task in each network over its own full-size single-task network.

    Attributes:
        table: the score table of the losses.
        formula: how a gain is computed.
        values: ``[N, T]``, mean over seeds of the gain within a seed; NaN where absent.
        standard_errors: ``[N, T]``, over seeds; NaN with fewer than two.
    """

    table: ScoreTable
    formula: GainFormula
    values: FloatArray = field(repr=False)
    standard_errors: FloatArray = field(repr=False)

    def _repr_html_(self) -> str:
        """Return the HTML that notebooks display."""
        names = self.table.task_names
        head = "".join(f"<th scope='col'>{escape(name)}</th>" for name in names)
        body = ""
        for network, gains in zip(self.table.networks, self.values, strict=True):
            cells = "".join("<td></td>" if np.isnan(gain) else f"<td>{gain:+.1%}</td>" for gain in gains)
            body += f"<tr><th scope='row'>{escape(network.name(names))}</th>{cells}</tr>"
        return (
            f"<table><caption>Gain, {escape(self.formula.value)}, validation losses; higher helps</caption>"
            f"<thead><tr><th>network</th>{head}</tr></thead><tbody>{body}</tbody></table>"
        )


def gain_matrix(table: ScoreTable, formula: GainFormula = GainFormula.RELATIVE_TO_ALONE) -> GainMatrix:
    """Compute the gains of all cells of a table from validation losses, paired by seed."""
    alone = losses_alone(table)
    values, errors = mean_and_standard_error(formula.apply(alone[None, :, :], table.validation_losses))
    return GainMatrix(table, formula, values, errors)
