"""Labels of jobs, by which people find them again: name, note and tags."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated

from annotated_types import MaxLen

from grouping.domain.fields import Pattern, check
from grouping.errors import InvalidInputError

MAX_JOB_NAME = 200
MAX_NOTE = 10_000
MAX_TAGS = 30

TAG = Pattern(r"^[\w.:/@+-]{1,50}$", "a word of at most 50 letters, digits and . : / @ + - _")
Tag = Annotated[str, TAG]
"""Tag of a job."""

_NUMBER = re.compile(r" \((\d{1,9})\)$")


@dataclass(frozen=True, slots=True)
class LabelChanges:
    """Changes of the labels of a job; what is None stays as it is.

    Attributes:
        name: new name; an empty one becomes the name that a job without one gets.
        note: new note; empty for none.
        add_tags: tags to add; those that the job has already stay.
        drop_tags: tags to remove; those that it has not are passed over.
    """

    name: Annotated[str | None, MaxLen(MAX_JOB_NAME)] = None
    note: Annotated[str | None, MaxLen(MAX_NOTE)] = None
    add_tags: Annotated[tuple[Tag, ...], MaxLen(MAX_TAGS)] = ()
    drop_tags: Annotated[tuple[Tag, ...], MaxLen(MAX_TAGS)] = ()

    def __post_init__(self) -> None:
        for label in ("name", "note"):
            text = getattr(self, label)
            object.__setattr__(self, label, None if text is None else text.strip())
        for changed in ("add_tags", "drop_tags"):
            object.__setattr__(self, changed, check_tags(getattr(self, changed), pointer=f"/{changed}"))
        check(self)

    def tags(self, present: Sequence[str]) -> tuple[str, ...]:
        """Return the tags of a job after the changes, those added last.

        Raises:
            InvalidInputError: if there would be more than `MAX_TAGS`.
        """
        dropped = {tag.casefold() for tag in self.drop_tags}
        return check_tags(
            [*(tag for tag in present if tag.casefold() not in dropped), *self.add_tags], pointer="/add_tags"
        )


def check_tags(tags: Iterable[str], *, pointer: str) -> tuple[str, ...]:
    """Return tags in order, each once, without regard to case.

    Raises:
        InvalidInputError: if one is no word, or there are more than `MAX_TAGS`.
    """
    found: dict[str, str] = {}
    for tag in tags:
        if fault := TAG.fault(tag):
            raise InvalidInputError(f"Tags: {fault}.", pointer=pointer)
        found.setdefault(tag.casefold(), tag)
    if len(found) > MAX_TAGS:
        raise InvalidInputError(f"A job has at most {MAX_TAGS} tags.", pointer=pointer)
    return tuple(found.values())


def numbered(name: str, taken: Iterable[str]) -> str:
    """Return a name that no other job has: the name itself, or with the next number, as in ``digits (2)``.

    Args:
        name: a name, or one that was numbered before.
        taken: names of other jobs.
    """
    base = base_name(name)
    numbers = [1 if other == base else _number_of(other) for other in taken if base_name(other) == base]
    if not numbers:
        return base
    suffix = f" ({max(numbers) + 1})"
    return base[: MAX_JOB_NAME - len(suffix)] + suffix


def base_name(name: str) -> str:
    """Return a name without its number."""
    return _NUMBER.sub("", name)


def _number_of(name: str) -> int:
    found = _NUMBER.search(name)
    return int(found.group(1)) if found else 1
