"""What docs/reference/score-tables.md shows is read as it says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from grouping.domain.tasks import MAX_TASKS
from grouping.formats import TableFormat, limits, read_table

TEXT = (Path(__file__).parents[2] / "docs" / "reference" / "score-tables.md").read_text(encoding="utf-8")


def block(language: str) -> str:
    (found,) = re.findall(rf"^```{language}\n(.*?)^```", TEXT, flags=re.MULTILINE | re.DOTALL)
    return str(found)


@pytest.mark.parametrize(
    ("language", "chosen", "n_networks"),
    [
        ("csv wide", TableFormat.WIDE_CSV, 3),
        ("csv long", TableFormat.LONG_CSV, 2),
        ("json", TableFormat.JSON, 1),
    ],
)
def test_the_examples_are_tables(language: str, chosen: TableFormat, n_networks: int) -> None:
    imported = read_table(block(language).encode())
    assert imported.report.format == chosen
    assert imported.table.task_names == ("depth", "edges")
    assert len(imported.table.networks) == n_networks
    assert imported.table.other_costs["latency_ms"][-1] == 7.5


def test_the_report_of_the_wide_example_is_the_one_shown() -> None:
    report = read_table(block("csv wide").encode()).report
    assert report.sentences() == tuple(block("text report").splitlines())


def test_the_code_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("table.csv").write_text(block("csv wide"))
    exec(compile(block("python read"), "score-tables.md", "exec"), {})
    assert read_table(Path("table.parquet")).table == read_table(Path("table.csv")).table


def test_the_limits_are_those_of_the_code() -> None:
    for number in (
        limits.MAX_LINES,
        limits.MAX_LINE_CHARACTERS,
        limits.MAX_NETWORKS,
        limits.MAX_RESULTS,
    ):
        assert f"{number:,}" in TEXT
    listed = f"| {MAX_TASKS:,}, {limits.MAX_TABLE_SEEDS}, {limits.MAX_OTHER_COSTS} |"
    assert listed in TEXT
    assert f"| {limits.MAX_LOSS:.0e}".replace("e+", "e") in TEXT
    assert f"{limits.MAX_BYTES // 2**20} MiB" in TEXT
    assert f"{limits.MAX_UNPACKED_BYTES // 2**20} MiB" in TEXT


def test_every_format_is_described() -> None:
    for chosen in TableFormat:
        assert f"`{chosen.value}`" in TEXT
