"""Score tables survive writing and reading: all of them where the format holds all, else what it holds."""

from __future__ import annotations

import contextlib
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grouping.domain.networks import Network, list_candidates
from grouping.domain.tables.score_table import ScoreTable
from grouping.domain.tasks import Direction, Loss, Metric, Scale, Task, TaskKind, check_name
from grouping.errors import InvalidInputError, TableFormatError
from grouping.formats import (
    TableFormat,
    Values,
    from_frame,
    read_table,
    to_frame,
    write_table,
)
from grouping.formats.cells import format_text, unguard_text
from grouping.formats.results_txt import ABSENT_LOSS
from tests.effort import examples

AWKWARD = [
    "=1",
    "'=1",
    "''-x",
    "-5",
    "nan",
    "null",
    "1.5",
    "a,b",
    'quo"te',
    "task",
    "a\\b",
    "../x",
    "<b>",
    "＝x",
]
CHARACTERS = st.characters(codec="utf-8", exclude_categories=("C", "Zl", "Zp"), exclude_characters="+@")
FINITE = st.floats(-1e100, 1e100)


def is_name(text: str) -> bool:
    try:
        return check_name(text, "task") == text and not text.startswith("cost:")
    except InvalidInputError:
        return False


NAMES = st.one_of(st.sampled_from(AWKWARD), st.text(CHARACTERS, min_size=1, max_size=6).filter(is_name))
PARAMETERS = st.dictionaries(
    st.sampled_from(["delta", "k"]),
    st.booleans() | st.integers(-(2**63), 2**63 - 1) | FINITE | st.sampled_from(["macro", ""]),
).map(lambda values: tuple(values.items()))
TASKS = st.builds(
    Task,
    NAMES,
    st.sampled_from(TaskKind),
    st.builds(Loss, st.sampled_from(["unspecified", "squared_error", "of another plug-in"]), PARAMETERS),
    st.none()
    | st.builds(
        Metric,
        st.sampled_from(["r2", "recall@5"]),
        st.sampled_from(Direction),
        PARAMETERS,
        st.sampled_from(["", "mm/s"]),
    ),
    st.floats(1e-9, 1e9),
    st.integers(1, 1000),
    scale=st.sampled_from(Scale) | st.floats(1e-9, 1e9),
    best=FINITE,
    reference=st.none() | FINITE,
    must_not_worsen=st.booleans(),
)


@st.composite
def tables(draw: st.DrawFn, tasks: st.SearchStrategy[Task] = TASKS) -> ScoreTable:
    """Any table: tasks in no network, cells that were not measured, further costs, no seeds at all."""
    chosen = tuple(draw(st.lists(tasks, min_size=1, max_size=4, unique_by=lambda task: task.name)))
    names = [task.name for task in chosen]
    networks = tuple(
        draw(
            st.lists(
                st.builds(
                    Network,
                    st.frozensets(st.sampled_from(names), min_size=1),
                    st.sampled_from([1.0, 0.5, 1 / 3, 1e-7, 1e7 + 1]),
                    st.floats(1e-6, 1e6),
                ),
                min_size=1,
                max_size=5,
                unique_by=lambda network: network.key,
            )
        )
    )
    seeds = tuple(draw(st.lists(st.integers(-(2**63), 2**63 - 1), max_size=3, unique=True)))
    shape = (len(networks), len(chosen), len(seeds))
    n_cells = int(np.prod(shape))
    cells = st.lists(FINITE | st.just(np.nan), min_size=2 * n_cells, max_size=2 * n_cells)
    losses = np.array(draw(cells)).reshape(2, *shape)
    member = np.array([[name in network.group for name in names] for network in networks])
    losses = np.where(member[None, :, :, None], losses, np.nan)
    costs = {
        name: np.array(draw(st.lists(st.floats(0, 1e9), min_size=len(networks), max_size=len(networks))))
        for name in draw(st.lists(st.sampled_from(["latency_ms", "=memory", "a,b"]), unique=True))
    }
    return ScoreTable.from_arrays(chosen, networks, seeds, losses[0], losses[1], other_costs=costs)


def without_attributes(table: ScoreTable) -> ScoreTable:
    return replace(table, tasks=tuple(Task(name) for name in table.task_names))


def means(table: ScoreTable, losses: np.ndarray) -> ScoreTable:
    """What the wide layout holds of a table: one kind of loss, mean over the seeds."""
    return ScoreTable.from_arrays(
        tuple(Task(name) for name in table.task_names),
        table.networks,
        (0,),
        losses[:, :, None],
        np.full((*losses.shape, 1), np.nan),
        other_costs=table.other_costs,
    )


@settings(deadline=None)
@given(tables())
@pytest.mark.parametrize("table_format", [TableFormat.JSON, TableFormat.PARQUET])
def test_json_and_parquet_keep_everything(table_format: TableFormat, table: ScoreTable) -> None:
    data = write_table(table, table_format)
    assert read_table(data).table == table
    assert write_table(read_table(data).table, table_format) == data


@settings(deadline=None)
@given(tables())
def test_a_data_frame_keeps_everything(table: ScoreTable) -> None:
    assert from_frame(to_frame(table)).table == table


