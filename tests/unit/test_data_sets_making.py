from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from grouping.data_sets.columns import ColumnKind, TargetKind
from grouping.data_sets.definitions import ProblemDefinition, Target, parse_kind, parse_split, parse_target
from grouping.data_sets.features import fit
from grouping.data_sets.making import Made, make, recipe_for
from grouping.data_sets.reading import one_below_another, read_frame
from grouping.domain.tasks import ChosenBy, TaskKind
from grouping.domain.trainings.datasets import labelled_rows
from grouping.errors import DataSetError, InvalidInputError
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
    with pytest.raises(InvalidInputError, match=r"'sum' looks like numbers: write plain numbers"):
        made(frame.assign(sum=[f"{n},{n + 100}" for n in range(240)]), "price", without=("review",))
    assert {"code = 1", "code = 2", "code = 3"} <= set(result.fitted.names)
    assert result.fitted.columns[-1].kind is not ColumnKind.TEXT


@pytest.mark.parametrize(
    ("targets", "options", "says", "pointer"),
    [
        (("prise",), {}, r"no column 'prise'. Did you mean 'price'\?", "/targets/0/columns"),
        (("price:regresion",), {}, "'regresion' is no kind of a target", "/targets/0/columns"),
        (("price,clicked",), {}, "Name each column by itself", "/targets/0/columns"),
        (
            ("city:multiclass:order=Ulm+Bonn",),
            {},
            "each of its values once: Bonn, Köln, Ulm",
            "/targets/0/order",
        ),
        (("age:regression:order=1+2",), {}, "Only classes", "/targets/0/order"),
        (("price:regression:loss=quantile,loss.quantil=0.9",), {}, "did you mean quantile", "/targets/0"),
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


def test_a_class_without_a_training_row_is_refused_with_the_split_that_gives_it_one() -> None:
    day = np.arange(65.0)
    frame = pd.DataFrame({"x": day % 7 + 0.5, "day": day, "late": (day >= 62).astype(int)})
    with pytest.raises(InvalidInputError, match=r"one value only in the training .* \(stratified=late\)"):
        made(frame, "late:binary", split=parse_split("time=day"))
    rows = made(frame, "late:binary", split=parse_split("stratified=late")).dataset
    assert all(rows.targets["late"][part].sum() == 1 for part in (rows.train, rows.validation, rows.test))


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
        (lambda f: f.assign(share=[f"{n % 90}%" for n in range(240)]), "looks_otherwise"),
        (lambda f: f.assign(dated=[f"{1 + n % 28}.{1 + n % 3}.2024" for n in range(240)]), "looks_otherwise"),
        (lambda f: pd.concat([f, f.iloc[:60]]), "same_rows"),
        (lambda f: f.assign(cents=f["price"] * 100), "tells_target"),
        (lambda f: f.assign(rounded=(f["price"] * 1.17 - 3).round(4)), "tells_target"),
        (lambda f: f.assign(days=np.arange(240) + 1000 * (f["clicked"] == "yes")), "tells_target"),
        (
            lambda f: f.assign(gone=np.where(f["clicked"] == "yes", np.arange(240) % 7, np.nan)),
            "tells_target",
        ),
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


@pytest.mark.parametrize(
    ("first", "other", "is_same"),
    [
        ("price", lambda f: f["price"] * -1.17 + 3, True),
        ("price", lambda f: f["price"] + np.arange(240) % 2, False),
        ("clicked", lambda f: f["clicked"].map({"yes": "a", "no": "b"}), True),
        ("clicked", lambda f: f["clicked"].map({"yes": "a", "no": "b"}).iloc[:200], False),
    ],
)
def test_two_tasks_that_say_the_same_by_other_numbers_or_names_are_told(
    first: str, other: Any, is_same: bool
) -> None:
    result = made(shop().assign(other=other(shop())), first, "other", inputs=("age",))
    assert ("same_target" in codes(result)) == is_same


def test_classes_of_texts_whose_order_counts_are_told_until_their_order_is_said() -> None:
    frame = shop().assign(size=np.tile(["small", "medium", "large", None], 60))
    target = "size:multiclass:loss=ranked_probability"
    (told,) = [
        one for one in made(frame, target, inputs=("age",)).findings if one.code == "order_by_alphabet"
    ]
    assert "large, medium, small" in told.sentence
    assert "order_by_alphabet" not in codes(made(frame, "size:multiclass", inputs=("age",)))
    result = made(frame, f"{target},order=small+medium+large", inputs=("age",))
    assert "order_by_alphabet" not in codes(result)
    assert result.classes == {"size": ("small", "medium", "large")}
    assert result.dataset.targets["size"][:4].tolist() == [0, 1, 2, -1]


def test_parts_of_less_than_half_their_share_are_told() -> None:
    frame = shop().assign(user=["giant"] * 216 + [f"u{n // 2}" for n in range(24)])
    for seed in range(5):
        result = made(frame, "price", without=("day",), split=parse_split("group=user", seed=seed))
        assert "giant" in set(frame["user"].iloc[result.dataset.train])
        (told,) = [one for one in result.findings if one.code == "shares_not_kept"]
        assert told.subjects == ("validation", "test")
        assert "one value has 90 % of all" in told.sentence
    for split in ("group=user", "time=day"):
        found = made(shop(), "price", split=parse_split(split, folds=4))
        assert "shares_not_kept" not in codes(found)


def test_a_task_that_a_fold_cannot_test_is_refused_or_left_out() -> None:
    frame = shop().assign(rare=[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0] + [np.nan] * 232)
    with pytest.raises(InvalidInputError, match="'rare' has no label in the test rows of fold"):
        made(frame, "price", "rare", inputs=("age",), split=parse_split("random", folds=10))
    frame = fields(3).drop(index=range(45, 60))
    frame = frame.drop(index=frame.index[frame["field"] == "field 2"][6:])
    result = made(frame, "mine:binary", task_column="field", split=parse_split("stratified", folds=8))
    assert [task.name for task in result.tasks] == ["field 1", "field 3"]
    for fold in range(8):
        definition = ProblemDefinition(
            (parse_target("mine:binary"),), "field", split=parse_split("stratified", folds=8)
        )
        make(stored(frame), definition, fold).dataset.check_tasks(result.tasks)


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
        (
            "y:regression:loss=quantile,loss.quantile=0.9",
            Target(("y",), TargetKind.REGRESSION, loss="quantile", loss_parameters={"quantile": 0.9}),
        ),
        ("y:multiclass:order=S+M+L", Target(("y",), TargetKind.MULTICLASS, order=("S", "M", "L"))),
    ],
)
def test_targets_are_read(text: str, target: Target) -> None:
    assert parse_target(text) == target


