"""How an order was lost, from the error with which Ray answers for its actor."""

from __future__ import annotations

from ray.exceptions import ActorUnavailableError, NodeDiedError, OutOfMemoryError, RayError

from grouping.domain.trainings.faults import LossCause
from grouping_workers.job.executor import Lost


def lost_with(error: RayError, number: int) -> Lost:
    """Return the loss of an order whose actor gives no answer."""
    text = str(error)
    if isinstance(error, OutOfMemoryError) or "(OOM)" in text or "memory usage threshold" in text:
        reason = "Ray ended the worker, as the memory of its machine ran out."
        return Lost(number, reason, LossCause.OUT_OF_MEMORY)
    if isinstance(error, (ActorUnavailableError, NodeDiedError)) or "node has died" in text:
        reason = f"{type(error).__name__}: the machine of the worker was lost or could not be reached."
        return Lost(number, reason, LossCause.WITH_ALL)
    return Lost(number, f"{type(error).__name__}: the worker died or could not be reached.")
