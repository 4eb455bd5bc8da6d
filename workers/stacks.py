"""Which planned trials are trained together: stacks of networks of one kind, for all workers at once.

Networks in a stack are trained in one go, much faster than one after another, and each to the same floats
as alone; so it matters for no score how stacks are cut, and they may follow the number of workers and the
time that trainings take. A trial that was lost before is trained alone: if it is what kills the worker, it
takes no other trial along to its last attempt.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

from grouping.domain.jobs import Ledger
from grouping.domain.recipes import Recipe
from grouping.store import Trial

MAX_STACK = 64
"""The most networks in a stack: beyond it nothing is gained."""
FIRST_STACK = 8
"""The most while nothing is known of how long a training takes."""
LONGEST_STACK_S = 60.0
"""About how long a stack may take: what a crash may cost, and how long a job shows no progress."""
SHARE_OF_REST = 0.1
"""The share of what is left of a budget in seconds that all stacks in flight may take together."""

Stack = tuple[Trial, ...]


def make_stacks(planned: Sequence[Trial], n_workers: int) -> list[Stack]:
    """Cut the plan into stacks of equal purpose, seed, size and fidelity, in the order of the plan.

    Args:
        planned: trials in the order of the plan.
        n_workers: how many stacks are trained at the same time; each gets about as many trials.
    """
    if not planned:
        return []
    rounds = math.ceil(len(planned) / (n_workers * MAX_STACK))
    most = math.ceil(len(planned) / (n_workers * rounds))
    kinds: dict[object, list[Trial]] = {}
    for trial in planned:
        kind = (trial.purpose, trial.seed, trial.network.size, trial.fidelity, trial.measures_affinity)
        kinds.setdefault(trial.id if trial.attempts else kind, []).append(trial)
    stacks = [stack for trials in kinds.values() for stack in _cut(trials, most)]
    return sorted(stacks, key=lambda stack: stack[0].position)


def _cut(trials: Sequence[Trial], most: int) -> list[Stack]:
    n_stacks = math.ceil(len(trials) / most)
    bounds = [len(trials) * k // n_stacks for k in range(n_stacks + 1)]
    return [tuple(trials[start:end]) for start, end in itertools.pairwise(bounds)]


def largest_stack(
    spent: Ledger, recipe: Recipe, fidelity: float, *, n_in_flight: int, budget_s: float | None = None
) -> int:
    """How many networks the next stack may have, from how long trainings of the job took.

    Args:
        spent: what the job was charged so far.
        recipe: says how many epochs a training takes.
        fidelity: of the trainings of the stack.
        n_in_flight: stacks that run or wait at the same time.
        budget_s: the training budget in seconds, where there is one: then stacks begin with one network.
    """
    if spent.epochs <= 0 or spent.seconds <= 0:
        return FIRST_STACK if budget_s is None else 1
    training_s = spent.seconds / spent.epochs * recipe.epochs_at(fidelity)
    allowed_s = LONGEST_STACK_S
    if budget_s is not None:
        rest_s = max(0.0, budget_s - spent.seconds)
        allowed_s = min(allowed_s, SHARE_OF_REST * rest_s / n_in_flight)
    return max(1, min(MAX_STACK, int(min(allowed_s / training_s, MAX_STACK))))
