"""Reproduction of the curves that Standley et al. (2020) published, from their score tables.

For each budget the grouping is chosen on validation losses (Optimal), on pair means (HOA) or on the losses
of a short pass (ESA), and evaluated on test losses. The authors' evaluator also picks the serving network
of each task by its test loss; that is repeated only here, since a service must not read test
losses to decide anything.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from grouping.domain.groupings import Grouping, Solution
from grouping.domain.networks import list_candidates
from grouping.domain.tables.loss_table import LossTable
from grouping.domain.tables.score_table import ScoreTable
from grouping.errors import InvalidInputError
from grouping.formats import read_wide_csv
from grouping.solver import DEFAULT_SOLVER, solve
from grouping.strategies.paper.hoa import predict_higher_orders

BUDGETS_SNT = tuple(1 + 0.5 * i for i in range(9))
DECIMALS = 5
"""The published curves carry five decimals."""

PUBLISHED = {
    ("setting1", "optimal"): (
        0.50278,
        0.46132,
        0.45224,
        0.44612,
        0.44235,
        0.43932,
        0.43555,
        0.43555,
        0.43481,
    ),
    ("setting1", "hoa"): (0.50278, 0.46132, 0.45474, 0.45050, 0.44875, 0.44489, 0.44112, 0.44552, 0.44196),
    ("setting1", "esa"): (0.50278, 0.48732, 0.46727, 0.46063, 0.45722, 0.45058, 0.45058, 0.44742, 0.44742),
    ("setting3", "optimal"): (
        0.42998,
        0.42275,
        0.40857,
        0.38776,
        0.38352,
        0.38352,
        0.38249,
        0.38249,
        0.38249,
    ),
    ("setting3", "hoa"): (0.42998, 0.44778, 0.40887, 0.38776, 0.38352, 0.38682, 0.38574, 0.38574, 0.38471),
    ("setting3", "esa"): (0.42998, 0.44778, 0.43055, 0.39507, 0.40381, 0.39404, 0.40278, 0.39404, 0.40278),
}
"""Total test losses at `BUDGETS_SNT`, restated from the paper's results."""


@dataclass(frozen=True, slots=True)
class ReproducedPoint:
    """One published figure beside the computed one.

    Attributes:
        setting: name of the setting, such as ``setting1``.
        method: ``optimal``, ``hoa`` or ``esa``.
        budget_snt: the inference budget.
        published: total test loss in the paper.
        computed: total test loss of the recommended grouping.
        tied: total test losses of groupings that tie with it on the losses it was chosen by.
    """

    setting: str
    method: str
    budget_snt: float
    published: float
    computed: float
    tied: tuple[float, ...]

    @property
    def difference(self) -> float:
        """Smallest difference between the published figure and that of any tied grouping."""
        return min(abs(round(x, DECIMALS) - self.published) for x in (self.computed, *self.tied))

    @property
    def is_reproduced(self) -> bool:
        """Whether the published figure is that of the recommended grouping or of one that ties with it."""
        return bool(self.difference < 0.5 * 10**-DECIMALS)


def reproduce(folder: Path, *, solver: str = DEFAULT_SOLVER) -> tuple[ReproducedPoint, ...]:
    """Recompute every published curve whose tables are in a folder.

    Args:
        folder: holds ``settingN_val.csv``, ``settingN_test.csv`` and ``settingN_esa.csv``.
        solver: PuLP's name of the solver.

    Raises:
        InvalidInputError: if the folder holds none of the tables.
        TableFormatError: if one of them is broken.
    """
    settings = sorted({setting for setting, _ in PUBLISHED})
    present = [setting for setting in settings if (folder / f"{setting}_val.csv").is_file()]
    if not present:
        raise InvalidInputError(
            f"{folder} holds no {' or '.join(f'{setting}_val.csv' for setting in settings)}. "
            "Name the folder with the score tables of Standley et al. (2020)."
        )
    points = []
    for setting in present:
        validation = read_wide_csv(folder / f"{setting}_val.csv", folder / f"{setting}_test.csv")
        early = read_wide_csv(folder / f"{setting}_esa.csv")
        for method, chosen_by in {
            "optimal": validation,
            "hoa": _singles_and_pairs_only(validation),
            "esa": early,
        }.items():
            for budget, published in zip(BUDGETS_SNT, PUBLISHED[setting, method], strict=True):
                solution = solve(chosen_by, budget, solver=solver)
                first, *others = _evaluate(solution, validation)
                points.append(ReproducedPoint(setting, method, budget, published, first, tuple(others)))
    return tuple(points)


def _singles_and_pairs_only(table: ScoreTable) -> LossTable:
    rows = [n for n, network in enumerate(table.networks) if len(network.group) <= 2]
    candidates = list_candidates(table.task_names, max_group_size=len(table.tasks), single_sizes=(0.5,))
    return predict_higher_orders(table.select(rows), candidates)


def _evaluate(solution: Solution, table: ScoreTable) -> list[float]:
    """Return total test losses of the recommended grouping and of its ties, each task served by test loss."""
    losses = []
    for grouping in (solution.require_grouping(), *solution.ties):
        rows = [table.position(network) for network in grouping.networks]
        served = Grouping.from_rows(table, rows, serve_by=table.cell_test_losses)
        losses.append(served.total_loss(table, table.cell_test_losses))
    return losses
