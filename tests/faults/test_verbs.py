"""What users and dispatchers do with a job, in any order: the store beside a model of it.

Two dispatchers claim, plan, train and lose their leases, while users pause, stop, cancel, resume and delete.
The model knows who may write, which trainings are finished, and what each verb gives.
"""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import Phase, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from hypothesis.strategies import sampled_from

from grouping.domain.jobs.job import Job, JobState, Stop, StopReason
from grouping.domain.jobs.verbs import JobVerb, refusal
from grouping.domain.trainings.faults import LossCause
from grouping.domain.trainings.trials import Trial, TrialState
from grouping.errors import NotFoundError, StaleLeaseError, StateConflictError
from grouping.store import Claim, Store, migrate, open_store
from grouping.store.leases import TRANSITIONS
from tests.contracts.scenarios import NETWORKS, requests, submit, success
from tests.faults.effort import WHOLE

OWNERS = ("one", "two")
DISPATCHERS = sampled_from(OWNERS)
_USUAL_WAY = {
    JobState.QUEUED: JobState.PREPARING,
    JobState.PREPARING: JobState.RUNNING,
    JobState.PAUSING: JobState.PAUSED,
    JobState.CANCELLING: JobState.CANCELLED,
}
_template: list[bytes] = []


def _migrated() -> bytes:
    """A migrated SQLite file, made once."""
    if not _template:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "template.db")
            migrate(f"sqlite:///{path}")
            _template.append(path.read_bytes())
    return _template[0]


