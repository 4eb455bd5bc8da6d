"""Which planned trials are trained together: stacks of networks of one kind, for all workers at once.

Networks in a stack are trained in one go, much faster than one after another, and each to the same floats
as alone; so it matters for no score how stacks are cut, and they may follow the number of workers and the
time that trainings take. A trial that was lost before is trained alone: if it is what kills the worker, it
takes no other trial along to its last attempt.

Seeds that are trained as one get other floats in other company, by rounding. So the seeds of a network stay
together whatever the number of workers, and also when they were lost once.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

from grouping.domain.engines import Engine
from grouping.domain.jobs import Ledger
from grouping.domain.trials import Trial

MAX_STACK = 64
"""The most networks in a stack: beyond it nothing is gained."""
FIRST_STACK = 8
"""The most while nothing is known of how long a training takes."""
LONGEST_STACK_S = 60.0
"""About how long a stack may take: what a crash may cost, and how long a job shows no progress."""
SHARE_OF_REST = 0.1
"""The share of what is left of a budget in seconds that all stacks in flight may take together."""

Stack = tuple[Trial, ...]


def make_stacks(planned: Sequence[Trial], n_workers: int, engine: Engine = Engine.AUTO) -> list[Stack]:
    """Cut the plan into stacks of equal purpose, seed, size and fidelity, in the order of the plan.

    Where seeds are trained as one, into those of equal purpose, network and fidelity.

    Args:
        planned: trials in the order of the plan.
        n_workers: how many stacks are trained at the same time; each gets about as many trials.
        engine: that of the job.
    """
    if not planned:
        return []
    rounds = math.ceil(len(planned) / (n_workers * MAX_STACK))
    most = math.ceil(len(planned) / (n_workers * rounds))
    of_one_network = engine is Engine.VMAP
    most = MAX_STACK if of_one_network else most
    kinds: dict[object, list[Trial]] = {}
    for trial in planned:
        network = trial.network
        common = (trial.purpose, network.size, trial.fidelity, trial.measures_affinity)
        kind = (*common, network.group, trial.attempts) if of_one_network else (*common, trial.seed)
        is_suspect = trial.attempts > (1 if of_one_network else 0)
        kinds.setdefault(trial.id if is_suspect else kind, []).append(trial)
    stacks = [stack for trials in kinds.values() for stack in _cut(trials, most)]
    return sorted(stacks, key=lambda stack: stack[0].position)


def _cut(trials: Sequence[Trial], most: int) -> list[Stack]:
    n_stacks = math.ceil(len(trials) / most)
    bounds = [len(trials) * k // n_stacks for k in range(n_stacks + 1)]
    return [tuple(trials[start:end]) for start, end in itertools.pairwise(bounds)]


def largest_stack(spent: Ledger, epochs: float, *, n_in_flight: int, budget_s: float | None = None) -> int:
    """How many networks the next stack may have, from how long trainings of the job took.

    Args:
        spent: what the job was charged so far.
        epochs: that a training of the stack takes, on average.
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
    return max(1, min(MAX_STACK, int(min(allowed_s / training_s, MAX_STACK))))
