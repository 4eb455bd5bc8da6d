"""Answers about bundles that the service was asked to make."""

from __future__ import annotations

from datetime import datetime

from pydantic import AliasPath, Field

from grouping.artefacts.finishing import FinishState
from grouping.artefacts.kept import LearnedRows
from grouping.wire.base_types import Output


class FinishOut(Output):
    """A bundle that the service was asked to make, and how far it is."""

    id: str
    job_id: str
    state: FinishState
    budget_snt: float = Field(validation_alias=AliasPath("wanted", "budget_snt"))
    rows: LearnedRows = Field(
        validation_alias=AliasPath("wanted", "rows"), description="Rows that the networks learn from."
    )
    seeds: int | None = Field(
        validation_alias=AliasPath("wanted", "n_seeds"),
        description="Trainings of each network; null for as many as confirmed it.",
    )
    again: bool = Field(
        validation_alias=AliasPath("wanted", "is_again"),
        description="Whether they are trained also where they are kept.",
    )
    licence: str = Field(validation_alias=AliasPath("wanted", "licence"))
    done: int = Field(description="Trainings that are done.")
    total: int = Field(description="Of how many; 0 until the first are done, or where all are kept.")
    error: str | None = Field(description="What went wrong, once failed.")
    created_at: datetime = Field(validation_alias="created_s")
    started_at: datetime | None = Field(validation_alias="started_s")
    finished_at: datetime | None = Field(validation_alias="finished_s")


class FinishList(Output):
    """Bundles that the service was asked to make of a job, the newest first."""

    items: list[FinishOut]
