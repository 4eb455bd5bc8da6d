"""Shipped score tables: every candidate of a built-in problem, with several seeds.

They are made by ``python -m grouping.replay.making`` (``make tables``); beside each lies a description of
how.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

from grouping.domain.tables.score_table import ScoreTable
from grouping.errors import UnknownNameError
from grouping.formats import TableFormat, read_table


@dataclass(frozen=True, eq=False)
class ShippedTable:
    """A complete score table.

    Attributes:
        name: name of the problem.
        full: losses of every candidate, validation and test, by seed.
        early: losses after the short pass, in the same form.
        about: command, machine, seconds, versions, recipe, seeds and digest of the data.
    """

    name: str
    full: ScoreTable
    early: ScoreTable
    about: Mapping[str, Any] = field(repr=False)


def list_tables() -> tuple[str, ...]:
    """Return the names of the tables, in order."""
    names = (entry.name for entry in _folder().iterdir())
    return tuple(sorted(name.removesuffix(".json") for name in names if name.endswith(".json")))


@cache
def open_table(name: str) -> ShippedTable:
    """Open the table of that name.

    Raises:
        UnknownNameError: if there is none.
    """
    if name not in list_tables():
        raise UnknownNameError("score table", name, list_tables())
    full, early = (
        read_table((_folder() / file).read_bytes(), format=TableFormat.LONG_CSV).table
        for file in (f"{name}.csv", f"{name}.early.csv")
    )
    return ShippedTable(name, full, early, json.loads((_folder() / f"{name}.json").read_text("utf-8")))


def _folder() -> Traversable:
    return files("grouping.replay") / "tables"
