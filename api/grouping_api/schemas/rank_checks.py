"""What early losses are worth, as it is answered."""

from __future__ import annotations

from typing import Self

from pydantic import Field

from grouping.strategies.prediction.rank_check import LEAST_NETWORKS, RankCheck, RankFinding, TaskRanks
from grouping_api.schemas.common import Output


class TaskRanksOut(Output):
    """How early losses rank the networks of a task."""

    task: str
    n_networks: int = Field(description="Networks with this task that were trained at both lengths.")
    correlation: float | None = Field(
        description="Spearman's rank correlation of early and full validation losses over these networks, in "
        f"[-1, 1], higher is better; null below {LEAST_NETWORKS} networks or where all losses are equal."
    )
    low: float | None = Field(description="Lower end of its 95 % interval.")
    high: float | None = Field(description="Upper end.")
    verdict: RankFinding = Field(
        description="`informative`: the whole interval is above 0; `not informative`: it is not; `too few`: "
        "there is no correlation."
    )
    sentence: str

    @classmethod
    def of(cls, ranks: TaskRanks) -> Self:
        """From the domain."""
        return cls(
            task=ranks.task,
            n_networks=ranks.n_networks,
            correlation=ranks.correlation,
            low=ranks.low,
            high=ranks.high,
            verdict=ranks.verdict,
            sentence=ranks.sentence(),
        )


class RankCheckOut(Output):
    """Whether early losses rank the networks of each task."""

    job_id: str
    n_networks: int = Field(description="Networks trained for a short pass and in full.")
    within_tasks: float | None = Field(
        description="Correlation over all cells after early and full losses were standardised within each "
        "task; null where no task has two different losses."
    )
    tasks: list[TaskRanksOut]
    summary: str

    @classmethod
    def of(cls, job_id: str, check: RankCheck) -> Self:
        """From the domain."""
        return cls(
            job_id=job_id,
            n_networks=check.n_networks,
            within_tasks=check.within_tasks,
            tasks=[TaskRanksOut.of(task) for task in check.tasks],
            summary=check.summary(),
        )
