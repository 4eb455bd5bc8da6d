"""Searches whose workers are lost, tell twice and tell too late: do they end as if nothing had happened?

    python benchmarks/unreliable_workers.py [--seeds N] [--share P] [--processes N]

Four tasks, twelve simulated workers on the clock of the database, with the real planner, strategies and
SQLite. Of the trainings a share is lost, as many are told twice, and as many too late. For each seed and for
the strategies `exhaustive` and `adaptive` the search is carried out with and without that: table,
recommendations with their verdicts and ledger must be equal. `tests/property/test_unreliable_workers_laws.py`
holds the same law for one seed of each, and is what is called here.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from itertools import repeat
from multiprocessing import get_context
from pathlib import Path
from unittest.mock import patch

from _machine import describe_machine

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from grouping.store import migrate, open_store
from grouping.store.database import Database
from tests.property import test_unreliable_workers_laws as laws

STRATEGIES = ("exhaustive", "adaptive")


def check(seed: int, share: float) -> tuple[int, int, int]:
    """Check one seed with each strategy; return how often each fault occurred."""
    clock = laws.Clock()
    with (
        tempfile.TemporaryDirectory(prefix="grouping-unreliable-") as folder,
        patch.object(Database, "now_s", lambda *_: laws.BEGINNING_S + clock.passed_s),
        patch.object(laws, "SHARE", share),
    ):
        url = f"sqlite:///{folder}/grouping.db"
        migrate(url)
        store = open_store(url)
        found = [laws.check(store, clock, seed, strategy) for strategy in STRATEGIES]
        store.close()
    return sum(f.lost for f in found), sum(f.twice for f in found), sum(f.late for f in found)


def main() -> None:
    """Print how many searches were equal, and how many faults they had."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=100)
    parser.add_argument("--share", type=float, default=0.05, help="of lost, of doubled and of late trainings")
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    asked = parser.parse_args()
    started, faults = time.perf_counter(), [0, 0, 0]
    with ProcessPoolExecutor(asked.processes, get_context("spawn")) as pool:
        for counts in pool.map(check, range(asked.seeds), repeat(asked.share)):
            faults = [total + n for total, n in zip(faults, counts, strict=True)]
    print(f"{describe_machine()}; {asked.seeds} seeds, {', '.join(STRATEGIES)}, share {asked.share:g}")
    print(f"{asked.seeds * len(STRATEGIES)} pairs of searches equal, with ", end="")
    print(f"{faults[0]:,} trainings lost, {faults[1]:,} told twice and {faults[2]:,} told too late, ", end="")
    print(f"in {time.perf_counter() - started:.0f} s")


if __name__ == "__main__":
    main()
