"""Numbers as text, and where the largest ones come from: searches among all groups of many tasks."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grouping.domain.number_texts import MOST_WRITTEN_OUT, number_text, range_text
from grouping.study.plan import StudyOptions
from grouping.study.reporting import make_report
from grouping.use_cases.estimate import estimate
from grouping.use_cases.submit import request_of
from tests.studies import noisy_loss, run_of, scores_by


@given(st.integers(0, 2**200))
def test_a_number_is_written_out_or_right_to_two_digits(number: int) -> None:
    text = number_text(number)
    if number < MOST_WRITTEN_OUT:
        assert int(text.replace(",", "")) == number
    else:
        digits, power = text.split(" × 10^")
        assert float(digits) * 10 ** int(power) == pytest.approx(number, rel=0.06)


def test_a_range_is_one_number_where_both_ends_look_the_same() -> None:
    assert range_text(1234, 1234) == "1,234"
    assert range_text(0.6, 1.2) == "1"
    assert range_text(12, 2**60) == "12 to 1.2 × 10^18"


@pytest.mark.parametrize(("asked", "tells"), [({}, False), ({"max_group_size": 3}, True)])
def test_an_estimate_for_many_tasks_says_that_its_bound_is_of_all_groups(
    asked: dict[str, int], tells: bool
) -> None:
    tasks = [{"name": f"t{n}"} for n in range(60)]
    trainer = {"name": "external", "parameters": {"data": "one"}}
    request = request_of({"tasks": tasks, "trainer": trainer, "budgets_snt": [20], **asked})
    sentence = estimate(request, None).sentence
    assert ("× 10^18" in sentence) != tells
    assert ("set a training budget" in sentence) != tells
    assert len(sentence) < 400


def test_a_study_of_many_tasks_writes_its_numbers_out() -> None:
    tasks = tuple(f"t{n}" for n in range(60))
    options = StudyOptions(n_seeds=2, sizes=(1.0,), shares=(1.0,), has_transfers=False)
    scores = scores_by(noisy_loss(lambda source, target: 0.01), tasks, options)
    (pairs,) = (f for f in make_report(run_of(scores, tasks, options)).findings if f.question == "pairs")
    assert "Of the 3540 effects" in pairs.sentence
    assert "about 177 would seem" in pairs.sentence
