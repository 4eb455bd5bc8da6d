"""Score tables and what is derived from them, as they are answered."""

from __future__ import annotations

from datetime import datetime
from typing import Self

import numpy as np
from pydantic import Field

from grouping.domain.affinity import AffinityMatrix
from grouping.domain.affinity_methods import METHODS
from grouping.domain.affinity_status import CellStatus
from grouping.domain.scores import FloatArray, ScoreTable
from grouping.domain.tasks import Task
from grouping.domain.trials import Purpose
from grouping.store import TableInfo
from grouping_api.pair_plans import PairPlan
from grouping_api.schemas.common import Output, finite, moment_of
from grouping_api.schemas.imports import ImportReportOut
from grouping_api.schemas.requests import JobRequest


class MetricOut(Output):
    """A figure beside the loss."""

    name: str
    direction: str


class TaskOut(Output):
    """One thing to predict."""

    name: str
    kind: str
    loss: str
    metric: MetricOut | None
    weight: float
    n_outputs: int

    @classmethod
    def of(cls, task: Task) -> Self:
        """From the domain."""
        metric = task.metric
        return cls(
            name=task.name,
            kind=task.kind,
            loss=task.loss.name,
            metric=None if metric is None else MetricOut(name=metric.name, direction=metric.direction),
            weight=task.weight,
            n_outputs=task.n_outputs,
        )


class ScoreTableOut(Output):
    """What a score table is."""

    id: str
    name: str
    job_id: str | None = Field(description="The job that fills it; null if it was imported.")
    revision: int = Field(description="Grows with every change of the scores.")
    created_at: datetime
    tasks: list[TaskOut]
    costs: list[str] = Field(description="Names of the further inference costs of its networks.")
    report: ImportReportOut | None = Field(description="What was understood; null for the table of a job.")

    @classmethod
    def of(cls, info: TableInfo) -> Self:
        """From the store."""
        return cls(
            id=info.id,
            name=info.name,
            job_id=info.job_id,
            revision=info.revision,
            created_at=moment_of(info.created_s),
            tasks=[TaskOut.of(task) for task in info.tasks],
            costs=list(info.cost_names),
            report=ImportReportOut.of(info.report),
        )


class ScoreTablePage(Output):
    """Score tables, newest first."""

    items: list[ScoreTableOut]
    next_page_token: str | None = Field(description="Give it back as `page_token`; null on the last page.")


class LossOut(Output):
    """A loss over seeds; lower is better. Null where it is unknown."""

    mean: float | None
    standard_error: float | None = Field(description="Of the mean, over seeds; null with fewer than two.")
    n: int = Field(description="Number of seeds.")
    by_seed: dict[str, float | None]


class CellOut(Output):
    """The losses of one task in one network."""

    network: str
    group: list[str]
    size: float
    cost_snt: float
    task: str
    validation: LossOut
    test: LossOut


class ScoresOut(Output):
    """Every cell of a score table: one per network and task of its group."""

    score_table_id: str
    revision: int
    purpose: Purpose
    fidelity: float
    tasks: list[str]
    seeds: list[int]
    cells: list[CellOut]

    @classmethod
    def of(cls, info: TableInfo, table: ScoreTable, purpose: Purpose, fidelity: float) -> Self:
        """From the domain."""
        order = table.task_names
        cells = []
        for n, network in enumerate(table.networks):
            group = [task for task in order if task in network.group]
            for task in group:
                t = order.index(task)
                cells.append(
                    CellOut(
                        network=network.name(order),
                        group=group,
                        size=network.size,
                        cost_snt=network.cost_snt,
                        task=task,
                        validation=_loss(
                            table,
                            table.validation_losses[n, t],
                            table.validation[n, t],
                            table.validation_standard_error[n, t],
                        ),
                        test=_loss(
                            table, table.test_losses[n, t], table.test[n, t], table.test_standard_error[n, t]
                        ),
                    )
                )
        return cls(
            score_table_id=info.id,
            revision=info.revision,
            purpose=purpose,
            fidelity=fidelity,
            tasks=list(order),
            seeds=list(table.seeds),
            cells=cells,
        )


def _loss(table: ScoreTable, by_seed: FloatArray, mean: float, error: float) -> LossOut:
    return LossOut(
        mean=finite(mean),
        standard_error=finite(error),
        n=int(np.sum(~np.isnan(by_seed))),
        by_seed={str(seed): finite(value) for seed, value in zip(table.seeds, by_seed, strict=True)},
    )


