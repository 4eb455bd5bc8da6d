"""The published score tables, as reports say them."""

from __future__ import annotations

from pathlib import Path

import pytest

from grouping.formats import read_table, read_table_guarded

DATA = Path(__file__).parents[2] / ".." / "shared" / "data"


def published(name: str) -> Path:
    path = DATA / name
    if not path.is_file():
        pytest.skip(f"the published score table is not at {path}")
    return path


@pytest.mark.parametrize("setting", [1, 3])
def test_the_tables_of_standley_et_al_are_complete(setting: int) -> None:
    validation = published(f"standley/setting{setting}_val.csv")
    test = published(f"standley/setting{setting}_test.csv")
    imported = read_table(validation, test=test)
    report = imported.report
    assert (report.format, report.values) == ("wide_csv", "losses")
    assert report.tasks == ("semantic", "depth", "normals", "keypoints", "edges")
    assert (report.n_networks, report.n_seeds, report.sizes) == (36, 1, (0.5, 1.0))
    assert (report.largest_group_size, report.n_expected_groups, report.n_missing_groups) == (5, 31, 0)
    assert (report.n_duplicates, report.n_non_finite_cells, report.n_incomplete_networks) == (0, 0, 0)
    assert report.uncovered_tasks == report.warnings == ()
    assert read_table_guarded(validation.read_bytes(), test=test.read_bytes()) == imported


def test_the_gains_of_ettm1_are_turned_into_losses_when_it_is_said() -> None:
    path = published("mtgnet/ettm1_val.csv")
    imported = read_table(path, values="gains")
    assert (imported.report.values, imported.report.n_networks) == ("gains", 127)
    assert imported.report.n_expected_groups == 127
    assert imported.report.n_missing_groups == 0
    assert imported.report.warnings == ()
    assert "gains (higher is better), turned into losses as loss = 1 - gain" in imported.report.sentences()[0]
    alone = imported.table.validation[0, 0]
    assert alone == 1.0
    (warning,) = read_table(path).report.warnings
    assert warning == "208 losses are negative: if the values are gains, say so when importing."
