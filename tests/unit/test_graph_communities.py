"""Which tasks the page of the graph says help one another."""

from __future__ import annotations

import numpy as np
import pytest

from grouping.domain.affinities.matrix import AffinityMatrix
from grouping_api.web.graph_pages import _communities

NAMES = ("a", "b", "c")


def matrix(there: float, back: float, noise: float) -> AffinityMatrix:
    values, errors = np.full((3, 3), np.nan), np.full((3, 3), noise)
    values[0, 1], values[1, 0] = there, back
    return AffinityMatrix(NAMES, "pairwise", "", values, errors, np.ones((3, 3), dtype=np.int64))


@pytest.mark.parametrize(
    ("there", "back", "noise", "said"),
    [
        (0.2, 0.3, 0.05, "Tasks that help one another: a and b."),
        (0.2, 0.3, np.nan, "Tasks that help one another: a and b."),
        (0.2, 0.05, 0.05, ""),
        (0.05, 0.2, 0.05, ""),
        (0.05, 0.05, 0.05, ""),
        (-0.2, -0.3, 0.05, ""),
    ],
)
def test_tasks_help_one_another_where_both_effects_stand_out(
    there: float, back: float, noise: float, said: str
) -> None:
    assert _communities(matrix(there, back, noise)) == said
