"""Laws of what becomes of a training after losses, whoever trains it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from grouping.domain.trainings.faults import (
    LEAST_LIMIT_S,
    LONGEST_PAUSE_S,
    NO_LOSS,
    QUARANTINE_AFTER,
    TRIES_OUT_OF_MEMORY,
    Fault,
    LossCause,
    Standing,
    limit_by_estimate_s,
    pause_s,
)

History = list[tuple[LossCause, bool]]
"""Losses of a training, and whether it had got further than before each time."""
losses = st.tuples(st.sampled_from(LossCause), st.booleans())
histories = st.lists(losses, max_size=60)
limits = st.integers(1, 10)


def lived_through(history: History, max_attempts: int) -> tuple[list[Standing], Fault | None]:
    """Its standings, the first before any loss, and the fault for which it is given up."""
    standings, fault = [NO_LOSS], None
    for loss, has_progressed in history:
        standing, fault = standings[-1].after(loss, max_attempts=max_attempts, has_progressed=has_progressed)
        standings.append(standing)
        if fault is not None:
            break
    return standings, fault


@given(n=st.integers(0, 200), max_attempts=limits)
def test_losses_with_all_others_never_count(n: int, max_attempts: int) -> None:
    assert lived_through([(LossCause.WITH_ALL, False)] * n, max_attempts) == ([NO_LOSS] * (n + 1), None)


@given(n=st.integers(0, 200), max_attempts=limits)
def test_what_gets_further_each_time_is_never_given_up_for_its_workers(n: int, max_attempts: int) -> None:
    assert lived_through([(LossCause.WITH_WORKER, True)] * n, max_attempts)[1] is None


@given(histories, limits)
def test_losses_of_machines_in_between_change_nothing(history: History, max_attempts: int) -> None:
    calm = [one for one in history if one[0] is not LossCause.WITH_ALL]
    assert lived_through(history, max_attempts)[1] == lived_through(calm, max_attempts)[1]


@given(histories, limits)
def test_a_worker_that_is_lost_gives_a_training_up_only_in_quarantine_and_after_enough_tries_there(
    history: History, max_attempts: int
) -> None:
    standings, fault = lived_through(history, max_attempts)
    last = history[len(standings) - 2][0] if len(standings) > 1 else None
    if fault is None or last is not LossCause.WITH_WORKER:
        return
    alone = 0
    for standing, (loss, has_progressed) in zip(standings, history, strict=False):
        is_lone = standing.losses >= QUARANTINE_AFTER and loss is LossCause.WITH_WORKER
        alone = alone + is_lone if not (loss is LossCause.WITH_WORKER and has_progressed) else 0
    assert standings[-2].is_quarantined
    assert alone == max_attempts
    assert fault is Fault.USER


@given(max_attempts=limits)
def test_every_training_that_brings_its_worker_down_is_given_up(max_attempts: int) -> None:
    """So the job ends once no machine is lost any more."""
    standings, fault = lived_through([(LossCause.WITH_WORKER, False)] * 100, max_attempts)
    assert (len(standings) - 1, fault) == (QUARANTINE_AFTER + max_attempts, Fault.USER)


@given(histories, limits)
def test_the_fault_is_that_of_what_used_the_attempts_up(history: History, max_attempts: int) -> None:
    standings, fault = lived_through(history, max_attempts)
    by_word = [loss for loss, _ in history[: len(standings) - 1]]
    if fault is Fault.RESOURCES:
        assert by_word.count(LossCause.OUT_OF_MEMORY) == TRIES_OUT_OF_MEMORY
        assert standings[-2].is_quarantined, "the last try was alone"
    if fault is None:
        assert by_word.count(LossCause.OUT_OF_MEMORY) < TRIES_OUT_OF_MEMORY
        assert by_word.count(LossCause.BY_ITS_WORD) < max_attempts
    assert fault is not Fault.INFRASTRUCTURE, "machines end no training"


@given(st.floats(1e-6, 1e5), st.integers(1, 10_000))
def test_what_takes_as_long_as_others_never_counts_as_hanging(epoch_s: float, epochs: int) -> None:
    limit = limit_by_estimate_s(epoch_s, epochs)
    assert limit is not None
    assert limit >= max(LEAST_LIMIT_S, 50 * epoch_s * epochs)
    assert limit_by_estimate_s(None, epochs) is None


@given(st.lists(st.integers(0, 1000), min_size=1))
def test_pauses_begin_with_none_grow_and_are_bounded(counts: list[int]) -> None:
    pauses = [pause_s(n) for n in sorted(counts)]
    assert pauses == sorted(pauses)
    assert all(0 <= pause <= LONGEST_PAUSE_S for pause in pauses)
    assert pause_s(0) == pause_s(1) == 0
