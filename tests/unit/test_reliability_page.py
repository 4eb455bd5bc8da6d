"""The page on what is promised names tests that are there."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_every_promise_names_tests_that_are_there() -> None:
    text = (ROOT / "docs" / "reliability.md").read_text()
    promises = text.partition("## Promises")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (?!promise|---)(.+) \| (.+) \|$", promises, re.MULTILINE)
    assert len(rows) > 10
    for promise, tests in rows:
        named = re.findall(r"`([^`]+\.py)`", tests)
        assert named, promise
        for name in named:
            assert (ROOT / name).is_file(), name
