"""Answers with score tables and affinities derived from them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any

from pydantic import AliasPath, BeforeValidator, Field, SerializerFunctionWrapHandler, field_serializer

from grouping.domain.affinities.status import CellStatus
from grouping.domain.tasks import ChosenBy, Direction, Loss, Scale, TaskKind
from grouping.domain.trainings.trials import Purpose
from grouping.wire.base_types import Finite, Listed, NextPage, Output, Row, Rows, Sentence
from grouping.wire.imports import ImportReportOut
from grouping.wire.requests import JobRequest


def _name(loss: Any) -> Any:
    return loss.name if isinstance(loss, Loss) else loss


def _by_name(parameters: Any) -> Any:
    return dict(parameters) if isinstance(parameters, tuple) else parameters


Parameters = Annotated[
    Mapping[str, str | int | float | bool],
    BeforeValidator(_by_name),
    Field(description="Parameters by name; empty where the defaults are taken."),
]


class MetricOut(Output):
    """A measure of quality that is reported beside the loss."""

    name: str
    direction: Direction
    parameters: Parameters
    unit: str = Field(description="Unit of its values; empty for none.")


class TaskOut(Output):
    """One thing to predict."""

    name: str
    kind: TaskKind
    loss: Annotated[str, BeforeValidator(_name)]
    loss_parameters: Parameters
    metric: MetricOut | None
    weight: float
    n_outputs: int
    scale: float | Scale = Field(
        description="What its loss is divided by in the total loss; `single` for its own single-task loss."
    )
    best: float = Field(description="Value of a perfect prediction, for a reported metric.")
    reference: float | None = Field(description="Value of its metric to compare with; null for none.")
    must_not_worsen: bool = Field(description="Whether it must be served no worse than alone.")
    chosen_by: ChosenBy = Field(description="What its losses in score tables are: its loss, or its metric.")


class ScoreTableOut(Output):
    """Description of a score table."""

    id: str
    name: str
    job_id: str | None = Field(description="The job that fills it; null if it was imported.")
    revision: int = Field(description="Grows with every change of the scores.")
    created_at: datetime = Field(validation_alias="created_s")
    tasks: list[TaskOut]
    costs: list[str] = Field(
        validation_alias="cost_names", description="Names of the further inference costs of its networks."
    )
    report: ImportReportOut | None = Field(
        description="Report on how it was understood; null for the table of a job."
    )


class ScoreTablePage(Output):
    """Score tables, newest first."""

    items: list[ScoreTableOut]
    next_page_token: NextPage


class LossOut(Output):
    """A loss over seeds; lower is better. Null where it is unknown."""

    mean: Finite
    standard_error: Finite = Field(
        description="Standard error of the mean over seeds; null with fewer than two."
    )
    n: int = Field(description="Number of seeds.")
    by_seed: dict[str, Finite]


class ValuesOut(LossOut):
    """Values of the metric of a task over seeds; the task says their unit, and whether higher is better."""


class CellOut(Output):
    """The losses of one task in one network, and the values of its metric."""

    network: str
    group: list[str]
    size: float
    cost_snt: float
    task: str
    validation: LossOut
    test: LossOut
    validation_metric: ValuesOut | None = Field(
        description="Values of its metric on the validation rows; null where no training measured any."
    )
    test_metric: ValuesOut | None = Field(description="The same on the test rows.")


class ScoresOut(Output):
    """Every cell of a score table: one per network and task of its group."""

    score_table_id: str = Field(validation_alias=AliasPath("info", "id"))
    revision: int = Field(validation_alias=AliasPath("info", "revision"))
    purpose: Purpose
    fidelity: float
    tasks: list[str] = Field(validation_alias="task_names")
    seeds: list[int]
    cells: list[CellOut]


class MissingPairsOut(Output):
    """Full-size networks of single tasks and of pairs that are not measured, and how to measure them."""

    singles: list[str] = Field(
        validation_alias=AliasPath("gaps", "singles"), description="Tasks whose own network is missing."
    )
    pairs: list[list[str]] = Field(
        validation_alias=AliasPath("gaps", "pairs"), description="Pairs of tasks whose network is missing."
    )
    n_trainings: int | None = Field(
        description="Trainings of `job`; what is known is copied and not counted. Null where no job can."
    )
    job: JobRequest | None = Field(
        validation_alias="request",
        description="A job that trains every single task and pair and copies what is known, ready for `POST "
        "/v1/jobs`; the matrix of its table is complete. Null where no job can, as for an imported table, "
        "or not before this one is over.",
    )
    sentence: str = Field(
        description="What is missing, unless the summary says it, and what to do, or why nothing can be done."
    )

    @field_serializer("job", mode="wrap")
    def _as_asked(self, job: JobRequest | None, dump: SerializerFunctionWrapHandler):  # type: ignore[no-untyped-def]
        """Leave out what is not asked for: a default may contradict what is, such as `single_sizes` sizes."""
        return None if job is None else {k: v for k, v in dump(job).items() if k in job.model_fields_set}


class AffinityOut(Output):
    """Directed effect of every task on every other, or how alike every two tasks are; see `is_effect`."""

    score_table_id: str = Field(validation_alias=AliasPath("table", "id"))
    revision: int = Field(validation_alias=AliasPath("table", "revision"))
    method: str
    title: str = Field(validation_alias=AliasPath("described", "title"))
    formula: str = Field(description="The formula of a cell, in words.")
    meaning: str = Field(
        validation_alias=AliasPath("described", "meaning"), description="Meaning of a value."
    )
    is_share: bool = Field(description="Whether a value is a share of a loss; else a plain number.")
    is_effect: bool = Field(
        description="Whether a value is signed: positive helps, negative harms. Else it says how alike two "
        "tasks are, from 0 to 1, and the matrix is symmetric."
    )
    tasks: list[str]
    values: Rows = Field(
        description="values[source][target]: effect of the source on the target; null where unknown."
    )
    standard_errors: Rows = Field(
        description="Of a measured value over seeds, null with fewer than two; of an estimated one "
        "by the model."
    )
    statuses: list[list[CellStatus | None]] = Field(
        description="How each value is known: `measured`; `estimated` from other networks; `unknown`, and "
        "then it is null. Null on the diagonal."
    )
    n_networks: Annotated[list[list[int]], Listed] = Field(
        description="Networks behind each cell; of `estimate`, trained networks that hold both tasks."
    )
    self_values: Row | None = Field(
        description="Effect of a task's own gradient on itself; of `overlap`, the share of the weights in "
        "the mask of the task; null where the method has none."
    )
    at_random: Rows | None = Field(
        description="Of `overlap`, what two masks drawn at random with the same shares of the weights would "
        "overlap by; null for other methods."
    )
    cluster_order: list[int] = Field(description="Positions of the tasks, communities together.")
    summary: Sentence
    warnings: list[str] = Field(description="Reasons not to trust the values blindly.")
    missing: MissingPairsOut | None = Field(
        description="Of `estimate` and `pairwise`: what would measure all of it; null if all is measured."
    )
