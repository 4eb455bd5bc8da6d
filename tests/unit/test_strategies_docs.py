"""What the pages on strategies show works as written."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from grouping.domain.networks import Candidates
from grouping.domain.tables.score_table import ScoreTable
from grouping.domain.tasks import Task
from grouping.errors import InvalidInputError, TooManyCandidatesError
from grouping.solver import solve_budgets
from grouping.strategies import Evidence, discover_strategies, get_strategy, list_strategies
from grouping.strategies.forecast import forecast
from grouping.strategies.registry import BUILT_IN, ENTRY_POINT_GROUP
from tests.plug_ins import install
from tests.searches import run_to_the_end
from tests.tables import random_table

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "reference" / "strategies.md").read_text(encoding="utf-8")


def blocks(page: str, language: str) -> list[str]:
    text = (DOCS / page).read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)


@pytest.fixture
def plug_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The plug-in of the page, installed as a distribution named leave-out."""
    page = "how-to/add-a-strategy.md"
    (code,), (points,) = blocks(page, "python plug-in"), blocks(page, "toml")
    found = re.search(r'entry-points\."(.+)"\]\n(\S+) = "(.+)"', points)
    assert found is not None
    assert found[1] == ENTRY_POINT_GROUP
    install(monkeypatch, tmp_path, "leave-out", code, f"[{found[1]}]\n{found[2]} = {found[3]}")
    discover_strategies.cache_clear()
    yield
    sys.modules.pop("leave_out", None)
    discover_strategies.cache_clear()


def test_every_strategy_stands_in_the_tables_and_no_other() -> None:
    named = [
        re.findall(r"`([a-z-]+)`", line.split("|")[1]) for line in PAGE.splitlines() if line[:3] == "| `"
    ]
    names = {name for row in named for name in row}
    verdicts = {"informative"}
    assert {s.name for s in BUILT_IN} <= names | verdicts
    assert {n for n in names if n in {s.name for s in BUILT_IN}} == {s.name for s in BUILT_IN}


@pytest.mark.parametrize("n_tasks", [5, 8, 20])
def test_the_numbers_of_networks_are_those_of_the_forecasts(n_tasks: int) -> None:
    names = [f"t{i}" for i in range(n_tasks)]
    space = Candidates.of(names, max_group_size=5 if n_tasks == 20 else n_tasks, single_sizes=(0.5,))
    empty = ScoreTable.from_scores([Task(name) for name in names], (), ())
    evidence = Evidence(space, empty, empty, (2.0,), (0,))
    column = {5: 2, 8: 3, 20: 4}[n_tasks]
    table = PAGE[PAGE.index("## How many networks") : PAGE.index("## Adaptive")]
    assert f"{n_tasks} tasks ({f'{space.count} candidates' if n_tasks == 5 else f'{space.count:,}'})" in table
    n_checked = 0
    for line in table.splitlines():
        if not line.startswith("| `"):
            continue
        cell = line.split("|")[column].strip()
        for name in re.findall(r"`([a-z-]+)`", line.split("|")[1]):
            n_checked += 1
            if cell == "refused":
                with pytest.raises(TooManyCandidatesError):
                    forecast(get_strategy(name), evidence, solve_budgets)
                continue
            told = forecast(get_strategy(name), evidence, solve_budgets)
            short = sum(count for kind, count in told.lower.items() if kind[2] < 1)
            least, most = told.n_lower - short, told.n_upper - short
            numbers = [int(text) for text in re.findall(r"\d+", cell)]
            if short:
                assert numbers.pop(0) == short
            if name in {"modularity", "spectral", "matching"}:
                most = least + 2  # as many networks as the budget holds; their forecast does not say it
            if "up to" in cell:
                assert (least, numbers) == (0, [most])
            else:
                assert (numbers[0], numbers[1] if "to" in cell.split() else numbers[0]) == (least, most)
    assert n_checked == len(BUILT_IN) - 1, "all but the default, which has no such numbers"


def test_what_the_code_prints_is_what_it_is_for(capsys: pytest.CaptureFixture[str]) -> None:
    for page in ("reference/strategies.md", "how-to/search-with-your-own-trainer.md"):
        names: dict[str, object] = {}  # later blocks of a page go on from earlier ones
        for code in blocks(page, "python"):
            exec(compile(code, page, "exec"), names)
    printed = capsys.readouterr().out
    assert "Early losses rank the networks of digit" in printed
    assert "search_complete" in printed
    assert "Training " in printed


def test_the_plug_in_of_the_page_is_found_and_searches(plug_in: None) -> None:
    assert not discover_strategies().unavailable
    info = list_strategies()[-1]
    assert info.name == "leave-out"
    assert info.parameters["properties"]["most"]["maximum"] == 3
    truth = random_table(3, n_tasks=5)
    found = run_to_the_end(get_strategy("leave-out", {"most": 2}), truth)
    assert {len(n.group) for n in found.networks} == {1, 3, 4, 5}
    assert len(found.networks) == 10 + 1 + 5 + 10
    assert found.search.recommend(1.0).grouping is not None
    with pytest.raises(InvalidInputError, match="leave-out cannot use its parameter most"):
        get_strategy("leave-out", {"most": 9})
