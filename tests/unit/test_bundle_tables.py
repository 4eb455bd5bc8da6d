"""Bundles on tables: what they read, what they answer, and what they say to rows that do not fit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from grouping.data_sets.columns import ColumnKind, TargetKind
from grouping.data_sets.definitions import ProblemDefinition, Target
from grouping.data_sets.packed import pack, unpack
from grouping.data_sets.reading import read_frame
from grouping.errors import InvalidInputError
from tests.bundles import Made, made_of_table
from tests.frames import fields, shop
from tests.unit.test_bundle_equality import check as check_equality
from tests.unit.test_data_sets_texts import reviews

pytestmark = pytest.mark.usefixtures("one_thread")

DEFINITION = ProblemDefinition(
    (
        Target(("price",), TargetKind.REGRESSION),
        Target(("clicked",), TargetKind.BINARY, name="bought", positive="yes"),
        Target(("plan",), TargetKind.MULTICLASS),
        Target(("age_at_start", "height"), TargetKind.REGRESSION, name="body"),
    ),
    inputs=("age", "city", "member", "day"),
)


def customers(n_rows: int = 240) -> pd.DataFrame:
    """The shop with more targets: a class of three, and two numbers as one target."""
    frame = shop(n_rows)
    rng = np.random.default_rng(7)
    plan = np.array(["free", "plus", "pro"])[(np.nan_to_num(frame["age"], nan=40) // 25).astype(int) % 3]
    frame = frame.assign(plan=plan, age_at_start=20 + 3 * rng.random(n_rows))
    frame = frame.assign(height=170 + 5 * frame["member"] + rng.random(n_rows))
    return read_frame(frame.to_csv(index=False).encode(), "customers.csv")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return made_of_table(tmp_path_factory.mktemp("bundle"), customers(), DEFINITION)


def raw(**changes: Any) -> pd.DataFrame:
    """A few rows as a user has them, before anything was stored."""
    frame = pd.DataFrame(
        {
            "age": [30.0, None, 61.0],
            "city": ["Ulm", "Bonn", None],
            "member": [True, False, True],
            "day": ["2024-02-01", "2024-03-01", "2024-04-01"],
            "unused": [1, 2, 3],
        },
        index=[7, 8, 9],
    )
    return frame.assign(**changes)


def test_a_table_of_categories_dates_and_missing_values_scores_as_it_was_scored(made: Made) -> None:
    check_equality(made)


def test_a_table_of_texts_scores_as_it_was_scored(tmp_path: Path) -> None:
    kinds = dict.fromkeys(("title", "body"), ColumnKind.TEXT)
    targets = (
        Target(("praises",), name="liked"),
        Target(("stars",), TargetKind.REGRESSION),
    )
    frame = reviews()
    made = made_of_table(tmp_path, frame, ProblemDefinition(targets, inputs=("title", "body"), kinds=kinds))
    check_equality(made)
    told = made.bundle.predict([{"title": "a warm and quiet room", "body": None}], probabilities=True)
    assert set(told.columns) == {"liked", "liked = true", "stars"}


def test_a_table_of_images_scores_as_it_was_scored(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    light = rng.integers(40, 250, 90)
    images = [np.full((3, 8, 6), value, dtype=np.uint8) for value in light]
    frame = pd.DataFrame({"picture": pd.Series(images, dtype=object), "light": light.astype(float)})
    frame = frame.assign(bright=np.where(light > 140, "bright", "dark"))
    targets = (Target(("bright",), name="liked"), Target(("light",), TargetKind.REGRESSION))
    made = made_of_table(tmp_path, frame, ProblemDefinition(targets, inputs=("picture",)))
    check_equality(made)
    assert len(made.bundle.predict(frame.iloc[:0])) == 0
    with pytest.raises(InvalidInputError, match="3 x 4 x 6, and 3 x 8 x 6 is read"):
        made.bundle.predict({"picture": [np.zeros((3, 4, 6), dtype=np.uint8)]})
    with pytest.raises(InvalidInputError, match="holds no arrays"):
        made.bundle.predict({"picture": ["a.png"]})


def test_tasks_of_a_task_column_are_answered_for_every_row(tmp_path: Path) -> None:
    frame = fields()
    definition = ProblemDefinition((Target(("mine",)),), task_column="field")
    made = made_of_table(tmp_path, unpack(pack(frame)), definition)
    check_equality(made)
    told = made.bundle.predict(frame[["a", "b", "c"]].head(4))
    assert list(told.columns) == [f"field {n + 1}" for n in range(4)]


def test_predictions_are_in_the_units_of_the_data_and_classes_are_their_labels(made: Made) -> None:
    rows = customers()
    told = made.bundle.predict(rows, probabilities=True)
    assert told.index.equals(rows.index)
    known = rows["price"].notna()
    assert np.corrcoef(told["price"][known], rows["price"][known])[0, 1] > 0.8
    assert abs(told["price"].mean() - rows["price"].mean()) < 20
    assert set(told["bought"]) <= {"yes", "no"}
    assert ((told["bought"] == "yes") == (told["bought = yes"] > 0.5)).all()
    likely = told[["plan = free", "plan = plus", "plan = pro"]]
    np.testing.assert_allclose(likely.sum(axis=1), 1, rtol=1e-5)
    assert ("plan = " + told["plan"] == likely.idxmax(axis=1)).all()
    assert {"body: age_at_start", "body: height"} <= set(told.columns)
    assert told["body: height"].between(150, 190).all()


def test_rows_are_read_as_they_come_whatever_stands_beside_them(made: Made) -> None:
    bundle = made.bundle
    told = bundle.predict(raw())
    assert list(told.index) == [7, 8, 9]
    pd.testing.assert_frame_equal(bundle.predict(raw()[["day", "member", "city", "age"]]), told)
    records = raw().astype(object).where(raw().notna(), None).to_dict("records")
    pd.testing.assert_frame_equal(bundle.predict(records), told.reset_index(drop=True))
    one_by_one = pd.concat([bundle.predict(raw().iloc[[n]]) for n in range(3)])
    pd.testing.assert_frame_equal(one_by_one, told, rtol=1e-5)
    assert len(bundle.predict(raw().iloc[:0])) == 0


def test_a_category_that_was_never_seen_is_one_that_has_no_input(made: Made) -> None:
    bundle = made.bundle
    pd.testing.assert_frame_equal(
        bundle.predict(raw(city=["Oslo"] * 3)), bundle.predict(raw(city=["Rome", " Oslo", "2024-01-01"]))
    )


def test_a_column_without_any_value_is_filled(made: Made) -> None:
    told = made.bundle.predict(raw(age=[None] * 3, city=[None] * 3, day=[None] * 3))
    assert told.notna().all(axis=None)


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (raw().drop(columns=["age", "city"]), r"lacks columns 'age', 'city'.* reads 'age', 'city', 'member'"),
        (raw(age=["old", "young", "3"]), r"'age' is to hold numbers: it holds 'old'"),
        (raw(day=["soon", "later", "never"]), r"'day' is to hold times, such as .*: it holds 'soon'"),
        (raw(city=[["a"], ["b"], ["c"]]), r"'city' is to hold categories"),
        (pd.concat([raw(), raw()[["age"]]], axis=1), r"the column 'age' twice"),
        ([1, 2], r"lacks columns 'age'"),
        (7, r"make no table.* a list with a dictionary for each row"),
        (
            {"age": 3, "city": "Ulm", "member": True, "day": "2024-02-01"},
            r"a list with a dictionary for each",
        ),
        (raw(age=[3.0, 1e300, 4.0]), r"'age' has a number too large for 32 bits"),
    ],
)
def test_rows_that_do_not_fit_are_refused_with_what_is_wrong(made: Made, rows: Any, said: str) -> None:
    with pytest.raises(InvalidInputError, match=said):
        made.bundle.predict(rows)
