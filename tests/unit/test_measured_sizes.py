"""Sizes whose cost the command measures before a search is submitted."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from grouping.cli.options.measured_sizes import are_to_be_measured, with_measured_costs, with_nominal_costs
from grouping.errors import InvalidInputError
from grouping.use_cases.search_file import read_search
from grouping.use_cases.submit import build_spec

SEARCH = """
budgets = [1, 2]
epochs = 20
trainer = {name = "external", parameters = {data = "v1"}}
[[tasks]]
name = "wear"
[[tasks]]
name = "heat"
[[sizes]]
name = "resnet50"
cost = 1
[[sizes]]
name = "resnet18"
width = 0.5
cost = "measured"
[[sizes]]
name = "resnet34"
cost = 0.8
"""
TRAIN = """
import json, os, pathlib
told = {name: os.environ[f"GROUPING_{name}"] for name in ("TASKS", "SIZE", "SIZE_NAME", "EPOCHS", "SEED")}
with pathlib.Path("told.jsonl").open("a") as file:
    file.write(json.dumps(told) + "\\n")
macs = {"resnet50": 4.1e9, "resnet18": 1.8e9}[told["SIZE_NAME"]]
result = {"validation": {told["TASKS"]: 0.5}, "cost_snt": macs}
if pathlib.Path("silent").exists():
    del result["cost_snt"]
pathlib.Path(os.environ["GROUPING_OUT"], "result.json").write_text(json.dumps(result))
"""


def asked(text: str = SEARCH) -> dict[str, Any]:
    found = read_search(text, "search.toml")
    found.request()  # as the command checks it
    return dict(found.asked)


def test_a_size_costs_what_the_command_reports_for_it_over_the_full_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    command = (sys.executable, "-c", TRAIN.replace("{", "{{").replace("}", "}}"))
    request = asked()
    said: list[str] = []
    assert are_to_be_measured(request)
    measured = with_measured_costs(request, command, said.append)
    assert [size["cost"] for size in measured["sizes"]] == pytest.approx([1, 1.8 / 4.1, 0.8])
    assert said == ["Measured: resnet18 costs 0.439 of resnet50."]
    told = [json.loads(line) for line in (tmp_path / "told.jsonl").read_text().splitlines()]
    assert [one["SIZE_NAME"] for one in told] == ["resnet50", "resnet18"]
    assert told[1] == {"TASKS": "wear", "SIZE": "0.5", "SIZE_NAME": "resnet18", "EPOCHS": "1", "SEED": "0"}
    spec, _ = build_spec(read_search(json.dumps(measured)).request())
    assert spec.candidates.find(frozenset({"heat"}), 0.5).cost_snt == pytest.approx(1.8 / 4.1)  # type: ignore[union-attr]

    (tmp_path / "silent").touch()
    with pytest.raises(InvalidInputError, match="has no cost_snt") as caught:
        with_measured_costs(request, command, said.append)
    assert caught.value.pointer == "/sizes/0/cost"
    with pytest.raises(InvalidInputError, match="out of money"):
        with_measured_costs(request, (sys.executable, "-c", "raise SystemExit('out of money')"), said.append)


def test_an_estimate_takes_the_width_and_a_request_without_a_command_is_refused() -> None:
    request = asked()
    spec, _ = build_spec(read_search(json.dumps(with_nominal_costs(request))).request())
    assert [size.cost for size in spec.sizes] == [1, 0.5, 0.8]
    with pytest.raises(InvalidInputError, match=r"is measured by: grouping run FILE -- COMMAND\.") as caught:
        build_spec(read_search(SEARCH, "search.toml").request())
    assert caught.value.pointer == "/sizes/1/cost"
    with pytest.raises(InvalidInputError, match="give it a width"):
        with_nominal_costs(asked(SEARCH.replace("width = 0.5\n", "")))
    with pytest.raises(InvalidInputError, match="its cost is 1"):
        with_nominal_costs(asked(SEARCH.replace("cost = 1\n", 'cost = "measured"\n')))