class MissingPairsOut(Output):
    """Full-size networks of single tasks and of pairs that are not measured, and how to measure them."""

    singles: list[str] = Field(description="Tasks whose own network is missing.")
    pairs: list[list[str]] = Field(description="Pairs of tasks whose network is missing.")
    n_trainings: int | None = Field(
        description="Trainings of `job`; what is known is copied and not counted. Null where no job can."
    )
    job: JobRequest | None = Field(
        description="A job that trains every single task and pair and copies what is known, ready for `POST "
        "/v1/jobs`; the matrix of its table is complete. Null where no job can, as for an imported table, "
        "or not before this one is over."
    )
    sentence: str = Field(
        description="What is missing, unless the summary says it, and what to do, or why nothing can be done."
    )

    @classmethod
    def of(cls, plan: PairPlan | None, said: str) -> Self | None:
        """From the plan, and the summary that stands before it."""
        if plan is None:
            return None
        return cls(
            singles=list(plan.gaps.singles),
            pairs=[list(pair) for pair in plan.gaps.pairs],
            n_trainings=plan.n_trainings,
            job=plan.request,
            sentence=plan.sentence(said),
        )


class AffinityOut(Output):
    """Directed effect of every task on every other, or how alike every two tasks are; see `is_effect`."""

    score_table_id: str
    revision: int
    method: str
    title: str
    formula: str = Field(description="The formula of a cell, in words.")
    meaning: str = Field(description="What a value says.")
    is_share: bool = Field(description="Whether a value is a share of a loss; else a plain number.")
    is_effect: bool = Field(
        description="Whether a value is signed: positive helps, negative harms. Else it says how alike two "
        "tasks are, from 0 to 1, and the matrix is symmetric."
    )
    tasks: list[str]
    values: list[list[float | None]] = Field(
        description="values[source][target]: what the source does to the target; null where unknown."
    )
    standard_errors: list[list[float | None]] = Field(
        description="Of a measured value over seeds, null with fewer than two; of an estimated one "
        "by the model."
    )
    statuses: list[list[CellStatus | None]] = Field(
        description="How each value is known: `measured`; `estimated` from other networks; `unknown`, and "
        "then it is null. Null on the diagonal."
    )
    n_networks: list[list[int]] = Field(
        description="Networks behind each cell; of `estimate`, trained networks that hold both tasks."
    )
    self_values: list[float | None] | None = Field(
        description="Effect of a task's own gradient on itself; of `overlap`, the share of the weights in "
        "the mask of the task; null where the method has none."
    )
    at_random: list[list[float | None]] | None = Field(
        description="Of `overlap`, what two masks drawn at random with the same shares of the weights would "
        "overlap by; null for other methods."
    )
    cluster_order: list[int] = Field(description="Positions of the tasks, communities together.")
    summary: str
    warnings: list[str] = Field(description="What to know before trusting the values.")
    missing: MissingPairsOut | None = Field(
        description="Of `estimate` and `pairwise`: what would measure all of it; null if all is measured."
    )

    @classmethod
    def of(
        cls,
        info: TableInfo,
        matrix: AffinityMatrix,
        cluster_order: tuple[int, ...],
        plan: PairPlan | None = None,
    ) -> Self:
        """From the domain."""
        return cls(
            score_table_id=info.id,
            revision=info.revision,
            method=matrix.method,
            title=METHODS[matrix.method].title,
            formula=matrix.formula,
            meaning=METHODS[matrix.method].meaning,
            is_share=matrix.is_share,
            is_effect=matrix.is_effect,
            tasks=list(matrix.tasks),
            values=_rows(matrix.values),
            standard_errors=_rows(matrix.standard_errors),
            statuses=_statuses(matrix),
            n_networks=[[int(value) for value in row] for row in matrix.n_networks],
            self_values=None if matrix.self_values is None else [finite(v) for v in matrix.self_values],
            at_random=None if matrix.at_random is None else _rows(matrix.at_random),
            cluster_order=list(cluster_order),
            summary=matrix.summary(),
            warnings=list(matrix.warnings),
            missing=MissingPairsOut.of(plan, matrix.summary()),
        )


def _rows(values: FloatArray) -> list[list[float | None]]:
    return [[finite(float(value)) for value in row] for row in values]


def _statuses(matrix: AffinityMatrix) -> list[list[CellStatus | None]]:
    places = range(len(matrix.tasks))
    return [[None if i == j else matrix.status(i, j) for j in places] for i in places]
