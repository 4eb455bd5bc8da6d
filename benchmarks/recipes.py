"""Every method of a recipe on the built-in problems: all tasks in one network against a network per task.

    python benchmarks/recipes.py [--seeds 5] [--problem digits ...] [--only sharing ...] [--write FILE]

One method at a time replaces that of the problem's own recipe; all else stays, the learning rate too, which
suits hard sharing with equal weights. For each, one network of all tasks is trained with every seed, and is
compared with full-size single-task networks: under the problem's own recipe for another sharing, weighting
or schedule, else under the same. The gain is ``(single - multi) / single`` of the sum of the test losses,
higher is better, mean and standard error over the seeds. Then: how many tasks gained on average; the
inference cost of the network of all tasks in SNT; and where the network is another one, its latency for one
row beside that of the first line. Latency wants a machine that does nothing else; the rest does not depend
on it.

``--write docs/reference/recipes.md`` puts the tables between the markers of the document. With ``--keep
FILE`` finished trainings are kept in a file, so that a run that was ended goes on.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from _machine import describe_machine

from grouping.domain.networks import Network
from grouping.domain.trainings.recipes import Method, Part, Recipe
from grouping.domain.trainings.trials import TrialOutcome, TrialRequest, TrialState
from grouping.errors import GroupingError
from grouping.problems.problem import Problem
from grouping.problems.registry import get_problem
from grouping.recipes import complete, list_methods
from grouping.training.cost import measure_costs
from grouping.training.data import TrainingData
from grouping.training.latency import measure_latency
from grouping.training.loop import train_network

PROBLEMS = ("digits", "breast-cancer", "sentences")
PARTS: dict[str, tuple[Part, ...]] = {"sentences": (Part.SHARING, Part.SCHEDULE)}
"""Parts whose methods are tried, where not all are: a training on the sentences takes 17 s and more."""
PARAMETERS: dict[tuple[str, str], dict[str, Any]] = {
    ("digits", "convolutional"): {"height": 8, "width": 8},
    ("digits", "xception"): {"height": 8, "width": 8},
    ("sentences", "ple"): {"n_levels": 1},
    ("sentences", "multi-level-mmoe"): {"n_levels": 1},
}
"""What a method needs to know of a problem: images of 8 by 8, and one hidden width for the sentences."""
ENCODERS = {"digits": ("mlp", "convolutional", "xception"), "breast-cancer": ("mlp",)}
IMAGES, OF_IMAGES = ("digits",), ("flip", "shift")
BEGIN, END = "<!-- recipes: begin -->", "<!-- recipes: end -->"


def _with(recipe: Recipe, part: Part, method: Method) -> Recipe:
    return Recipe.from_mapping({**asdict(recipe), part.value: asdict(method)})


@dataclass(frozen=True)
class Case:
    """One row: a method in place of that of the problem's recipe, which itself is the row without a part."""

    problem: str
    part: Part | None
    method: Method

    @property
    def recipe(self) -> Recipe:
        base = get_problem(self.problem).recipe
        return complete(base if self.part is None else _with(base, self.part, self.method))

    @property
    def baseline(self) -> Recipe:
        """Of the single-task networks it is compared with."""
        if self.part not in (Part.SHARING, Part.WEIGHTING, Part.SCHEDULE, None):
            return self.recipe
        return complete(get_problem(self.problem).recipe)


@dataclass(frozen=True)
class Training:
    """One training, and what came of it."""

    problem: str
    recipe: Recipe
    group: tuple[str, ...]
    seed: int

    @property
    def key(self) -> str:
        parts = [self.problem, *self.group, str(self.seed), json.dumps(asdict(self.recipe), sort_keys=True)]
        return "|".join(parts)


_DATA: dict[str, TrainingData] = {}


def _data(name: str) -> TrainingData:
    if name not in _DATA:
        problem = get_problem(name)
        _DATA[name] = TrainingData.from_dataset(problem.load(0), problem.tasks)
    return _DATA[name]


def warm_up() -> None:
    """What a process does once, so that no training pays for it."""
    torch.set_num_threads(1)
    problem = get_problem("breast-cancer")
    request = TrialRequest(Network.of(problem.tasks[0].name), 0, fidelity=0.01)
    train_network(_data(problem.name), request, problem.recipe)


def carry_out(training: Training) -> tuple[str, dict[str, Any]]:
    data = _data(training.problem)
    request = TrialRequest(Network.of(*training.group), training.seed)
    try:
        outcome = train_network(data, request, training.recipe)
    except GroupingError as error:
        outcome = TrialOutcome(TrialState.FAILED, error=str(error))
    return training.key, {
        "state": outcome.state.value,
        "error": outcome.error,
        "losses": {score.task: score.test_loss for score in outcome.scores},
    }


def cases(problem: str, parts: Sequence[Part]) -> Iterator[Case]:
    """The problem's own recipe first, then every method that differs from it."""
    base = get_problem(problem).recipe
    yield Case(problem, None, base.sharing)
    for part in parts:
        if part not in PARTS.get(problem, tuple(Part)):
            continue
        for info in list_methods(part):
            if info.name == base.method(part).name:
                continue
            if part is Part.ENCODER and info.name not in ENCODERS.get(problem, ()):
                continue
            if info.name in OF_IMAGES and problem not in IMAGES:
                continue
            yield Case(problem, part, Method(info.name, PARAMETERS.get((problem, info.name), {})))


