"""Division of a number of epochs among phases, and order of tasks."""

from __future__ import annotations

from collections.abc import Sequence

from grouping.recipes.schedules import require_epochs


def divide_epochs(n_epochs: int, weights: Sequence[float], schedule: str) -> tuple[int, ...]:
    """Divide epochs in proportion to positive weights: whole, at least 1 each, `n_epochs` together.

    Where proportions are not whole, the phases that are furthest below theirs get one more, earlier ones
    first.

    Args:
        n_epochs: epochs of a training at full fidelity.
        weights: one per phase.
        schedule: names the schedule in errors.

    Raises:
        InvalidInputError: if there are fewer epochs than phases.
    """
    require_epochs(schedule, n_epochs, len(weights))
    total = sum(weights)
    quotas = [n_epochs * weight / total for weight in weights]
    counts = [max(1, int(quota)) for quota in quotas]
    while (missing := n_epochs - sum(counts)) != 0:
        lacks = [quota - count for quota, count in zip(quotas, counts, strict=True)]
        if missing > 0:
            counts[lacks.index(max(lacks))] += 1
        else:  # a phase of one epoch may have taken more than its quota; the fullest other gives it back
            fullest = min((i for i, count in enumerate(counts) if count > 1), key=lambda i: lacks[i])
            counts[fullest] -= 1
    return tuple(counts)


def ordered(tasks: Sequence[str], order: Sequence[str]) -> tuple[str, ...]:
    """Return the tasks: those named in `order` first and in that order, then the others as given."""
    first = [name for name in dict.fromkeys(order) if name in tasks]
    return (*first, *(task for task in tasks if task not in first))
