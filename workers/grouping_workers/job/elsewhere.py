"""A job whose networks are trained by workers that ask for them over HTTP: it is only planned here."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from grouping.domain.networks import MeasuredNetwork, Network
from grouping.errors import GroupingError, TrainingError
from grouping.store import Claim, Store
from grouping.trainers import LocalPool, Trainer
from grouping_workers.job.executor import Lost, Ready, Report, Trained, TrainingOrder

POLL_S = 0.5
FEWEST_READY = 4
"""Trials that are kept planned while the search has any, for workers that ask next."""


class ElsewhereExecutor:
    """Prepares the job here, and starts nothing: planned trials wait in the database to be leased."""

    size = 1

    def __init__(self) -> None:
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

    def submit(self, order: TrainingOrder) -> None:
        """Nothing is started here."""
        raise AssertionError("Workers elsewhere ask for their trainings.")

    def collect(self, timeout_s: float) -> list[Trained | Lost]:
        """Nothing ends here: what workers report is in the database."""
        return []

    def reports(self) -> list[Report]:
        """Return nothing: reports go to the database too."""
        return []

    def end_job(self) -> None:
        """Nothing runs here."""


class LeasedTrainings:
    """Trainings that workers lease from the database; see `grouping.search.TrialRunner`.

    As nobody knows how many workers will ask next, as many trials are kept planned as are running, and a few.

    Args:
        store: the database.
        claim: the lease on the job.

    Attributes:
        trainer: the trainer of the job, as far as it is settled.
        versions: versions with which the first training of the job ran.
        has_outcomes: whether any training ended between the last two looks.
    """

    def __init__(self, store: Store, claim: Claim, trainer: Trainer) -> None:
        self._store = store
        self._claim = claim
        self._counts = _Counts()
        self.trainer = trainer
        self.versions: Mapping[str, str] = {}
        self.has_outcomes = False

    @property
    def is_idle(self) -> bool:
        """Whether nothing is planned and nothing in training."""
        return not self._counts.planned and not self._counts.running

    @property
    def is_training(self) -> bool:
        """Whether anything is in training here: never, since workers elsewhere go on without this process."""
        return False

    @property
    def n_free(self) -> int:
        """Number of trials to be planned so that no worker waits that asks next."""
        return max(0, max(FEWEST_READY, self._counts.running) - self._counts.planned)

    def refill(self) -> None:
        """Plan trials again whose workers were not heard from, and count what there is."""
        self._store.expire_trials(self._claim.job.id)
        self._look()

    def forget_waiting(self) -> None:
        """Count anew, as the plan in the database has changed."""
        self._look()

    def start(self) -> None:
        """Start nothing: workers ask."""

    def collect(self) -> bool:
        """Wait a little; return whether trainings ended or were lost."""
        before = self._counts
        time.sleep(POLL_S)
        self._look()
        self.has_outcomes = self._counts.ended != before.ended
        return self._counts != before

    def _look(self) -> None:
        rows = self._store.progress(self._claim.job.id)
        self._counts = _Counts(
            sum(row.planned for row in rows),
            sum(row.running for row in rows),
            sum(row.succeeded + row.diverged + row.failed + row.skipped for row in rows),
        )


@dataclass(frozen=True, slots=True)
class _Counts:
    """Number of trials of a job by what becomes of them."""

    planned: int = 0
    running: int = 0
    ended: int = 0
