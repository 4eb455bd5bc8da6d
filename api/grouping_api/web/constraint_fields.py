"""Fields of a form for constraints on a grouping: conversion of their texts to what a request holds.

Sets of tasks and networks are written one per line, their tasks joined by ``+`` or separated by commas.
Numbers are written as ``task: number``; a ceiling that ends in ``alone`` is a multiple of the task's loss
alone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from grouping.wire.constraints import ConstraintsOut

_RELATIVE = re.compile(r"\s*[x×*]?\s*alone$")
FIELDS = (
    "together",
    "apart",
    "ceilings",
    "forced",
    "forbidden",
    "max_networks",
    "is_partition",
    "limits",
)
"""Names of the fields."""
NUMBERS = ("ceilings", "limits")
"""Those with a name and a number on each line."""


def field_of(name: str) -> str:
    """Return the field that holds a constraint; empty if none does."""
    name = {"ceilings_alone": "ceilings"}.get(name, name)
    return name if name in FIELDS else ""


def read_constraints(
    texts: Mapping[str, str], tasks: Sequence[str], faults: dict[str, str]
) -> dict[str, Any]:
    """Parse the texts of the fields; the result is checked where the request is.

    Args:
        texts: what was entered, by field; empty where nothing is demanded.
        tasks: names of the tasks that may be meant.
        faults: takes messages on what cannot be parsed, by field.
    """
    plain, relative = _ceilings(texts["ceilings"], faults)
    return {
        "together": _sets(texts["together"], tasks),
        "apart": _sets(texts["apart"], tasks),
        "max_networks": whole(texts["max_networks"], "max_networks", faults),
        "is_partition": bool(texts["is_partition"]),
        "ceilings": plain,
        "ceilings_alone": relative,
        "forced": _networks(texts["forced"], tasks),
        "forbidden": _networks(texts["forbidden"], tasks),
        "limits": numbers(texts["limits"], "limits", faults),
    }


def constraint_texts(stated: ConstraintsOut) -> dict[str, str]:
    """Write constraints as the fields do that `read_constraints` parses; those without one are left out."""
    lines = {name: [" + ".join(group) for group in getattr(stated, name)] for name in ("together", "apart")}
    lines |= {name: list(getattr(stated, name)) for name in ("forced", "forbidden")}
    lines |= {name: [f"{key}: {value}" for key, value in getattr(stated, name).items()] for name in NUMBERS}
    lines["ceilings"] += [f"{key}: {value} alone" for key, value in stated.ceilings_alone.items()]
    texts = {name: "\n".join(written) for name, written in lines.items()}
    most = "" if stated.max_networks is None else str(stated.max_networks)
    return {**texts, "max_networks": most, "is_partition": "on" if stated.is_partition else ""}


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


def _tasks(line: str, tasks: Sequence[str]) -> list[str]:
    """Split a line into task names at ``+``; without one at commas, unless the line is a task's name."""
    if "+" in line or line in tasks:
        return [name.strip() for name in line.split("+")]
    return [name.strip() for name in line.split(",")]


def _sets(text: str, tasks: Sequence[str]) -> list[list[str]]:
    return [_tasks(line, tasks) for line in _lines(text)]


def _networks(text: str, tasks: Sequence[str]) -> list[str]:
    found = []
    for line in _lines(text):
        stem, separator, size = line.rpartition("@")
        names = _tasks(stem if separator else line, tasks)
        found.append("+".join(names) + (f"@{size.strip()}" if separator else ""))
    return found


def number(text: str) -> float | None:
    """Parse a number, with a point or a comma; None if it is none."""
    try:
        return float(text.strip().replace(",", ".")) if len(text) <= 40 else None
    except ValueError:
        return None


def numbers(text: str, name: str, faults: dict[str, str]) -> dict[str, float]:
    """Parse a name and a number per line; what cannot be parsed is told in `faults`, under a name."""
    found = {}
    for line in _lines(text):
        key, _, value = line.rpartition(":")
        meant = number(value)
        if not key.strip() or meant is None:
            faults[name] = f"Write a name, a colon and a number on each line, not {line[:60]!r}."
            continue
        found[key.strip()] = meant
    return found


def _ceilings(text: str, faults: dict[str, str]) -> tuple[dict[str, float], dict[str, float]]:
    lines = _lines(text)
    relative = [_RELATIVE.sub("", line) for line in lines if _RELATIVE.search(line)]
    plain = [line for line in lines if not _RELATIVE.search(line)]
    return numbers("\n".join(plain), "ceilings", faults), numbers("\n".join(relative), "ceilings", faults)


def whole(text: str, name: str, faults: dict[str, str]) -> int | None:
    """Parse a whole number of at least 1; None if there is none. Other text is told in `faults`."""
    text = text.strip()
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 6 and int(text) >= 1):
        faults[name] = "This is a whole number of at least 1."
        return None
    return int(text)
