"""Folders of checkpoints: where they are, and when they go."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from grouping.cli.serving import checkpoint_folder
from grouping_workers.checkpoint_folders import prune, remove_folder


def _folder(root: Path, name: str, *, changed_s: float) -> Path:
    folder = root / name
    folder.mkdir(parents=True)
    (folder / "one.safetensors").write_bytes(b"1")
    for path in (folder / "one.safetensors", folder):
        os.utime(path, (changed_s, changed_s))
    return folder


def test_only_folders_in_which_nothing_was_written_for_long_are_pruned(tmp_path: Path) -> None:
    old = _folder(tmp_path, "a" * 32, changed_s=1000.0)
    young = _folder(tmp_path, "b" * 32, changed_s=1900.0)
    deep = _folder(tmp_path, "c" * 32, changed_s=1000.0)
    written = _folder(deep, "training", changed_s=1900.0)
    os.utime(deep, (1000.0, 1000.0))
    foreign = _folder(tmp_path, "thesis", changed_s=1000.0)
    (tmp_path / "note.txt").write_text("not ours")
    assert prune(tmp_path, keep_s=500.0, now_s=2000.0) == 1
    assert not old.exists()
    assert all(path.exists() for path in (young, written, foreign, tmp_path / "note.txt"))


def test_there_may_be_no_folder_at_all(tmp_path: Path) -> None:
    remove_folder(None, "job")
    remove_folder(tmp_path, "job")
    assert prune(None) == prune(tmp_path / "missing") == 0


def test_the_folder_of_a_job_is_removed_with_what_is_in_it(tmp_path: Path) -> None:
    _folder(tmp_path, "job", changed_s=1000.0)
    other = _folder(tmp_path, "other", changed_s=1000.0)
    remove_folder(tmp_path, "job")
    assert list(tmp_path.iterdir()) == [other]


@pytest.mark.parametrize(
    ("given", "database", "wanted"),
    [
        ("/shared/checkpoints", "sqlite:////data/grouping.db", "/shared/checkpoints"),
        (None, "sqlite:////data/grouping.db", "/data/grouping.checkpoints"),
        (None, "postgresql://host/name", "/home/me/checkpoints"),
        (None, "sqlite:///file:/data/grouping.db?uri=true", "/home/me/checkpoints"),
    ],
)
def test_checkpoints_are_beside_the_database_unless_told_otherwise(
    given: str | None, database: str, wanted: str
) -> None:
    folder = checkpoint_folder(None if given is None else Path(given), database, Path("/home/me"))
    assert folder == Path(wanted)
