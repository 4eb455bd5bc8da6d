"""Fair shares of a cluster: nobody gets less than another unless it wants less, and nothing is left over."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grouping.domain.trainings.resources import PlacedResources, Resources
from grouping.errors import InvalidInputError
from grouping_workers.dispatch.fair_shares import fair_shares

WANTED = st.dictionaries(st.text(min_size=1, max_size=3), st.floats(0, 1), min_size=1, max_size=6)


@given(WANTED)
def test_shares_are_max_min_fair(wanted: dict[str, float]) -> None:
    shares = fair_shares(wanted)
    assert shares.keys() == wanted.keys()
    assert sum(shares.values()) == pytest.approx(1)
    assert all(share >= min(wanted[member], 1 / len(wanted)) - 1e-9 for member, share in shares.items())
    wanting = [m for m in wanted if shares[m] < wanted[m] - 1e-9]
    assert all(shares[m] >= max(shares.values()) - 1e-9 for m in wanting), "nobody else has more"


def test_a_job_alone_has_the_whole_cluster_whatever_it_wants_now() -> None:
    assert fair_shares({"a": 0.0}) == {"a": 1.0}
    assert fair_shares({"a": 0.1, "b": 1.0}) == pytest.approx({"a": 0.1, "b": 0.9})


@pytest.mark.parametrize(
    ("wanted", "n"),
    [
        (Resources(), 8),
        (Resources(cpus=3), 2),
        (Resources(gpus=0.5), 4),
        (Resources(gpus=4), 0),
        (Resources(memory_gib=10), 3),
        (Resources(custom={"a100": 1}), 1),
        (Resources(custom={"none": 1}), 0),
        (Resources(cpus=0, gpus=0.1), 20),
        (PlacedResources(cpus=1, bundles=({"CPU": 1, "GPU": 1},)), 2),
        (PlacedResources(cpus=2, bundles=({"CPU": 1}, {"CPU": 1})), 2),
        (PlacedResources(cpus=1, memory_gib=8, bundles=({"a100": 1},)), 1),
    ],
)
def test_trainings_fit_by_their_scarcest_resource(wanted: Resources, n: int) -> None:
    there = {"CPU": 8.0, "GPU": 2.0, "memory": 32 * 2.0**30, "a100": 1.0}
    assert wanted.fit_into(there) == n


@pytest.mark.parametrize("fields", [{"gpus": 1.5}, {"cpus": -1}, {"custom": {"a": 0.0}}, {"memory_gib": 0}])
def test_what_ray_cannot_reserve_is_refused(fields: dict[str, object]) -> None:
    with pytest.raises(InvalidInputError):
        Resources(**fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "fields", [{"bundles": ({},)}, {"bundles": ({"GPU": 0.0},)}, {"cpus": 0, "bundles": ({"GPU": 1.0},)}]
)
def test_a_bundle_that_holds_nothing_is_refused(fields: dict[str, object]) -> None:
    with pytest.raises(InvalidInputError, match="bundle"):
        PlacedResources(**fields)  # type: ignore[arg-type]
    assert PlacedResources(cpus=0).own_amounts() == {}, "without bundles there is no group"
