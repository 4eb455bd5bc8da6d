from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from grouping.domain.tasks import Task
from grouping.domain.trainings.datasets import Dataset
from grouping.errors import InvalidInputError, UnknownNameError
from grouping.problems.problem import Problem
from grouping.problems.registry import (
    ENTRY_POINT_GROUP,
    discover_problems,
    get_problem,
    list_problems,
    list_unavailable,
)
from tests import plug_ins

BUILT_IN = ["digits", "digits-8", "breast-cancer", "sentences"]
MODULE = """
import numpy as np

from grouping.domain.trainings.datasets import Dataset
from grouping.domain.tasks import Task
from grouping.problems.problem import Problem


def load(seed):
    generator = np.random.default_rng(seed)
    inputs = generator.normal(size=(30, 2)).astype(np.float32)
    rows = np.arange(30)
    return Dataset(inputs, {"sum": inputs.sum(axis=1, keepdims=True)}, rows[:10], rows[10:20], rows[20:])


def make(name="sums"):
    return Problem(name, "Sums", "Sums of two numbers.", (Task.regression("sum"),), load)


READY = make("ready-sums")
SHADOW = make("digits")


def broken():
    raise RuntimeError("the data set is not installed")


def stranger():
    return 42
"""

Install = Callable[[str], None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Install a distribution named sums-plugin with these lines as its entry points."""

    def install(entry_points: str) -> None:
        points = f"[{ENTRY_POINT_GROUP}]\n{entry_points}"
        plug_ins.install(monkeypatch, tmp_path, "sums-plugin", MODULE, points)
        discover_problems.cache_clear()

    yield install
    sys.modules.pop("sums_plugin", None)
    discover_problems.cache_clear()


def test_the_built_in_problems_are_listed() -> None:
    assert [problem.name for problem in list_problems()][: len(BUILT_IN)] == BUILT_IN


def test_an_unknown_name_is_answered_with_the_known_ones() -> None:
    with pytest.raises(UnknownNameError) as caught:
        get_problem("taskonomy")
    assert caught.value.kind == "problem"
    assert caught.value.pointer == "/problem"
    assert set(BUILT_IN) <= set(caught.value.known)


def test_listing_problems_imports_neither_torch_nor_ray_nor_scikit_learn() -> None:
    code = (
        "import sys; from grouping.problems.registry import list_problems; list_problems();"
        "print([name for name in ('torch', 'ray', 'sklearn', 'scipy') if name in sys.modules])"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("value", "name"), [("sums_plugin:make", "sums"), ("sums_plugin:READY", "ready-sums")]
)
def test_a_plug_in_gives_a_problem_or_a_callable_that_makes_one(
    install: Install, value: str, name: str
) -> None:
    install(f"my-sums = {value}")
    assert [problem.name for problem in list_problems()] == [*BUILT_IN, name]
    assert isinstance(get_problem(name).load(), Dataset)
    assert list_unavailable() == ()


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("no_such_module:make", "No module named 'no_such_module'"),
        ("sums_plugin:no_such_name", "no_such_name"),
        ("sums_plugin:broken", "RuntimeError: the data set is not installed"),
        ("sums_plugin:stranger", "gives a int and not a Problem"),
    ],
)
def test_a_broken_plug_in_is_reported_and_the_others_stay(
    install: Install, caplog: pytest.LogCaptureFixture, value: str, reason: str
) -> None:
    install(f"my-sums = {value}\nother-sums = sums_plugin:READY")
    with caplog.at_level(logging.WARNING):
        names = [problem.name for problem in list_problems()]
    assert names == [*BUILT_IN, "ready-sums"]
    (unavailable,) = list_unavailable()
    assert unavailable.name == "my-sums"
    assert unavailable.distribution == "sums-plugin 1.0"
    assert reason in unavailable.reason
    assert reason in caplog.text
    with pytest.raises(InvalidInputError, match="cannot be used"):
        get_problem("my-sums")


def test_a_plug_in_does_not_shadow_a_built_in_problem(install: Install) -> None:
    install("digits = sums_plugin:SHADOW")
    assert get_problem("digits").title != "Sums"
    assert "taken" in list_unavailable()[0].reason


def test_data_that_does_not_fit_the_tasks_is_refused_when_loaded(install: Install) -> None:
    install("my-sums = sums_plugin:make")
    sums = get_problem("sums")
    wrong = Problem("wrong", "Wrong", "Wrong.", (Task.regression("difference"),), sums.loader)
    with pytest.raises(InvalidInputError, match="difference"):
        wrong.load()


@pytest.mark.parametrize("tasks", [(), (Task.binary("a"), Task.regression("a"))])
def test_a_problem_has_tasks_with_different_names(tasks: tuple[Task, ...]) -> None:
    with pytest.raises(InvalidInputError):
        Problem("p", "P", "P.", tasks, lambda seed: pytest.fail("not loaded"))
