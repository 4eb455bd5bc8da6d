"""Laws of fresh seeds: those that confirm took no part in the choice, nor in the tuning of the recipe."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from grouping.domain.jobs.specification import MAX_SEED, MAX_SEEDS, JobSpec

SPECS = st.builds(
    JobSpec,
    st.just("p"),
    st.just(("a",)),
    seed=st.integers(0, MAX_SEED),
    n_seeds=st.integers(1, MAX_SEEDS),
    n_confirmation_seeds=st.integers(0, MAX_SEEDS),
)
MOST = JobSpec("p", ("a",), n_seeds=MAX_SEEDS, n_confirmation_seeds=MAX_SEEDS)


@given(SPECS)
def test_search_confirmation_and_tuning_share_no_seed(spec: JobSpec) -> None:
    _assert_disjoint(spec)


def test_not_even_as_many_seeds_as_a_job_may_have_meet() -> None:
    _assert_disjoint(MOST)


def _assert_disjoint(spec: JobSpec) -> None:
    every = [*spec.search_seeds, *spec.confirmation_seeds, spec.preparation_seed]
    assert len(set(every)) == spec.n_seeds + spec.n_confirmation_seeds + 1
