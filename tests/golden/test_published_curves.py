"""The curves of Standley et al. (2020), recomputed from their published score tables."""

from __future__ import annotations

from pathlib import Path

import pytest

from grouping.replay.published import BUDGETS_SNT, PUBLISHED, ReproducedPoint, reproduce

TABLES = Path(__file__).parents[2] / ".." / "shared" / "data" / "standley"


@pytest.fixture(scope="module")
def points() -> tuple[ReproducedPoint, ...]:
    if not TABLES.is_dir():
        pytest.skip(f"the published score tables are not at {TABLES}")
    return reproduce(TABLES)


@pytest.mark.parametrize(("setting", "method"), sorted(PUBLISHED))
def test_every_point_of_a_published_curve_comes_out_to_the_last_digit(
    points: tuple[ReproducedPoint, ...], setting: str, method: str
) -> None:
    curve = [point for point in points if (point.setting, point.method) == (setting, method)]
    assert [point.budget_snt for point in curve] == list(BUDGETS_SNT)
    wrong = [(p.budget_snt, p.published, p.computed, p.tied) for p in curve if not p.is_reproduced]
    assert not wrong


def test_only_the_points_known_to_tie_need_a_tied_grouping(points: tuple[ReproducedPoint, ...]) -> None:
    tied = {(p.setting, p.method, p.budget_snt) for p in points if p.tied}
    assert tied <= {
        ("setting1", "hoa", 4.5),
        ("setting1", "hoa", 5),
        ("setting1", "esa", 4),
        ("setting1", "esa", 5),
    }
