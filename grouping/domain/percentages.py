"""Percentages as text, with a space before the percent sign."""

from __future__ import annotations

import math
from decimal import ROUND_FLOOR, Decimal


def percent(share: float, decimals: int = 0) -> str:
    """Format a share as a percentage, such as ``12 %``.

    A share between 0 and 1 is never rounded to 0 or 100: 0.999 is ``more than 99 %`` without decimals.

    Args:
        share: the share; 1 is the whole.
        decimals: the most digits after the point; needless zeros are left out.
    """
    step = 10.0 ** -(2 + decimals)
    if 0 < share < step / 2:
        return f"less than {_number(step, decimals)} %"
    if 1 - step / 2 <= share < 1:
        return f"more than {_number(1 - step, decimals)} %"
    return f"{_number(share, decimals)} %"


def fixed_percent(share: float, decimals: int, *, signed: bool = False) -> str:
    """Format a share as a percentage with all its decimals, such as ``5.0 %``; signed ``+5.0 %``."""
    return f"{100 * share:{'+' if signed else ''}.{decimals}f} %"


def tenths(value: float) -> Decimal:
    """Round down to one decimal place, so that a figure short of a limit never reads as if it reached it."""
    return Decimal(repr(round(value, 9))).quantize(Decimal("0.1"), rounding=ROUND_FLOOR)


def two_digit_percent(share: float) -> str:
    """Format a share as a percentage with one decimal, or with two digits where it is small: ``0.012 %``."""
    return f"{100 * share:.1f} %" if abs(share) >= 1e-3 or share == 0 else f"{100 * share:.2g} %"


def _number(share: float, decimals: int) -> str:
    text = f"{100 * share:.{decimals}f}"
    if decimals:
        text = text.rstrip("0").removesuffix(".")
    return "0" if math.isclose(float(text), 0.0) else text
