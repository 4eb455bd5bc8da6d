"""Numbers as text: all digits where they can be counted, powers of ten beyond."""

from __future__ import annotations

MOST_WRITTEN_OUT = 10**12


def number_text(number: float) -> str:
    """Format a number without decimals, such as ``1,234``; from a million millions on ``3.5 × 10^18``."""
    if abs(number) < MOST_WRITTEN_OUT:
        return f"{number:,.0f}"
    digits, _, power = f"{number:.1e}".partition("e")
    return f"{digits} × 10^{int(power)}"


def range_text(lower: float, upper: float) -> str:
    """Format two bounds, such as ``12 to 1,234``; one number where both look the same."""
    least, most = number_text(lower), number_text(upper)
    return least if least == most else f"{least} to {most}"
