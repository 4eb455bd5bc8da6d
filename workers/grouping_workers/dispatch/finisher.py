"""Finishing jobs: one process at a time trains the networks that users want to take home, and keeps them.

It needs no Ray and takes no place of a job. What is to be done stands in the database until it is done, under
a lease that the process renews; whatever dies, another claim begins again.
"""

from __future__ import annotations

import contextlib
import logging
import time

from grouping.errors import StaleLeaseError, WorkerLostError
from grouping.guarded_process import ONE_THREAD
from grouping.store import FinishClaim, Store
from grouping_workers.dispatch.child_process import ChildProcess
from grouping_workers.dispatch.messages import FinishEnded
from grouping_workers.finish_process import run_finish

logger = logging.getLogger(__name__)

POLL_S = 1.0
FINISH_S = 86_400.0
"""A day: longer than the networks of one grouping take, so that only what hangs is ended."""


class Finisher:
    """Has bundles made, one after another. Not thread-safe.

    Args:
        store: the database.
        database_url: address of the same database, for the process.
        owner: name of the dispatcher.
        kept: address of what is kept.
        lease_s: how long a claim lasts without renewal.
        limit_s: seconds after which what is under way is ended, and has failed.
    """

    def __init__(
        self,
        store: Store,
        database_url: str,
        owner: str,
        kept: str,
        *,
        lease_s: float,
        limit_s: float = FINISH_S,
    ) -> None:
        self._store = store
        self._database_url = database_url
        self._owner = owner
        self._kept = kept
        self._lease_s = lease_s
        self._limit_s = limit_s
        self._claim: FinishClaim | None = None
        self._process: ChildProcess | None = None
        self._begun_at = 0.0
        self._looked_at = -POLL_S
        self._lost = ""
        self._is_late = False

    def step(self) -> None:
        """Look once after what is under way, or for what to do.

        Raises:
            StoreUnavailableError: if the database does not answer; call it again later.
        """
        if self._lost:
            self._record_loss()
        elif self._process is not None:
            self._listen(self._process)
        elif time.monotonic() - self._looked_at >= POLL_S:
            self._looked_at = time.monotonic()
            self._begin()

    def stop(self) -> None:
        """End what is under way and give it back.

        Raises:
            StoreUnavailableError: if the database does not answer; the lease runs out then.
        """
        if self._process is None or self._claim is None:
            return
        self._process.stop(at_once=True)
        with contextlib.suppress(StaleLeaseError):  # it has ended, or was cancelled
            self._store.release_finish(self._claim)
        self._process = self._claim = None

    def _begin(self) -> None:
        self._claim = self._store.claim_finish(self._owner, lease_s=self._lease_s)
        if self._claim is None:
            return
        logger.info("Job %s: its networks are trained to be kept", self._claim.finish.job_id)
        self._begun_at = time.monotonic()
        arguments = (self._database_url, self._claim, self._kept)
        self._process = ChildProcess(run_finish, arguments, "process that trains what is kept", ONE_THREAD)

    def _listen(self, process: ChildProcess) -> None:
        try:
            if isinstance(process.receive(), FinishEnded):
                process.stop()
                self._process = self._claim = None
                return
        except WorkerLostError as error:
            self._lost = str(error)
            return
        if time.monotonic() - self._begun_at > self._limit_s:
            process.stop(at_once=True)
            self._is_late = True
            self._lost = f"It took longer than {self._limit_s:g} s."

    def _record_loss(self) -> None:
        assert self._claim is not None
        logger.warning("Job %s: %s", self._claim.finish.job_id, self._lost)
        try:
            if self._is_late:
                self._store.end_finish(self._claim, error=self._lost)
            else:
                self._store.lose_finish(self._claim, self._lost)
        except StaleLeaseError as error:
            logger.info("%s", error)  # the process ended for that
        self._process, self._claim, self._lost, self._is_late = None, None, "", False
