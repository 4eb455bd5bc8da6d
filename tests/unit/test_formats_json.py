"""The JSON format: what it looks like, what may be left out, and what it refuses."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from grouping.domain.networks import Network
from grouping.domain.tasks import Task, TaskKind
from grouping.errors import InvalidInputError, TableFormatError
from grouping.formats import TableFormat, read_table, write_table
from tests.tables import random_table

DOCUMENT: dict[str, Any] = {
    "format": "mtl-grouping score table",
    "version": 1,
    "tasks": [{"name": "depth", "kind": "regression", "weight": 2.0}, {"name": "edges"}],
    "seeds": [0, 1],
    "networks": [
        {
            "size": 1.0,
            "cost_snt": 1.0,
            "other_costs": {"latency_ms": 7.5},
            "validation_losses": {"depth": [0.25, 0.5], "edges": [0.125, None]},
            "test_losses": {"depth": [0.75, None]},
        }
    ],
}


def changed(change: Callable[[dict[str, Any]], object]) -> bytes:
    document = json.loads(json.dumps(DOCUMENT))
    change(document)
    return json.dumps(document).encode()


def test_a_document_is_read() -> None:
    imported = read_table(json.dumps(DOCUMENT).encode())
    table = imported.table
    assert table.tasks == (Task("depth", TaskKind.REGRESSION, weight=2.0), Task("edges"))
    assert table.networks == (Network.of("depth", "edges"),)
    assert table.validation_losses[0, 0].tolist() == [0.25, 0.5]
    assert table.validation_losses[0, 1, 0] == 0.125
    assert np.isnan(table.validation_losses[0, 1, 1])
    assert table.test_losses[0, 0, 0] == 0.75
    assert list(table.other_costs["latency_ms"]) == [7.5]
    assert imported.report.format == "json"


def test_a_table_is_written_as_such_a_document_with_a_line_per_network() -> None:
    table = read_table(json.dumps(DOCUMENT).encode()).table
    text = write_table(table, TableFormat.JSON).decode()
    assert len(text.splitlines()) == 3
    document = json.loads(text)
    assert document.keys() == DOCUMENT.keys()
    assert document["networks"][0] == {
        **DOCUMENT["networks"][0],
        "test_losses": {"depth": [0.75, None], "edges": [None, None]},
    }


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda d: d.update(version=2), "/version"),
        (lambda d: d.update(format="x"), "/format"),
        (lambda d: d.update(more=1), "unknown key 'more'"),
        (lambda d: d.pop("seeds"), "/seeds is missing"),
        (lambda d: d.update(seeds=[0, 0]), "names a seed twice"),
        (lambda d: d.update(seeds=[0, 2**63]), "/seeds/1 must be a whole number"),
        (lambda d: d.update(seeds=[0, True]), "/seeds/1 must be a whole number"),
        (lambda d: d.update(seeds=list(range(65))), "65 seeds"),
        (lambda d: d.update(networks=[]), "no networks"),
        (lambda d: d.update(networks={}), "/networks must be an array"),
        (lambda d: d.update(networks=d["networks"] * 2), "more than once"),
        (lambda d: d["tasks"].append({"name": "edges"}), "names a task twice"),
        (lambda d: d["tasks"].append({"name": "a+b"}), "not allowed"),
        (lambda d: d["tasks"].append({"name": "a\0b"}), "/tasks/2/name holds a control character"),
        (lambda d: d["tasks"].append({"name": "a\ud800b"}), "/tasks/2/name holds a control character"),
        (lambda d: d["tasks"].append({"name": "a\u202eb"}), "/tasks/2/name holds a control character"),
        (lambda d: d["tasks"].append({"name": "x" * 10_240}), "10,240 characters"),
        (lambda d: d["tasks"].append({"name": 3}), "/tasks/2/name must be a string"),
        (lambda d: d["tasks"][0].update(kind="magic"), "/tasks/0/kind must be one of regression"),
        (lambda d: d["tasks"][0].update(weight=-1), "weight must be a positive number"),
        (lambda d: d["tasks"][0].update(weight="1"), "/tasks/0/weight must be a finite number"),
        (lambda d: d["tasks"][0].update(n_outputs=1.5), "whole number"),
        (lambda d: d["tasks"][0].update(n_outputs=0), "at least one output"),
        (lambda d: d["tasks"][0].update(metric={"name": "r2"}), "/tasks/0/metric/direction is missing"),
        (lambda d: d["networks"][0].update(size=0), "must be a positive number"),
        (lambda d: d["networks"][0].update(size=True), "/networks/0/size must be a finite number"),
        (lambda d: d["networks"][0].update(size=10**400), "/networks/0/size must be a finite number"),
        (lambda d: d["networks"][0].update(validation_losses={}, test_losses={}), "at least one task"),
        (lambda d: d["networks"][0]["validation_losses"].update(x=[1, 1]), "none of the tasks"),
        (
            lambda d: d["networks"][0]["validation_losses"].update(edges=[1]),
            "has 1 losses; one per seed is 2",
        ),
        (lambda d: d["networks"][0]["validation_losses"].pop("depth"), "/test_losses names tasks"),
        (lambda d: d["networks"][0]["other_costs"].update(latency_ms=-1), "not negative"),
        (
            lambda d: d["networks"].append(
                {"size": 1, "cost_snt": 1, "validation_losses": {"edges": [1, 1]}}
            ),
            "must name the same costs",
        ),
    ],
)
def test_a_broken_document_is_refused_with_the_place(
    change: Callable[[dict[str, Any]], object], says: str
) -> None:
    with pytest.raises(TableFormatError, match=says):
        read_table(changed(change))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "Line 1, column 2"),
        ("[]", "The document must be an object"),
        ("[" * 100_000, "nested too deeply"),
        ('{"a":' * 100_000, "nested too deeply"),
        ('{"seeds": [NaN]}', "JSON has no NaN; write null"),
        ('{"seeds": [-Infinity]}', "JSON has no -Infinity"),
        ('{"seeds": [1], "seeds": [2]}', "key 'seeds' stands in an object twice"),
        ('{"seeds": [' + "9" * 5_000 + "]}", "number is too large"),
        ('{"\ud83d": 1}', "UTF-8"),
        ('{"a": 1} {"a": 1}', "Extra data"),
    ],
)
def test_what_is_no_json_in_the_strict_sense_is_refused(text: str, says: str) -> None:
    with pytest.raises(TableFormatError, match=says):
        read_table(text.encode(errors="surrogatepass"))


def test_losses_only() -> None:
    data = json.dumps(DOCUMENT).encode()
    with pytest.raises(TableFormatError, match="holds losses"):
        read_table(data, values="gains")
    with pytest.raises(InvalidInputError, match="losses only"):
        write_table(random_table(0), TableFormat.JSON, values="gains")
