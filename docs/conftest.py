"""Every block of Python on these pages runs as a test, with what came before it on the page.

A block whose fence says more than ``python`` is run elsewhere: with a service, or as an installed plug-in.
"""

from __future__ import annotations

import os
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from sybil import Sybil
from sybil.parsers.markdown import PythonCodeBlockParser, SkipParser

TUTORIAL = Path(__file__).parent / "tutorial" / "solve-a-score-table.md"


def shown_table() -> str:
    """The table of the tutorial, which pages read as ``table.csv``."""
    lines = [line[4:] for line in TUTORIAL.read_text(encoding="utf-8").splitlines() if line[:4] == "    "]
    first = lines.index("network,size,cost,depth,edges")
    return "\n".join(lines[first : first + 4]) + "\n"


def enter_folder(names: dict[str, Any]) -> None:
    """Begin a page in a folder of its own."""
    names["_folder"] = TemporaryDirectory()
    names["_before"] = Path.cwd()
    os.chdir(names["_folder"].name)
    Path("table.csv").write_text(shown_table(), encoding="utf-8")


def leave_folder(names: dict[str, Any]) -> None:
    """End it."""
    os.chdir(names["_before"])
    names["_folder"].cleanup()


pytest_collect_file = Sybil(
    parsers=[PythonCodeBlockParser(), SkipParser()],
    patterns=["*.md"],
    setup=enter_folder,
    teardown=leave_folder,
).pytest()
