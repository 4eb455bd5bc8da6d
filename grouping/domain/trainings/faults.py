"""Faults of trainings: what they are classed as, and what becomes of a training after a loss.

The one law for all who train: actors on Ray, commands, and workers anywhere. Whoever loses a training cannot
know whether it brought its worker down or went down with it. So a loss of the worker uses up no attempt.
A training that loses its worker again and again, without getting any further in between, is suspected: it is
trained by itself, then in quarantine, where nothing else of its job is in training. Only what it loses there
counts.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

QUARANTINE_AFTER = 3
"""Losses of its worker in a row, without progress, after which a training is tried alone."""
TRIES_OUT_OF_MEMORY = 2
"""Times that memory may run out for a training: the second time it was alone."""
MAX_LOSSES_IN_A_ROW = 20
"""Losses of workers of a job, no training ended in between, after which its machines are not well."""
LONGEST_PAUSE_S = 60.0
"""Seconds between two tries at most, while workers are lost and no training ends."""


class Fault(StrEnum):
    """Class of what went wrong with a training."""

    USER = "user"
    """Its own code or input: it raised, ended with an error, or brings its worker down also when alone."""
    DIVERGED = "diverged"
    """Its loss became infinite or not a number."""
    DEADLINE = "deadline"
    """It took longer than it may, or hung."""
    RESOURCES = "resources"
    """Memory of the machine or of the GPU ran out, also when it was alone."""
    INFRASTRUCTURE = "infrastructure"
    """A worker, node, cluster, process or dispatcher was lost; it is tried again, and uses up no attempt."""


class LossCause(StrEnum):
    """How a training under way was lost, so that it gives no result."""

    BY_ITS_WORD = "by_its_word"
    """It failed, and asked for another attempt."""
    OUT_OF_MEMORY = "out_of_memory"
    """Memory ran out, of the machine or of the GPU."""
    WITH_WORKER = "with_worker"
    """Its worker died or was not heard from."""
    WITH_ALL = "with_all"
    """A node, the cluster, the process of the job or the dispatcher was lost, and all trainings with it."""

    @property
    def fault(self) -> Fault:
        """Its class, as long as the training is not given up."""
        return _FAULTS[self]


_FAULTS = {
    LossCause.BY_ITS_WORD: Fault.USER,
    LossCause.OUT_OF_MEMORY: Fault.RESOURCES,
    LossCause.WITH_WORKER: Fault.INFRASTRUCTURE,
    LossCause.WITH_ALL: Fault.INFRASTRUCTURE,
}


@dataclass(frozen=True, slots=True)
class Standing:
    """What the losses of a training say about it.

    Attributes:
        failures: attempts that it used up by its own word.
        losses: losses of its worker in a row without progress, since it last got further.
        shortages: times that memory ran out.
    """

    failures: int = 0
    losses: int = 0
    shortages: int = 0

    @property
    def is_suspect(self) -> bool:
        """Whether it is trained by itself, so that it takes no other along, and the next loss tells more."""
        return self.losses > 0 or self.shortages > 0

    @property
    def is_quarantined(self) -> bool:
        """Whether nothing else of its job is trained meanwhile."""
        return self.losses >= QUARANTINE_AFTER or self.shortages > 0

    def after(
        self, loss: LossCause, *, max_attempts: int, has_progressed: bool = False
    ) -> tuple[Standing, Fault | None]:
        """Return its standing after a loss, and the fault for which it is given up; None to try it again.

        Args:
            loss: how it was lost.
            max_attempts: failures after which it is given up, and as many losses of its worker in quarantine.
            has_progressed: whether it got further than ever before: its checkpoint, or what it told. What
                gets further ends some day, however often its worker dies.
        """
        match loss:
            case LossCause.BY_ITS_WORD:
                found = replace(self, failures=self.failures + 1)
                return found, Fault.USER if found.failures >= max_attempts else None
            case LossCause.OUT_OF_MEMORY:
                found = replace(self, shortages=self.shortages + 1)
                return found, Fault.RESOURCES if found.shortages >= TRIES_OUT_OF_MEMORY else None
            case LossCause.WITH_WORKER:
                if has_progressed:
                    return replace(self, losses=0), None
                found = replace(self, losses=self.losses + 1)
                return found, Fault.USER if found.losses >= QUARANTINE_AFTER + max_attempts else None
            case LossCause.WITH_ALL:
                return self, None


NO_LOSS = Standing()
"""Standing of a training that was never lost."""


@dataclass(frozen=True, slots=True)
class MissingTraining:
    """A planned training without which a job has succeeded.

    Attributes:
        trial: identifier of the trial.
        network: name of its network.
        purpose: what it was for.
        seed: its seed.
        fault: class of what went wrong.
        error: reason, in words.
    """

    trial: str
    network: str
    purpose: str
    seed: int
    fault: Fault
    error: str


@dataclass(frozen=True, slots=True)
class Missing:
    """What is missing in a job that has succeeded without some of its planned trainings: it is degraded.

    Attributes:
        count: number of trainings; 0 unless it is degraded.
        trainings: the first of them, at most `MOST_NAMED`, in the order of the plan.
    """

    count: int = 0
    trainings: tuple[MissingTraining, ...] = ()

    def in_words(self, most: int = 3) -> str:
        """Name the first of them, each with the class of its fault."""
        named = [f"{one.network}, seed {one.seed} ({one.fault})" for one in self.trainings[:most]]
        rest = self.count - len(named)
        return "; ".join([*named, *([f"and {rest:,} more"] if rest else [])])


NOTHING_MISSING = Missing()
"""Of a job that is not degraded."""
MOST_NAMED = 20
"""Trainings that are named where some are missing."""


MAX_LOST_CLAIMS = 10
"""Dispatchers that a job may lose in a row without progress before it fails."""
LONE_AFTER_CLAIMS = 2
"""Dispatchers that a job may lose so before it is given only to one that has no other job."""
PROVEN_S = 300.0
"""Seconds after which a dispatcher that is lost while it trains was not lost by the job."""


def is_claim_wasted(held_s: float, n_in_training: int) -> bool:
    """Return whether a job may be what ended its dispatcher: it counts as one lost without progress.

    Args:
        held_s: seconds for which it held the job.
        n_in_training: trainings under way when it was lost; none while it prepared, measured or planned.
    """
    return n_in_training == 0 or held_s < PROVEN_S


def pause_s(losses_in_a_row: int) -> float:
    """Return the seconds to wait before anything is tried again.

    Args:
        losses_in_a_row: losses of workers of the job since any of its trainings ended. The first costs no
            time; from then on the pause doubles, as the cluster may not be well.
    """
    return 0.0 if losses_in_a_row < 2 else min(2.0 ** (losses_in_a_row - 2), LONGEST_PAUSE_S)


LEAST_LIMIT_S = 3600.0
"""Seconds that a training may always take where nobody states a deadline."""
LIMIT_FACTOR = 100.0
"""Times longer than estimated that a training may take where nobody states a deadline."""


def limit_by_estimate_s(seconds_per_epoch: float | None, epochs: int) -> float | None:
    """Return the seconds after which trainings hang for which nobody states a deadline.

    Wide on purpose: it tells what hangs from what is slow, by networks of the same job that were trained.

    Args:
        seconds_per_epoch: mean of the trainings of the job so far; None while there are none.
        epochs: epochs of all that is trained in one go.

    Returns:
        The limit; None while nothing is known.
    """
    if seconds_per_epoch is None:
        return None
    return max(LEAST_LIMIT_S, LIMIT_FACTOR * seconds_per_epoch * epochs)


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an exception says that memory ran out, of the machine or of a GPU.

    Known by type or text, so that no library need be imported for it: Python, PyTorch and JAX.
    """
    names = {kind.__name__ for kind in type(error).__mro__}
    texts = ("RESOURCE_EXHAUSTED", "DefaultCPUAllocator: can't allocate memory", "CUDA out of memory")
    return bool(names & {"MemoryError", "OutOfMemoryError"}) or any(text in str(error) for text in texts)
