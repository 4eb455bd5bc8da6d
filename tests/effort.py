"""On how many examples a law is tried: a part in the usual run, all of them by `make laws`."""

from __future__ import annotations

import os

ALL_EXAMPLES = os.environ.get("GROUPING_ALL_EXAMPLES") == "1"


def examples(n: int) -> int:
    """Examples of a law that `make laws` tries on `n`: in the usual run a quarter of them, at least five."""
    return n if ALL_EXAMPLES else min(n, max(n // 4, 5))