@pytest.mark.parametrize(
    "text",
    [
        "",
        "y:binary:colour=red",
        "y:binary:weight=much",
        "y:binary:chosen_by=luck",
        "y:binary:loss.=1",
        "a+b:binary",
    ],
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


def test_a_target_says_what_it_is_taken_for() -> None:
    frame = shop().assign(stars=np.tile(np.arange(8), 30), size=np.tile(["S", "M"], 120))
    targets = (
        "price",
        "clicked:binary:positive=no",
        "stars",
        "size:multiclass:order=S+M,name=it",
        "day+price",
    )
    result = made(frame.assign(day=1.0 * np.arange(240)), *targets, inputs=("age",))
    told = [one.described(result.classes.get(one.label, ())) for one in map(parse_target, targets)]
    assert told == [
        "price (regression)",
        "clicked (binary: yes is no, no is yes)",
        "stars (multiclass: 0, 1, 2, 3, 4 and 3 more)",
        "it (multiclass: S, M)",
        "day and price (regression)",
    ]


def test_tables_of_different_columns_are_tasks_of_one() -> None:
    north = shop().drop(columns=["clicked", "user", "day"]).assign(area=np.arange(240))
    south = fields(1, 80).drop(columns="field").assign(price=np.arange(80.0), member=True)
    frame = one_below_another({"north": stored(north), "south": stored(south)}, "site")
    assert (len(frame), frame.columns[0], str(frame["area"].dtype)) == (320, "site", "float64")
    definition = ProblemDefinition((parse_target("price"),), "site", without=("mine",))
    result = make(frame, definition)
    assert [task.name for task in result.tasks] == ["north", "south"]
    counts = {name: result.dataset.label_counts(name)["train"] for name in ("north", "south")}
    assert counts == {"north": 132, "south": 48}
    # What a table does not have is one value in all of its rows.
    place = {name: n for n, name in enumerate(result.fitted.names)}
    inputs = result.dataset.inputs
    for name, rows in (("a", slice(240)), ("area", slice(240, 320)), ("area missing", slice(240, 320))):
        assert len(np.unique(inputs[rows, place[name]])) == 1
        assert len(np.unique(inputs[:, place[name]])) > 1
    # Each of two targets that only one of the tables has is labelled there alone.
    both = make(frame, ProblemDefinition((parse_target("area:regression"), parse_target("mine:binary"))))
    assert both.dataset.label_counts("area")["train"] + both.dataset.label_counts("mine")["train"] == 192
    with pytest.raises(DataSetError, match="'a' is number in 'south' and boolean in 'other'"):
        one_below_another({"south": stored(south), "other": stored(south.assign(a=True))}, "site")
    with pytest.raises(DataSetError, match="'south' has a column 'a' already"):
        one_below_another({"south": stored(south)}, "a")
