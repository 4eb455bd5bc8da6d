"""Size of the next stack: how many networks a worker is handed at once."""

from __future__ import annotations

from grouping.domain.jobs.job import Ledger

FIRST_STACK = 8
"""The most while nothing is known of how long a training takes."""
LONGEST_STACK_S = 60.0
"""About how long a stack may take: what a crash may cost, and how long a job shows no progress."""
SHARE_OF_REST = 0.1
"""The share of what is left of a budget in seconds that all stacks in flight may take together."""


def largest_stack(spent: Ledger, epochs: float, *, n_in_flight: int, budget_s: float | None = None) -> int:
    """Return how many networks the next stack may have, from how long trainings of the job took.

    Args:
        spent: charges of the job so far.
        epochs: mean epochs of a training of the stack.
        n_in_flight: stacks that run or wait at the same time.
        budget_s: the training budget in seconds, where there is one: then stacks begin with one network.
    """
    if spent.epochs <= 0 or spent.seconds <= 0:
        return FIRST_STACK if budget_s is None else 1
    training_s = spent.seconds / spent.epochs * epochs
    allowed_s = LONGEST_STACK_S
    if budget_s is not None:
        rest_s = max(0.0, budget_s - spent.seconds)
        allowed_s = min(allowed_s, SHARE_OF_REST * rest_s / n_in_flight)
    return max(1, int(min(allowed_s / training_s, 1e6)))
