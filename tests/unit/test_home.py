"""The folder of an account without a home directory."""

from __future__ import annotations

from pathlib import Path

import pytest

from grouping.cli.options.home import DEFAULT_HOME, expanded, home_directory_in
from grouping.errors import InvalidInputError


def test_an_empty_home_is_none_and_other_folders_need_none(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", "")
    with pytest.raises(InvalidInputError, match="no home directory, which ~/"):
        expanded(DEFAULT_HOME)
    assert home_directory_in(tmp_path) == tmp_path
    monkeypatch.setenv("HOME", str(tmp_path))
    assert expanded(DEFAULT_HOME) == (tmp_path / ".mtl-grouping").resolve()
