"""Distributions with entry points, as an installer would leave them."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest


def write_distribution(folder: Path, name: str, code: str, entry_points: str) -> None:
    """A distribution of version 1.0 with one module of its name.

    Args:
        folder: where; to be put on the path of imports.
        name: of the distribution; the module has underscores for its hyphens.
        code: of the module.
        entry_points: lines of its file of entry points, group headers included.
    """
    module = name.replace("-", "_")
    (folder / f"{module}.py").write_text(code, encoding="utf-8")
    info = folder / f"{module}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n", encoding="utf-8")
    (info / "entry_points.txt").write_text(f"{entry_points}\n", encoding="utf-8")


def install(monkeypatch: pytest.MonkeyPatch, folder: Path, name: str, code: str, entry_points: str) -> None:
    """`write_distribution`, found by imports until the test ends; caches of registries are not touched."""
    write_distribution(folder, name, code, entry_points)
    # Another test may have imported a module of this name.
    monkeypatch.delitem(sys.modules, name.replace("-", "_"), raising=False)
    monkeypatch.syspath_prepend(str(folder))
