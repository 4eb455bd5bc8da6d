"""Answers with studies."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from grouping.study.records import StudyReport
from grouping.wire.base_types import NextPage, Output


class StudyItem(Output):
    """Description of a study."""

    id: str
    name: str = Field(description="Label for people; may be empty.")
    problem: str
    tasks: list[str]
    n_seeds: int = Field(description="Number of seeds with which every network was trained.")
    created_at: datetime = Field(validation_alias="created_s")


class StudyOut(StudyItem):
    """A study with its report."""

    report: StudyReport = Field(
        description="Effects are relative gains of test losses, from 0: 0.01 is one percent; rows are "
        "sources and columns targets; positive helps; null on the diagonal and where nothing was measured."
    )


class StudyPage(Output):
    """One page of studies, newest first."""

    items: list[StudyItem]
    next_page_token: NextPage
