"""Execution of one claimed job, from preparation to its final state."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from grouping.domain.jobs.job import Job, JobState, Stop, StopReason
from grouping.domain.networks import MeasuredNetwork, Network
from grouping.domain.trainings.budgets import ConfirmationRound, is_time_short, trials_over_time
from grouping.domain.trainings.trials import Purpose, TrialRequest, TrialState
from grouping.errors import StateConflictError, TrainingError
from grouping.search import Loop, networks_to_measure
from grouping.store import Claim, Store
from grouping.trainers import terms_of_job, trainer_of
from grouping_workers.checkpoint_folders import remove_folder
from grouping_workers.dispatch.messages import Activity
from grouping_workers.job.control import Control
from grouping_workers.job.elsewhere import LeasedTrainings
from grouping_workers.job.executor import JobExecutor
from grouping_workers.job.note_events import NoteRecorder
from grouping_workers.job.planner import planner_of
from grouping_workers.job.reuse_report import report_reuse
from grouping_workers.job.size_costs import are_to_be_measured, measured_sizes
from grouping_workers.job.training_queue import TrainingQueue

logger = logging.getLogger(__name__)

_BY_WORD = (JobState.CANCELLING, JobState.PAUSING)
"""States that a user brings about."""


class JobRun:
    """Carries out one job. Every write is fenced by the claim, whose lease somebody else renews.

    Args:
        store: the database.
        claim: the lease on the job.
        executor: carries out the trainings.
        control: tells when to give the job back, and is told what goes on.
        operator: settings by whoever runs the service, by name of the trainer.
        checkpoints: folder of all checkpoints, from which the job's is removed once it succeeded.
    """

    def __init__(
        self,
        store: Store,
        claim: Claim,
        executor: JobExecutor,
        control: Control,
        *,
        operator: Mapping[str, Any] | None = None,
        checkpoints: Path | None = None,
    ) -> None:
        self._store = store
        self._claim = claim
        self._executor = executor
        self._control = control
        self._operator = operator
        self._checkpoints = checkpoints
        self._job: Job = claim.job
        self._terms = terms_of_job(claim.job.spec)
        self._trainer = trainer_of(claim.job, operator)
        folder = None if checkpoints is None else checkpoints / claim.job.id
        self._queue: TrainingQueue | LeasedTrainings = (
            LeasedTrainings(store, claim, self._trainer)
            if self._trainer.trains_elsewhere
            else TrainingQueue(store, claim, executor, self._trainer, folder)
        )
        self._loop = Loop(self, self._queue)
        self._notes = NoteRecorder(store, claim)
        self._reason = StopReason.SEARCH_COMPLETE
        self._round: ConfirmationRound | None = None
        self._n_told = 0
        self._stop: Stop | None = None

    def run(self) -> None:
        """Work until the job is final, cancelled, or to be given back.

        Raises:
            StaleLeaseError: if another dispatcher holds the job.
            StoreUnavailableError: if the database does not answer.
            GroupingError: if the job cannot be carried out.
        """
        try:
            self._work()
        finally:
            self._executor.end_job()

    def _work(self) -> None:
        is_prepared = False
        while not self._control.stop.is_set():
            asked = self._store.get_job(self._job.id)
            if asked.state is JobState.CANCELLING:
                self._store.enter_state(self._claim, JobState.CANCELLED)
                return
            self._skip_what_is_stopped(asked.stop)
            if asked.state is JobState.QUEUED:  # as it was claimed, or resumed before it had paused
                self._job = replace(self._job, state=asked.state)
            try:
                if asked.state is JobState.PAUSING:
                    if self._has_paused():
                        return
                elif asked.stop is Stop.ALL:
                    self._finish(asked.stop)
                    return
                elif not is_prepared:
                    is_prepared = self._prepare()
                elif asked.state is JobState.QUEUED:
                    self._enter(JobState.PREPARING)
                    self._enter(planner_of(self._store, self._job).phase)
                elif self._advance(asked.stop):
                    return
            except StateConflictError:
                # A user cancelled, paused or stopped the job just before it moved on, which is seen above,
                # next; or results were told from outside, of trials that were about to start, or just before
                # the job ended.
                if not self._is_asked_otherwise(asked):
                    raise
                self._queue.forget_waiting()
                self._n_told = self._store.count_told(self._job.id)
        if not self._control.is_orphaned:
            self._store.release(self._claim)

    def _skip_what_is_stopped(self, stop: Stop | None) -> None:
        """Give up planned trials that a user wants no more, those that were lost since the stop included."""
        if stop is None:
            return
        if self._store.skip_unwanted_trials(self._claim, stop) or stop is not self._stop:
            self._queue.forget_waiting()
        self._stop = stop

    def _is_asked_otherwise(self, before: Job) -> bool:
        """Return whether a user asked for something else since the job was looked at."""
        now = self._store.get_job(self._job.id)
        is_other_state = now.state is not before.state
        by_word = is_other_state and (now.state in _BY_WORD or before.state is JobState.PAUSING)
        is_stopped = now.stop is not before.stop
        return by_word or is_stopped or self._store.count_told(self._job.id) != self._n_told

    def _has_paused(self) -> bool:
        """Begin no training; pause once none is under way here, and return whether that is so."""
        self._queue.forget_waiting()
        if not self._queue.is_training:
            self._store.enter_state(self._claim, JobState.PAUSED)
            return True
        self._queue.collect()
        self._control.working(Activity.WAITING, has_outcomes=self._queue.has_outcomes)
        return False

    # --- preparation

    def _prepare(self) -> bool:
        """Have the trainer prepare the job, and measure the costs; return False if asked to do otherwise."""
        self._control.working(Activity.PREPARING)
        if self._job.state is not JobState.PREPARING:
            self._store.enter_state(self._claim, JobState.PREPARING)
        networks = networks_to_measure(self._terms)
        ready = self._executor.prepare(self._trainer, networks)
        measured = ready.measured
        if are_to_be_measured(self._job.spec):
            self._control.working(Activity.MEASURING)
            sizes = measured_sizes(self._executor, self._trainer, self._job.spec, self._is_preparing)
            if sizes is None:
                return False
            self._store.record_sizes(self._claim, sizes)
            self._reload()
            networks = networks_to_measure(self._terms)
            measured = self._executor.measure(networks)
        self._add_networks(networks, measured)
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
        self._enter(planner_of(self._store, self._job).phase)
        return True

    def _is_preparing(self) -> bool:
        """Tell whether to go on preparing: nobody has asked for something else meanwhile."""
        return (
            not self._control.stop.is_set() and self._store.get_job(self._job.id).state is JobState.PREPARING
        )

    def _tell_reusable(self) -> None:
        """Record once how much of the search can be reused from other jobs."""
        if self._job.spec.reuse_jobs and all(trial.told for trial in self._store.trials(self._job.id)):
            self._store.append_event(self._claim, "reuse_found", report_reuse(self._store, self._job))

    def _add_networks(self, networks: Sequence[Network], measured: Sequence[MeasuredNetwork | None]) -> None:
        self._store.add_networks(self._claim, [network for network in measured if network is not None])
        pairs = zip(networks, measured, strict=True)
        names = [network.name(self._job.spec.tasks) for network, found in pairs if found is None]
        if names:
            reason = "no network of this size can be built"
            self._store.append_event(self._claim, "networks_left_out", {"networks": names, "reason": reason})

    # --- training

    def _advance(self, stop: Stop | None) -> bool:
        """Plan, submit, and collect what is finished; return True when the job has ended."""
        self._skip_what_time_forbids()
        is_going_on = self._loop.advance()
        self._control.working(Activity.WAITING, has_outcomes=self._queue.has_outcomes)
        if not is_going_on:
            self._finish(stop)
        return not is_going_on

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

    @property
    def plans_continuously(self) -> bool:
        """Whether to plan whenever a training could begin."""
        return self._terms.plans_continuously

    def plan(self, n_free: int = 0) -> bool:
        """Add the next trials; return False when there are none for now."""
        self._control.working(Activity.PLANNING)
        self._round = None
        self._n_told = self._store.count_told(self._job.id)
        self._measure_told()
        plan = planner_of(self._store, self._job).next_plan(n_free)
        if plan.reason is not StopReason.TRAINING_BUDGET_SPENT:  # else it speaks of what is not trained
            self._notes.record(plan.note)
        self._notes.record_headroom(plan.headroom)
        if plan.reused:
            self._measure([request.network for request in plan.reused])
            self._enter(plan.state)
            if self._store.plan_reused(self._claim, plan.reused, planned_epochs=self._epochs(plan.reused)):
                return True  # the strategy sees them before anything is trained
            # That job was deleted meanwhile.
            plan = planner_of(self._store, self._job, with_reuse=False).next_plan(n_free)
        if plan.reason is not None:
            self._reason = plan.reason
        if not plan.requests:
            return False
        self._measure([request.network for request in plan.requests])
        self._enter(plan.state)
        requests = self._buildable(plan.requests)
        epochs = self._epochs(requests)
        added = self._store.plan_trials(self._claim, requests, planned_epochs=epochs)
        self._queue.forget_waiting()
        return added > 0

    def _buildable(self, requests: Sequence[TrialRequest]) -> Sequence[TrialRequest]:
        """Leave out trainings of the tuning whose networks cannot be built, such as too small ones."""
        if all(request.purpose not in (Purpose.TUNING, Purpose.TUNED) for request in requests):
            return requests
        built = {stored.network.key for stored in self._store.networks(self._job.score_table_id)}
        return [request for request in requests if request.network.key in built]

    def _epochs(self, requests: Sequence[TrialRequest]) -> list[int]:
        prices = self._trainer.trainings.prices
        return [prices.epochs(request) for request in requests]

    def _measure(self, networks: Sequence[Network]) -> None:
        """Measure inference costs that are not known yet."""
        known = {s.network.key for s in self._store.networks(self._job.score_table_id)}
        new = {n.key: n for n in networks if n.key not in known}
        if new:
            self._control.working(Activity.MEASURING)
            wanted = tuple(new.values())
            self._add_networks(wanted, self._executor.measure(wanted))

    def _measure_told(self) -> None:
        """Measure networks of which results were told first; those that cannot be built are left out."""
        networks = self._store.unmeasured_networks(self._job.id)
        if not networks:
            return
        self._control.working(Activity.MEASURING)
        measured = self._executor.measure(networks)
        self._add_networks(networks, measured)
        reason = "no network of this size can be built"
        missing = {n: reason for n, found in zip(networks, measured, strict=True) if found is None}
        if missing:
            self._store.leave_out_results(self._claim, missing)

    def _finish(self, stop: Stop | None) -> None:
        trials = self._store.trials(self._job.id)
        searched = [trial for trial in trials if trial.purpose is Purpose.SEARCH]
        if not any(trial.state is TrialState.SUCCEEDED for trial in searched):
            errors = [trial.error for trial in searched if trial.error]
            raise TrainingError(
                f"No training succeeded. Last: {errors[-1] if errors else 'none was started'}"
            )
        was_cut = any(trial.state is TrialState.SKIPPED for trial in trials)
        reason = StopReason.TRAINING_BUDGET_SPENT if was_cut else self._reason
        if stop is not None:
            reason = StopReason.STOPPED_BY_USER
        self._store.enter_state(self._claim, JobState.SUCCEEDED, stop_reason=reason, n_told=self._n_told)
        remove_folder(self._checkpoints, self._job.id)

    def _enter(self, state: JobState) -> None:
        if self._job.state is not state:
            self._store.enter_state(self._claim, state)
            self._job = replace(self._job, state=state)

    def _reload(self) -> None:
        self._job = self._store.get_job(self._job.id)
        self._terms = terms_of_job(self._job.spec)
        self._trainer = self._queue.trainer = trainer_of(self._job, self._operator)
