"""Query of jobs: which of them, in which order; declared here for HTTP, client, commands and pages."""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Annotated, Any

from annotated_types import MaxLen

from grouping.domain.fields import Shown, check
from grouping.domain.jobs.job import JobState
from grouping.domain.jobs.labels import MAX_TAGS, Tag, check_tags
from grouping.domain.tasks import MAX_NAME_LENGTH
from grouping.errors import InvalidInputError

MAX_TEXT = 200


class JobOrder(StrEnum):
    """Order of a list of jobs; jobs that are equal in it follow in the order of their identifiers."""

    NEWEST = "newest"
    """Last submitted first."""
    OLDEST = "oldest"
    """First submitted first."""
    NAME = "name"
    """By name, without regard to case."""
    ENDED = "ended"
    """Jobs that have not ended, then those that ended last."""


@dataclass(frozen=True, slots=True)
class JobQuery:
    """Query of jobs. A job is found if everything that is asked for is true of it.

    Attributes:
        state: states of the jobs; any if none is named.
        problem: name of the problem of the jobs, in full.
        name: part of the name of the jobs, without regard to case.
        tag: tags that the jobs have, all of them, without regard to case.
        text: words, each of which is somewhere in name, note, problem, trainer, tasks or tags of the jobs,
            without regard to case.
        sort: order of the jobs: newest, oldest, by name, or ended last.
    """

    state: Annotated[tuple[JobState, ...], MaxLen(len(JobState)), Shown("State", "--state", "any")] = ()
    problem: Annotated[str, MaxLen(MAX_NAME_LENGTH), Shown("Problem", "--problem", "any")] = ""
    name: Annotated[str, MaxLen(MAX_TEXT), Shown("Name", "--name", "any")] = ""
    tag: Annotated[tuple[Tag, ...], MaxLen(MAX_TAGS), Shown("Tags", "--tag", "any")] = ()
    text: Annotated[str, MaxLen(MAX_TEXT), Shown("Text", "--text", "any")] = ""
    sort: Annotated[JobOrder, Shown("Order", "--sort")] = JobOrder.NEWEST

    def __post_init__(self) -> None:
        try:
            object.__setattr__(self, "state", tuple(dict.fromkeys(map(JobState, self.state))))
        except ValueError:
            known = ", ".join(JobState)
            raise InvalidInputError(f"A state of a job is one of {known}.", pointer="/state") from None
        try:
            object.__setattr__(self, "sort", JobOrder(self.sort))
        except ValueError:
            known = ", ".join(JobOrder)
            raise InvalidInputError(f"Jobs are sorted by one of {known}.", pointer="/sort") from None
        object.__setattr__(self, "tag", check_tags(self.tag, pointer="/tag"))
        check(self)

    @property
    def is_filtered(self) -> bool:
        """Whether any job may be left out."""
        return bool(self.state or self.problem or self.name.strip() or self.tag or self.text.strip())

    def parameters(self) -> dict[str, Any]:
        """Return what is asked for as query parameters; what is as by default is left out."""
        found = {field.name: getattr(self, field.name) for field in fields(self)}
        return {
            name: list(map(str, value)) if isinstance(value, tuple) else str(value)
            for name, value in found.items()
            if value and value != JobOrder.NEWEST
        }
