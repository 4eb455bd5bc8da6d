"""The documentation names what there is."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import grouping

DOCS = Path(__file__).parents[2] / "docs"


def test_the_python_reference_describes_every_public_name_and_no_other() -> None:
    page = (DOCS / "reference" / "python.md").read_text(encoding="utf-8")
    described = re.findall(r"^\.\. auto\w+:: (\w+)$", page, re.MULTILINE)
    assert sorted(described) == grouping.__all__


def test_every_page_is_reached_from_the_index() -> None:
    index = (DOCS / "index.md").read_text(encoding="utf-8")
    named = {f"{line}.md" for line in index.splitlines()}
    pages = {str(path.relative_to(DOCS)) for path in DOCS.rglob("*.md") if "_build" not in path.parts}
    assert {page for page in pages if not page.startswith("decisions/0")} - named == {"index.md"}


def test_every_layer_stands_in_the_architecture() -> None:
    page = (DOCS / "explanation" / "architecture.md").read_text(encoding="utf-8")
    project = tomllib.loads((DOCS.parent / "pyproject.toml").read_text(encoding="utf-8"))
    contract = project["tool"]["importlinter"]["contracts"][0]["layers"]
    lines = [line for line in page.splitlines() if line.startswith("| `")]
    rows = [set(re.findall(r"`(grouping[\w.]*)`", line.split("|")[1])) for line in lines]
    assert rows == [set(layer.split(" | ")) for layer in contract]
