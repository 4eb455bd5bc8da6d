"""Form by which jobs are found in the list, made of the declared fields of a query."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Any
from urllib.parse import urlencode

from grouping.domain.fields import declared
from grouping.domain.jobs.query import JobQuery


@dataclass(frozen=True, slots=True)
class QueryEntry:
    """Entry of the form.

    Attributes:
        name: name of the query parameter.
        label: label for people.
        value: present value as text.
        options: values that there are, each with its words; empty where any text may be entered.
    """

    name: str
    label: str
    value: str
    options: tuple[tuple[str, str], ...] = ()


def query_entries(query: JobQuery) -> tuple[QueryEntry, ...]:
    """Return the entries of the form, filled in."""
    return tuple(_entries(query))


def query_address(query: JobQuery, page_token: str) -> str:
    """Return the address of a further page of the list, from any page of it."""
    return "?" + urlencode({**query.parameters(), "page_token": page_token}, doseq=True)


def _entries(query: JobQuery) -> Iterator[QueryEntry]:
    for name, field in declared(JobQuery).items():
        value: Any = getattr(query, name)
        shown = ",".join(value) if isinstance(value, tuple) else str(value)
        options = [(str(option), str(option)) for option in field.item] if _is_choice(field.item) else []
        if field.is_many and options:
            options.insert(0, ("", "any"))
            if len(value) > 1:  # such as an address that names several states
                options.append((shown, " or ".join(value)))
        label = field.shown.label if field.shown is not None else name
        yield QueryEntry(name, label, shown.replace(",", " ") if not options else shown, tuple(options))


def _is_choice(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Enum)
