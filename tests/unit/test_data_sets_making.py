from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from grouping.data_sets.columns import ColumnKind, TargetKind
from grouping.data_sets.definitions import ProblemDefinition, Target, parse_kind, parse_split, parse_target
from grouping.data_sets.features import fit
from grouping.data_sets.making import Made, make, recipe_for
from grouping.data_sets.reading import read_frame
from grouping.domain.datasets import labelled_rows
from grouping.domain.tasks import ChosenBy, TaskKind
from grouping.errors import InvalidInputError
from tests.frames import fields, shop


def stored(frame: pd.DataFrame) -> pd.DataFrame:
    return read_frame(frame.to_csv(index=False).encode(), "t.csv")


def made(frame: pd.DataFrame, *targets: str, **options: Any) -> Made:
    return make(stored(frame), ProblemDefinition(tuple(map(parse_target, targets)), **options))


def codes(result: Made) -> set[str]:
    return {finding.code for finding in result.findings}


def test_columns_become_tasks_with_their_own_rows() -> None:
    result = made(
        shop(), "price:regression:loss=huber,metric=mae,weight=2", "clicked", split=parse_split("group=user")
    )
    price, clicked = result.tasks
    assert (price.kind, price.loss.name, price.weight) == (TaskKind.REGRESSION, "huber", 2)
    assert (clicked.kind, result.classes) == (TaskKind.BINARY, {"clicked": ("no", "yes")})
    data = result.dataset
    assert labelled_rows(data.targets["price"]).sum() == 220
    assert labelled_rows(data.targets["clicked"]).sum() == 220
    assert "user" not in " ".join(result.fitted.names)
    assert np.isfinite(data.inputs).all()
    expected = shop()["clicked"].map({"no": 0, "yes": 1}).to_numpy(dtype=np.float32)
    np.testing.assert_array_equal(data.targets["clicked"], expected)


def test_inputs_are_fitted_to_the_training_rows_alone() -> None:
    frame = stored(shop())
    result = make(frame, ProblemDefinition((parse_target("price"),), inputs=("age", "city")))
    kinds = {"age": ColumnKind.NUMBER, "city": ColumnKind.CATEGORY}
    assert result.fitted == fit(frame.iloc[result.dataset.train], kinds)


def test_the_same_definition_gives_the_same_arrays_and_another_seed_another_split() -> None:
    assert made(shop(), "price").dataset.digest() == made(shop(), "price").dataset.digest()
    again = made(shop(), "price", split=parse_split("random", seed=3)).dataset
    assert again.digest() != made(shop(), "price", split=parse_split("random")).dataset.digest()


def test_every_value_of_the_task_column_is_a_task_on_its_own_rows() -> None:
    result = made(fields(12), "mine:binary", task_column="field")
    assert [task.name for task in result.tasks] == [f"field {n}" for n in range(1, 13)]
    rows = np.stack([labelled_rows(result.dataset.targets[task.name]) for task in result.tasks])
    assert (rows.sum(axis=0) == 1).all()
    for task in result.tasks:
        counts = result.dataset.label_counts(task.name)
        assert counts == {"train": 36, "validation": 12, "test": 12}
        for part in ("train", "validation", "test"):
            values = result.dataset.targets[task.name][getattr(result.dataset, part)]
            assert set(values[~np.isnan(values)]) == {0, 1}  # stratified by class within the task
    assert result.fitted.names == ("a", "b", "c")


def test_numbers_of_a_task_column_and_several_targets_are_told_apart_by_name() -> None:
    frame = fields(2).assign(field=np.repeat([7, 12], 60), depth=np.arange(120.0))
    result = made(frame, "mine:binary", "depth:regression:name=depth of it", task_column="field")
    assert [task.name for task in result.tasks] == [
        "mine, field 7",
        "mine, field 12",
        "depth of it, field 7",
        "depth of it, field 12",
    ]


def test_tasks_that_cannot_be_trained_are_left_out_and_told() -> None:
    frame = fields(3)
    frame.loc[frame["field"] == "field 2", "mine"] = 0
    frame = frame.drop(frame[(frame["field"] == "field 3")].index[20:])
    result = made(frame, "mine:binary", task_column="field", least_labels=30)
    assert [task.name for task in result.tasks] == ["field 1"]
    (left_out,) = [finding for finding in result.findings if finding.code == "tasks_left_out"]
    assert left_out.subjects == ("field 2", "field 3")
    assert "one value only" in left_out.sentence


