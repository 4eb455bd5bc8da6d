"""The process that trains the recommended networks of a job, and keeps them as a bundle.

It renews the lease itself while it trains, and ends when that is lost, or when its dispatcher is gone.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import threading
from multiprocessing.connection import Connection

from grouping.artefacts.kept import KeptNetworks
from grouping.errors import GroupingError, StaleLeaseError, StoreUnavailableError
from grouping.store import FinishClaim, Store, open_store
from grouping_workers.dispatch.messages import FinishEnded

logger = logging.getLogger(__name__)

RENEWALS_PER_LEASE = 3
LONGEST_PAUSE_S = 2.0
"""Seconds between two renewals at most: they also tell how far it is, and notice a cancellation."""
NICENESS = 5
"""It yields to the API and the processes of jobs, and less than trainings on Ray do."""
ENDED_ELSEWHERE = 3
"""Exit status where the lease is lost."""


def run_finish(pipe: Connection, database_url: str, claim: FinishClaim, kept: str) -> None:
    """Carry out what was asked for, and record how it ended.

    Args:
        pipe: one end of the pipe to the dispatcher; when the other one closes, the process ends.
        database_url: the database; see `grouping.store.open_store`.
        claim: what is to be done.
        kept: address of what is kept.
    """
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s finish: %(message)s")
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's Ctrl-C is the dispatcher's to handle
    os.nice(NICENESS)
    threading.Thread(target=_end_with, args=(pipe,), daemon=True).start()
    store = open_store(database_url)
    with _Renewal(store, claim) as renewal:
        error = _carry_out(store, claim, kept, renewal)
    with contextlib.suppress(StaleLeaseError):  # cancelled just now
        store.end_finish(claim, error=error)
    store.close()
    pipe.send(FinishEnded())


def _carry_out(store: Store, claim: FinishClaim, kept: str, renewal: _Renewal) -> str | None:
    """Train and keep; return what went wrong, in words for the user."""
    from grouping.bundle.source import source_of
    from grouping.bundle.writing import About, write_kept
    from grouping.use_cases.finish import kept_or_trained, recommended

    wanted, shelf = claim.finish.wanted, KeptNetworks(kept)
    try:
        found = recommended(store, claim.finish.job_id, wanted.budget_snt)
        finished, is_new = kept_or_trained(store, found, shelf, wanted, on_trained=renewal.tell)
        if is_new or wanted.licence or not shelf.bundle_files(finished):
            write_kept(shelf, finished, source_of(found.job), About(found.verdict_sentence, wanted.licence))
    except (StoreUnavailableError, StaleLeaseError):
        raise
    except GroupingError as error:
        logger.warning("Job %s: no bundle: %s", claim.finish.job_id, error)
        return str(error)
    except Exception:
        logger.exception("Job %s: no bundle, by a defect", claim.finish.job_id)
        return "An internal error; the dispatcher's log has the details."
    return None


class _Renewal:
    """Renews the lease in a thread of its own; where it is lost, the process ends at once."""

    def __init__(self, store: Store, claim: FinishClaim) -> None:
        self._store = store
        self._claim = claim
        self._told = (0, 0)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._renew, name="lease", daemon=True)

    def __enter__(self) -> _Renewal:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def tell(self, done: int, total: int) -> None:
        """Tell how many trainings are done."""
        self._told = (done, total)

    def _renew(self) -> None:
        while not self._over.wait(min(self._claim.lease_s / RENEWALS_PER_LEASE, LONGEST_PAUSE_S)):
            try:
                self._store.renew_finish(self._claim, *self._told)
            except StaleLeaseError as error:
                logger.info("%s", error)
                os._exit(ENDED_ELSEWHERE)
            except StoreUnavailableError as error:
                logger.warning("The lease could not be renewed: %s", error)


def _end_with(pipe: Connection) -> None:
    """End the process when the other end of the pipe closes: nothing else comes through it."""
    with contextlib.suppress(EOFError, OSError):
        pipe.recv()
    os._exit(1)