@settings(deadline=None)
@given(tables())
@pytest.mark.parametrize("table_format", [TableFormat.LONG_CSV, TableFormat.LONG_TSV])
def test_long_text_keeps_all_but_the_attributes_of_tasks(
    table_format: TableFormat, table: ScoreTable
) -> None:
    data = write_table(table, table_format)
    assert read_table(data).table == without_attributes(table)


@settings(deadline=None)
@given(tables())
@pytest.mark.parametrize("table_format", [TableFormat.WIDE_CSV, TableFormat.WIDE_TSV])
def test_wide_text_keeps_means_networks_and_costs(table_format: TableFormat, table: ScoreTable) -> None:
    validation = write_table(table, table_format)
    test = write_table(table, table_format, split="test")
    assert read_table(validation, format=table_format).table == means(table, table.validation)
    assert read_table(test, format=table_format).table == means(table, table.test)
    both = means(table, table.validation).with_arrays(test_losses=table.test[:, :, None])
    assert read_table(validation, test=test, format=table_format).table == both


@settings(deadline=None)
@given(st.integers(1, 4), st.data())
def test_results_txt_keeps_the_means_of_the_networks_it_can_say(n_tasks: int, data: st.DataObject) -> None:
    names = [f"t{i}" for i in range(n_tasks)]
    candidates = list_candidates(names, max_group_size=n_tasks, single_sizes=(0.5,))
    networks = tuple(n for n in candidates if data.draw(st.booleans())) or candidates[-1:]
    sayable = FINITE.filter(lambda loss: loss != ABSENT_LOSS)
    losses = np.array([data.draw(st.lists(sayable, min_size=n_tasks, max_size=n_tasks)) for _ in networks])
    member = np.array([[name in network.group for name in names] for network in networks])
    table = means(
        ScoreTable.from_arrays(
            tuple(Task(name) for name in names),
            networks,
            (0,),
            np.where(member, losses, np.nan)[:, :, None],
            np.full((*losses.shape, 1), np.nan),
        ),
        np.where(member, losses, np.nan),
    )
    text = write_table(table, TableFormat.RESULTS_TXT)
    assert read_table(text, format=TableFormat.RESULTS_TXT, task_names=names).table == table


@settings(deadline=None)
@given(tables())
@pytest.mark.parametrize("table_format", [TableFormat.LONG_CSV, TableFormat.PARQUET])
def test_gains_come_back_up_to_one_rounding(table_format: TableFormat, table: ScoreTable) -> None:
    again = read_table(write_table(table, table_format, values="gains"), values="gains").table
    for mine, theirs in (
        (table.validation_losses, again.validation_losses),
        (table.test_losses, again.test_losses),
    ):
        assert np.array_equal(np.isnan(mine), np.isnan(theirs))
        difference = np.abs(mine - theirs)[~np.isnan(mine)]
        assert (difference <= 2.0**-52 * np.maximum(1, np.abs(mine[~np.isnan(mine)]))).all()


@given(st.one_of(st.sampled_from(AWKWARD), st.text()))
def test_text_cells_are_never_formulas_and_come_back(text: str) -> None:
    written = format_text(text)
    assert not written.startswith(tuple("=+-@＝＋－＠"))
    assert unguard_text(written) == text


FRAGMENTS = [
    "network",
    "size",
    "cost",
    "task",
    "seed",
    "validation_loss",
    "cost:x",
    "a",
    "a+b",
    "a@0.5",
    "0.5",
]
FRAGMENTS += [
    "1",
    "nan",
    "-inf",
    "",
    '"',
    '""',
    "'",
    "=1",
    "{",
    "}",
    "[",
    "]",
    ":",
    "null",
    "NaN",
    "\0",
    "\ufeff",
]
FRAGMENTS += ["\r", "\u2028", "é", "99", "1e999", "PAR1", '"format"', '"networks"']
SEPARATORS = [",", "\t", "\n", ";", "", "\r\n"]
HEADS = ["", "network,size,cost,a,b\n", "network,task,validation_loss,seed\n", "0.1\t0.2\n", '{"format":']


@settings(deadline=None, max_examples=examples(500))
@given(
    st.sampled_from(HEADS),
    st.lists(st.tuples(st.sampled_from(FRAGMENTS), st.sampled_from(SEPARATORS)), max_size=40),
    st.none() | st.sampled_from([chosen for chosen in TableFormat if chosen is not TableFormat.PARQUET]),
    st.sampled_from(["losses", "gains"]),
)
def test_any_text_is_a_table_or_a_clear_error(
    head: str, cells: list[tuple[str, str]], table_format: TableFormat | None, values: Values
) -> None:
    text = head + "".join(cell + separator for cell, separator in cells)
    try:
        imported = read_table(text.encode(), format=table_format, values=values)
    except TableFormatError:
        return
    assert imported.report.sentences()
    again = write_table(imported.table, TableFormat.JSON)
    assert read_table(again).table == imported.table


@settings(deadline=None)
@given(tables(), st.data())
def test_a_broken_json_document_is_a_table_or_a_clear_error(table: ScoreTable, data: st.DataObject) -> None:
    written = bytearray(write_table(table, TableFormat.JSON))
    for _ in range(data.draw(st.integers(1, 3))):
        position = data.draw(st.integers(0, len(written) - 1))
        written[position : position + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=2))
    with contextlib.suppress(TableFormatError):
        read_table(bytes(written), format=TableFormat.JSON)
