"""Whether the masks of sparse sharing overlap more for related tasks than for others, on turned digits.

    python benchmarks/sparse_sharing.py [SEEDS]

Prunes each of four tasks alone, with SEEDS seeds (5 unless given): `digit` and `loop` are related, since one
decides the other; `occluder` and `rotation` have little to do with either. Prints, for each seed and on
average, the overlap (intersection over union) of every pair of masks, the share of the weights that each task
keeps, and the overlap that random masks of these shares would have. First with the masks that sparse sharing
chooses by validation loss; then after each round, where all tasks keep the same share, so that the overlaps
of pairs may be compared; there also of all weights but those that see pixels.
"""

from __future__ import annotations

import argparse
import itertools
import time
from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from _machine import describe_machine
from numpy.typing import NDArray

from grouping.problems.registry import get_problem
from grouping.recipes.sharing_from_data import Sparse
from grouping.training.data import TrainingData
from grouping.training.loop import Training
from grouping.training.sharing.preparation import first_training
from grouping.training.sharing.pruning import Masks, PruningRound, prune_in_rounds

RELATED = ("digit", "loop")
OTHERS = ("occluder", "rotation")
TASKS = (*RELATED, *OTHERS)
PAIRS = tuple(itertools.combinations(range(len(TASKS)), 2))
CHOICES = {
    "defaults": Sparse(),
    "long rounds": Sparse(rounds=6, rate=0.3, round_epochs=1.0),
}


def main() -> None:
    """Print the overlaps."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("seeds", nargs="?", type=int, default=5)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    problem = get_problem("digits")
    data = TrainingData.from_dataset(problem.load(0), problem.tasks)
    print(describe_machine())
    print(f"{problem.name}: {', '.join(TASKS)}; {arguments.seeds} seeds, hidden {problem.recipe.hidden}")
    for label, parameters in CHOICES.items():
        started = time.process_time()
        of_seeds = []
        for seed in range(arguments.seeds):
            of_tasks = []
            for task in TASKS:
                start = partial(
                    first_training,
                    data,
                    (task,),
                    problem.recipe,
                    seed,
                    widths=problem.recipe.hidden,
                    share=parameters.round_epochs,
                )
                of_tasks.append(all_rounds(start, parameters))
            of_seeds.append(of_tasks)
        seconds = (time.process_time() - started) / arguments.seeds
        print(f"\n{label}: {parameters}, {seconds:.1f} s of processor time per seed")
        report_chosen(of_seeds)
        for number in range(1, parameters.rounds + 1):
            for part in ("all", "upper"):
                report_round(of_seeds, number, part)


def all_rounds(start: Callable[[], Training], parameters: Sparse) -> list[PruningRound]:
    """Prune to the end."""
    pruning = prune_in_rounds(start, rounds=parameters.rounds, rate=parameters.rate)
    while True:
        try:
            next(pruning)
        except StopIteration as end:
            rounds: list[PruningRound] = end.value
            return rounds


def report_chosen(of_seeds: list[list[list[PruningRound]]]) -> None:
    """The masks that sparse sharing uses."""
    chosen = [
        [min(rounds, key=lambda one: one.validation_loss).masks for rounds in of_tasks]
        for of_tasks in of_seeds
    ]
    densities = np.array([[vector(masks).mean() for masks in of_tasks] for of_tasks in chosen])
    overlaps = np.array([overlap(of_tasks, "all") for of_tasks in chosen])
    chance = np.array([[p * q / (p + q - p * q) for p, q in pairs_of(row)] for row in densities])
    print("chosen by validation loss; shares kept, mean over seeds: " + named(TASKS, densities.mean(axis=0)))
    print("  overlap:             " + named(pair_names(), overlaps.mean(axis=0)))
    print("  of random masks:     " + named(pair_names(), chance.mean(axis=0)))
    print("  overlap / random:    " + named(pair_names(), (overlaps / chance).mean(axis=0)))
    verdict("  by overlap:          ", overlaps)
    verdict("  by overlap / random: ", overlaps / chance)


def report_round(of_seeds: list[list[list[PruningRound]]], number: int, part: str) -> None:
    """Masks of one density."""
    masks = [[rounds[number].masks for rounds in of_tasks] for of_tasks in of_seeds]
    overlaps = np.array([overlap(of_tasks, part) for of_tasks in masks])
    kept = vector(masks[0][0]).mean()
    what = "all weights" if part == "all" else "but the first stage"
    print(f"round {number}, {kept:.0%} kept, {what}: " + named(pair_names(), overlaps.mean(axis=0)))
    verdict("  ", overlaps)


def verdict(label: str, overlaps: NDArray[np.float64]) -> None:
    """Whether the related pair is ahead of both others in each of the two triples, by seed."""
    parts = []
    for other in range(len(RELATED), len(TASKS)):
        rivals = overlaps[:, [PAIRS.index((0, other)), PAIRS.index((1, other))]].max(axis=1)
        ahead = overlaps[:, 0] - rivals
        parts.append(
            f"ahead of both pairs with {TASKS[other]} in {np.sum(ahead > 0)} of {len(ahead)} seeds "
            f"(margin {ahead.mean():+.3f}, {ahead.min():+.3f} to {ahead.max():+.3f})"
        )
    print(label + "; ".join(parts))


def vector(masks: Masks, part: str = "all") -> NDArray[np.bool_]:
    """The masks in one row; of all stages, or of all but the first."""
    kept = [mask.flatten() for name, mask in masks.items() if part == "all" or not name.startswith("0.")]
    joined: NDArray[np.bool_] = torch.cat(kept).numpy()
    return joined


def overlap(of_tasks: list[Masks], part: str) -> list[float]:
    """Intersection over union of each pair."""
    rows = [vector(masks, part) for masks in of_tasks]
    return [float((rows[i] & rows[j]).sum() / (rows[i] | rows[j]).sum()) for i, j in PAIRS]


def pairs_of(values: NDArray[np.float64]) -> list[tuple[float, float]]:
    """The values of both tasks of each pair."""
    return [(float(values[i]), float(values[j])) for i, j in PAIRS]


def pair_names() -> list[str]:
    """Such as ``digit+loop``."""
    return [f"{TASKS[i]}+{TASKS[j]}" for i, j in PAIRS]


def named(names: list[str] | tuple[str, ...], values: NDArray[np.float64]) -> str:
    """Each value after its name."""
    return ", ".join(f"{name} {value:.3f}" for name, value in zip(names, values, strict=True))


if __name__ == "__main__":
    main()
