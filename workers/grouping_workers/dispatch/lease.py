"""Renewal of the lease of a job while it is worked on."""

from __future__ import annotations

import logging
import threading
import time
from types import TracebackType
from typing import Self

from grouping.errors import StaleLeaseError, StoreUnavailableError
from grouping.store import Claim, Store

logger = logging.getLogger(__name__)

RENEWALS_PER_LEASE = 3
LONGEST_PAUSE_S = 3.0
"""Seconds between two renewals at most: they also tell that the user asked to cancel."""
HUNG_S = 120.0
"""Seconds after which a dispatcher that does not look after a job hangs, and another one may have the job.

To end a process that does not want to takes ten seconds, and a database that does not answer as long.
"""


class LeaseKeeper:
    """Renews a claim in a thread of its own, so that a long solve or a slow stop does not lose the job.

    Args:
        store: the database.
        claim: the lease.

    Attributes:
        is_cancel_asked: whether the user had asked to cancel the job at the last renewal.
    """

    def __init__(self, store: Store, claim: Claim) -> None:
        self._store = store
        self._claim = claim
        self._done = threading.Event()
        self._lost: StaleLeaseError | None = None
        self._looked_after_at = time.monotonic()
        self.is_cancel_asked = False
        self._thread = threading.Thread(target=self._renew, name="lease", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._done.set()
        self._thread.join()

    def beat(self) -> None:
        """Tell that the job is looked after; a dispatcher that hangs must not keep it."""
        self._looked_after_at = time.monotonic()

    def check(self) -> None:
        """Raise if the lease is known to be lost.

        Raises:
            StaleLeaseError: if another dispatcher holds the job.
        """
        if self._lost is not None:
            raise self._lost

    def _renew(self) -> None:
        while not self._done.wait(min(self._claim.lease_s / RENEWALS_PER_LEASE, LONGEST_PAUSE_S)):
            if time.monotonic() - self._looked_after_at > HUNG_S:
                logger.warning(
                    "Job %s was not looked after for %g s; its lease is not renewed.",
                    self._claim.job.id,
                    HUNG_S,
                )
                continue
            try:
                self.is_cancel_asked = self._store.renew(self._claim)
            except StaleLeaseError as error:
                self._lost = error
                return
            except StoreUnavailableError as error:
                logger.warning("The lease of job %s could not be renewed: %s", self._claim.job.id, error)
