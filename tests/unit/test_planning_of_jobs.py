"""How a job is planned: as it says, else as its trainer does."""

from __future__ import annotations

from dataclasses import replace

import pytest

from grouping.domain.jobs.search_state import SearchTerms
from grouping.domain.jobs.specification import JobSpec, Planning
from grouping.errors import InvalidInputError
from grouping.store.codec import spec_from_json, spec_to_json
from grouping.trainers import terms_of_job

SPEC = JobSpec("digits", ("digit", "loop"))


def test_a_job_that_leaves_it_out_is_planned_as_its_trainer_does() -> None:
    assert not terms_of_job(SPEC).plans_continuously, "the built-in trainer trains networks together"
    own = replace(SPEC, trainer="of a plug-in that is not installed")
    assert terms_of_job(own).plans_continuously


@pytest.mark.parametrize("trainer_does", [True, False])
@pytest.mark.parametrize("planning", list(Planning))
def test_a_job_that_says_it_is_planned_as_it_says(planning: Planning, trainer_does: bool) -> None:
    terms = SearchTerms.of_job(replace(SPEC, planning=planning), plans_continuously=trainer_does)
    assert terms.plans_continuously is (planning is Planning.CONTINUOUS)


@pytest.mark.parametrize("planning", [None, *Planning])
def test_it_comes_back_from_the_database_as_it_went(planning: Planning | None) -> None:
    spec = replace(SPEC, planning=planning)
    assert spec_from_json(spec_to_json(spec)) == spec


def test_another_word_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="steps, continuous") as caught:
        replace(SPEC, planning="at once")  # type: ignore[arg-type]
    assert caught.value.pointer == "/planning"
