"""The dispatcher: claims jobs from the database and has the Ray driver train what they need.

One job at a time; start more dispatchers for more. All truth is in the database, written under the lease
of the claim: whatever dies, the next claim goes on from what is stored.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
import uuid

from grouping.domain.jobs import Job, JobState
from grouping.errors import GroupingError, StaleLeaseError, StoreUnavailableError
from grouping.store import Claim, Store
from grouping_workers.checkpoint_folders import prune
from grouping_workers.dispatch.driver_process import DriverProcess
from grouping_workers.dispatch.job_run import JobRun

logger = logging.getLogger(__name__)

LEASE_S = 30.0
POLL_S = 0.5
RETRY_S = 2.0


class Dispatcher:
    """Works on jobs until told to stop.

    Args:
        store: the database.
        driver: the Ray driver it uses.
        lease_s: how long a claim lasts without renewal.
    """

    def __init__(self, store: Store, driver: DriverProcess, *, lease_s: float = LEASE_S) -> None:
        self._store = store
        self._driver = driver
        self._lease_s = lease_s
        self._stop = threading.Event()
        self.owner = f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"

    def request_stop(self) -> None:
        """Ask `run` to give its job back and return; may be called from a signal handler."""
        self._stop.set()

    def run(self) -> None:
        """Claim and carry out jobs until `request_stop`."""
        logger.info("Dispatcher %s works on %s", self.owner, self._store.url_shown)
        try:
            self._driver.start()  # Ray takes seconds to start: do it before the first job
            prune(self._driver.settings.checkpoints)
            while not self._stop.is_set():
                try:
                    claim = self._store.claim_job(self.owner, lease_s=self._lease_s)
                    if claim is None:
                        self._stop.wait(POLL_S)
                    else:
                        self._work_on(claim)
                except StaleLeaseError as error:
                    logger.warning("Lost the lease of a job; another dispatcher has it: %s", error)
                except StoreUnavailableError as error:
                    logger.warning("The database does not answer, trying again: %s", error)
                    self._stop.wait(RETRY_S)
        finally:
            self._driver.stop()

    def _work_on(self, claim: Claim) -> None:
        job: Job = claim.job
        logger.info("Job %s: claimed", job.id)
        if job.state is JobState.CANCELLING:
            self._store.enter_state(claim, JobState.CANCELLED)
            return
        try:
            JobRun(self._store, claim, self._driver, self._stop).run()
        except (StaleLeaseError, StoreUnavailableError):
            raise
        except GroupingError as error:
            logger.warning("Job %s failed: %s", job.id, error)
            self._store.enter_state(claim, JobState.FAILED, error=str(error))
        except Exception:
            logger.exception("Job %s failed on a defect of the dispatcher", job.id)
            reason = "An internal error; the dispatcher's log has the details."
            self._store.enter_state(claim, JobState.FAILED, error=reason)
            raise
