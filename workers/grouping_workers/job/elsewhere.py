"""Executor of a job whose networks are trained by workers that ask for them over HTTP."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence

from grouping.domain.networks import MeasuredNetwork, Network
from grouping.errors import GroupingError, TrainingError
from grouping.store import Claim, Store
from grouping.trainers import LocalPool, Trainer
from grouping_workers.job.executor import Lost, Order, Ready, Report, Trained

logger = logging.getLogger(__name__)


class ElsewhereExecutor:
    """Prepares the job here, and starts nothing: planned trials wait in the database to be leased.

    Args:
        store: the database.
        claim: the lease on the job.
    """

    size = 1

    def __init__(self, store: Store, claim: Claim) -> None:
        self._store = store
        self._claim = claim
        self._trainer: Trainer | None = None

    def prepare(self, trainer: Trainer, networks: Sequence[Network]) -> Ready:
        """Have the trainer prepare its job, and state what networks cost."""
        self._trainer = trainer
        prepared = trainer.prepare(LocalPool())
        return Ready(prepared, self.measure(networks), dict(trainer.environment()))

    def measure(self, networks: Sequence[Network]) -> tuple[MeasuredNetwork | None, ...]:
        """State what networks cost."""
        if self._trainer is None:
            raise AssertionError("Networks are measured only after `prepare`.")
        try:
            return self._trainer.measure(networks, LocalPool())
        except GroupingError:
            raise
        except Exception as error:
            raise TrainingError(f"The trainer failed: {type(error).__name__}: {error}") from error

    def submit(self, order: Order) -> None:
        """Nothing is started here."""
        raise AssertionError("Workers elsewhere ask for their trainings.")

    def collect(self, timeout_s: float) -> list[Trained | Lost]:
        """Wait; what workers report is in the database."""
        time.sleep(timeout_s)
        return []

    def reports(self) -> list[Report]:
        """Return nothing: reports go to the database too."""
        return []

    def end_job(self) -> None:
        """Nothing runs here."""
