"""What could not be trained is refused from the recipe alone, by the rules that training follows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import chain, combinations
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from grouping.domain.tasks import Task
from grouping.domain.trainings.recipes import Method, Recipe
from grouping.errors import InvalidInputError
from grouping.recipes import check_trainable
from grouping.recipes.checks import stages_below
from grouping.training.blueprint import Blueprint
from grouping.training.methods import build_encoder, build_network, build_schedule
from tests.effort import examples

TASKS = (Task.regression("a"), Task.multiclass("b", 3), Task.binary("c"), Task.dense_map("d", 4))
NAMES = [task.name for task in TASKS]

SCHEDULES = st.one_of(
    st.just(Method("joint")),
    st.builds(lambda order: Method("continual", {"order": order}), st.lists(st.sampled_from(NAMES))),
    st.builds(lambda share: Method("sequential", {"last_share": share}), st.floats(0.05, 0.95)),
    st.builds(
        lambda source, frozen, gradual, share: Method(
            "fine-tuning",
            {"source_task": source, "frozen": frozen, "gradual": gradual, "source_share": share},
        ),
        st.none() | st.sampled_from([*NAMES, "elsewhere"]),
        st.integers(0, 4),
        st.booleans(),
        st.floats(0.05, 0.95),
    ),
)
SHARING = st.one_of(
    st.sampled_from([Method("hard"), Method("cross-stitch"), Method("sparse")]),
    st.builds(
        lambda depths: Method("hierarchical", {"depths": depths}),
        st.dictionaries(st.sampled_from(NAMES), st.integers(1, 2)),
    ),
)
RECIPES = st.builds(
    Recipe,
    hidden=st.sampled_from([(6, 6), (6, 6, 4)]),
    epochs=st.integers(1, 7),
    sharing=SHARING,
    schedule=SCHEDULES,
)


def refusal(recipe: Recipe, tasks: Sequence[Task], largest: int) -> InvalidInputError | None:
    try:
        check_trainable(recipe, tasks, largest)
    except InvalidInputError as error:
        return error
    return None


def are_trainable(recipe: Recipe, groups: Iterable[Sequence[Task]]) -> bool:
    """Whether the schedule that trains divides the trainings of all these networks."""
    schedule, stages = build_schedule(recipe), stages_below(recipe, TASKS)
    assert stages is not None
    try:
        for group in groups:
            names = [task.name for task in group]
            schedule.phases(names, recipe.epochs, 1 + max(stages[name] for name in names))
    except InvalidInputError:
        return False
    return True


LATE_SOURCE = Method("fine-tuning", {"source_task": "d"})
GRADUAL = Method("fine-tuning", {"source_task": "c", "gradual": True, "frozen": 1})


@example(Recipe(epochs=1, schedule=LATE_SOURCE), 4, 2)  # pairs of the first tasks have no source
@example(Recipe(epochs=1, schedule=LATE_SOURCE), 3, 3)
@example(Recipe(epochs=2, hidden=(6, 6), schedule=GRADUAL), 4, 2)
@example(Recipe(epochs=3, hidden=(6, 6), schedule=GRADUAL), 4, 2)
@settings(max_examples=examples(100), deadline=None)
@given(RECIPES, st.integers(1, len(TASKS)), st.integers(1, len(TASKS)))
def test_a_schedule_is_refused_just_where_the_training_of_some_network_would_be(
    recipe: Recipe, n_tasks: int, largest: int
) -> None:
    tasks = TASKS[:n_tasks]
    groups = chain.from_iterable(combinations(tasks, k) for k in range(1, min(largest, n_tasks) + 1))
    assert (refusal(recipe, tasks, largest) is None) == are_trainable(recipe, groups)


def test_too_few_epochs_are_refused_with_the_least_that_would_do() -> None:
    recipe = Recipe(epochs=3, schedule=Method("continual"))
    error = refusal(recipe, TASKS, 4)
    assert error is not None
    assert error.pointer == "/epochs"
    assert "a network of 4 tasks into 4 phases, and the recipe has 3 epochs" in str(error)
    assert "at least 4" in str(error)
    assert refusal(recipe, TASKS, 3) is None, "of three tasks at most"
    assert refusal(replace(recipe, epochs=4), TASKS, 4) is None


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"sharing": Method("ple", {"n_levels": 3})}, "/sharing/parameters/n_levels"),
        ({"sharing": Method("multi-level-mmoe", {"n_levels": 3})}, "/sharing/parameters/n_levels"),
        ({"sharing": Method("conditioning-concat", {"at": 2})}, "/sharing/parameters/at"),
        ({"sharing": Method("conditioning-add", {"at": 2})}, "/sharing/parameters/at"),
        ({"sharing": Method("conditioning-multiply", {"at": 2})}, "/sharing/parameters/at"),
        ({"sharing": Method("hierarchical", {"depths": {"c": 3}})}, "/sharing/parameters/depths/c"),
        ({"encoder": Method("transformer", {"n_heads": 5})}, "/hidden"),
    ],
    ids=str,
)
def test_what_an_encoder_of_these_widths_cannot_be_is_refused_as_it_is_when_it_is_built(
    changes: dict[str, Any], pointer: str
) -> None:
    recipe = Recipe(hidden=(6, 6), **changes)
    error = refusal(recipe, TASKS, 1)
    assert error is not None
    assert error.pointer == pointer
    with pytest.raises(InvalidInputError) as built:
        build_network(recipe, Blueprint(build_encoder(recipe, 6), recipe.hidden, TASKS))
    assert (str(built.value), built.value.pointer) == (str(error), pointer)


def test_texts_that_a_row_does_not_have_are_refused() -> None:
    recipe = Recipe(hidden=(8, 8), encoder=Method("transformer", {"n_segments": 2}))
    assert refusal(recipe, [replace(TASKS[0], reads=(0, 1))], 1) is None
    error = refusal(recipe, [replace(TASKS[0], reads=(0, 2))], 1)
    assert error is not None
    assert error.pointer == "/encoder/parameters/n_segments"