def trainings(case: Case, seeds: Sequence[int]) -> tuple[list[Training], list[Training]]:
    """Those of all tasks together, and those of single tasks."""
    names = tuple(task.name for task in get_problem(case.problem).tasks)
    together = [Training(case.problem, case.recipe, names, seed) for seed in seeds]
    alone = [Training(case.problem, case.baseline, (name,), seed) for name in names for seed in seeds]
    return together, alone


def cost_of(case: Case) -> tuple[float, float]:
    """Inference cost of the network of all tasks in SNT, and its latency for one row in milliseconds."""
    problem = get_problem(case.problem)
    group = Network.of(*(task.name for task in problem.tasks))
    n_features = _data(case.problem).n_features
    (cost,) = measure_costs(n_features, problem.tasks, [group], case.recipe)
    return cost.cost_snt, measure_latency(n_features, problem.tasks, group, case.recipe) * 1e3


def row(case: Case, seeds: Sequence[int], known: dict[str, Any], own_ms: float) -> str:
    """One line of the table."""
    name = "**its own recipe**" if case.part is None else f"`{case.method.name}`"
    part = "" if case.part is None else case.part.value
    together, alone = trainings(case, seeds)
    failed = [known[t.key] for t in [*together, *alone] if known[t.key]["state"] != "succeeded"]
    if failed:
        reason = failed[0]["error"] or failed[0]["state"]
        n = len(together) + len(alone)
        return f"| {part} | {name} | {len(failed)} of {n} not trained: {reason} | | | |"
    names = [task.name for task in get_problem(case.problem).tasks]
    multi = np.array([[known[t.key]["losses"][n] for n in names] for t in together])
    by = {(t.group[0], t.seed): known[t.key]["losses"][t.group[0]] for t in alone}
    single = np.array([[by[n, seed] for n in names] for seed in seeds])
    gains = 100 * (1 - multi.sum(axis=1) / single.sum(axis=1))
    error = gains.std(ddof=1) / np.sqrt(len(gains)) if len(gains) > 1 else float("nan")
    n_better = int((multi.mean(axis=0) < single.mean(axis=0)).sum())
    cost_snt, latency_ms = cost_of(case)
    has_own_network = case.part in (None, Part.ENCODER, Part.SHARING)
    latency = f"{latency_ms / own_ms:.1f}" if has_own_network else ""
    return (
        f"| {part} | {name} | {gains.mean():+.1f} ± {error:.1f} | {n_better} of {len(names)} | "
        f"{cost_snt:.2f} | {latency} |"
    )


def table(problem: Problem, rows: Sequence[str]) -> str:
    """The rows of one problem under a heading."""
    head = [
        f"### {problem.title} (`{problem.name}`)",
        "",
        "| part | method | gain over single-task networks, % | tasks better | SNT | latency |",
        "|---|---|---|---|---|---|",
    ]
    return "\n".join([*head, *rows])


def write(path: Path, text: str) -> None:
    """Put the text between the markers of a document."""
    before, _, rest = path.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    path.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}", encoding="utf-8")


def main() -> None:
    """Train what is not known yet, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--problem", action="append", choices=PROBLEMS)
    parser.add_argument("--only", action="append", choices=[part.value for part in Part])
    parser.add_argument("--keep", type=Path, help="file of finished trainings")
    parser.add_argument("--write", type=Path)
    arguments = parser.parse_args()
    seeds = range(arguments.seeds)
    parts = [part for part in Part if arguments.only is None or part.value in arguments.only]
    chosen = [case for name in arguments.problem or PROBLEMS for case in cases(name, parts)]
    known: dict[str, Any] = {}
    if arguments.keep and arguments.keep.exists():
        known = dict(json.loads(line) for line in arguments.keep.read_text().splitlines())
    wanted = {t.key: t for case in chosen for half in trainings(case, seeds) for t in half}
    missing = [training for key, training in wanted.items() if key not in known]
    with multiprocessing.get_context("spawn").Pool(os.cpu_count(), warm_up) as pool:
        for key, found in pool.imap_unordered(carry_out, missing):
            known[key] = found
            if arguments.keep:
                with arguments.keep.open("a") as file:
                    file.write(json.dumps((key, found)) + "\n")
    tables = []
    torch.set_num_threads(1)
    for name in dict.fromkeys(case.problem for case in chosen):
        own = [case for case in chosen if case.problem == name]
        own_ms = cost_of(own[0])[1]
        tables.append(table(get_problem(name), [row(case, seeds, known, own_ms) for case in own]))
    text = f"{arguments.seeds} seeds, {describe_machine()}, PyTorch {torch.__version__}.\n\n" + "\n\n".join(
        tables
    )
    print(text)
    if arguments.write:
        write(arguments.write, text)


if __name__ == "__main__":
    main()
