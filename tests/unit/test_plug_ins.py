"""Plug-ins of any kind: found by name, or listed with what is wrong with them."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from grouping.errors import InvalidInputError, UnknownNameError
from grouping.plug_ins import Catalogue, Unavailable, discover
from grouping.problems.registry import get_problem
from grouping.strategies import discover_strategies, get_strategy, list_strategies, list_unavailable
from tests.plug_ins import install, write_distribution

GROUP = "mtl_grouping.test_tools"
CODE = """
HAMMER = "hammer"
SAW = "saw"
SECRET = 7


class Nothing:
    pass
"""


@dataclass(frozen=True)
class Tool:
    name: str
    maker: str = "built in"


def load(point: EntryPoint) -> Tool:
    found = point.load()
    if not isinstance(found, str):
        raise TypeError(f"{point.value} is not a tool")
    return Tool(found, "stranger")


Install = Callable[[str], None]


@pytest.fixture
def plug_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Install a distribution named more-tools with these entry points."""
    discover_strategies.cache_clear()
    yield lambda points: install(monkeypatch, tmp_path, "more-tools", CODE, points)
    sys.modules.pop("more_tools", None)
    discover_strategies.cache_clear()


def test_built_in_objects_come_first_and_then_those_of_plug_ins_by_entry_point(plug_in: Install) -> None:
    plug_in(f"[{GROUP}]\nz = more_tools:HAMMER\na = more_tools:SAW")
    found = discover(GROUP, [Tool("vice"), Tool("file")], load)
    assert [tool.name for tool in found.found] == ["vice", "file", "saw", "hammer"]
    assert found.unavailable == ()
    assert found.get("saw", kind="tool").maker == "stranger"


def test_a_plug_in_never_replaces_what_is_built_in_or_found_before(
    plug_in: Install, caplog: pytest.LogCaptureFixture
) -> None:
    plug_in(f"[{GROUP}]\na = more_tools:SAW\nb = more_tools:SAW\nc = more_tools:HAMMER")
    with caplog.at_level(logging.WARNING):
        found = discover(GROUP, [Tool("hammer")], load)
    assert [(tool.name, tool.maker) for tool in found.found] == [("hammer", "built in"), ("saw", "stranger")]
    assert [broken.name for broken in found.unavailable] == ["b", "c"]
    assert all("taken" in broken.reason for broken in found.unavailable)
    assert "more-tools 1.0" in caplog.text
    assert GROUP in caplog.text


def test_a_plug_in_that_cannot_be_used_says_why_when_it_is_asked_for(plug_in: Install) -> None:
    plug_in(f"[{GROUP}]\nbroken = more_tools:SECRET\ngone = no_such_module:X")
    found = discover(GROUP, (), load)
    broken = Unavailable("broken", "more-tools 1.0", "TypeError: more_tools:SECRET is not a tool")
    assert found.found == ()
    assert found.unavailable[0] == broken
    assert "no_such_module" in found.unavailable[1].reason
    with pytest.raises(
        InvalidInputError, match=r"The tool 'broken' is installed but .* is not a tool"
    ) as caught:
        found.get("broken", kind="tool", pointer="/tool")
    assert not isinstance(caught.value, UnknownNameError)
    assert caught.value.pointer == "/tool"


def test_a_name_that_nothing_has_is_answered_with_the_known_ones() -> None:
    with pytest.raises(UnknownNameError, match=r"no tool named 'drill'. Known: saw, vice") as caught:
        Catalogue((Tool("vice"), Tool("saw"))).get("drill", kind="tool", pointer="/tool")
    assert caught.value.pointer == "/tool"


def test_a_strategy_that_cannot_be_used_is_listed_apart_and_says_why(plug_in: Install) -> None:
    plug_in("[mtl_grouping.strategies]\nnothing = more_tools:Nothing\nadaptive = more_tools:SAW")
    assert "nothing" not in [info.name for info in list_strategies()]
    assert [broken.name for broken in list_unavailable()] == ["adaptive", "nothing"]
    with pytest.raises(InvalidInputError, match=r"strategy 'nothing' is installed but .* not a dataclass"):
        get_strategy("nothing")
    assert get_strategy("adaptive").title == "Adaptive"


def test_an_unknown_problem_and_an_unknown_strategy_point_at_their_fields() -> None:
    with pytest.raises(UnknownNameError) as problem:
        get_problem("no-such-problem")
    with pytest.raises(UnknownNameError) as strategy:
        get_strategy("no-such-strategy")
    assert (problem.value.pointer, strategy.value.pointer) == ("/problem", "/strategy/name")


@pytest.mark.parametrize(
    ("kind", "command", "known"),
    [
        ("problems", "problems", "digits-8"),
        ("strategies", "strategies", "exhaustive"),
        ("losses", "recipes", "absolute_error"),
        ("metrics", "recipes", "balanced_accuracy"),
    ],
)
def test_the_command_that_lists_what_is_installed_names_what_is_broken_on_stderr(
    tmp_path: Path, kind: str, command: str, known: str
) -> None:
    write_distribution(tmp_path, "more-tools", CODE, f"[mtl_grouping.{kind}]\nmy-own = more_tools:SECRET")
    answer = subprocess.run(
        [sys.executable, "-m", "grouping.cli", command],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
    )
    assert "unavailable: my-own: TypeError" in answer.stderr
    assert "my-own" not in answer.stdout
    assert known in answer.stdout
