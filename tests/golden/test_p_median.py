"""The first ten p-median instances of the OR-Library: each proven optimal at its published value."""

from __future__ import annotations

from pathlib import Path

import pytest

from grouping.domain.groupings import SolutionStatus
from grouping.replay.p_median import read_p_median
from grouping.solver import solve

FOLDER = Path(__file__).parents[2] / ".." / "shared" / "data" / "pmedian"


def optima() -> dict[str, float]:
    lines = (FOLDER / "optima.txt").read_text().splitlines()[1:]
    return {name: float(value) for name, value in (line.split() for line in lines if line.split())}


@pytest.mark.skipif(not FOLDER.is_dir(), reason=f"the p-median instances are not at {FOLDER}")
@pytest.mark.parametrize("number", range(1, 11))
def test_the_published_optimum_comes_out_with_its_proof(number: int) -> None:
    table, n_medians = read_p_median(FOLDER / f"pmed{number}.txt")
    solution = solve(table, n_medians, max_ties=1)
    assert solution.status is SolutionStatus.OPTIMAL
    assert solution.loss == optima()[f"pmed{number}"]
    assert solution.grouping is not None
    assert len(solution.grouping.networks) <= n_medians
