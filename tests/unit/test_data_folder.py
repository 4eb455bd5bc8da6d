# mypy: disable-error-code="no-untyped-call"
# fsspec is typed in parts.

from __future__ import annotations

from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pandas as pd
import pytest

from grouping.data_sets.definitions import ProblemDefinition, parse_target
from grouping.data_sets.folder import DATA_VARIABLE, DataFolder, name_of, require_data_folder
from grouping.data_sets.packed import pack
from grouping.data_sets.reading import read_frame
from grouping.errors import DataSetError, InvalidInputError, UnknownNameError
from grouping.problems.registry import get_problem, list_problems
from grouping.use_cases import data_sets
from tests.frames import fields, shop


def table(frame: Any) -> bytes:
    return pack(read_frame(frame.to_csv(index=False).encode(), "t.csv"))


@pytest.fixture(params=["a folder", "memory"])
def folder(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DataFolder:
    """A folder on the disk, and one at an address that has no disk."""
    address = str(tmp_path / "data") if request.param == "a folder" else f"memory://{tmp_path.name}"
    monkeypatch.setenv(DATA_VARIABLE, address)
    found = require_data_folder()
    assert found.list() == ()
    return found


def test_the_same_table_is_stored_once(folder: DataFolder) -> None:
    first, is_new = folder.add(table(shop()), "shop", "shop.csv")
    again, is_new_again = folder.add(table(shop()), "other", "copy.csv")
    assert (is_new, is_new_again, again) == (True, False, first)
    assert folder.list() == (first,)
    assert first.n_rows == 240
    assert pack(folder.frame(first)) == table(shop())


def test_tables_of_one_name_are_versions(folder: DataFolder) -> None:
    old, _ = folder.add(table(shop()), "shop", "shop.csv")
    new, _ = folder.add(table(shop(200)), "shop", "shop.csv")
    assert folder.get("shop") == new
    assert folder.get(old.version) == old
    with pytest.raises(UnknownNameError, match="no data set named 'ship'"):
        folder.get("ship")


def test_how_columns_become_inputs_is_kept_with_the_problem(folder: DataFolder) -> None:
    stored, _ = folder.add(table(shop()), "shop", "shop.csv")
    made, _ = folder.define(stored, ProblemDefinition((parse_target("price"),), without=("clicked",)))
    fitted = DataFolder(folder.address).fitted(folder.problem(stored, made.name))
    assert fitted.names == made.inputs
    wanted = get_problem(made.name).load().inputs
    assert (fitted.apply(folder.frame(stored)) == wanted).all()
    with pytest.raises(UnknownNameError, match=r"Known: shop:"):
        folder.problem(stored, "shop:none")


def test_a_problem_of_a_table_is_found_beside_installed_ones(folder: DataFolder) -> None:
    stored, _ = folder.add(table(fields()), "mines", "mines.csv")
    target = parse_target("mine:binary:metric=roc_auc,chosen_by=metric,weight=2")
    definition = ProblemDefinition((target,), "field")
    made, is_new = folder.define(stored, definition)
    again, is_new_again = DataFolder(folder.address).define(stored, definition)
    assert (is_new, is_new_again) == (True, False)
    assert (again.name, again.tasks, again.findings) == (made.name, made.tasks, made.findings)
    assert list_problems()[-1].name == made.name
    problem = get_problem("mines")
    assert problem.name == made.name
    assert problem.findings == made.findings
    assert problem.load().label_counts("field 1") == made.labels["field 1"]
    assert problem.load().digest() == get_problem(made.name).load().digest()
    newest, _ = folder.define(stored, ProblemDefinition((parse_target("a"),)))
    assert get_problem("mines").name == newest.name
    assert get_problem(made.name).name == made.name
    with pytest.raises(UnknownNameError, match=made.name):
        get_problem("mine")


def test_deleting_takes_table_and_problems(folder: DataFolder) -> None:
    stored, _ = folder.add(table(fields()), "mines", "mines.csv")
    made, _ = folder.define(stored, ProblemDefinition((parse_target("a"),)))
    data_sets.delete(folder, "mines", None)
    assert folder.list() == ()
    with pytest.raises(UnknownNameError):
        get_problem(made.name)
    again, is_new = folder.add(table(fields()), "mines", "mines.csv")
    assert is_new
    assert folder.problems(again) == ()


def test_a_table_that_was_changed_or_is_gone_is_told(folder: DataFolder) -> None:
    stored, _ = folder.add(table(fields()), "mines", "mines.csv")
    fs, path = fsspec.core.url_to_fs(folder.address)
    file = f"{path}/{stored.digest}/table.arrow"
    fs.pipe_file(file, b"something else")
    with pytest.raises(DataSetError, match="was changed"):
        folder.frame(stored)
    fs.rm(file)
    with pytest.raises(DataSetError, match="is gone"):
        folder.frame(stored)


def test_what_is_written_in_part_is_no_data_set(folder: DataFolder) -> None:
    stored, _ = folder.add(table(fields()), "mines", "mines.csv")
    fs, path = fsspec.core.url_to_fs(folder.address)
    fs.rm(f"{path}/{stored.digest}/data-set.json")
    fs.pipe_file(f"{path}/notes.txt", b"mine")
    assert folder.list() == ()
    assert folder.add(table(fields()), "mines", "mines.csv")[1]
    assert not [name for name in fs.find(path) if name.endswith(".partial")]


@pytest.mark.parametrize("name", ["", "a b", "../up", "-x", "x" * 61, "ü"])
def test_a_name_is_plain(folder: DataFolder, name: str) -> None:
    with pytest.raises(InvalidInputError, match="named by letters"):
        folder.add(table(fields()), name, "t.csv")


def test_the_name_of_an_installed_problem_is_taken(folder: DataFolder, tmp_path: Path) -> None:
    file = tmp_path / "digits.csv"
    fields().to_csv(file, index=False)
    with pytest.raises(InvalidInputError, match="name of an installed problem"):
        data_sets.add_file(folder, file)
    assert data_sets.add_file(folder, file, "mine")[0].name == "mine"


def test_files_are_read_in_allowed_folders_only(folder: DataFolder, tmp_path: Path) -> None:
    allowed, outside = tmp_path / "allowed", tmp_path / "secret"
    for place in (allowed, outside):
        place.mkdir()
        fields().to_csv(place / "t.csv", index=False)
    (allowed / "link.csv").symlink_to(outside / "t.csv")
    assert data_sets.add_allowed(folder, str(allowed / "t.csv"), [allowed])[1]
    for path in (outside / "t.csv", allowed / "link.csv", allowed / ".." / "secret" / "t.csv"):
        with pytest.raises(InvalidInputError, match="none of them"):
            data_sets.add_allowed(folder, str(path), [allowed])
    with pytest.raises(InvalidInputError, match="none of them"):
        data_sets.add_allowed(folder, str(allowed / "t.csv"), [])


def test_names_are_made_of_files() -> None:
    assert [name_of(file) for file in ("a/b c.csv", r"C:\x\May 2024.parquet", ".csv", "é.csv")] == [
        "b-c",
        "May-2024",
        "table",
        "table",
    ]


def test_without_a_folder_there_are_installed_problems_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(DATA_VARIABLE, raising=False)
    assert all(":" not in problem.name for problem in list_problems())
    with pytest.raises(InvalidInputError, match="--data-folder"):
        require_data_folder()


def test_what_is_new_in_a_version_is_told(folder: DataFolder) -> None:
    definition = ProblemDefinition((parse_target("mine:binary"),), "field")
    rows = fields()
    more = pd.concat([rows.iloc[::-1], rows.iloc[:30].assign(a=99.5)], ignore_index=True)
    wider = more.assign(depth=np.arange(len(more)) % 7)
    found = {}
    for name, frame in (("first", rows), ("more", more), ("wider", wider)):
        stored, _ = folder.add(table(frame), "mines", "mines.csv")
        problem, _ = folder.define(stored, definition)
        codes = {finding.code: finding.sentence for finding in problem.findings}
        found[name] = {code: codes[code] for code in ("rows_changed", "columns_added") if code in codes}
        assert folder.get(stored.version) == stored
    assert found["first"] == {}
    share = f"{30 / len(more):.0%}".replace("%", " %")
    assert found["more"].keys() == {"rows_changed"}
    assert f"{share} of the rows (30 of {len(more):,}) are new" in found["more"]["rows_changed"]
    assert found["wider"].keys() == {"columns_added"}
    assert "'depth'" in found["wider"]["columns_added"]
