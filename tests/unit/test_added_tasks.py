"""Tasks that `grouping clone` adds: names, definitions, and those of a search file."""

from __future__ import annotations

from pathlib import Path

import pytest

from grouping.cli.options.added_tasks import new_tasks, task_asked_for
from grouping.errors import InvalidInputError, SearchFileError

FILE = """
trainer = "mine"

[[tasks]]
name = "wear"

[[tasks]]
name = "noise"
metric = "rmse"
"""


def test_a_task_is_a_name_or_a_definition() -> None:
    assert task_asked_for("noise") == "noise"
    assert task_asked_for("noise:") == {"name": "noise"}
    assert task_asked_for("noise:metric=rmse,unit=dB,weight=2,must_not_worsen=true") == {
        "name": "noise",
        "metric": "rmse",
        "unit": "dB",
        "weight": 2,
        "must_not_worsen": True,
    }
    with pytest.raises(InvalidInputError, match="--add-task noise:rmse: write parameters as NAME=VALUE"):
        task_asked_for("noise:rmse")


def test_a_file_adds_the_tasks_that_are_not_there(tmp_path: Path) -> None:
    file = tmp_path / "search.toml"
    file.write_text(FILE)
    assert new_tasks(file, {"wear"}) == [{"name": "noise", "metric": "rmse"}]
    with pytest.raises(InvalidInputError, match="no task that the job does not have"):
        new_tasks(file, {"wear", "noise"})
    file.write_text(FILE.replace("metric", "metrik"))
    with pytest.raises(SearchFileError, match="did you mean metric"):
        new_tasks(file, {"wear"})
    with pytest.raises(SearchFileError, match="cannot be read"):
        new_tasks(tmp_path / "none.toml", ())