def test_several_numbers_are_one_target() -> None:
    frame = shop().assign(x=np.arange(240.0), y=np.arange(240.0) ** 2)
    frame.loc[:9, "y"] = np.nan
    result = made(frame, "x+y:regression:name=place")
    (task,) = result.tasks
    assert (task.name, task.n_outputs) == ("place", 2)
    assert labelled_rows(result.dataset.targets["place"]).sum() == 230


def test_several_columns_of_two_values_are_one_target_of_labels_some_of_them_missing() -> None:
    frame = shop().assign(again=shop()["clicked"].map({"yes": "no", "no": "yes"}))
    frame.loc[60:80, "again"] = None
    result = made(frame, "clicked+again:multilabel:positive=yes,metric=f1", without=("user", "day"))
    (task,) = result.tasks
    assert (task.kind, task.n_outputs, task.name) == (TaskKind.MULTILABEL, 2, "clicked and again")
    labels = result.dataset.targets[task.name]
    assert np.isnan(labels[60:80, 1]).all()
    assert not np.isnan(labels[60:80, 0]).any()
    assert (labels[100:].sum(axis=1) == 1).all()
    with pytest.raises(InvalidInputError, match="one is binary"):
        parse_target("clicked:multilabel")


def test_classes_of_any_type_are_numbered_in_their_order() -> None:
    frame = shop().assign(stars=np.tile([10, 2, 5], 80), on=np.tile([True, False], 120))
    result = made(frame, "stars:multiclass", "city", "on", "clicked:binary:positive=no")
    assert result.classes == {
        "stars": ("2", "5", "10"),
        "city": ("Bonn", "Köln", "Ulm"),
        "on": ("false", "true"),
        "clicked": ("yes", "no"),
    }
    assert result.dataset.targets["stars"][:3].tolist() == [2, 0, 1]
    assert result.dataset.targets["on"][:2].tolist() == [1, 0]


def test_numbers_may_be_categories_and_free_text_stands_alone_or_is_left_out() -> None:
    frame = shop().assign(code=np.tile([1, 2, 3], 80), review=[f"text {n}" for n in range(240)])
    with pytest.raises(
        InvalidInputError, match="'review' holds free text, which no encoder reads beside 'user'"
    ):
        made(frame, "price")
    with pytest.raises(InvalidInputError, match="'age' holds no texts"):
        made(frame, "price", kinds={"age": ColumnKind.TEXT})
    result = made(frame, "price", without=("review",), kinds=dict([parse_kind("code=category")]))
    assert {"code = 1", "code = 2", "code = 3"} <= set(result.fitted.names)
    assert result.fitted.columns[-1].kind is not ColumnKind.TEXT


@pytest.mark.parametrize(
    ("targets", "options", "says", "pointer"),
    [
        (("prise",), {}, "no column 'prise'", "/targets/0/columns"),
        (("price", "day"), {}, "'day' is date", "/targets/1"),
        (("city:binary",), {}, "3 different values, and a binary target two", "/targets/0"),
        (("city:regression",), {}, "holds no numbers", "/targets/0"),
        (("age:multiclass",), {"without": ()}, None, ""),
        (("price:multiclass",), {}, "220 different values", "/targets/0"),
        (("price:regression:loss=cross_entropy",), {}, "does not fit its kind", "/targets/0"),
        (("clicked:binary:positive=maybe",), {}, "'maybe' is no value", "/targets/0/positive"),
        (("price",), {"inputs": ("price",)}, "is a target, and no input", "/inputs"),
        (("price",), {"task_column": "price"}, "is a target too", "/task_column"),
        (("price",), {"inputs": ("age",), "without": ("age",)}, "No column is left", "/inputs"),
        (("price",), {"split": parse_split("time=clicked")}, "no time in 20 rows", "/split/column"),
    ],
)
def test_what_cannot_be_trained_is_refused_at_its_field(
    targets: tuple[str, ...], options: dict[str, Any], says: str | None, pointer: str
) -> None:
    if says is None:
        assert made(shop(), *targets, **options).tasks[0].kind is TaskKind.MULTICLASS
        return
    with pytest.raises(InvalidInputError, match=says) as raised:
        made(shop(), *targets, **options)
    assert raised.value.pointer == pointer


def test_a_constant_target_is_refused() -> None:
    with pytest.raises(InvalidInputError, match=r"1 value\(s\): there is nothing to learn"):
        made(shop().assign(same=1.0), "same")


