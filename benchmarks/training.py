"""What it costs to train all networks of a problem: stacked, in a plain loop, and one process for each.

    python benchmarks/training.py [--quick | --full]

Processor seconds of child processes, side by side in each round, one thread each, the recipe of the problem
at its full number of epochs, seed 0. Fewer epochs would flatter the stack beside a process per network, whose
start then counts for more. The networks are all groups of tasks and the single ones at half size.

- stacked: all networks in one process, by `train_networks`.
- loop: `train_network` for a sample of the networks, evenly spread over the list, in one process; scaled up
  to all of them.
- plain: as stacked, without reproducible arithmetic: MKL is asked for nothing (see benchmarks/arithmetic.py).
- processes: one process for each network of a smaller sample, with its start, its imports and the loading of
  the data; scaled up likewise.

The loop is compared without the start of its process. The processes are compared with what stacked training
costs in a process that already runs, as a worker of the service does, and with its start added: then n
networks can hardly be more than n times cheaper, since each side pays a start.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence

from _machine import describe_machine, spread

from grouping.training.arithmetic import MKL_VARIABLE

LOOP_SAMPLE = 12
PROCESS_SAMPLE = 3


@dataclasses.dataclass(frozen=True)
class Case:
    problem: str
    width: int
    rounds: int


@dataclasses.dataclass(frozen=True)
class Cost:
    """Processor seconds of a child: of all it did, and of the training alone."""

    total: float
    training: float


CASES = {
    "quick": (Case("digits", 32, 1),),
    "default": (Case("digits", 32, 2), Case("digits-8", 32, 1), Case("digits", 128, 1)),
    "full": (
        Case("digits", 32, 5),
        Case("digits-8", 32, 3),
        Case("digits", 128, 3),
        Case("digits-8", 128, 2),
    ),
}


def main() -> None:
    """Print processor seconds and ratios of every case."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--quick", dest="size", action="store_const", const="quick", help="one case, one round"
    )
    parser.add_argument(
        "--full", dest="size", action="store_const", const="full", help="more rounds and widths"
    )
    parser.add_argument(
        "--child", nargs=4, metavar=("PROBLEM", "WIDTH", "HOW", "NUMBERS"), help=argparse.SUPPRESS
    )
    arguments = parser.parse_args()
    if arguments.child:
        problem, width, how, numbers = arguments.child
        train(problem, int(width), how, [int(number) for number in numbers.split(",")])
        return
    print(f"{describe_machine()}; load {os.getloadavg()[0]:.1f} at the start")
    cases = CASES[arguments.size or "default"]
    measured = [measure(case) for case in cases]
    for width in dict.fromkeys(case.width for case in cases):
        rows = [row for row, case in zip(measured, cases, strict=True) if case.width == width]
        if len(rows) > 1:
            n, stacked, processes = (sum(column) for column in zip(*rows, strict=True))
            ratio = processes / stacked
            print(f"\nall {n:.0f} networks of width {width}: processes/stacked with its start {ratio:.3g}")


def measure(case: Case) -> tuple[float, float, float]:
    """One case, all sides in every round: networks, seconds stacked, seconds of processes, medians."""
    n = count_networks(case.problem)
    stacked: list[Cost] = []
    plain: list[Cost] = []
    loops: list[float] = []
    processes: list[float] = []
    for _ in range(case.rounds):
        stacked.append(run(case, "stacked", range(n)))
        plain.append(run(case, "stacked", range(n), {MKL_VARIABLE: ""}))
        few = evenly(n, LOOP_SAMPLE)
        loops.append(run(case, "loop", few).training * n / len(few))
        fewer = evenly(n, PROCESS_SAMPLE)
        processes.append(statistics.mean(run(case, "loop", [number]).total for number in fewer) * n)
    print(
        f"\n{case.problem}, width {case.width}, {n} networks; processor seconds, median (min to max) over "
        f"{case.rounds} rounds\n"
        f"stacked {spread([cost.training for cost in stacked])}, with the start of the process "
        f"{spread([cost.total for cost in stacked])}\n"
        f"loop {spread(loops)}, from {min(n, LOOP_SAMPLE)} networks\n"
        f"plain {spread([cost.training for cost in plain])}\n"
        f"processes {spread(processes)}, from {min(n, PROCESS_SAMPLE)} processes\n"
        f"loop/stacked {spread([a / b.training for a, b in zip(loops, stacked, strict=True)])}\n"
        f"stacked/plain {spread([a.training / b.training for a, b in zip(stacked, plain, strict=True)])}\n"
        f"processes/stacked {spread([a / b.training for a, b in zip(processes, stacked, strict=True)])}, "
        f"with its start {spread([a / b.total for a, b in zip(processes, stacked, strict=True)])}",
        flush=True,
    )
    return n, statistics.median(cost.total for cost in stacked), statistics.median(processes)


def evenly(n: int, wanted: int) -> list[int]:
    """Numbers below n, evenly spread and not at the ends."""
    count = min(n, wanted)
    return [(2 * number + 1) * n // (2 * count) for number in range(count)]


def run(case: Case, how: str, numbers: Sequence[int], environment: Mapping[str, str] | None = None) -> Cost:
    """A child that trains these networks."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    arguments = [case.problem, str(case.width), how, ",".join(map(str, numbers))]
    done = subprocess.run(
        [sys.executable, __file__, "--child", *arguments],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", **(environment or {})},
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    total = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Cost(total, float(done.stdout.split()[-1]))


def count_networks(name: str) -> int:
    """How many networks the problem has."""
    from grouping.problems.registry import get_problem

    n_tasks = len(get_problem(name).tasks)
    return int(2**n_tasks - 1 + n_tasks)


def train(name: str, width: int, how: str, numbers: Sequence[int]) -> None:
    """In a child: train, and print the processor seconds of it."""
    import torch

    from grouping.domain.networks import list_candidates
    from grouping.domain.trainings.trials import TrialRequest, TrialState
    from grouping.problems.registry import get_problem
    from grouping.training.data import TrainingData
    from grouping.training.engines import train_networks
    from grouping.training.loop import train_network

    torch.set_num_threads(1)
    problem = get_problem(name)
    names = [task.name for task in problem.tasks]
    networks = list_candidates(names, max_group_size=len(names), single_sizes=(0.5,))
    requests = [TrialRequest(networks[number], 0) for number in numbers]
    recipe = dataclasses.replace(problem.recipe, hidden=(width, width))
    data = TrainingData.from_dataset(problem.load(0), problem.tasks)
    started = time.process_time()
    if how == "stacked":
        outcomes = train_networks(data, requests, recipe)
    else:
        outcomes = tuple(train_network(data, request, recipe) for request in requests)
    seconds = time.process_time() - started
    assert all(outcome.state is TrialState.SUCCEEDED for outcome in outcomes)
    print(seconds)


if __name__ == "__main__":
    main()
