"""Matrix, graph, curve and networks as files: the same rows in every format, everywhere."""

# mypy: disable-error-code="no-untyped-call,attr-defined"

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pyarrow.parquet
import pytest
from typer.testing import CliRunner

from grouping.cli import app
from grouping.domain.tables.exports import Exported, ExportFormat
from grouping.formats import read_table
from grouping.use_cases.exports import COLUMNS
from tests.integration.conftest import NAMES, Api, Scenes, server

HTML = {"Accept": "text/html"}
NUMBERS = {"value", "standard_error", "cost_snt", "loss", "test_loss", "budget_snt", "size"}


def exported(api: Api, table: str, what: str, form: str, query: str = "") -> bytes:
    answer = api.get(f"/v1/score-tables/{table}/export/{what}?format={form}{query}")
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith(ExportFormat(form).media_type.partition(";")[0])
    assert f'-{what}.{form}"' in answer.headers["content-disposition"]
    return answer.content


@pytest.mark.parametrize("what", Exported)
def test_every_format_holds_the_same_rows(api: Api, scenes: Scenes, what: str) -> None:
    table = scenes.finished(name="a job").score_table_id
    rows = json.loads(exported(api, table, what, "json"))
    assert rows
    assert pyarrow.parquet.read_table(io.BytesIO(exported(api, table, what, "parquet"))).to_pylist() == rows
    read = [*csv.DictReader(io.StringIO(exported(api, table, what, "csv").decode()))]
    assert len(read) == len(rows)
    for written, row in zip(read, rows, strict=True):
        assert list(written) == list(row)
        for name in NUMBERS & set(row):
            assert (float(written[name]) if written[name] else None) == row[name]
    picture = ElementTree.fromstring(exported(api, table, what, "svg"))
    assert picture.tag.endswith("svg")


def test_the_rows_are_those_that_the_answers_hold(api: Api, scenes: Scenes) -> None:
    table = scenes.finished(name="a job").score_table_id
    matrix = json.loads(exported(api, table, "matrix", "json", "&method=pairwise"))
    answer = api.get(f"/v1/score-tables/{table}/affinity?method=pairwise").json()
    for row in matrix:
        i, j = NAMES.index(row["source"]), NAMES.index(row["target"])
        assert row["value"] == answer["values"][i][j]
    curve = json.loads(exported(api, table, "curve", "json"))
    points = api.get(f"/v1/score-tables/{table}/curve").json()
    assert [row["loss"] for row in curve if row["choice"] == "best"] == [p["loss"] for p in points["points"]]
    networks = json.loads(exported(api, table, "networks", "json", "&budget_snt=1"))
    assert [row["network"] for row in networks] == ["+".join(NAMES)]


def test_what_is_not_measured_yet_is_exported_as_such(api: Api, scenes: Scenes) -> None:
    table = scenes.running(name="a job").score_table_id
    for form in ExportFormat:
        for what in (Exported.MATRIX, Exported.GRAPH, Exported.CURVE):
            assert exported(api, table, what, form) is not None
        assert api.get(f"/v1/score-tables/{table}/export/networks?format={form}").status_code == 409
    values = pyarrow.parquet.read_table(io.BytesIO(exported(api, table, "matrix", "parquet")))["value"]
    assert str(values.type) == "double"
    assert values.null_count == len(values) == len(NAMES) * (len(NAMES) - 1)
    columns = list(COLUMNS[Exported.GRAPH])
    assert exported(api, table, "graph", "csv").decode() == ",".join(columns) + "\n", "headings without rows"
    graph = pyarrow.parquet.read_table(io.BytesIO(exported(api, table, "graph", "parquet")))
    assert (graph.column_names, graph.num_rows) == (columns, 0)


