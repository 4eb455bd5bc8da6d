from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from grouping.data_sets.definitions import Split, SplitKind, parse_shares, parse_split
from grouping.data_sets.splits import Parts, split_rows
from grouping.errors import InvalidInputError

FRAME = pd.DataFrame(
    {
        "user": np.repeat([f"u{n}" for n in range(40)], 5),
        "day": np.repeat(np.arange(50), 4),
        "part": ["train"] * 100 + ["Dev"] * 50 + ["test"] * 50,
        "label": ["rare"] * 10 + ["usual"] * 190,
        "row": np.arange(200),
    }
)
ROWS = np.arange(200, dtype=np.int64)


def divided(split: Split, strata: np.ndarray | None = None) -> Parts:
    parts = split_rows(FRAME, split, ROWS, np.zeros(200, dtype=np.int64) if strata is None else strata)
    assert np.array_equal(np.sort(np.concatenate(parts)), ROWS)
    return parts


@pytest.mark.parametrize("text", ["random", "stratified", "group=user", "time=day"])
def test_every_split_keeps_the_shares_and_its_seed(text: str) -> None:
    train, validation, test = divided(parse_split(text))
    assert (len(train), len(validation), len(test)) == (120, 40, 40)
    other = divided(parse_split(text, seed=1))
    assert np.array_equal(train, divided(parse_split(text))[0])
    assert np.array_equal(train, other[0]) == (text == "time=day")
    assert len(divided(parse_split(text, (0.5, 0.25, 0.25)))[0]) == 100


def test_a_group_is_in_one_part() -> None:
    users = [set(FRAME["user"].iloc[part]) for part in divided(parse_split("group=user"))]
    assert sum(map(len, users)) == 40


def test_time_goes_on_from_part_to_part_and_a_time_is_not_divided() -> None:
    train, validation, test = (FRAME["day"].iloc[part] for part in divided(parse_split("time=day")))
    assert train.max() < validation.min()
    assert validation.max() < test.min()


@pytest.mark.parametrize("text", ["random", "stratified=label", "group=user"])
def test_of_several_splits_each_folds_rows_are_tested_once_and_none_that_networks_are_chosen_on(
    text: str,
) -> None:
    split = parse_split(text, folds=5)
    zeros = np.zeros(200, dtype=np.int64)
    parts = [split_rows(FRAME, split, ROWS, zeros, number) for number in range(5)]
    assert all(np.array_equal(np.sort(np.concatenate(part)), ROWS) for part in parts)
    assert all(np.array_equal(validation, parts[0][1]) for _, validation, _ in parts)
    tested = np.sort(np.concatenate([test for _, _, test in parts]))
    assert np.array_equal(tested, np.setdiff1d(ROWS, parts[0][1]))
    assert {len(test) for _, _, test in parts} <= {30, 31, 32, 33, 34, 35}
    if text == "group=user":
        users = [[set(FRAME["user"].iloc[rows]) for rows in part] for part in parts]
        assert all(sum(map(len, three)) == 40 for three in users)
    with pytest.raises(InvalidInputError, match="no split number 6"):
        split_rows(FRAME, split, ROWS, zeros, 5)


@pytest.mark.parametrize("text", ["random", "stratified=label", "group=user"])
def test_splits_drawn_anew_keep_shares_and_validation_rows(text: str) -> None:
    zeros = np.zeros(200, dtype=np.int64)
    parts = [split_rows(FRAME, parse_split(text), ROWS, zeros, number) for number in range(3)]
    assert [[len(part) for part in three] for three in parts] == [[120, 40, 40]] * 3
    assert all(np.array_equal(validation, parts[0][1]) for _, validation, _ in parts)
    assert len({tuple(test) for _, _, test in parts}) == 3
    if text == "stratified=label":
        assert all((FRAME["label"].iloc[test] == "rare").any() for _, _, test in parts)


@pytest.mark.parametrize("text", ["time=day", "column=part"])
def test_what_is_not_drawn_is_one_split(text: str) -> None:
    assert parse_split(text).most_splits == 1


def test_a_split_by_a_column_has_no_folds() -> None:
    with pytest.raises(InvalidInputError, match="no folds"):
        parse_split("column=part", folds=5)


def test_folds_by_time_are_tested_one_after_another_by_what_was_before() -> None:
    split = parse_split("time=day", folds=4)
    assert split.most_splits == 4
    zeros = np.zeros(200, dtype=np.int64)
    parts = [split_rows(FRAME, split, ROWS, zeros, number) for number in range(4)]
    whole = divided(parse_split("time=day"))
    assert np.array_equal(np.concatenate([test for _, _, test in parts]), whole[2])
    for number, (train, validation, test) in enumerate(parts):
        assert np.array_equal(validation, whole[1])
        tested_before = np.concatenate([*(part[2] for part in parts[:number]), []])
        assert np.array_equal(train, np.concatenate([whole[0], tested_before]))
        assert FRAME["day"].iloc[train].max() < FRAME["day"].iloc[test].min()
    with pytest.raises(InvalidInputError, match="fewer times than 11 folds"):
        split_rows(FRAME, parse_split("time=day", folds=11), ROWS, zeros)


def test_a_column_says_the_part_in_the_words_that_people_use() -> None:
    train, validation, test = divided(parse_split("column=part"))
    assert (train.tolist(), validation[0], test[0]) == (list(range(100)), 100, 150)


def test_every_stratum_is_in_every_part() -> None:
    for part in divided(parse_split("stratified=label")):
        assert (FRAME["label"].iloc[part] == "rare").sum() >= 2
    strata = np.repeat(np.arange(50), 4)
    parts = divided(Split(), strata)
    assert [len(np.unique(strata[part])) for part in parts] == [50, 50, 50]


@pytest.mark.parametrize("rows_each", [5, 7, 11])
def test_small_strata_do_not_change_the_shares_much(rows_each: int) -> None:
    parts = divided(Split(), np.arange(200) // rows_each)
    assert np.abs(np.array([len(part) for part in parts]) - [120, 40, 40]).max() <= 27


@pytest.mark.parametrize(
    ("split", "says"),
    [
        (Split(SplitKind.COLUMN, "label"), "also holds 'rare', 'usual'"),
        (Split(SplitKind.GROUP, "label"), "too few groups: 2 for 3"),
        (
            Split(SplitKind.TIME, "label"),
            "no row for test: 200 .*rows of one time stay together, .* has 2 times",
        ),
        (Split(SplitKind.STRATIFIED, "row"), "no row for validation and test: .*in 200 values of 'row' that"),
    ],
)
def test_a_split_that_cannot_be_is_refused(split: Split, says: str) -> None:
    with pytest.raises(InvalidInputError, match=says):
        divided(split)


@pytest.mark.parametrize("text", ["nonsense", "group", "time=", "random=user", "=x"])
def test_what_is_no_split_is_refused(text: str) -> None:
    with pytest.raises(InvalidInputError, match="split"):
        parse_split(text)


@pytest.mark.parametrize("text", ["0.5,0.5", "0.5,0.5,0.5", "1,0,0", "a,b,c"])
def test_shares_make_one(text: str) -> None:
    with pytest.raises(InvalidInputError):
        parse_split("random", parse_shares(text))
