"""Output of what a job recommends, with its verdicts, for the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from grouping.domain.jobs.specification import DEFAULT_TRAINER
from grouping.domain.tasks import Direction

if TYPE_CHECKING:
    from grouping.client import RemoteJob
    from grouping.wire.groupings import RecommendationOut, VerdictOut


def show_comparisons(console: Console, verdict: VerdictOut) -> None:
    """Print what a verdict compares, with an interval each."""
    if not verdict.comparisons:
        return
    random = [] if verdict.random is None else [verdict.random]
    rows = Table("compared with", "loss", "gain", "95 % interval", "fresh seeds", box=None, pad_edge=False)
    for one in (*verdict.comparisons, *random):
        low, high = one.interval
        interval = "-" if low is None or high is None else f"{100 * low:+.1f} to {100 * high:+.1f} %"
        gain = "-" if one.gain is None else f"{100 * one.gain:+.1f} %"
        loss = "-" if one.baseline_loss is None else f"{one.baseline_loss:.4f}"
        rows.add_row(one.baseline, loss, gain, interval, str(one.n_seeds))
    console.print(rows)


def show_recommendations(console: Console, recommendations: Sequence[RecommendationOut]) -> None:
    """Print the grouping for each budget, and the verdict of the fresh seeds."""
    rows = Table("budget", "loss", "cost (SNT)", "serves", "only trained with", box=None, pad_edge=False)
    for item in recommendations:
        solution = item.solution
        head = [f"{item.budget_snt:g}", "-" if solution.loss is None else f"{solution.loss:.4f}"]
        for network in () if solution.grouping is None else solution.grouping.networks:
            served, helpers = ", ".join(network.serves), ", ".join(network.helpers) or "-"
            rows.add_row(*head, f"{network.cost_snt:.3g}", served, helpers)
            head = ["", ""]
        if head[0]:
            rows.add_row(*head, "-", "no grouping", "-")
    console.print(rows)
    console.print()
    _show_values(console, recommendations)
    for held in dict.fromkeys("; ".join(item.held) for item in recommendations if item.held):
        console.print(f"Held: {held}.", soft_wrap=True)
    for waits in dict.fromkeys("; ".join(item.not_held) for item in recommendations if item.not_held):
        console.print(f"Not held, for want of scores: {waits}.", soft_wrap=True)
    for item in recommendations:
        console.print(f"Budget {item.budget_snt:g}: {item.sentence}", soft_wrap=True)
        if item.headroom is not None:
            console.print(f"  {item.headroom.sentence}", soft_wrap=True)
        if item.tuned is not None:
            console.print(f"Each its best: {item.tuned_sentence}", soft_wrap=True)
            show_comparisons(console, item.tuned)


def show_artefacts(console: Console, job: RemoteJob, recommendations: Sequence[RecommendationOut]) -> None:
    """Print what another trainer has kept of the recommended networks; nothing where it told nothing."""
    if job.data.spec.trainer.name == DEFAULT_TRAINER:
        return
    for item in recommendations:
        kept = job.artefacts(budget_snt=item.budget_snt) if item.solution.grouping else []
        for network in kept:
            for training in network.trainings[:1]:
                more = f" and {len(network.trainings) - 1} more" if len(network.trainings) > 1 else ""
                console.print(
                    f"Kept, budget {item.budget_snt:g}: {network.network} in {training.artefact}{more}",
                    soft_wrap=True,
                    markup=False,
                )


def _show_values(console: Console, recommendations: Sequence[RecommendationOut]) -> None:
    """Print the tasks that have a metric in its unit, alone and for each budget."""
    if not recommendations or not recommendations[0].values:
        return
    budgets = [f"{item.budget_snt:g} SNT" for item in recommendations]
    rows = Table("task", "metric", "alone", *budgets, box=None, pad_edge=False)
    for tasks in zip(*(item.values for item in recommendations), strict=True):
        first = tasks[0]
        unit = f" ({first.metric.unit})" if first.metric.unit else ""
        direction = "↑" if first.metric.direction is Direction.HIGHER_IS_BETTER else "↓"
        values = (
            "-" if value is None else f"{value:.4g}" for value in (first.alone, *(t.value for t in tasks))
        )
        rows.add_row(first.task, f"{first.metric.name}{unit} {direction}", *values)
    console.print(rows)
    console.print("↑ higher is better, ↓ lower is better; means on the validation rows")
    console.print()
