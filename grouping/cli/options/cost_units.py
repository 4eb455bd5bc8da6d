"""Budgets in units of time, such as 5ms, for tables with a further cost that is a time.

The name of a cost says its unit by its end: ``latency_ms``, ``latency_us`` or ``latency_s``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from grouping.errors import InvalidInputError

if TYPE_CHECKING:
    from grouping.domain.tables.score_table import ScoreTable

MICROSECONDS = {"us": 1, "ms": 1_000, "s": 1_000_000}
"""Units of time that a cost or a budget may have."""
_BUDGET = re.compile(r"\s*([0-9.]+(?:e[+-]?[0-9]+)?)\s*([a-zµμ]*)\s*", re.IGNORECASE)


def priced(
    table: ScoreTable, cost: str | None, budgets: Sequence[str]
) -> tuple[ScoreTable, tuple[float, ...]]:
    """Return a table priced by the cost that budgets count in, and the budgets as numbers of its unit.

    Args:
        table: the table.
        cost: name of a further cost, with or without its unit; None for SNT, or for the only cost that is a
            time where a budget is one.
        budgets: budgets as they are written: ``2``, ``5ms``.

    Raises:
        InvalidInputError: if a budget is none, or its unit is not one of the cost.
        UnknownNameError: if there is no such cost.
    """
    read = [_read(text) for text in budgets]
    name = _only_time(table.other_costs) if cost is None and any(unit for _, unit in read) else cost
    if name is not None:
        table = table.priced_by(_whole_name(name, table.other_costs))
    return table, tuple(_in_unit_of(table.cost_unit, number, unit) for number, unit in read)


def unit_of(cost: str) -> str:
    """Return the unit of time that the name of a cost says; empty if it says none."""
    end = cost.rpartition("_")[2]
    return end if end in MICROSECONDS else ""


def _read(text: str) -> tuple[float, str]:
    found = _BUDGET.fullmatch(text)
    number, unit = found.groups() if found else ("", "")
    unit = unit.replace("µ", "u").replace("μ", "u").lower()
    try:
        value = float(number)
    except ValueError:
        value = 0.0
    if not value > 0 or unit not in ("", *MICROSECONDS):
        raise InvalidInputError(
            f"{text!r} is no budget: write a positive number, such as 2, or a time: 5ms, 200us, 1s."
        )
    return value, unit


def _only_time(costs: Iterable[str]) -> str:
    times = [cost for cost in costs if unit_of(cost)]
    if len(times) == 1:
        return times[0]
    listed = ", ".join(costs) or "none"
    raise InvalidInputError(
        f"The budget is a time, and {len(times)} costs of the table are one: name one (--cost). Its further "
        f"costs: {listed}. grouping bundle price measures latency_ms."
    )


def _whole_name(name: str, costs: Iterable[str]) -> str:
    """Return the name of a cost in the table; ``latency`` is short for ``latency_ms``."""
    short = [cost for cost in costs if unit_of(cost) and cost.rpartition("_")[0] == name]
    return short[0] if name not in costs and len(short) == 1 else name


def _in_unit_of(cost: str, number: float, unit: str) -> float:
    if not unit or unit == unit_of(cost):
        return number
    if not unit_of(cost):
        raise InvalidInputError(
            f"The budget {number:g} {unit} is a time, and costs count in {cost}, whose name says no unit of "
            "time, as latency_ms does: give a plain number."
        )
    return number * MICROSECONDS[unit] / MICROSECONDS[unit_of(cost)]
