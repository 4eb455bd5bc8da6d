"""What every store does so that webhooks are told of the end of a job."""

from __future__ import annotations

from grouping.domain.jobs.job import JobState, StopReason
from grouping.domain.jobs.webhooks import MAX_ATTEMPTS, RETRY_S
from grouping.store import Delivery, Store
from tests.contracts.scenarios import claim, crash_everywhere, everything, prepare, submit
from tests.contracts.store_leases import PassTime

ADDRESSES = ("https://a.example/x", "https://b.example/y")


def ended(store: Store, state: JobState = JobState.CANCELLED) -> str:
    """A job with two webhooks that has ended."""
    job = submit(store, fields={"notify": ADDRESSES})
    if state is JobState.CANCELLED:
        store.request_cancel(job.id)
        return job.id
    held = claim(store)
    prepare(store, held)
    if state is JobState.FAILED:
        store.enter_state(held, state, error="no data")
    else:
        store.enter_state(held, JobState.RUNNING)
        store.enter_state(held, state, stop_reason=StopReason.CONVERGED)
    return job.id


def attempt(store: Store) -> Delivery:
    found = store.claim_delivery(lease_s=60)
    assert found is not None
    return found


def told_events(store: Store, job_id: str) -> list[tuple[str, object]]:
    return [
        (event.kind, event.data["address"])
        for event in store.events(job_id)
        if event.kind.startswith("webhook")
    ]


class DeliveryContract:
    """Each address is told of each end at least once, or given up after a day; both are events."""

    def test_every_end_of_a_job_is_to_be_told_to_each_address(self, store: Store) -> None:
        store.request_cancel(submit(store).id)  # names none
        for state in (JobState.CANCELLED, JobState.FAILED, JobState.SUCCEEDED):
            job_id = ended(store, state)
            found = [attempt(store), attempt(store)]
            assert store.claim_delivery(lease_s=60) is None
            assert sorted(one.address for one in found) == list(ADDRESSES)
            assert {(one.job_id, one.state, one.attempt) for one in found} == {(job_id, state, 1)}
            assert {one.ended_s for one in found} == {store.get_job(job_id).finished_s}
            reason = StopReason.CONVERGED if state is JobState.SUCCEEDED else None
            error = "no data" if state is JobState.FAILED else None
            assert {(one.stop_reason, one.error, one.is_degraded) for one in found} == {
                (reason, error, False)
            }
            if state is not JobState.FAILED:
                continue
            store.resume(job_id)
            store.request_cancel(job_id)
            assert {attempt(store).state, attempt(store).state} == {JobState.CANCELLED}, "it ended again"

    def test_an_attempt_of_which_nothing_is_heard_is_made_again_and_told_once(
        self, store: Store, pass_time: PassTime
    ) -> None:
        job_id = ended(store)
        first, other = attempt(store), attempt(store)
        store.record_delivered(other, 200)
        pass_time(59)
        assert store.claim_delivery(lease_s=60) is None
        pass_time(2)
        again = attempt(store)
        assert (again.id, again.attempt) == (first.id, 2)
        assert not store.record_undelivered(first, "late"), "the later attempt counts"
        store.record_delivered(again, 204)
        store.record_delivered(first, 200)
        assert sorted(told_events(store, job_id)) == [("webhook_delivered", address) for address in ADDRESSES]
        assert store.events(job_id)[-1].data == {"address": first.address, "attempts": 2, "status": 204}
        pass_time(1e6)
        assert store.claim_delivery(lease_s=60) is None

    def test_what_fails_is_tried_at_growing_intervals_for_a_day_and_given_up(
        self, store: Store, pass_time: PassTime
    ) -> None:
        job_id = ended(store)
        store.record_delivered(attempt(store), 200)
        for wait_s in RETRY_S:
            assert not store.record_undelivered(attempt(store), "away")
            pass_time(0.9 * wait_s)
            assert store.claim_delivery(lease_s=60) is None
            pass_time(0.2 * wait_s)
        assert 20 * 3600 < sum(RETRY_S) < 30 * 3600
        assert store.record_undelivered(attempt(store), "still away\0" + "x" * 1000)
        last = store.events(job_id)[-1]
        assert (last.kind, last.data["attempts"]) == ("webhook_given_up", MAX_ATTEMPTS)
        assert str(last.data["reason"]).startswith("still away\ufffd")
        assert len(str(last.data["reason"])) == 300
        pass_time(1e6)
        assert store.claim_delivery(lease_s=60) is None

    def test_what_is_hopeless_is_given_up_at_once_and_a_deleted_job_is_told_of_no_more(
        self, store: Store
    ) -> None:
        job_id = ended(store)
        assert store.census().n_deliveries == 2
        assert store.record_undelivered(attempt(store), "not allowed", is_hopeless=True)
        under_way = attempt(store)
        assert store.census().n_deliveries == 1
        store.delete_job(job_id)
        assert store.census().n_deliveries == 0
        store.record_delivered(under_way, 200)
        assert not store.record_undelivered(under_way, "away")

    def test_a_crash_leaves_an_end_and_its_record_whole(self, store: Store) -> None:
        job = submit(store, fields={"notify": ADDRESSES})
        assert crash_everywhere(store, lambda: store.request_cancel(job.id)) >= 3
        assert crash_everywhere(store, lambda: store.claim_delivery(lease_s=60)) >= 2
        found = attempt(store)
        before = everything(store)
        assert crash_everywhere(store, lambda: store.record_delivered(found, 200)) >= 3
        assert everything(store) != before
