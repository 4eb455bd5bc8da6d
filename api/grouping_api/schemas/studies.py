"""Studies as they are answered."""

from __future__ import annotations

from datetime import datetime
from typing import Self

from pydantic import Field

from grouping.store import StudyInfo
from grouping.study.records import StudyReport
from grouping_api.schemas.common import Output, moment_of


class StudyItem(Output):
    """What a study is."""

    id: str
    name: str = Field(description="A label for people; may be empty.")
    problem: str
    tasks: list[str]
    n_seeds: int = Field(description="Seeds of every training.")
    created_at: datetime

    @classmethod
    def of(cls, info: StudyInfo) -> Self:
        """From the store."""
        return cls(
            id=info.id,
            name=info.name,
            problem=info.problem,
            tasks=list(info.tasks),
            n_seeds=info.n_seeds,
            created_at=moment_of(info.created_s),
        )


class StudyOut(StudyItem):
    """A study with all it found."""

    report: StudyReport = Field(
        description="Effects are relative gains of test losses, from 0: 0.01 is one percent; rows are "
        "sources and columns targets; positive helps; null on the diagonal and where nothing was measured."
    )

    @classmethod
    def with_report(cls, info: StudyInfo, report: StudyReport) -> Self:
        """From the store."""
        return cls(**dict(StudyItem.of(info)), report=report)


class StudyPage(Output):
    """One page of studies, newest first."""

    items: list[StudyItem]
    next_page_token: str | None