class Verbs(RuleBasedStateMachine):
    """One job, two dispatchers, and users."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.path = self.folder / "grouping.db"
        self.path.write_bytes(_migrated())
        self.store: Store = open_store(f"sqlite:///{self.path}")
        self.claims: dict[str, Claim] = {}
        self.holder: str | None = None
        self.is_expired = False
        self.finished: dict[str, Any] = {}
        self.is_deleted = False

    def teardown(self) -> None:
        self.store.close()
        shutil.rmtree(self.folder)

    @initialize()
    def submitted(self) -> None:
        self.job: Job = submit(self.store)

    # --- what the model knows

    @property
    def state(self) -> JobState:
        return self.store.get_job(self.job.id).state

    def trials(self, *states: TrialState) -> list[Trial]:
        return [trial for trial in self.store.trials(self.job.id) if not states or trial.state in states]

    def holds(self, owner: str) -> bool:
        """Whether the lease is this dispatcher's; one that ran out is, until another one claims the job."""
        return self.holder == owner

    def write(self, owner: str, act: Callable[[Claim], Any]) -> None:
        """Write as a dispatcher; what has lost its lease must be refused."""
        claim = self.claims.get(owner)
        if claim is None:
            return
        if self.is_deleted:
            with pytest.raises((NotFoundError, StaleLeaseError)):
                act(claim)
            return
        if not self.holds(owner):
            with pytest.raises(StaleLeaseError):
                act(claim)
            return
        with contextlib.suppress(StateConflictError):  # a change of state that there is not
            act(claim)
        if self.state.is_at_rest:
            self.holder = None

    # --- dispatchers

    @rule(owner=DISPATCHERS)
    def claim(self, owner: str) -> None:
        found = self.store.claim_job(owner, lease_s=600)
        is_free = self.holder is None or self.is_expired
        assert (found is not None) == (not self.is_deleted and is_free and not self.state.is_at_rest)
        if found is not None:
            self.claims[owner], self.holder, self.is_expired = found, owner, False
            assert not self.trials(TrialState.RUNNING)

    @rule(owner=DISPATCHERS)
    def renew(self, owner: str) -> None:
        def act(claim: Claim) -> None:
            asked = self.store.renew(claim)
            assert asked == (self.state is JobState.CANCELLING)
            self.is_expired = False

        self.write(owner, act)

    @rule(owner=DISPATCHERS)
    def release(self, owner: str) -> None:
        held = self.holds(owner)
        self.write(owner, self.store.release)
        if held and not self.is_deleted:
            self.holder = None

    @rule(owner=DISPATCHERS, state=sampled_from(JobState))
    def enter(self, owner: str, state: JobState) -> None:
        before = None if self.is_deleted else self.state
        reason = StopReason.SEARCH_COMPLETE if state is JobState.SUCCEEDED else None
        self.write(owner, lambda claim: self.store.enter_state(claim, state, stop_reason=reason))
        if before is not None and (after := self.state) is not before:
            early = {JobState.SUCCEEDED} if before in (JobState.QUEUED, JobState.PREPARING) else set()
            assert after in TRANSITIONS[before] | early

    @rule(owner=DISPATCHERS)
    def plan(self, owner: str) -> None:
        def act(claim: Claim) -> None:
            self.store.append_event(claim, "planner_looked", {})
            if self.state is JobState.PREPARING:
                self.store.record_preparation(claim, data_digest="0f", versions={"torch": "2"})
                self.store.add_networks(claim, NETWORKS)
            if self.state is JobState.RUNNING and self.store.get_job(self.job.id).data_digest:
                wanted = requests(*NETWORKS, seeds=2)
                self.store.plan_trials(claim, wanted, planned_epochs=[10] * len(wanted))

        self.write(owner, act)

    @rule(owner=DISPATCHERS)
    def start(self, owner: str) -> None:
        planned = [] if self.is_deleted else self.trials(TrialState.PLANNED)
        if planned:
            self.write(owner, lambda claim: self.store.start_trial(claim, planned[0].id))

    @rule(owner=DISPATCHERS)
    def finish(self, owner: str) -> None:
        running = [] if self.is_deleted else self.trials(TrialState.RUNNING)
        if running:
            trial = running[0]
            self.write(
                owner, lambda claim: self.store.record_outcome(claim, trial.id, success(trial.network))
            )

    @rule(owner=DISPATCHERS)
    def lose(self, owner: str) -> None:
        running = [] if self.is_deleted else self.trials(TrialState.RUNNING)
        if running:
            lost = running[-1].id
            self.write(
                owner,
                lambda claim: self.store.requeue_trial(
                    claim, lost, "the machine is gone.", LossCause.WITH_ALL
                ),
            )

    @precondition(lambda self: not self.is_deleted)
    @rule(n_steps=sampled_from((1, 2, 4, 8)))
    def go_on(self, n_steps: int) -> None:
        """The holder of the job takes the next steps of its usual way."""
        for _ in range(n_steps):
            if self.holder is None:
                self.claim(OWNERS[0])
            if (owner := self.holder) is None:  # the job is at rest
                return
            if following := _USUAL_WAY.get(self.state):
                self.enter(owner, following)
                self.plan(owner)
            elif self.trials(TrialState.RUNNING):
                self.finish(owner)
            elif self.trials(TrialState.PLANNED):
                self.start(owner)
            else:
                self.plan(owner)

    @precondition(lambda self: self.holder is not None and not self.is_expired)
    @rule()
    def lease_runs_out(self) -> None:
        with contextlib.closing(sqlite3.connect(self.path)) as connection, connection:
            connection.execute("UPDATE jobs SET lease_expires_s = 0 WHERE id = ?", (self.job.id,))
        self.is_expired = True

    @precondition(lambda self: self.holder is not None and not self.is_expired)
    @rule()
    def another_takes_over(self) -> None:
        """The lease runs out, the other one claims the job, and the first one knows nothing of that."""
        first = self.holder
        self.lease_runs_out()
        self.claim(OWNERS[first == OWNERS[0]])
        if first is not None:
            self.plan(first)

    @precondition(lambda self: self.is_deleted)
    @rule()
    def submitted_again(self) -> None:
        self.finished, self.claims, self.is_deleted = {}, {}, False
        self.job = submit(self.store)

    # --- users

    def ask(self, verb: JobVerb, act: Callable[[str], Any]) -> bool:
        """Ask for a verb; it is refused exactly where the domain says so. Returns whether it was done."""
        if self.is_deleted:
            with pytest.raises(NotFoundError):
                act(self.job.id)
            return False
        given_up = len(self.trials(TrialState.FAILED))
        trained = len(self.trials(TrialState.SUCCEEDED))
        why = refusal(verb, self.state, given_up, n_trained=trained)
        if why is None:
            act(self.job.id)
            return True
        with pytest.raises(StateConflictError):
            act(self.job.id)
        return False

    @rule()
    def pause(self) -> None:
        if self.ask(JobVerb.PAUSE, self.store.request_pause):
            assert self.state in (JobState.PAUSING, JobState.PAUSED)
        self._note_rest()

    @rule(stop=sampled_from(Stop))
    def stop(self, stop: Stop) -> None:
        self.ask(JobVerb.STOP, lambda job_id: self.store.request_stop(job_id, stop))

    @rule()
    def cancel(self) -> None:
        if self.ask(JobVerb.CANCEL, self.store.request_cancel):
            assert self.state in (JobState.CANCELLING, JobState.CANCELLED)
        self._note_rest()

    @rule()
    def resume(self) -> None:
        if self.ask(JobVerb.RESUME, self.store.resume):
            assert self.state is JobState.QUEUED

    @rule()
    def delete(self) -> None:
        if self.ask(JobVerb.DELETE, self.store.delete_job):
            self.is_deleted, self.holder = True, None

    def _note_rest(self) -> None:
        if not self.is_deleted and self.state.is_at_rest:
            self.holder = None

    # --- laws

    @invariant()
    def finished_trainings_stay(self) -> None:
        if self.is_deleted:
            return
        now = {trial.id: trial.scores for trial in self.trials(TrialState.SUCCEEDED)}
        assert self.finished.items() <= now.items()
        self.finished = now

    @invariant()
    def events_have_neither_gap_nor_double(self) -> None:
        if self.is_deleted:
            return
        events = self.store.events(self.job.id, limit=10_000)
        assert [event.number for event in events] == list(range(1, len(events) + 1))
        told = [event.data["trial"] for event in events if event.kind == "trial_succeeded"]
        assert sorted(told) == sorted(trial.id for trial in self.trials(TrialState.SUCCEEDED))

    @invariant()
    def the_ledger_covers_every_attempt(self) -> None:
        if not self.is_deleted:
            charged = self.store.ledger(self.job.id).trainings
            # A training that a job at rest gave back was charged, and is no attempt.
            assert charged >= sum(trial.attempts for trial in self.trials())

    @invariant()
    def nothing_trains_in_a_job_at_rest(self) -> None:
        if not self.is_deleted and self.state.is_at_rest:
            assert not self.trials(TrialState.RUNNING)


TestVerbs = Verbs.TestCase
TestVerbs.settings = settings(
    max_examples=2_000 if WHOLE else 25,
    stateful_step_count=60 if WHOLE else 25,
    deadline=None,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),  # to shrink takes minutes
)
