"""The folder of an account without a home directory."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from grouping.cli.options.home import DEFAULT_HOME, expanded, home_directory_in
from grouping.cli.serving import running_service
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


@pytest.mark.parametrize("told", [None, "elsewhere"])
def test_all_that_a_service_starts_finds_data_and_bundles_in_one_place(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, told: str | None
) -> None:
    """The service here is refused after that, since nobody else may reach one without a token."""
    for name, folder in (("GROUPING_DATA", "data"), ("GROUPING_KEPT", "kept")):
        if told is None:
            monkeypatch.delenv(name, raising=False)
        else:
            monkeypatch.setenv(name, str(tmp_path / told / folder))
    monkeypatch.delenv("GROUPING_API_TOKEN", raising=False)
    started = running_service(
        host="0.0.0.0",
        port=0,
        home=tmp_path / "home",
        database=f"sqlite:///{tmp_path}/grouping.db",
        workers=1,
        ray_address=None,
    )
    with pytest.raises(InvalidInputError, match="token"), started:
        pass
    root = (tmp_path / (told or "home")).resolve()
    assert os.environ["GROUPING_DATA"] == str(root / "data")
    assert os.environ["GROUPING_KEPT"] == str(root / "kept")
