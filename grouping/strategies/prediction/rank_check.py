"""Rank check: do early losses rank the networks of a task?

Early and final losses may correlate over all cells of a table because tasks differ in their losses, and
still say nothing about which network is the better one for a task. Standley et al. (2020) report r = 0.49
over all cells for their early stopping approximation; standardised within each task it is 0.30 or less. So
the check is made task by task, by Spearman's rank correlation over the networks that were trained at both
lengths. Its interval is that of Fieller, Hartley and Pearson (1957): the inverse hyperbolic tangent of the
correlation has a variance of about 1.06 / (n - 3).

Networks that were trained to the end *because* of their early losses are not a random sample. Among them
early losses differ less, which makes the correlation smaller than over all candidates.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from grouping.domain.tables.score_table import FloatArray, ScoreTable

LEAST_NETWORKS = 6
"""Networks of a task below which no correlation is told: the interval would hold almost everything."""
DEVIATIONS = 1.96
"""Of a 95 % interval."""


class RankFinding(StrEnum):
    """The verdict on the early losses of a task."""

    INFORMATIVE = "informative"
    """They rank the networks of the task better than chance: the whole interval is above 0."""
    NOT_INFORMATIVE = "not informative"
    """They were not shown to: the interval reaches 0."""
    TOO_FEW = "too few"
    """Too few networks were trained at both lengths, or all have the same loss."""


@dataclass(frozen=True, slots=True)
class TaskRanks:
    """The rank check of one task.

    Attributes:
        task: its name.
        n_networks: networks with this task that were trained at both lengths.
        correlation: Spearman's, in [-1, 1], higher is better; None where too few networks tell.
        low: lower end of its 95 % interval; None where `correlation` is.
        high: upper end of it; None where `correlation` is.
        verdict: whether early losses rank the networks.
    """

    task: str
    n_networks: int
    correlation: float | None
    low: float | None
    high: float | None
    verdict: RankFinding

    def sentence(self) -> str:
        """Describe the check of this task in a sentence."""
        over = f"over {self.n_networks} network{'' if self.n_networks == 1 else 's'}"
        if self.correlation is None or self.low is None or self.high is None:
            return f"{self.task}: too few networks to tell ({over}, at least {LEAST_NETWORKS} are needed)."
        return (
            f"{self.task}: rank correlation {self.correlation:.2f} {over} "
            f"(95 % interval {self.low:.2f} to {self.high:.2f}): {self.verdict.value}."
        )


@dataclass(frozen=True, slots=True)
class RankCheck:
    """The rank check of all tasks.

    Attributes:
        tasks: in display order.
        n_networks: networks trained at both lengths.
        within_tasks: Pearson's correlation over all cells after early and full losses were standardised
            within each task; None where no task has two different losses.
    """

    tasks: tuple[TaskRanks, ...]
    n_networks: int
    within_tasks: float | None

    def with_verdict(self, verdict: RankFinding) -> tuple[str, ...]:
        """Return the names of the tasks with that verdict."""
        return tuple(task.task for task in self.tasks if task.verdict is verdict)

    def summary(self) -> str:
        """Describe all tasks in one sentence."""
        good, poor = (
            self.with_verdict(RankFinding.INFORMATIVE),
            self.with_verdict(RankFinding.NOT_INFORMATIVE),
        )
        few = self.with_verdict(RankFinding.TOO_FEW)
        parts = []
        if good:
            parts.append(f"Early losses rank the networks of {_listed(good)}")
        if poor:
            start = "they are" if good else "Early losses are"
            parts.append(f"{start} not shown to rank those of {_listed(poor)}")
        if few:
            start = "too few networks tell" if parts else "Too few networks tell about early losses"
            parts.append(f"{start} for {_listed(few)}")
        over = f"{self.n_networks} network{'' if self.n_networks == 1 else 's'} trained at both lengths"
        return f"{'; '.join(parts)} ({over})."

    def sentences(self) -> tuple[str, ...]:
        """Return the summary, then a sentence per task."""
        return (self.summary(), *(task.sentence() for task in self.tasks))


def check_ranks(early: ScoreTable, full: ScoreTable) -> RankCheck:
    """Compare early and full losses within each task.

    Args:
        early: losses of short trainings; validation losses are read.
        full: losses of full trainings of the same tasks. Networks that are complete in both are compared.

    Returns:
        The check. With a table in which everything was trained at both lengths, that of its early losses.
    """
    pairs = [
        (row, n)
        for n, network in enumerate(full.networks)
        if full.is_complete[n]
        and (row := early.find_position(*network.key)) is not None
        and early.is_complete[row]
    ]
    columns = [early.task_names.index(name) for name in full.task_names]
    before = early.validation[[row for row, _ in pairs]][:, columns]
    after = full.validation[[n for _, n in pairs]]
    tasks, cells = [], []
    for t, name in enumerate(full.task_names):
        has_both = ~np.isnan(before[:, t]) & ~np.isnan(after[:, t])
        x, y = before[has_both, t], after[has_both, t]
        tasks.append(_task(name, x, y))
        if (standard := _standardised(x)) is not None and (other := _standardised(y)) is not None:
            cells.append(standard * other)
    within = float(np.mean(np.concatenate(cells))) if cells else None
    return RankCheck(tuple(tasks), len(pairs), within)


def spearman(x: FloatArray, y: FloatArray) -> float | None:
    """Compute the rank correlation, ties at their mean rank; None where one of the two does not vary."""
    first, second = _standardised(_ranks(x)), _standardised(_ranks(y))
    if first is None or second is None:
        return None
    return float(np.clip(np.mean(first * second), -1.0, 1.0))


def _task(name: str, x: FloatArray, y: FloatArray) -> TaskRanks:
    n = len(x)
    found = spearman(x, y) if n >= LEAST_NETWORKS else None
    if found is None:
        return TaskRanks(name, n, None, None, None, RankFinding.TOO_FEW)
    centre = math.atanh(max(-0.999999, min(0.999999, found)))
    half = DEVIATIONS * math.sqrt(1.06 / (n - 3))
    low, high = math.tanh(centre - half), math.tanh(centre + half)
    verdict = RankFinding.INFORMATIVE if low > 0 else RankFinding.NOT_INFORMATIVE
    return TaskRanks(name, n, found, low, high, verdict)


def _ranks(values: FloatArray) -> FloatArray:
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    mean_ranks: FloatArray = ends - (counts - 1) / 2
    return mean_ranks[place]


def _standardised(values: FloatArray) -> FloatArray | None:
    if len(values) < 2 or not (deviation := float(values.std())) > 1e-12 * max(1.0, float(abs(values).max())):
        return None
    standard: FloatArray = (values - values.mean()) / deviation
    return standard


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
