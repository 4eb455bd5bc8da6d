"""Making of score tables: trains every candidate network of a problem with several seeds.

    python -m grouping.replay.making FOLDER digits:10 breast-cancer:10 digits-8:3

A problem is followed by its number of seeds. The trainings are those of a job (`grouping.training.loop`),
with the problem's own recipe, in processes of one torch thread each, without Ray. A training is scored
twice: after the short pass, which is the beginning of the same training, and at its end. Three files are
written for each problem: the scores, those of the short pass (both in the long layout), and a description of
how they were made.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import multiprocessing
import os
import platform
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from grouping.domain.networks import Network, list_candidates
from grouping.domain.recipes import EARLY_FIDELITY
from grouping.domain.scores import Score, ScoreTable
from grouping.domain.trials import TrialRequest
from grouping.errors import InvalidInputError, TrainingError
from grouping.formats import TableFormat, write_table
from grouping.problems.problem import DATA_SEED
from grouping.problems.registry import get_problem
from grouping.training.cost import measure_costs
from grouping.training.data import TrainingData
from grouping.training.evaluation import Evaluation
from grouping.training.loop import Training

SINGLE_SIZES = (0.5,)
DECIMALS = 6
"""Decimals kept of a loss; its spread over seeds is thousands of times larger."""

_data: TrainingData | None = None
_problem_name = ""


@dataclass(frozen=True, slots=True)
class TrainedTable:
    """Scores of every candidate of a problem.

    Attributes:
        full: scores of the whole trainings.
        early: scores after the share `EARLY_FIDELITY` of the epochs.
        n_diverged: trainings without scores; their networks keep an incomplete row.
        seconds: wall time of all trainings.
        training_seconds: sum of the times of all trainings.
    """

    full: ScoreTable
    early: ScoreTable
    n_diverged: int
    seconds: float
    training_seconds: float


@dataclass(frozen=True, slots=True)
class _Trained:
    request: TrialRequest
    early: tuple[Score, ...]
    full: tuple[Score, ...]
    seconds: float


def train_table(problem_name: str, seeds: Sequence[int], *, processes: int = 2) -> TrainedTable:
    """Train all networks of a problem: every group at full size, and single tasks at half size.

    Args:
        problem_name: a registered problem.
        seeds: seeds of the initial weights and of the order of the rows.
        processes: trainings at a time.

    Raises:
        UnknownNameError: if there is no such problem.
        InvalidInputError: if there are no seeds.
    """
    if not seeds:
        raise InvalidInputError("Name at least one seed.")
    problem = get_problem(problem_name)
    dataset = problem.load(DATA_SEED)
    names = [task.name for task in problem.tasks]
    nominal = list_candidates(names, max_group_size=len(names), single_sizes=SINGLE_SIZES)
    costs = measure_costs(dataset.inputs.shape[1], problem.tasks, nominal, problem.recipe)
    networks = [Network(n.group, n.size, cost.cost_snt) for n, cost in zip(nominal, costs, strict=True)]
    requests = [TrialRequest(network, seed) for seed in seeds for network in networks]
    started = time.perf_counter()
    context = multiprocessing.get_context("spawn")
    with context.Pool(processes, initializer=_prepare, initargs=(problem_name,)) as pool:
        trained = list(pool.imap(_train, requests, chunksize=1))
    seconds = time.perf_counter() - started

    def table(parts: Iterable[tuple[Score, ...]]) -> ScoreTable:
        return ScoreTable.from_scores(problem.tasks, networks, (score for part in parts for score in part))

    return TrainedTable(
        table(t.full for t in trained),
        table(t.early for t in trained),
        sum(not t.full for t in trained),
        seconds,
        sum(t.seconds for t in trained),
    )


def _prepare(problem_name: str) -> None:
    """Set up a process once: one torch thread, and the data as tensors."""
    global _data, _problem_name
    torch.set_num_threads(1)
    problem = get_problem(problem_name)
    _data = TrainingData.from_dataset(problem.load(DATA_SEED), problem.tasks)
    _problem_name = problem_name


def _train(request: TrialRequest) -> _Trained:
    if _data is None:
        raise TrainingError("The process has no data yet.")
    recipe = get_problem(_problem_name).recipe
    started = time.perf_counter()
    training = Training(_data, request, recipe)
    early: tuple[Score, ...] = ()
    while not training.is_finished:
        training.run_epoch()
        if training.epoch == recipe.epochs_at(EARLY_FIDELITY):
            early = _scores(request, training.evaluate())
    full = _scores(request, training.evaluate())
    return _Trained(request, early, full, time.perf_counter() - started)


def _scores(request: TrialRequest, evaluation: Evaluation) -> tuple[Score, ...]:
    if not evaluation.is_finite:
        return ()
    rows = zip(evaluation.tasks, evaluation.validation_losses, evaluation.test_losses, strict=True)
    return tuple(
        Score(request.network, task, request.seed, round(validation, DECIMALS), round(test, DECIMALS))
        for task, validation, test in rows
    )


def write_trained(folder: Path, problem_name: str, trained: TrainedTable, command: str) -> None:
    """Write the scores, those of the short pass, and how they were made."""
    problem = get_problem(problem_name)
    packages = ("torch", "numpy", "scikit-learn")
    about = {
        "problem": problem_name,
        "networks": len(trained.full.networks),
        "seeds": list(trained.full.seeds),
        "trainings": len(trained.full.networks) * len(trained.full.seeds),
        "diverged": trained.n_diverged,
        "early_fidelity": EARLY_FIDELITY,
        "decimals": DECIMALS,
        "recipe": asdict(problem.recipe),
        "data_seed": DATA_SEED,
        "data_digest": problem.load(DATA_SEED).digest(),
        "command": command,
        "machine": {"processor": _processor(), "cores": os.cpu_count(), "system": platform.system()},
        "seconds": round(trained.seconds, 1),
        "training_seconds": round(trained.training_seconds, 1),
        "versions": {"python": platform.python_version()}
        | {name: importlib.metadata.version(name) for name in packages},
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{problem_name}.csv").write_bytes(write_table(trained.full, TableFormat.LONG_CSV))
    (folder / f"{problem_name}.early.csv").write_bytes(write_table(trained.early, TableFormat.LONG_CSV))
    (folder / f"{problem_name}.json").write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")


def _processor() -> str:
    """Return the model of the processor, where the system tells it."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        for line in cpuinfo.read_text(encoding="ascii", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def _wanted(text: str) -> tuple[str, int]:
    name, separator, number = text.rpartition(":")
    if not separator or not number.isdigit() or int(number) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME:SEEDS, such as digits:5")
    return name, int(number)


def main() -> None:
    """Make the tables that the command names."""
    parser = argparse.ArgumentParser(prog="python -m grouping.replay.making")
    parser.add_argument("folder", type=Path)
    parser.add_argument("problems", type=_wanted, nargs="+", metavar="NAME:SEEDS")
    parser.add_argument("--processes", type=int, default=min(2, os.cpu_count() or 1))
    asked = parser.parse_args()
    for name, n_seeds in asked.problems:
        trained = train_table(name, range(n_seeds), processes=asked.processes)
        command = f"python -m grouping.replay.making FOLDER {name}:{n_seeds} --processes {asked.processes}"
        write_trained(asked.folder, name, trained, command)
        counts = f"{len(trained.full.networks)} networks, {n_seeds} seeds, {trained.n_diverged} diverged"
        print(f"{name}: {counts}, {trained.seconds:.0f} s", flush=True)


if __name__ == "__main__":
    main()
