"""The wide CSV: what it reads, what it refuses, and that writing and reading are inverse."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from grouping.domain.networks import list_candidates
from grouping.domain.tasks import Task
from grouping.errors import TableFormatError
from grouping.formats import read_wide_csv, write_wide_csv
from tests.effort import examples
from tests.tables import make_table

HEADER = "network,size,cost,a,b\n"


def write(folder: Path, text: str | bytes) -> Path:
    path = folder / "table.csv"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


@settings(max_examples=examples(50), deadline=None)
@given(
    st.lists(
        st.sampled_from(["a", "b b", "ü", 'quo"te', "com,ma", "=1"]), min_size=1, max_size=3, unique=True
    )
)
def test_any_table_survives_writing_and_reading_to_the_last_digit(
    tmp_path_factory: pytest.TempPathFactory, names: list[str]
) -> None:
    networks = list_candidates(names, max_group_size=3, single_sizes=(0.5,))
    losses = np.random.default_rng(len(names)).uniform(1e-9, 1e9, (len(networks), len(names)))
    table = make_table(networks, tuple(Task(name) for name in names), losses)
    folder = tmp_path_factory.mktemp("csv")
    validation, test = folder / "val.csv", folder / "test.csv"
    validation.write_text(write_wide_csv(table), encoding="utf-8")
    test.write_text(write_wide_csv(table, split="test"), encoding="utf-8")
    assert read_wide_csv(validation, test) == table


@settings(max_examples=examples(30), deadline=None)
@given(arrays(np.float64, 2, elements=st.floats(-1e100, 1e100)))
def test_every_finite_number_is_read_exactly(
    tmp_path_factory: pytest.TempPathFactory, numbers: np.ndarray
) -> None:
    text = HEADER + f"a+b,1,1,{numbers[0]!r},{numbers[1]!r}\n".replace("np.float64(", "").replace(")", "")
    table = read_wide_csv(write(tmp_path_factory.mktemp("csv"), text))
    assert np.array_equal(table.validation[0], numbers)


def test_gains_become_losses(tmp_path: Path) -> None:
    table = read_wide_csv(write(tmp_path, HEADER + "a,1,1,0,\nb,1,1,,0\na+b,1,1,0.25,-0.5\n"), values="gains")
    assert table.validation[2].tolist() == [0.75, 1.5]


def test_cells_left_blank_are_absent(tmp_path: Path) -> None:
    table = read_wide_csv(write(tmp_path, HEADER + "a,1,1,0.5,\n"))
    assert np.isnan(table.validation[0, 1])
    assert table.networks[0].group == {"a"}


def test_a_cell_without_a_finite_number_is_a_member_that_was_not_measured(tmp_path: Path) -> None:
    """Not refused: the result of a diverged training is a fact, and the network takes no part in solving."""
    for marker in ("nan", "NaN", "inf", "-inf", "null", "N/A", "1e999"):
        table = read_wide_csv(write(tmp_path, HEADER + f"a+b,1,1,0.5,{marker}\n"))
        assert table.networks[0].group == {"a", "b"}
        assert table.validation[0, 0] == 0.5
        assert np.isnan(table.validation[0, 1])
        assert not table.is_complete[0]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "needs the columns network, size, cost"),
        ("a,b\n1,2\n", "needs the columns network, size, cost"),
        ("network,size,cost\nx,1,1\n", "task columns"),
        ("network,size,cost,a,a\nx,1,1,1,1\n", "twice"),
        (HEADER, "no networks"),
        (HEADER + "a,1,1,zero,\n", "line 2.*not a number"),
        (HEADER + "a,1,inf,0.1,\n", "column 'cost' holds 'inf'; it needs a finite number"),
        (HEADER + "a,1,1,0.1,nan\n", "has losses for a, b"),
        (HEADER + "a,1,1,,\n", "no losses"),
        (HEADER + "a,-1,1,0.1,\n", "positive"),
        (HEADER + "a,1,,0.1,\n", "cost is blank"),
        (HEADER + "a,1,1,0.1,\na,1,1,0.2,\n", "more than once"),
        (HEADER + "a+b,1,1,0.1,\n", "has losses for a"),
        (HEADER + "a,1,1,0.1,,9,9\n", "has 7 cells, the header 5"),
        (HEADER + "a,1,1,0.1,\n\nb,1,1,,x\n", "line 4"),
        (HEADER + "a,1,1,0.1\n", "has 4 cells"),
        (HEADER + "a,1,1,1_0,\n", "not a number"),
        (HEADER + "a@0.5,1,1,0.1,\n", "has the size 1"),
        (HEADER + "a,1,1,0.1," + "9" * 200_000 + "\n", "line 2.*200,010 characters"),
        (HEADER + "a,1,1,0.1," + "9" * 2_000 + "\n", "line 2.*not a number"),
        ("network|size|cost|a\na|1|1|0,1\n", "separated by commas, semicolons or tabs"),
        ("network,size,cost,a+b\nx,1,1,1\n", "not allowed"),
        ("network,size,cost,a\u202eb\nx,1,1,1\n", "not allowed"),
        (b"\xffnetwork", "not UTF-8 text"),
        (b"\xff\xfen\x00e\x00t", "not UTF-16 text"),
        (b"network,size,cost,a\n\x00,1,1,1\n", "NUL"),
        ('network,size,cost,a\n"x,1,1,1\n', "well-formed"),
    ],
)
def test_a_broken_file_is_refused_with_what_is_wrong(tmp_path: Path, text: str | bytes, says: str) -> None:
    with pytest.raises(TableFormatError, match=says):
        read_wide_csv(write(tmp_path, text))


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "none.csv", tmp_path):
        with pytest.raises(TableFormatError, match="Cannot read"):
            read_wide_csv(path)


def test_a_million_columns_are_refused_before_they_are_parsed(tmp_path: Path) -> None:
    header = "network,size,cost," + ",".join(f"t{i}" for i in range(1_000_000))
    with pytest.raises(TableFormatError, match=r"line 1.*at most 1,000 task columns"):
        read_wide_csv(write(tmp_path, header + "\n"))
    with pytest.raises(TableFormatError, match="1 to 1,000 task columns; got 1,001"):
        read_wide_csv(write(tmp_path, "network,size,cost," + ",".join(f"t{i}" for i in range(1_001))))


def test_test_losses_of_other_networks_are_refused(tmp_path: Path) -> None:
    validation = write(tmp_path, HEADER + "a,1,1,0.1,\n")
    other = tmp_path / "test.csv"
    other.write_text(HEADER + "b,1,1,,0.1\n")
    with pytest.raises(TableFormatError, match="same tasks and networks"):
        read_wide_csv(validation, other)