def test_clean_data_has_no_findings() -> None:
    rng = np.random.default_rng(2)
    frame = pd.DataFrame({name: rng.normal(size=400) for name in "abc"})
    assert made(frame.assign(y=rng.normal(size=400)), "y").findings == ()


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda f: f.assign(copy=f["age"]), "same_input"),
        (lambda f: f.assign(copy=f["city"].map({"Bonn": 1, "Köln": 2, "Ulm": 3})), "same_input"),
        (lambda f: f.assign(row=range(len(f))), "identifies_rows"),
        (lambda f: f.assign(one=1), "constant_input"),
        (lambda f: pd.concat([f, f.iloc[:60]]), "same_rows"),
        (lambda f: f.assign(cents=f["price"] * 100), "tells_target"),
        (lambda f: f.assign(bought=f["clicked"].map({"yes": "a", "no": "b"})), "tells_target"),
        (lambda f: f.assign(customer_id=np.arange(len(f)) // 4), "group_in_two_parts"),
        (lambda f: f.iloc[:70], "few_labels"),
        (lambda f: f.assign(clicked=["yes"] * 20 + ["no"] * (len(f) - 20)), "few_of_a_class"),
    ],
)
def test_what_to_look_at_is_found(change: Any, code: str) -> None:
    without = ("user", "day")
    assert code not in codes(made(shop(), "price", "clicked", without=without))
    assert code in codes(made(change(shop()), "price", "clicked", without=without))


def test_a_task_that_outweighs_all_others_is_told() -> None:
    result = made(shop(), "price:regression:weight=30", "clicked", without=("user", "day"))
    assert "one_task_decides" in codes(result)


def test_a_metric_in_units_of_its_target_that_outweighs_all_shares_is_told() -> None:
    def told(price: str) -> set[str]:
        return codes(made(shop(), price, "clicked", without=("user", "day")))

    assert "one_task_decides" in told("price:regression:metric=mae,chosen_by=metric")
    assert "one_task_decides" not in told("price:regression:metric=mae")
    assert "one_task_decides" not in told("price:regression:metric=r2,chosen_by=metric")
    assert "one_task_decides" not in told("price:regression:metric=mae,chosen_by=metric,weight=0.05")


def test_two_tasks_with_the_same_labels_are_told() -> None:
    frame = shop().assign(again=shop()["price"])
    result = made(frame, "price", "again", without=("user", "day", "clicked"))
    assert "same_target" in codes(result)
    assert "same_target" not in codes(made(frame, "price", "clicked", without=("user", "day", "again")))


def test_copies_of_rows_are_found_beside_a_number_that_nothing_uses() -> None:
    frame = pd.concat([shop(), shop().iloc[:60]]).assign(row=range(300))
    without = ("user", "day", "row")
    assert "same_rows" in codes(made(frame, "price", "clicked", without=without))


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("price", Target(("price",))),
        ("Jitter:RAP:regression", Target(("Jitter:RAP",), TargetKind.REGRESSION)),
        ("Jitter:RAP", Target(("Jitter:RAP",))),
        (
            "y:binary:metric=roc_auc,chosen_by=metric",
            Target(("y",), TargetKind.BINARY, metric="roc_auc", chosen_by=ChosenBy.METRIC),
        ),
        ("y:binary:positive=a=b,name=z", Target(("y",), TargetKind.BINARY, "z", positive="a=b")),
    ],
)
def test_targets_are_read(text: str, target: Target) -> None:
    assert parse_target(text) == target


@pytest.mark.parametrize(
    "text", ["", "y:binary:colour=red", "y:binary:weight=much", "y:binary:chosen_by=luck", "a+b:binary"]
)
def test_what_is_no_target_is_refused(text: str) -> None:
    with pytest.raises(InvalidInputError):
        parse_target(text)


def test_a_definition_survives_json() -> None:
    definition = ProblemDefinition(
        (parse_target("price"),),
        inputs=("age",),
        kinds={"age": ColumnKind.CATEGORY},
        split=parse_split("group=user"),
    )
    assert ProblemDefinition.from_mapping(definition.as_mapping()) == definition


@pytest.mark.parametrize("n_train", [3, 40, 500, 9_000, 1_000_000])
def test_recipes_suit_the_rows(n_train: int) -> None:
    recipe = recipe_for(n_train)
    assert 16 <= recipe.batch_size <= 256
    assert 5 <= recipe.epochs <= 60
    assert recipe.epochs * max(1, n_train // recipe.batch_size) >= 60
