"""Percentages: rounding never turns a part into all or nothing."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from grouping.domain.percentages import fixed_percent, percent


@given(st.floats(0, 1), st.integers(0, 3))
def test_all_and_nothing_are_said_of_all_and_nothing_only(share: float, decimals: int) -> None:
    text = percent(share, decimals)
    assert (text == "0 %") == (share == 0)
    assert (text == "100 %") == (share == 1)


@given(st.floats(0, 1), st.integers(0, 3))
def test_the_number_is_the_nearest_with_its_digits_or_a_bound(share: float, decimals: int) -> None:
    text = percent(share, decimals)
    (number,) = re.findall(r"[\d.]+", text)
    is_bound = text.startswith(("less than", "more than"))
    digits = 1.0 if is_bound else 0.5  # a bound may be a whole last digit away
    assert abs(float(number) / 100 - share) <= digits * 10.0 ** -(2 + decimals) + 1e-12
    assert len(number.partition(".")[2]) <= decimals


@given(st.floats(-10, 10), st.integers(0, 3), st.booleans())
def test_a_fixed_one_has_all_its_decimals_and_a_sign_where_wanted(
    share: float, decimals: int, signed: bool
) -> None:
    text = fixed_percent(share, decimals, signed=signed)
    number = text.removesuffix(" %")
    assert abs(float(number) / 100 - share) <= 0.5 * 10.0 ** -(2 + decimals) + 1e-12
    assert len(number.partition(".")[2]) == decimals
    assert number.startswith(("+", "-")) or not signed


def test_needless_zeros_are_left_out() -> None:
    assert [percent(share, 1) for share in (0.5, 0.123, 0.9999, 0.0001)] == [
        "50 %",
        "12.3 %",
        "more than 99.9 %",
        "less than 0.1 %",
    ]
    assert percent(-0.2) == "-20 %"