@pytest.mark.parametrize("form", ["long-csv", "long-tsv", "parquet"])
def test_files_of_scores_have_the_metrics_beside_the_losses(api: Api, scenes: Scenes, form: str) -> None:
    table = scenes.finished(name="a job").score_table_id
    data = api.get(f"/v1/score-tables/{table}/export?format={form}").content
    if form == "parquet":
        rows = pyarrow.parquet.read_table(io.BytesIO(data)).to_pylist()
    else:
        rows = [*csv.DictReader(io.StringIO(data.decode()), delimiter="\t" if form == "long-tsv" else ",")]
    told = {
        (cell["network"], cell["task"], int(seed)): (loss, cell["validation_metric"]["by_seed"][seed])
        for cell in api.get(f"/v1/score-tables/{table}/scores").json()["cells"]
        for seed, loss in cell["validation"]["by_seed"].items()
        if cell["validation_metric"] is not None
    }
    assert told
    written = {
        (row["network"], row["task"], int(row["seed"])): (
            float(row["validation_loss"]),
            float(row["validation_metric"]),
        )
        for row in rows
        if row["validation_metric"]
    }
    assert told == written
    imported = read_table(data)
    assert imported.report.warnings == ()
    assert "Not read: the values of metrics, which stand beside the losses." in imported.report.notes


def test_what_cannot_be_exported_says_why(api: Api, scenes: Scenes) -> None:
    table = scenes.finished(name="a job").score_table_id
    path = f"/v1/score-tables/{table}/export"
    assert api.get(f"{path}/networks?budget_snt=0.01").status_code == 409
    assert api.get(f"{path}/matrix?method=tag").json()["code"] == "not_measured"
    assert api.get(f"{path}/matrix?method=none").status_code == 422
    assert api.get(f"{path}/scores").status_code == 422
    assert api.get(f"{path}/curve?format=xls").status_code == 422


def test_pages_link_to_the_files_of_what_they_show(api: Api, scenes: Scenes) -> None:
    table = scenes.finished(name="a job").score_table_id
    for page, what in (
        ("affinity", "matrix"),
        ("graph", "graph"),
        ("curve", "curve"),
        ("networks", "networks"),
    ):
        text = api.get(f"/score-tables/{table}/{page}", headers=HTML).text
        for form in ExportFormat:
            assert f"/export/{what}?format={form}" in text, (page, form)
    demanded = api.get(f"/score-tables/{table}/networks?max_networks=1", headers=HTML).text
    assert "/export/networks" not in demanded, "the file would not keep to the demand"


@pytest.mark.slow
def test_the_command_writes_files_of_jobs_and_tables(tmp_path: Path, sqlite_url: str, scenes: Scenes) -> None:
    job = scenes.finished(name="a job")
    with server(sqlite_url, tmp_path / "api.log") as (url, _):

        def run(*arguments: str) -> Any:
            done = CliRunner().invoke(app, ["download", *arguments, "--server", url], catch_exceptions=False)
            assert done.exit_code == 0, done.output
            return done.stdout

        run(job.id[:-1], "matrix", "--out", str(tmp_path / "matrix.svg"))
        assert (tmp_path / "matrix.svg").read_text().startswith("<svg")
        run(job.score_table_id, "curve", "-o", str(tmp_path / "curve.parquet"))
        assert pyarrow.parquet.read_table(tmp_path / "curve.parquet").num_rows > 3
        assert run(job.id, "networks", "--budget", "1").startswith("network,size,cost_snt")
        assert "validation_metric" in run(job.id, "scores").partition("\n")[0]
        run(job.score_table_id, "scores", "-o", str(tmp_path / "scores.parquet"))
        assert "test_metric" in pyarrow.parquet.read_table(tmp_path / "scores.parquet").column_names
        for refused, says in (
            (("curve", "-o", str(tmp_path / "curve.xlsx")), ".xlsx is none of the formats csv, json, svg"),
            (("scores", "--format", "svg"), "no picture of scores"),
        ):
            done = CliRunner().invoke(app, ["download", job.id, *refused, "--server", url])
            assert says in str(done.exception)
        listed = CliRunner().invoke(app, ["groupings", job.id[:-1], "--server", url])
        assert listed.stdout.startswith("grouping"), listed.output
