"""One claimed job, its lease, and the process that works on it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from grouping.domain.jobs.job import JobState
from grouping.domain.trainings.faults import LossCause, is_claim_wasted
from grouping.domain.trainings.trials import TrialState
from grouping.errors import (
    NotFoundError,
    StaleLeaseError,
    StateConflictError,
    StoreUnavailableError,
    WorkerLostError,
)
from grouping.store import Claim, Store
from grouping.trainers import trainer_class
from grouping_workers.dispatch.child_process import ChildProcess
from grouping_workers.dispatch.lease import LeaseKeeper
from grouping_workers.dispatch.messages import Activity, Begin, Finished, GiveBack, ShareTold, Working

logger = logging.getLogger(__name__)

MAX_DEATHS = 5
"""Deaths of its process in a row, without any training finished in between, after which a job fails."""
SHARE_STEP = 1e-3
"""Change of a share that is told."""
RAY_PAUSE_S = 1.0
"""Seconds after which a Ray that could not be reached is tried again."""
CANCEL_GRACE_S = 3.0
"""Seconds in which a process should cancel its job or give it back by itself, before it is ended."""
_HANGS: Mapping[Activity, str] = {
    Activity.STARTING: "It did not start within",
    Activity.PREPARING: "Preparing took longer than",
    Activity.MEASURING: "Measuring what networks cost took longer than",
    Activity.PLANNING: "Planning took longer than",
    Activity.WAITING: "It told nothing for",
}


@dataclass(frozen=True, slots=True)
class _Loss:
    """End of a process that the database does not know of yet."""

    reason: str
    is_death: bool


class SupervisedJob:
    """Has a process carry out a job, and another one whenever it dies or hangs.

    Args:
        store: the database.
        claim: the lease on the job, which is renewed here.
        start: returns a process that is ready for a job, or will be soon.
        limits_s: seconds after which a process that has told nothing new counts as hanging.
        ray_trouble: returns why Ray cannot be reached; empty where it can.

    Attributes:
        process: the process that works on the job; None while there is none.
        wanted: share of the Ray cluster that the job could use, in [0, 1].
        is_on_ray: whether its networks are trained on Ray; else by workers elsewhere.
        is_lone: whether it may be what ended earlier dispatchers, until one of its trainings ends here.
    """

    def __init__(
        self,
        store: Store,
        claim: Claim,
        start: Callable[[], ChildProcess],
        limits_s: Mapping[Activity, float],
        ray_trouble: Callable[[], str] = str,
    ) -> None:
        self._store = store
        self._claim = claim
        self._start = start
        self._limits_s = limits_s
        self._ray_trouble = ray_trouble
        self._told_trouble = ""
        self._lease = LeaseKeeper(store, claim)
        self._deaths = 0
        self._not_before = 0.0
        self._begun_at = 0.0
        self._activity = Activity.STARTING
        self._told_at = time.monotonic()
        self._asked_to_end_at: float | None = None
        self.is_on_ray = not trainer_class(claim.job.spec.trainer).trains_elsewhere
        self.is_lone = claim.is_lone
        self._loss: _Loss | None = None
        self._stale_at: float | None = None
        self._share = 1.0
        self.wanted = 1.0
        self.process: ChildProcess | None = None
        self._lease.__enter__()

    @property
    def job_id(self) -> str:
        """Identifier of the job."""
        return self._claim.job.id

    def step(self) -> bool:
        """Look after the job once; return whether it still needs to be looked after.

        Raises:
            StoreUnavailableError: if the database does not answer; call it again later.
        """
        try:
            self._lease.beat()
            self._lease.check()
            if self._loss is not None:
                return self._recover(self._loss)
            if self.process is not None:
                return self._listen()
            if self._asked_to_end_at is not None:
                self.release()
                return False
            return self._begin()
        except StaleLeaseError as error:
            return self._leave(error)

    def give_back(self) -> None:
        """Ask the process to give the job back; `step` sees it end."""
        if self._asked_to_end_at is None:
            self._asked_to_end_at = time.monotonic()
            if self.process is not None:
                self.process.send(GiveBack())

    def release(self) -> None:
        """Give the job back here, its process ended, as a planned shutdown does."""
        self._end_process()
        try:
            self._store.release(self._claim)
        except (StaleLeaseError, StoreUnavailableError) as error:
            logger.warning("Job %s could not be given back: %s", self.job_id, error)

    def tell_share(self, share: float) -> None:
        """Tell the process what share of the cluster its job may use, where that changed."""
        if self.process is not None and abs(share - self._share) > SHARE_STEP:
            self._share = share
            self.process.send(ShareTold(share))

    def lose_process(self, reason: str) -> None:
        """End the process, as what it trains on is gone; `step` starts another one."""
        if self.process is not None and self.is_on_ray:
            self._lose(reason)

    def close(self) -> None:
        """Stop renewing the lease."""
        self._lease.__exit__(None, None, None)

    def _begin(self) -> bool:
        if time.monotonic() < self._not_before:
            return True
        job = self._store.get_job(self.job_id)
        if job.state is JobState.CANCELLING:
            self._store.enter_state(self._claim, JobState.CANCELLED)
            return False
        if self.is_on_ray and self._is_waiting_for_ray():
            return True
        self.process, self._share = self._start(), 1.0
        self._begun_at = time.monotonic()
        self._told(Activity.STARTING)
        self.process.send(Begin(replace(self._claim, job=job)))
        return True

    def _is_waiting_for_ray(self) -> bool:
        """Return whether Ray cannot be reached; the history of the job says so once."""
        trouble = self._ray_trouble()
        if trouble and trouble != self._told_trouble:
            self._store.append_event(self._claim, "ray_unreachable", {"reason": trouble})
        self._told_trouble = trouble
        if trouble:
            self._not_before = time.monotonic() + RAY_PAUSE_S
        return bool(trouble)

    def _listen(self) -> bool:
        assert self.process is not None
        try:
            while (message := self.process.receive()) is not None:
                if isinstance(message, Finished):
                    if not message.is_unavailable:
                        return False
                    self._lose("the database did not answer.", is_death=False)
                    return True
                if isinstance(message, Working):
                    self._told(message.activity)
                    self.wanted = message.wanted
                    if message.has_outcomes:
                        self._deaths, self.is_lone = 0, False
        except WorkerLostError as error:
            self._lose(str(error))
            return True
        return self._hold_to_limits()

    def _leave(self, error: StaleLeaseError) -> bool:
        """Leave the job, which has ended or is another dispatcher's; a process that ended it may say so."""
        now = time.monotonic()
        self._stale_at = self._stale_at or now
        if self.process is not None and now - self._stale_at < CANCEL_GRACE_S and self._has_ended():
            try:
                return not isinstance(self.process.receive(), Finished)
            except WorkerLostError:
                self.process = None
                return False
        if not self._has_ended():
            logger.warning("Lost the lease of job %s; another dispatcher has it: %s", self.job_id, error)
        self._end_process()
        return False

    def _has_ended(self) -> bool:
        """Return whether the job has ended or is paused, or was deleted since."""
        try:
            return self._store.get_job(self.job_id).state.is_at_rest
        except NotFoundError:
            return True

    def _told(self, activity: Activity) -> None:
        self._activity, self._told_at = activity, time.monotonic()

    def _hold_to_limits(self) -> bool:
        now = time.monotonic()
        if self._asked_to_end_at is None and self._lease.is_cancel_asked:
            self._asked_to_end_at = now  # it sees that by itself, unless it is busy
        if self._asked_to_end_at is not None and now - self._asked_to_end_at > CANCEL_GRACE_S:
            if self._lease.is_cancel_asked:
                self._end_process()
                self._store.enter_state(self._claim, JobState.CANCELLED)
            else:
                self.release()
            return False
        limit_s = self._limits_s.get(self._activity)
        if limit_s is not None and now - self._told_at > limit_s:
            self._lose(f"{_HANGS[self._activity]} {limit_s:g} s.")
        return True

    def _lose(self, reason: str, *, is_death: bool = True) -> None:
        """End the process; `step` plans again what it had in training, however often that takes."""
        logger.warning("Job %s: %s", self.job_id, reason)
        self._end_process()
        is_training = self._activity is Activity.WAITING
        if is_death and not is_claim_wasted(time.monotonic() - self._begun_at, is_training):
            self._deaths = 0  # as with dispatchers: what trains for a while is not what ends its process
        self._deaths += is_death
        self._loss = _Loss(reason, is_death)

    def _recover(self, loss: _Loss) -> bool:
        """Plan again what the process had in training, and start another one soon; or fail the job."""
        if self.is_on_ray:
            running = [t.id for t in self._store.trials(self.job_id, states={TrialState.RUNNING})]
            if running:
                self._store.requeue_trials(self._claim, running, loss.reason, LossCause.WITH_ALL)
        if loss.is_death:
            data = {"reason": loss.reason, "times": self._deaths}
            self._store.append_event(self._claim, "job_interrupted", data)
        self._loss = None
        if self._deaths < MAX_DEATHS or not loss.is_death:
            self._not_before = time.monotonic() + min(2.0**self._deaths, 10.0)
            return True
        try:
            error = f"The process of the job ended {self._deaths} times in a row. Last: {loss.reason}"
            self._store.enter_state(self._claim, JobState.FAILED, error=error)
        except StateConflictError:  # cancelled meanwhile
            return self._begin()
        return False

    def _end_process(self) -> None:
        if self.process is not None:
            self.process.stop(at_once=True)
            self.process = None
