"""What reproducible arithmetic costs: stacked training with and without it, side by side.

    python benchmarks/arithmetic.py [--quick] [--rounds N]

Processor seconds of an epoch of all 31 groups of the digits, at full size and seed 0, in a process of its own
with one thread, after one epoch to warm up; sides take turns in each round, and every ratio is within its
round.

- plain: MKL is asked for nothing.
- each mode of MKL by its name, first the one that the service asks for.
- split: the mode of the service, with every product computed a member at a time, as on a machine where all
  products depend on the stack.
- none: the mode of the service, with every network by itself, as where nothing else helps.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import subprocess
import sys
import time
from collections.abc import Sequence

from _machine import describe_machine, spread

from grouping.training.arithmetic import MKL_MODE, MKL_VARIABLE

WIDTHS = {32: 8, 128: 3, 512: 1}
"""Epochs that are timed, by width of both hidden layers."""
PLAIN = "plain"
MODES = (MKL_MODE, "AVX2,STRICT", "COMPATIBLE")


def main() -> None:
    """Print seconds and ratios for every width."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="the narrowest layers, one round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--child", nargs=2, metavar=("WIDTH", "HOW"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        width, how = arguments.child
        print(train(int(width), how))
        return
    print(f"{describe_machine()}; load {os.getloadavg()[0]:.1f} at the start")
    widths = list(WIDTHS)[:1] if arguments.quick else list(WIDTHS)
    for width in widths:
        measure(width, 1 if arguments.quick else arguments.rounds)


def measure(width: int, n_rounds: int) -> None:
    """All sides, in turns."""
    sides = (PLAIN, *MODES, "split", "none")
    rounds = [{side: run(width, side) for side in sides} for _ in range(n_rounds)]
    print(f"\nwidth {width}, {n_rounds} rounds: milliseconds of an epoch, and as a multiple of plain")
    for side in sides:
        times = [1000 * one[side] for one in rounds]
        ratios = [one[side] / one[PLAIN] for one in rounds]
        print(f"{side:14} {spread(times):30} {spread(ratios)}", flush=True)


def run(width: int, side: str) -> float:
    """A child of one side; processor seconds of an epoch."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    environment.pop(MKL_VARIABLE, None)
    if side == PLAIN or side in MODES:
        environment[MKL_VARIABLE] = "" if side == PLAIN else side
    done = subprocess.run(
        [sys.executable, __file__, "--child", str(width), side],
        check=True,
        capture_output=True,
        text=True,
        env=environment,
    )
    return float(done.stdout.split()[-1])


def train(width: int, how: str) -> float:
    """In a child: train, and return the processor seconds of an epoch."""
    from grouping.domain.networks import list_candidates
    from grouping.domain.trainings.trials import TrialRequest
    from grouping.problems.registry import get_problem
    from grouping.training.data import TrainingData
    from grouping.training.devices import take_device
    from grouping.training.engines import products
    from grouping.training.engines.stacked import StackedTraining

    device = take_device()
    problem = get_problem("digits")
    data = TrainingData.from_dataset(problem.load(0), problem.tasks, device)
    names = [task.name for task in problem.tasks]
    requests = [TrialRequest(network, 0) for network in list_candidates(names, max_group_size=len(names))]
    recipe = dataclasses.replace(problem.recipe, hidden=(width, width))
    if how == "split":
        products._try = lambda *_: False

    def timed(members: Sequence[TrialRequest]) -> float:
        stack = StackedTraining(data, members, recipe)
        stack.run_epoch()
        started = time.process_time()
        for _ in range(WIDTHS[width]):
            stack.run_epoch()
        return (time.process_time() - started) / WIDTHS[width]

    return sum(timed([request]) for request in requests) if how == "none" else timed(requests)


if __name__ == "__main__":
    main()
