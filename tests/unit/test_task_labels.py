"""Short labels of tasks: different ones, short, and without what all names share."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from grouping_api.web.task_labels import MOST_CHARACTERS, short_labels


def test_words_that_all_names_begin_with_are_left_out() -> None:
    labels = short_labels(("attribute_young", "attribute_wavy_hair", "attribute_male"))
    assert list(labels.values()) == ["young", "wavy_hair", "male"]


def test_a_name_that_is_the_start_of_another_keeps_a_label() -> None:
    assert short_labels(("a_b", "a_b_c")) == {"a_b": "b", "a_b_c": "b_c"}
    assert short_labels(("a_", "a_b")) == {"a_": "a_", "a_b": "a_b"}
    assert short_labels(("only_one",)) == {"only_one": "only_one"}


def test_labels_that_would_be_the_same_are_told_apart_by_the_place_of_the_task() -> None:
    labels = short_labels(("principal_curvature_x", "principal_curvature_y", "depth"))
    assert list(labels.values()) == ["principal_cur… 1", "principal_cur… 2", "depth"]


@given(st.lists(st.text("ab_-. ", min_size=1, max_size=40), min_size=1, max_size=12, unique=True))
def test_each_task_has_a_short_label_of_its_own(names: list[str]) -> None:
    labels = short_labels(names)
    assert list(labels) == names
    assert len(set(labels.values())) == len(names)
    assert all(0 < len(label) <= MOST_CHARACTERS + 3 for label in labels.values())
