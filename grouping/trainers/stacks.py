"""Stacks of the built-in trainer: planned trials of networks of one kind, trained together.

Networks in a stack are trained in one go, much faster than one after another, and each to the same floats
as alone; so it matters for no score how stacks are cut, and they may follow the number of workers and the
time that trainings take. A trial that lost its worker before is trained alone: if it is what kills the
worker, it takes no other trial along.

Where seeds of a network are trained as one, their floats depend by rounding on which seeds are in the stack.
So they stay together whatever the number of workers, and also when they were lost once.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence

from grouping.domain.trainings.engines import Engine
from grouping.domain.trainings.trials import Trial
from grouping.trainers.trainer import Stack

MAX_STACK = 64
"""The most networks in a stack: beyond it nothing is gained."""


def make_stacks(
    planned: Sequence[Trial],
    n_workers: int,
    engine: Engine = Engine.AUTO,
    *,
    is_timed: bool = False,
    split_of: Callable[[int], int] = lambda seed: 0,
) -> list[Stack]:
    """Cut the plan into stacks of equal purpose, seed, size, fidelity and recipe, in the order of the plan.

    Where seeds are trained as one, a stack has equal purpose, network and fidelity instead.

    Args:
        planned: trials in the order of the plan.
        n_workers: number of stacks that are trained at the same time; each gets about as many trials.
        engine: the engine of the job.
        is_timed: whether the training budget is in seconds: then any stack may be handed over in parts.
        split_of: number of the split of the data that a seed is trained on; a stack has one.
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
        split = split_of(trial.seed)
        alike = trial.measures_affinity, trial.variant, split
        common = (trial.purpose, network.size, trial.fidelity, *alike)
        standing = trial.standing
        kind = (*common, network.group, standing) if of_one_network else (*common, trial.seed)
        is_suspect = standing.is_quarantined or (standing.is_suspect and not of_one_network)
        is_suspect |= standing.losses > 1
        kinds.setdefault(trial.id if is_suspect else kind, []).append(trial)
    stacks = [stack for trials in kinds.values() for stack in _cut(trials, most)]
    is_whole = of_one_network and not is_timed
    return [Stack(stack, is_whole) for stack in sorted(stacks, key=lambda stack: stack[0].position)]


def _cut(trials: Sequence[Trial], most: int) -> list[tuple[Trial, ...]]:
    n_stacks = math.ceil(len(trials) / most)
    bounds = [len(trials) * k // n_stacks for k in range(n_stacks + 1)]
    return [tuple(trials[start:end]) for start, end in itertools.pairwise(bounds)]
