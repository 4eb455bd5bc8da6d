"""Making of score tables: trains every candidate network of a problem with several seeds.

    python -m grouping.replay.making FOLDER digits:10 breast-cancer:10 digits-8:3

A problem is followed by its number of seeds. The trainings are those of a job with the problem's own recipe,
in processes of this machine, without Ray. Each network is trained twice with each seed: to the end, and for a
short pass, which is the beginning of the same training. Three files are written for each problem: the scores,
those of the short pass (both in the long layout), and a description of how they were made.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from grouping.domain.jobs.search_state import SearchTerms
from grouping.domain.jobs.specification import DEFAULT_TRAINER
from grouping.domain.networks import Candidates, Network
from grouping.domain.tables.score_table import Score, ScoreTable
from grouping.domain.trainings.engines import Engine
from grouping.domain.trainings.trials import EARLY_FIDELITY, TrialOutcome, TrialRequest
from grouping.errors import InvalidInputError
from grouping.formats import TableFormat, write_table
from grouping.problems.problem import DATA_SEED, Problem
from grouping.problems.registry import get_problem
from grouping.search.executors import processes_or_this_one
from grouping.search.fixed_plan import train_all
from grouping.trainers import LocalPool, PreparedTrainer, TrainerJob, TrainerRequest, get_trainer

SINGLE_SIZES = (0.5,)
DECIMALS = 6
"""Decimals kept of a loss; its spread over seeds is thousands of times larger."""
ENGINE = Engine.SEQUENTIAL.value
"""Engines differ by rounding; a table that is made again should have the same digits."""


@dataclass(frozen=True, slots=True)
class TrainedTable:
    """Scores of every candidate of a problem.

    Attributes:
        full: scores of the whole trainings.
        early: scores after the share `EARLY_FIDELITY` of the epochs.
        n_diverged: trainings without scores; their networks keep an incomplete row.
        seconds: wall time of all trainings.
        training_seconds: sum of the times of all trainings.
        data_digest: digest of the data set.
        versions: versions of libraries, by name.
    """

    full: ScoreTable
    early: ScoreTable
    n_diverged: int
    seconds: float
    training_seconds: float
    data_digest: str
    versions: Mapping[str, str]


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
    names = [task.name for task in problem.tasks]
    candidates = Candidates.of(names, single_sizes=SINGLE_SIZES)
    trainer = _prepare(problem, candidates)
    measured = trainer.trainer.measure(candidates.require_listed(), LocalPool())
    networks = [found.network for found in measured if found is not None]
    # Long trainings first.
    requests = [
        TrialRequest(network, seed, fidelity)
        for fidelity in (1.0, EARLY_FIDELITY)
        for seed in seeds
        for network in networks
    ]
    started = time.perf_counter()
    with processes_or_this_one(processes) as executor:
        trained = list(train_all(trainer, requests, executor))
    seconds = time.perf_counter() - started
    full, early = (
        [(request, outcome) for request, outcome in trained if request.fidelity == fidelity]
        for fidelity in (1.0, EARLY_FIDELITY)
    )
    return TrainedTable(
        _table(problem, networks, full),
        _table(problem, networks, early),
        sum(not outcome.scores for _, outcome in full),
        seconds,
        sum(outcome.seconds for _, outcome in trained),
        trainer.prepared.fingerprint,
        trainer.trainer.environment(),
    )


def _prepare(problem: Problem, candidates: Candidates) -> PreparedTrainer:
    """Prepare the built-in trainer with the problem's own recipe."""
    trainer = get_trainer(DEFAULT_TRAINER)
    parameters = trainer.complete(TrainerRequest(problem.name, problem.tasks, len(problem.tasks)))
    terms = SearchTerms(candidates, (1.0,))
    job = TrainerJob(problem.name, candidates.tasks, terms, parameters, operator={"engine": ENGINE})
    return PreparedTrainer.of(trainer, job)


def _table(
    problem: Problem, networks: Sequence[Network], trained: Sequence[tuple[TrialRequest, TrialOutcome]]
) -> ScoreTable:
    scores = (score for request, outcome in trained for score in _scores(request, outcome))
    return ScoreTable.from_scores(problem.tasks, networks, scores)


def _scores(request: TrialRequest, outcome: TrialOutcome) -> Iterator[Score]:
    for score in outcome.scores:
        test = None if score.test_loss is None else round(score.test_loss, DECIMALS)
        yield Score(request.network, score.task, request.seed, round(score.validation_loss, DECIMALS), test)


def write_trained(folder: Path, problem_name: str, trained: TrainedTable, command: str) -> None:
    """Write the scores, those of the short pass, and how they were made."""
    problem = get_problem(problem_name)
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
        "data_digest": trained.data_digest,
        "command": command,
        "machine": {"processor": _processor(), "cores": os.cpu_count(), "system": platform.system()},
        "seconds": round(trained.seconds, 1),
        "training_seconds": round(trained.training_seconds, 1),
        "versions": dict(trained.versions),
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
