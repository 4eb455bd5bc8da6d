"""Options of `grouping worker`."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grouping.cli.worker import read_resources
from grouping.domain.resources import Resources
from grouping.errors import InvalidInputError

amounts = st.integers(1, 64)


@given(amounts, amounts, amounts, amounts)
def test_resources_are_read_in_any_order_with_names_of_ones_own(
    cpus: int, gpus: int, memory: int, own: int
) -> None:
    wanted = Resources(cpus, gpus, memory, {"a100": own})
    parts = [f"cpu={cpus}", f"gpu={gpus}", f"memory={memory}", f"a100={own}"]
    assert read_resources(",".join(parts)) == read_resources(" , ".join(reversed(parts))) == wanted


@pytest.mark.parametrize(
    "text", ["", "gpu", "gpu=", "gpu=one", "gpu=1,,cpu=2", "gpu=-1", "a100=0", "gpu=nan"]
)
def test_resources_that_are_not_understood_are_refused(text: str) -> None:
    with pytest.raises(InvalidInputError):
        read_resources(text)
