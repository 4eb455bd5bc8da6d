"""Answers on how well early losses rank networks."""

from __future__ import annotations

from pydantic import Field

from grouping.strategies.prediction.rank_check import LEAST_NETWORKS, RankFinding
from grouping.wire.base_types import Finite, Output, Sentence


class TaskRanksOut(Output):
    """Rank correlation of early and full losses over the networks of a task."""

    task: str
    n_networks: int = Field(description="Networks with this task that were trained at both lengths.")
    correlation: Finite = Field(
        description="Spearman's rank correlation of early and full validation losses over these networks, in "
        f"[-1, 1], higher is better; null below {LEAST_NETWORKS} networks or where all losses are equal."
    )
    low: Finite = Field(description="Lower end of its 95 % interval.")
    high: Finite = Field(description="Upper end of its 95 % interval.")
    verdict: RankFinding = Field(
        description="`informative`: the whole interval is above 0; `not informative`: it is not; `too few`: "
        "there is no correlation."
    )
    sentence: Sentence


class RankCheckOut(Output):
    """How well early losses rank the networks of each task."""

    job_id: str
    n_networks: int = Field(description="Networks trained for a short pass and in full.")
    within_tasks: Finite = Field(
        description="Correlation over all cells after early and full losses were standardised within each "
        "task; null where no task has two different losses."
    )
    tasks: list[TaskRanksOut]
    summary: Sentence
