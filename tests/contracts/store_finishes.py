"""What every store does so that a service makes the bundles it is asked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from grouping.artefacts.finishing import Finish, FinishState, FinishWanted
from grouping.artefacts.kept import LearnedRows
from grouping.errors import InvalidInputError, NotFoundError, StaleLeaseError, StateConflictError
from grouping.store import FinishClaim, Store
from grouping.store.finishes import MAX_LOST_CLAIMS
from tests.contracts.scenarios import at_once, calls_that_take, crash_everywhere, everything, submit
from tests.contracts.store_leases import PassTime

WANTED = FinishWanted(2.0, LearnedRows.TRAIN, 3, licence="CC0\0")
NOBODY = "0" * 32
FENCED: dict[str, Callable[[Store, FinishClaim], object]] = {
    "renew_finish": lambda store, claim: store.renew_finish(claim, 2, 2),
    "end_finish": lambda store, claim: store.end_finish(claim),
    "lose_finish": lambda store, claim: store.lose_finish(claim, "late"),
    "release_finish": lambda store, claim: store.release_finish(claim),
}


def asked(store: Store, wanted: FinishWanted = WANTED) -> Finish:
    """A bundle that was asked for of a job that has ended."""
    job = submit(store)
    store.request_cancel(job.id)
    found, is_new = store.request_finish(job.id, wanted)
    assert is_new
    return found


def claimed(store: Store, owner: str = "one") -> FinishClaim:
    found = store.claim_finish(owner, lease_s=30)
    assert found is not None
    return found


def told(store: Store, job_id: str) -> list[str]:
    kinds = (event.kind for event in store.events(job_id))
    return [kind.removeprefix("finish_") for kind in kinds if kind.startswith("finish_")]


class FinishContract:
    """Each is made once, or has failed, or was cancelled; whatever dies, another claim goes on."""

    def test_what_is_asked_for_is_claimed_once_told_of_and_ended(self, store: Store) -> None:
        found = asked(store)
        assert found.wanted == replace(WANTED, licence="CC0\ufffd")
        assert store.finishes(found.job_id) == (found,)
        assert store.get_finish(found.job_id, found.id) == found
        held = claimed(store)
        assert store.claim_finish("two", lease_s=30) is None
        assert (held.finish.id, held.finish.wanted) == (found.id, found.wanted)
        store.renew_finish(held, 2, 6)
        under_way = store.get_finish(found.job_id, found.id)
        assert (under_way.state, under_way.done, under_way.total) == (FinishState.RUNNING, 2, 6)
        store.end_finish(held)
        ended = store.get_finish(found.job_id, found.id)
        assert (ended.state, ended.done, ended.error) == (FinishState.SUCCEEDED, 6, None)
        assert ended.created_s <= (ended.started_s or 0) <= (ended.finished_s or 0)
        assert told(store, found.job_id) == ["asked", "started", "succeeded"]
        for write in (store.end_finish, store.release_finish):
            with pytest.raises(StaleLeaseError):
                write(held)
        assert store.claim_finish("two", lease_s=30) is None

    def test_the_same_again_is_the_same_and_another_takes_its_place_once_it_has_ended(
        self, store: Store
    ) -> None:
        found = asked(store)
        again, is_new = store.request_finish(found.job_id, found.wanted)
        assert (again, is_new) == (found, False)
        other = replace(found.wanted, n_seeds=None)
        with pytest.raises(StateConflictError, match="being made already, in another way"):
            store.request_finish(found.job_id, other)
        for differs in (
            replace(other, budget_snt=3.0),
            replace(other, rows=LearnedRows.TRAIN_AND_VALIDATION),
        ):
            assert store.request_finish(found.job_id, differs)[1]
        store.end_finish(claimed(store), error="no data\0")
        failed = store.get_finish(found.job_id, found.id)
        assert (failed.state, failed.error) == (FinishState.FAILED, "no data\ufffd")
        later, is_new = store.request_finish(found.job_id, other)
        assert is_new
        assert next(one.id for one in store.finishes(found.job_id)) == later.id
        assert len(store.finishes(found.job_id)) == 3
        with pytest.raises(NotFoundError):
            store.get_finish(found.job_id, found.id)

    def test_what_cannot_be_asked_for_is_refused(self, store: Store) -> None:
        job = submit(store)
        with pytest.raises(StateConflictError, match="queued, and what it recommends"):
            store.request_finish(job.id, WANTED)
        for ask in (lambda: store.request_finish(NOBODY, WANTED), lambda: store.finishes(NOBODY)):
            with pytest.raises(NotFoundError):
                ask()
        found = asked(store)
        for job_id, finish_id in ((job.id, found.id), (found.job_id, NOBODY), (found.job_id, "x")):
            with pytest.raises(NotFoundError):
                store.get_finish(job_id, finish_id)
            with pytest.raises(NotFoundError):
                store.cancel_finish(job_id, finish_id)
        with pytest.raises(InvalidInputError):
            FinishWanted(2.0, n_seeds=0)
        with pytest.raises(InvalidInputError):
            FinishWanted(2.0, licence="x" * 2001)

    def test_a_dispatcher_that_is_lost_is_followed_by_another_one_and_writes_no_more(
        self, store: Store, pass_time: PassTime
    ) -> None:
        found = asked(store)
        first = claimed(store)
        pass_time(20)
        store.renew_finish(first, 1, 2)
        pass_time(20)
        assert store.claim_finish("two", lease_s=30) is None, "the renewal counts"
        pass_time(20)
        second = claimed(store, "two")
        assert (second.finish.id, second.finish.done) == (found.id, 0)
        assert calls_that_take(FinishClaim) == set(FENCED)
        for write in FENCED.values():
            with pytest.raises(StaleLeaseError):
                write(store, first)
        store.end_finish(second)
        assert told(store, found.job_id) == ["asked", "started", "lost", "started", "succeeded"]

    def test_what_is_lost_too_often_has_failed_and_a_planned_end_does_not_count(
        self, store: Store, pass_time: PassTime
    ) -> None:
        found = asked(store)
        for _ in range(MAX_LOST_CLAIMS + 1):
            store.release_finish(claimed(store))
        for _ in range(MAX_LOST_CLAIMS - 1):
            store.lose_finish(claimed(store), "signal 9")
        claimed(store)
        pass_time(31)
        assert store.claim_finish("two", lease_s=30) is None
        failed = store.get_finish(found.job_id, found.id)
        assert failed.state is FinishState.FAILED
        assert f"{MAX_LOST_CLAIMS} attempts that were lost" in str(failed.error)
        assert told(store, found.job_id)[-1] == "failed"

    def test_what_was_lost_comes_after_the_others(self, store: Store) -> None:
        first, second = asked(store), asked(store)
        store.lose_finish(claimed(store), "signal 9")
        assert [claimed(store).finish.id, claimed(store).finish.id] == [second.id, first.id]

    def test_cancelling_ends_it_at_once_whoever_has_it(self, store: Store) -> None:
        for is_claimed in (False, True):
            found = asked(store)
            held = claimed(store) if is_claimed else None
            for _ in range(2):  # the same again is fine
                assert store.cancel_finish(found.job_id, found.id).state is FinishState.CANCELLED
            if held is not None:
                with pytest.raises(StaleLeaseError):
                    store.renew_finish(held, 1, 2)
            assert store.claim_finish("two", lease_s=30) is None
            assert told(store, found.job_id)[-1] == "cancelled"
        found = asked(store)
        store.end_finish(claimed(store))
        with pytest.raises(StateConflictError, match="nothing to cancel"):
            store.cancel_finish(found.job_id, found.id)

    def test_a_deleted_job_takes_it_along(self, store: Store) -> None:
        found = asked(store)
        held = claimed(store)
        store.delete_job(found.job_id)
        with pytest.raises(StaleLeaseError, match="deleted"):
            store.renew_finish(held, 1, 2)
        assert not everything(store)["finishes"]

    def test_of_many_dispatchers_one_gets_it(self, store: Store) -> None:
        asked(store)
        found = at_once(4, lambda n: store.claim_finish(f"dispatcher {n}", lease_s=30))
        assert sum(one is not None for one in found) == 1

    def test_a_crash_leaves_every_write_whole(self, store: Store) -> None:
        job = submit(store)
        store.request_cancel(job.id)
        assert crash_everywhere(store, lambda: store.request_finish(job.id, WANTED)) >= 4
        assert crash_everywhere(store, lambda: store.claim_finish("one", lease_s=30)) >= 4
        store.lose_finish(claimed_by_one(store, job.id), "signal 9")
        held = claimed(store)
        assert crash_everywhere(store, lambda: store.renew_finish(held, 1, 2)) >= 2
        assert crash_everywhere(store, lambda: store.end_finish(held)) >= 3


def claimed_by_one(store: Store, job_id: str) -> FinishClaim:
    """The first claim, which was let pass."""
    (found,) = store.finishes(job_id)
    return FinishClaim(found, "one", 1, 30)
