"""How far affinities from joint runs agree with those measured by training pairs, on a problem of few tasks.

    python benchmarks/affinity.py [SEEDS] [--problem digits]

Trains every group at full size with SEEDS seeds (5 unless given), and the all-together network once more
with measuring. Prints for each method the correlation of its matrix with that of the pairs over all ordered
pairs of tasks: of the means over seeds, and of each seed's matrix with the mean of the pairs; how well the
matrices of two seeds agree; the share of positive cells; and what measuring costs in processor time. Then
what the strategies on these affinities recommend for budgets 2 and 3, beside the best grouping.
"""

from __future__ import annotations

import argparse
import itertools
import time
from collections.abc import Mapping

import numpy as np
import torch
from _machine import describe_machine, spread
from scipy.stats import spearmanr

from grouping.domain.affinities.joint_matrices import joint_affinities
from grouping.domain.affinities.joint_runs import GRADIENT_METHODS, JointRun
from grouping.domain.affinities.matrix import AffinityMatrix
from grouping.domain.networks import Candidates, Network, list_candidates
from grouping.domain.tables.score_table import FloatArray, Score, ScoreTable
from grouping.domain.trainings.trials import TrialOutcome, TrialRequest
from grouping.problems.registry import get_problem
from grouping.search import Search
from grouping.solver import solve
from grouping.strategies import get_strategy
from grouping.strategies.affinity.from_table import table_affinity
from grouping.training.data import TrainingData
from grouping.training.loop import train_network


def main() -> None:
    """Print the comparison."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("seeds", nargs="?", type=int, default=5)
    parser.add_argument("--problem", default="digits")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    problem = get_problem(arguments.problem)
    data = TrainingData.from_dataset(problem.load(0), problem.tasks)
    names = tuple(task.name for task in problem.tasks)
    seeds = range(arguments.seeds)

    def train(network: Network, seed: int, *, measures: bool = False) -> tuple[TrialOutcome, float]:
        started = time.process_time()
        outcome = train_network(data, TrialRequest(network, seed, measures_affinity=measures), problem.recipe)
        return outcome, time.process_time() - started

    scores = []
    for seed, network in itertools.product(seeds, list_candidates(names, max_group_size=len(names))):
        outcome, _ = train(network, seed)
        scores += [Score(network, s.task, seed, s.validation_loss) for s in outcome.scores]
    table = ScoreTable.from_scores(problem.tasks, {s.network: None for s in scores}, scores)
    joint = Network.of(*names)
    train(joint, 0, measures=True)  # warms up
    runs, ratios = [], []
    for seed in seeds:
        plain, plain_s = train(joint, seed)
        measured, measured_s = train(joint, seed, measures=True)
        if measured.affinities is None or plain.scores != measured.scores:
            raise AssertionError("Measuring changed the training.")
        runs.append(JointRun(joint, seed, measured.affinities))
        ratios.append(measured_s / plain_s)

    pairs = table_affinity(table, "pairwise")
    print(describe_machine())
    print(f"{problem.name}: {len(names)} tasks, {len(seeds)} seeds, {problem.recipe}")
    print(f"processor time with measuring / without: {spread(ratios)}")
    print(f"measured steps: {runs[0].affinities.n_steps}")
    one_seed = [table_affinity(_of_seed(table, seed), "pairwise") for seed in seeds]
    print(f"pairwise: {describe(pairs, pairs, one_seed)}")
    means = joint_affinities(names, runs)
    for method in GRADIENT_METHODS:
        by_seed = [joint_affinities(names, [run])[method] for run in runs]
        print(f"{method}: {describe(means[method], pairs, by_seed)}")
    for budget_snt in (2.0, 3.0):
        together, best = (solve(table, budget).loss or np.nan for budget in (1.0, budget_snt))
        print(f"budget {budget_snt:g}: best {best:.4f}, one network {together:.4f}")
        for method, reference in itertools.product(GRADIENT_METHODS, ("zero", "self")):
            search = _search(table, method, reference, budget_snt, means)
            found = search.recommend(budget_snt)
            loss, grouping = found.loss or np.nan, found.require_grouping()
            print(
                f"  {method}, reference {reference}: {loss:.4f} ({loss / best - 1:+.1%}) by "
                f"{', '.join(n.name(names) for n in grouping.networks)}; "
                f"{len(search.scores().networks)} networks"
            )


def describe(mean: AffinityMatrix, pairs: AffinityMatrix, by_seed: list[AffinityMatrix]) -> str:
    """Agreement with the pairs and between seeds, in words."""
    wanted, found = cells(pairs), cells(mean)
    each = [float(np.corrcoef(cells(matrix), wanted)[0, 1]) for matrix in by_seed]
    between = [float(np.corrcoef(cells(a), cells(b))[0, 1]) for a, b in itertools.combinations(by_seed, 2)]
    within = np.corrcoef(centred(mean), centred(pairs))[0, 1]
    return (
        f"with the mean of the pairs r {np.corrcoef(found, wanted)[0, 1]:+.2f}, "
        f"rank {spearmanr(found, wanted).statistic:+.2f}, within targets r {within:+.2f}; "
        f"one seed r {spread(each)}; "
        f"seed against seed r {spread(between)}; positive {np.mean(found > 0):.0%}; "
        f"median |value| {np.median(np.abs(found)):.2g}"
    )


def cells(matrix: AffinityMatrix) -> FloatArray:
    """All ordered pairs."""
    return matrix.values[~np.eye(len(matrix.tasks), dtype=bool)]


def centred(matrix: AffinityMatrix) -> FloatArray:
    """All ordered pairs less the mean of their target: which sources are good for it."""
    values = matrix.values - np.nanmean(matrix.values, axis=0)
    pairs: FloatArray = values[~np.eye(len(matrix.tasks), dtype=bool)]
    return pairs


def _search(
    table: ScoreTable, method: str, reference: str, budget_snt: float, means: Mapping[str, AffinityMatrix]
) -> Search:
    """A search that looks every training up in the table."""
    candidates = Candidates.listed(table.task_names, table.networks)
    strategy = get_strategy(method, {"reference": reference})
    search = Search(strategy, table.tasks, candidates, budgets_snt=(budget_snt,), seeds=table.seeds)
    while requests := search.ask():
        for request in requests:
            row, seed = table.position(request.network), table.seeds.index(request.seed)
            losses = dict(zip(table.task_names, table.validation_losses[row, :, seed].tolist(), strict=True))
            search.tell(request, {task: losses[task] for task in request.network.group})
        search.tell_affinities(means)
    return search


def _of_seed(table: ScoreTable, seed: int) -> ScoreTable:
    s = table.seeds.index(seed)
    return ScoreTable.from_arrays(
        table.tasks,
        table.networks,
        (seed,),
        table.validation_losses[:, :, s : s + 1],
        table.test_losses[:, :, s : s + 1],
    )


if __name__ == "__main__":
    main()
