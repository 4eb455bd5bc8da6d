"""Texts in TOML, YAML or JSON, read with the lines on which their parts stand.

Only plain data are read: YAML without anchors, aliases and tags of its own, and no key twice.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import yaml

from grouping.errors import MarkedTextError

MAX_BYTES = 1 << 18

Path = tuple[str | int, ...]
"""Keys and places from the outside in."""


class TextFormat(StrEnum):
    """A format that is read."""

    TOML = "toml"
    YAML = "yaml"
    JSON = "json"


SUFFIXES: Mapping[str, TextFormat] = {
    ".toml": TextFormat.TOML,
    ".yaml": TextFormat.YAML,
    ".yml": TextFormat.YAML,
    ".json": TextFormat.JSON,
}


@dataclass(frozen=True, slots=True)
class MarkedText:
    """Data read from a text.

    Attributes:
        data: the outermost object.
        lines: line on which a part begins, counted from 1, by its path; parts may be missing.
    """

    data: Mapping[str, Any]
    lines: Mapping[Path, int] = field(default_factory=dict)

    def line_of(self, path: Sequence[str | int]) -> int | None:
        """Return the line of a part, or else of the nearest part around it; None where none is known."""
        whole = tuple(path)
        around = (self.lines.get(whole[:n]) for n in range(len(whole), 0, -1))
        return next((line for line in around if line is not None), None)


def read_marked(text: str, form: TextFormat | None = None) -> MarkedText:
    """Read a text.

    Args:
        text: the text, of at most `MAX_BYTES`.
        form: its format; None to tell it from the text.

    Raises:
        MarkedTextError: if it cannot be read, or its outermost part is no object.
    """
    if len(text.encode("utf-8", "replace")) > MAX_BYTES:
        raise MarkedTextError(f"A search file has at most {MAX_BYTES // 1024} KiB.")
    read = {TextFormat.TOML: _toml, TextFormat.YAML: _yaml, TextFormat.JSON: _json}
    try:
        data, lines = read[form or format_of(text)](text.removeprefix("\ufeff"))
    except RecursionError:
        raise MarkedTextError("It is nested too deeply.") from None
    if not isinstance(data, dict):
        raise MarkedTextError('It holds no keys with values, such as: name = "pumps".')
    return MarkedText(data, lines)


def format_of(text: str) -> TextFormat:
    """Tell the format of a text from how it begins."""
    lines = (line.strip() for line in text.splitlines())
    first = next((line for line in lines if line and not line.startswith("#")), "")
    if first.startswith("{"):
        return TextFormat.JSON
    return TextFormat.TOML if re.match(r"\[|[^:]+=", first) else TextFormat.YAML


def _json(text: str) -> tuple[Any, dict[Path, int]]:
    try:
        data = json.loads(text, object_pairs_hook=_each_once, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        raise MarkedTextError(f"This is no JSON: {error.msg}.", line=error.lineno) from None
    try:
        return data, dict(_node_lines(yaml.compose(text, yaml.SafeLoader)))
    except yaml.YAMLError:
        return data, {}  # such as one indented by tabs; lines are a help and no more


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise MarkedTextError(f"The key {key[:50]!r} stands twice in one object.")
        found[key] = value
    return found


def _refuse_constant(name: str) -> Any:
    raise MarkedTextError(f"{name} is no number.")


def _yaml(text: str) -> tuple[Any, dict[Path, int]]:
    try:
        for event in yaml.parse(text, yaml.SafeLoader):
            if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
                line = None if event.start_mark is None else event.start_mark.line + 1
                raise MarkedTextError("Anchors and aliases are not read; write the value out.", line=line)
        node = yaml.compose(text, yaml.SafeLoader)
        lines = dict(_node_lines(node))
        return yaml.safe_load(text), lines
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        said = getattr(error, "problem", None) or "it cannot be read"
        line = None if mark is None else mark.line + 1
        raise MarkedTextError(f"This is no YAML: {said}.", line=line) from None
    except ValueError as error:
        raise MarkedTextError(f"A value cannot be read: {error}.") from None


def _node_lines(node: yaml.Node | None, path: Path = ()) -> Iterator[tuple[Path, int]]:
    if isinstance(node, yaml.MappingNode):
        seen = set()
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise MarkedTextError("A key is a text.", line=key.start_mark.line + 1)
            if key.value in seen:
                raise MarkedTextError(
                    f"The key {key.value[:50]!r} stands twice in one object.", line=key.start_mark.line + 1
                )
            seen.add(key.value)
            yield (*path, key.value), key.start_mark.line + 1
            yield from _node_lines(value, (*path, key.value))
    elif isinstance(node, yaml.SequenceNode):
        for place, item in enumerate(node.value):
            yield (*path, place), item.start_mark.line + 1
            yield from _node_lines(item, (*path, place))


def _toml(text: str) -> tuple[Any, dict[Path, int]]:
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        said, _, where = str(error).partition(" (at ")
        line = re.match(r"line (\d+)", where)
        last = len(text.splitlines())
        raise MarkedTextError(f"This is no TOML: {said}.", line=int(line[1]) if line else last) from None
    return data, _toml_lines(text)


_KEY = r"""(?:[A-Za-z0-9_-]+|"[^"\n]*"|'[^'\n]*')"""
_KEYS = rf"{_KEY}(?:\s*\.\s*{_KEY})*"
_TABLES = re.compile(rf"\s*\[\[\s*({_KEYS})\s*\]\]")
_TABLE = re.compile(rf"\s*\[\s*({_KEYS})\s*\]")
_VALUE = re.compile(rf"\s*({_KEYS})\s*=")


def _toml_lines(text: str) -> dict[Path, int]:
    """Find headers and keys that begin a line; what stands within a value has the line of its key."""
    lines: dict[Path, int] = {}
    counts: dict[tuple[str, ...], int] = {}
    here: Path = ()
    for number, line in enumerate(text.splitlines(), 1):
        if match := _TABLES.match(line):
            keys = _split(match[1])
            counts[keys] = counts.get(keys, 0) + 1
            here = _placed(keys, counts)
        elif match := _TABLE.match(line):
            here = _placed(_split(match[1]), counts)
        elif match := _VALUE.match(line):
            lines.setdefault((*here, *_split(match[1])), number)
            continue
        else:
            continue
        for n in range(1, len(here) + 1):
            lines.setdefault(here[:n], number)
    return lines


def _split(keys: str) -> tuple[str, ...]:
    return tuple(key.strip("\"'") for key in re.findall(_KEY, keys))


def _placed(keys: tuple[str, ...], counts: Mapping[tuple[str, ...], int]) -> Path:
    """Return the path of a header, with the place of the last one in each array of tables."""
    path: list[str | int] = []
    for n, key in enumerate(keys, 1):
        path.append(key)
        if keys[:n] in counts:
            path.append(counts[keys[:n]] - 1)
    return tuple(path)
