"""Requests that find jobs and label them."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import ConfigDict, Field, field_validator

from grouping.domain.jobs.labels import MAX_NOTE, LabelChanges
from grouping.domain.jobs.query import JobQuery
from grouping.wire.base_types import Input, PlainLines
from grouping.wire.derived import Derived, requested


@requested(JobQuery, nested={})
class JobQueryIn(Input, Derived):
    """Query of jobs, as parameters of an address; several values repeated, or divided by commas."""

    model_config = ConfigDict(extra="ignore")  # of the address, which has other parameters too

    @field_validator("state", "tag", mode="before", check_fields=False)
    @classmethod
    def _pieces(cls, value: Any) -> Any:
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            return value
        return [piece for item in value for piece in re.split(r"[,\s]+", item) if piece]

    @field_validator("sort", mode="before", check_fields=False)
    @classmethod
    def _default(cls, value: Any) -> Any:
        return value or JobQuery().sort

    def query(self) -> JobQuery:
        """Return the query.

        Raises:
            InvalidInputError: if a tag cannot be one.
        """
        return JobQuery(**{name: value for name, value in self.model_dump().items() if value})


@requested(LabelChanges, nested={}, is_partial=True)
class JobChanges(Input, Derived):
    """Changes of the labels of a job; what is left out stays as it is."""

    note: Annotated[PlainLines, Field(max_length=MAX_NOTE)] | None = Field(
        default=None, description="New note, of one or more lines; empty for none."
    )

    def changes(self) -> LabelChanges:
        """Return the changes."""
        return LabelChanges(**self.model_dump(exclude_none=True))
