"""Finished results told to a search in one's own process, and taken from files."""

from __future__ import annotations

from pathlib import Path

import pytest

from grouping.domain.networks import Candidates, Network
from grouping.domain.tables.finished_results import FinishedResults, FinishedTraining
from grouping.domain.tasks import Scale, Task
from grouping.errors import InvalidInputError, ResultsRefusedError, TableFormatError
from grouping.formats import TableFormat, read_table, read_table_guarded, results_of_table, write_table
from grouping.search import Search
from grouping.strategies import get_strategy
from tests.tables import random_table

NAMES = ("depth", "edges", "scene")
SIZES = {"resnet50": 1.0, "resnet18": 0.45}
LONG = """network,size,cost:latency_ms,task,seed,validation_loss,test_loss
depth@resnet18,resnet18,3.0,depth,1,0.5,0.625
depth+edges,resnet50,7.0,depth,0,0.25,
depth+edges,resnet50,7.0,edges,0,0.125,0.25
"""
WIDE = """network,size,cost,depth,edges
depth@resnet18,resnet18,9,0.5,
depth+edges,1,9,0.25,0.125
"""


def new_search(strategy: str = "exhaustive", **more: object) -> Search:
    tasks = [Task(name, scale=Scale.SINGLE) for name in NAMES]
    candidates = Candidates.of(NAMES, single_sizes=(0.45,), built_snt={1.0: 1.0, 0.45: 0.3})
    return Search(
        get_strategy(strategy),
        tasks,
        candidates,
        budgets_snt=(2,),
        seeds=(0, 1),
        **more,  # type: ignore[arg-type]
    )


@pytest.mark.parametrize("guarded", [False, True])
def test_a_file_names_sizes_and_seeds_and_its_costs_are_not_those_of_the_search(guarded: bool) -> None:
    read = read_table_guarded if guarded else read_table
    told = results_of_table(read(LONG.encode(), sizes=SIZES), source="half.csv")
    assert told.trainings == (
        FinishedTraining(("depth",), {"depth": 0.5}, {"depth": 0.625}, 0.45, 1, {"latency_ms": 3.0}),
        FinishedTraining(
            ("depth", "edges"), {"depth": 0.25, "edges": 0.125}, {"edges": 0.25}, 1.0, 0, {"latency_ms": 7.0}
        ),
    )
    wide = results_of_table(read(WIDE.encode(), sizes=SIZES))
    assert [(t.size, t.seed, dict(t.costs)) for t in wide.trainings] == [(0.45, None, {}), (1.0, None, {})]
    with pytest.raises(TableFormatError, match="line 2: no size has the name 'resnet18'"):
        read(LONG.encode(), sizes={"other": 0.5})


def test_a_parquet_file_tells_what_the_same_table_in_text_tells(tmp_path: Path) -> None:
    table = random_table(3)
    told = [
        results_of_table(read_table(write_table(table, kind))).trainings
        for kind in (TableFormat.PARQUET, TableFormat.LONG_CSV, TableFormat.JSON)
    ]
    assert told[0] == told[1] == told[2]


def test_a_search_goes_on_from_what_it_is_told_and_counts_it_in_no_budget() -> None:
    search = new_search(max_trainings=4)
    told = results_of_table(read_table(LONG.encode(), sizes=SIZES))
    assert (search.tell_results(told), search.tell_results(told)) == (2, 0)
    wanted = search.ask()
    assert not {(r.network, r.seed) for r in wanted} & {
        (Network.of("depth", size=0.45, cost_snt=0.3), 1),
        (Network.of("depth", "edges"), 0),
    }
    assert {network.name() for network in search.scores().networks} == {"depth@0.45", "depth+edges"}
    assert len(wanted) <= 4


def test_a_result_that_stands_for_a_training_that_measures_affinities_is_refused() -> None:
    search = new_search("tag")
    whole = FinishedTraining(NAMES, dict.fromkeys(NAMES, 0.5))
    with pytest.raises(ResultsRefusedError, match="measures affinities while it trains this network"):
        search.tell_results(FinishedResults((whole,)))
    assert search.tell_results(FinishedResults((FinishedTraining(("depth",), {"depth": 0.5}),))) == 1


def test_a_table_without_a_value_and_a_list_without_a_training_tell_nothing() -> None:
    with pytest.raises(InvalidInputError, match="tells nothing"):
        results_of_table(read_table(b"network,size,cost,depth\ndepth,1,1,nan\n"))
    with pytest.raises(InvalidInputError, match="1 to 20,000"):
        FinishedResults(())


def test_every_fault_is_counted_and_the_first_are_named() -> None:
    faulty = tuple(FinishedTraining(("depth",), {"depth": 0.5}, seed=seed) for seed in range(2, 32))
    with pytest.raises(ResultsRefusedError, match="And 10 more") as caught:
        new_search().tell_results(FinishedResults(faulty))
    assert len(caught.value.faults) == 30
    assert caught.value.faults[0].startswith("depth, seed 2: the search has no seed 2. Its seeds: 0, 1.")
