"""Trainings on a simulated clock: some workers, each training for as long as it is told.

No second passes, so that a search with many workers and long trainings is played through at once: which
trainings end first, what was known whenever the next one was chosen, and how long workers were idle.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable

import numpy as np

from grouping.domain.trainings.trials import TrialRequest
from grouping.search import Search

SPREAD = 0.5
"""Standard deviation of the logarithm of a duration, unless others are given."""


class InFlight:
    """Trains what a search plans, with workers on a simulated clock; see `grouping.search.TrialRunner`.

    Args:
        search: the search.
        n_workers: number of trainings at a time.
        duration_s: function that gives the seconds of a training, called when it begins; positive.
        tell: tells the search the outcome of a training, when it ends.

    Attributes:
        now_s: seconds since the beginning.
        busy_s: training seconds of all workers together, of the trainings that ended.
    """

    def __init__(
        self,
        search: Search,
        n_workers: int,
        duration_s: Callable[[TrialRequest], float],
        tell: Callable[[TrialRequest], None],
    ) -> None:
        self._search = search
        self._n_workers = n_workers
        self._duration_s = duration_s
        self._tell = tell
        self._waiting: deque[TrialRequest] = deque()
        self._running: list[tuple[float, int, float, TrialRequest]] = []
        self._n_begun = 0
        self.now_s = 0.0
        self.busy_s = 0.0

    @property
    def utilisation(self) -> float:
        """Share of the workers' time so far in which they trained."""
        return self.busy_s / (self._n_workers * self.now_s) if self.now_s else 1.0

    @property
    def is_idle(self) -> bool:
        """Whether nothing waits and nothing is in training."""
        return not self._waiting and not self._running

    @property
    def n_free(self) -> int:
        """Number of idle workers for which nothing waits."""
        return max(0, self._n_workers - len(self._running) - len(self._waiting))

    def refill(self) -> None:
        """Take over what is planned."""
        self._waiting.extend(self._search.hand_out())

    def start(self) -> None:
        """Let idle workers begin what waits."""
        self.refill()
        while self._waiting and len(self._running) < self._n_workers:
            request = self._waiting.popleft()
            seconds = self._duration_s(request)
            self._n_begun += 1
            heapq.heappush(self._running, (self.now_s + seconds, self._n_begun, seconds, request))

    def collect(self) -> bool:
        """Put the clock forward to the end of the first training, and tell its outcome."""
        if not self._running:
            return False
        self.now_s, _, seconds, request = heapq.heappop(self._running)
        self.busy_s += seconds
        self._tell(request)
        return True


def drawn_durations(seed: int, spread: float = SPREAD) -> Callable[[TrialRequest], float]:
    """Return log-normal durations with median 1 s for a network of full size, in proportion to its size.

    Args:
        seed: seed of the draws, one for each training in the order in which they begin.
        spread: standard deviation of their logarithms.
    """
    generator = np.random.default_rng((seed, 1))

    def duration_s(request: TrialRequest) -> float:
        return request.network.size * request.fidelity * float(generator.lognormal(0.0, spread))

    return duration_s
