"""Execution of one claimed job, from preparation to its final state."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from dataclasses import replace

from grouping.domain.jobs import Job, JobState, StopReason
from grouping.domain.networks import MeasuredNetwork, Network
from grouping.domain.search_state import SearchTerms
from grouping.domain.training_budgets import ConfirmationRound, is_time_short, trials_over_time
from grouping.domain.trials import Purpose, TrialRequest, TrialState
from grouping.errors import StateConflictError, TrainingError, WorkerLostError
from grouping.search import advance, networks_to_measure
from grouping.store import Claim, Store
from grouping.trainers import trainer_of
from grouping_workers.checkpoint_folders import remove_folder
from grouping_workers.dispatch.driver_process import DriverProcess
from grouping_workers.dispatch.driver_requests import DriverRequests
from grouping_workers.dispatch.lease import LeaseKeeper
from grouping_workers.dispatch.note_events import NoteRecorder
from grouping_workers.dispatch.planner import planner_of
from grouping_workers.dispatch.reuse_report import report_reuse
from grouping_workers.dispatch.training_queue import TrainingQueue
from grouping_workers.messages import Measure, Measured, Prepare, Ready, ReleaseWorkers

logger = logging.getLogger(__name__)

MAX_DRIVER_DEATHS = 5
"""Deaths of the driver in a row, without any training finished in between, after which a job fails."""


class JobRun:
    """Carries out one job. Every write is fenced by the claim.

    Args:
        store: the database.
        claim: the lease on the job.
        driver: the Ray driver.
        stop: set when the dispatcher should give the job back.
    """

    def __init__(self, store: Store, claim: Claim, driver: DriverProcess, stop: threading.Event) -> None:
        self._store = store
        self._claim = claim
        self._driver = driver
        self._stop = stop
        self._job: Job = claim.job
        self._terms = SearchTerms.of_job(claim.job.spec)
        self._trainer = trainer_of(claim.job, driver.settings.trainer_settings)
        self._queue = TrainingQueue(store, claim, driver, self._trainer)
        self._deaths = 0
        self._lease = LeaseKeeper(store, claim)
        self._requests = DriverRequests(driver, stop, self._is_cancelled)
        self._note_recorder = NoteRecorder(store, claim)
        self._reason = StopReason.SEARCH_COMPLETE
        self._round: ConfirmationRound | None = None

    def run(self) -> None:
        """Work until the job is final, cancelled, or to be given back.

        Raises:
            StaleLeaseError: if another dispatcher holds the job.
            StoreUnavailableError: if the database does not answer.
            GroupingError: if the job cannot be carried out.
        """
        with self._lease:
            try:
                self._work()
            finally:
                self._drop_in_flight()

    def _work(self) -> None:
        is_prepared = False
        while not self._stop.is_set():
            if self._is_cancelled():
                self._drop_in_flight()
                self._store.enter_state(self._claim, JobState.CANCELLED)
                return
            try:
                if not is_prepared:
                    is_prepared = self._prepare()
                elif self._advance():
                    return
            except WorkerLostError as error:
                self._recover(error)
                is_prepared = False
            except StateConflictError:
                if not self._is_cancelled():  # cancelled just before the job moved on: seen above, next
                    raise
        self._drop_in_flight()
        self._store.release(self._claim)

    def _drop_in_flight(self) -> None:
        """End the driver if it is still busy with this job: its results must not be written any more."""
        if self._queue.has_orders or self._requests.is_open:
            self._driver.stop()
            self._queue.clear()
            self._requests.is_open = False

    def _is_cancelled(self) -> bool:
        self._lease.check()
        return self._store.get_job(self._job.id).state is JobState.CANCELLING

    def _recover(self, error: WorkerLostError) -> None:
        """Recover from the driver's death: put its trainings back and start another one."""
        self._deaths += 1
        logger.warning("Job %s: %s", self._job.id, error)
        self._queue.requeue_all(str(error))
        self._requests.is_open = False
        if self._deaths >= MAX_DRIVER_DEATHS:
            raise TrainingError(f"Ray failed {self._deaths} times in a row. Last: {error}") from error
        self._stop.wait(min(2.0**self._deaths, 10.0))

    # --- preparation

    def _prepare(self) -> bool:
        """Have the trainer prepare the job, and measure the costs; return False when interrupted."""
        if self._job.state is not JobState.PREPARING:
            self._store.enter_state(self._claim, JobState.PREPARING)
        networks = networks_to_measure(self._terms)
        ready = self._requests.ask(Prepare(self._trainer.name, self._trainer.job, networks), Ready)
        if ready is None:
            return False
        self._queue.n_workers = ready.n_workers
        self._add_networks(networks, ready.measured)
        self._store.record_preparation(
            self._claim,
            data_digest=ready.prepared.fingerprint,
            versions=ready.environment,
            settled=ready.prepared.settled,
            events=ready.prepared.events,
        )
        self._reload()
        self._queue.versions = self._job.versions
        self._tell_reusable()
        self._enter(self._phase())
        return True

    def _tell_reusable(self) -> None:
        """Record once how much of the search can be reused from other jobs."""
        if self._job.spec.reuse_jobs and not self._store.trials(self._job.id, limit=1):
            self._store.append_event(self._claim, "reuse_found", report_reuse(self._store, self._job))

    def _add_networks(self, networks: Sequence[Network], measured: Sequence[MeasuredNetwork | None]) -> None:
        self._store.add_networks(self._claim, [network for network in measured if network is not None])
        pairs = zip(networks, measured, strict=True)
        names = [network.name(self._job.spec.tasks) for network, found in pairs if found is None]
        if names:
            reason = "no network of this size can be built"
            self._store.append_event(self._claim, "networks_left_out", {"networks": names, "reason": reason})

    def _phase(self) -> JobState:
        trials = self._store.trials(self._job.id)
        confirming = any(trial.purpose is Purpose.CONFIRMATION for trial in trials)
        return JobState.CONFIRMING if confirming else JobState.RUNNING

    # --- training

    def _advance(self) -> bool:
        """Plan, submit, and collect what is finished; return True when the job has ended."""
        self._skip_what_time_forbids()
        if not advance(self, self._queue):
            self._finish()
            return True
        if self._queue.has_outcomes:
            self._deaths = 0
        return False

    def _skip_what_time_forbids(self) -> None:
        """Give up planned trials once the budget in seconds is spent; those of the search a while before."""
        if self._terms.training_budget.seconds is None:
            return
        spent = self._store.ledger(self._job.id)
        if not is_time_short(self._terms, spent):
            return
        if self._round is None:
            self._round = planner_of(self._store, self._job).one_round
        planned = self._store.trials(self._job.id, states={TrialState.PLANNED})
        over = trials_over_time(self._terms, planned, spent, self._round)
        if over:
            self._store.skip_trials(self._claim, [trial.id for trial in over])
            self._queue.forget_waiting()

    def plan(self) -> bool:
        """Add the next trials; return False when there are none."""
        self._round = None
        plan = planner_of(self._store, self._job).next_plan()
        if plan.reason is not StopReason.TRAINING_BUDGET_SPENT:  # else it speaks of what is not trained
            self._note_recorder.record(plan.note)
        if plan.reused:
            if not self._measure([request.network for request in plan.reused]):
                return True  # interrupted; what to do is seen in the next round
            self._enter(plan.state)
            if self._store.plan_reused(self._claim, plan.reused, planned_epochs=self._epochs(plan.reused)):
                return True  # the strategy sees them before anything is trained
            plan = planner_of(
                self._store, self._job, with_reuse=False
            ).next_plan()  # that job was deleted meanwhile
        if plan.reason is not None:
            self._reason = plan.reason
        if not plan.requests:
            return False
        if not self._measure([request.network for request in plan.requests]):
            return True
        self._enter(plan.state)
        epochs = self._epochs(plan.requests)
        return self._store.plan_trials(self._claim, plan.requests, planned_epochs=epochs) > 0

    def _epochs(self, requests: Sequence[TrialRequest]) -> list[int]:
        counting = self._trainer.epochs_of
        return [counting(len(request.network.group), request.fidelity) for request in requests]

    def _measure(self, networks: Sequence[Network]) -> bool:
        """Measure inference costs that are not known yet; return False when interrupted."""
        known = {s.network.key for s in self._store.networks(self._job.score_table_id)}
        new = {n.key: n for n in networks if n.key not in known}
        if not new:
            return True
        answer = self._requests.ask(Measure(tuple(new.values())), Measured)
        if answer is None:
            return False
        self._add_networks(tuple(new.values()), answer.measured)
        return True

    def _finish(self) -> None:
        self._driver.send(ReleaseWorkers())
        trials = self._store.trials(self._job.id)
        searched = [trial for trial in trials if trial.purpose is Purpose.SEARCH]
        if not any(trial.state is TrialState.SUCCEEDED for trial in searched):
            errors = [trial.error for trial in searched if trial.error]
            raise TrainingError(
                f"No training succeeded. Last: {errors[-1] if errors else 'none was started'}"
            )
        was_cut = any(trial.state is TrialState.SKIPPED for trial in trials)
        reason = StopReason.TRAINING_BUDGET_SPENT if was_cut else self._reason
        self._store.enter_state(self._claim, JobState.SUCCEEDED, stop_reason=reason)
        remove_folder(self._driver.settings.checkpoints, self._job.id)

    def _enter(self, state: JobState) -> None:
        if self._job.state is not state:
            self._store.enter_state(self._claim, state)
            self._job = replace(self._job, state=state)

    def _reload(self) -> None:
        self._job = self._store.get_job(self._job.id)
        self._trainer = self._queue.trainer = trainer_of(self._job, self._driver.settings.trainer_settings)
