"""How often the interval for what may still be missed holds: adaptive searches, judged on the whole table.

    python benchmarks/headroom.py --kinds 100 116          # generated tables of seeds 100 to 115, all kinds
    python benchmarks/headroom.py --own --seeds 0 6        # the tables of the project
    python benchmarks/headroom.py --published FOLDER --seeds 0 6

For each table a search at the default tolerance, and for large ones another that goes on to a limit; both say
what may still be missed now and then, and the first also at its end. One row for the ends, one for the rest
(`on the way`), one for what 20 more networks brought where the longer search had trained as many.
*Held* is the share of searches and inference budgets in which no more was missed than the upper end said.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from _kinds import KINDS, kind_table

from grouping.domain.tables.score_table import ScoreTable
from grouping.domain.verdicts.headroom import Headroom
from grouping.formats import read_wide_csv
from grouping.replay.judging import Judge, find_reference
from grouping.replay.oracle import Oracle, RevealedLosses, free_networks
from grouping.replay.searching import Trace, run_search
from grouping.replay.tables import open_table
from grouping.solver import default_budgets
from grouping.strategies import get_strategy
from grouping.strategies.adaptive.missed import MORE_NETWORKS

KIND_BUDGETS = (2.0, 3.0, 4.0)
WHOLE_BUDGETS = (1.0, 2.0, 3.0, 4.0, 5.0)
LIMIT = 48.0
"""Charge at which the longer search ends."""


@dataclass(frozen=True, eq=False)
class Case:
    """A table to search: its name, the losses, the budgets and the networks given for nothing."""

    name: str
    table: ScoreTable
    budgets_snt: tuple[float, ...]
    free: tuple[str, ...] = ()


@dataclass(frozen=True)
class Told:
    """What was said at one time of one search, at one budget, and what was true, as shares of the loss."""

    when: str
    n_measured: int
    missed: float
    upper: float


def kinds(first: int, last: int) -> Iterator[Case]:
    for kind in KINDS:
        for seed in range(first, last):
            yield Case(kind, kind_table(kind, seed), KIND_BUDGETS)


def own() -> Iterator[Case]:
    for name in ("breast-cancer", "digits", "digits-8"):
        table = open_table(name).full
        budgets = tuple(default_budgets(table)) if len(table.tasks) == 5 else WHOLE_BUDGETS
        yield Case(name, table, budgets)


def published(folder: Path) -> Iterator[Case]:
    for setting in (1, 3):
        table = read_wide_csv(folder / "standley" / f"setting{setting}_val.csv")
        yield Case(f"setting {setting}", table, tuple(default_budgets(table)))
    table = read_wide_csv(folder / "kinds" / "outlier.csv")
    yield Case("outlier.csv", table, tuple(default_budgets(table)))
    yield Case("outlier.csv, budgets 2 and 3", table, (2.0, 3.0))
    table = read_wide_csv(folder / "mtgnet" / "ettm1_val.csv", values="gains")
    yield Case("ETTm1", table, WHOLE_BUDGETS, ("singles", "together"))
    for path in sorted((folder / "peta").glob("*.csv")):
        table = read_wide_csv(path)
        has_singles = any(len(network.group) == 1 for network in table.networks)
        yield Case(path.stem, table, WHOLE_BUDGETS, ("singles", "together") if has_singles else ("together",))


def told(case: Case, seed: int) -> tuple[list[Told], float]:
    """Search a table; return what was said, and the trainings of the search at the default tolerance."""
    oracle = Oracle.of(case.table)
    judge = Judge(oracle, find_reference(oracle.truth, case.budgets_snt))
    free = free_networks(case.free, oracle.truth)

    def search(tolerance: float | None, limit: float | None) -> Trace:
        parameters = {} if tolerance is None else {"tolerance": tolerance}
        strategy = get_strategy("adaptive", parameters)
        return run_search(oracle, strategy, case.budgets_snt, seed=seed, free=free, max_charge=limit)

    usual = search(None, LIMIT)
    is_large = len(oracle.truth.networks) > 2 * MORE_NETWORKS
    longer = search(0.0, LIMIT) if is_large else usual
    found: list[Told] = []
    for said in usual.headrooms:
        when = "end" if said is usual.headrooms[-1] else "on the way"
        found += _judged(judge, said, usual, when, None)
    for said in longer.headrooms:
        if said[0].n_more == MORE_NETWORKS and len(longer.rows) >= said[0].n_measured + MORE_NETWORKS:
            found += _judged(judge, said, longer, f"{MORE_NETWORKS} more", MORE_NETWORKS)
    return found, usual.total_charge


def _judged(
    judge: Judge, said: tuple[Headroom, ...], trace: Trace, when: str, n_more: int | None
) -> Iterator[Told]:
    every = range(len(judge.reference.budgets_snt))

    def losses(n: int) -> np.ndarray:
        return judge.losses(trace.rows[:n], every, RevealedLosses.MEAN, 0)[0]

    n_measured, budgets = said[0].n_measured, judge.reference.budgets_snt
    now = losses(n_measured)
    later = judge.reference.validation if n_more is None else losses(n_measured + n_more)
    for item in said:
        b = budgets.index(item.budget_snt)
        upper = item.upper if n_more is None else item.upper_of_more
        yield Told(when, n_measured, float((now[b] - later[b]) / now[b]), upper)


def report(name: str, rows: list[Told], charges: list[float], seconds: float) -> None:
    for when in sorted({row.when for row in rows}, key=lambda when: (when != "end", when)):
        some = [row for row in rows if row.when == when]
        missed, upper = np.array([(row.missed, row.upper) for row in some]).T
        held = float((missed <= upper + 1e-9).mean())
        trained = np.mean([row.n_measured for row in some])
        print(
            f"| {name if when == 'end' else ''} | {when} | {trained:.1f} | {100 * missed.mean():.2f} "
            f"| {100 * upper.mean():.2f} | {100 * held:.0f} % |",
            flush=True,
        )
    print(f"{len(charges)} searches, mean charge {np.mean(charges):.1f}, {seconds:.0f} s", file=sys.stderr)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument(
        "--kinds", type=int, nargs=2, metavar=("FIRST", "LAST"), help="seeds of generated tables"
    )
    parser.add_argument("--own", action="store_true", help="the tables of the project")
    parser.add_argument("--published", type=Path, help="folder with standley/, mtgnet/, peta/ and kinds/")
    parser.add_argument("--seeds", type=int, nargs=2, default=(0, 4), help="seeds of the searches")
    parser.add_argument("--only", help="a part of the names of the tables")
    asked = parser.parse_args()
    if not (asked.kinds or asked.own or asked.published):
        asked.kinds = (100, 102)
    print("| table | when | networks | missed | upper end | held |\n|---|---|---|---|---|---|")
    sources = [(case, [0]) for case in (kinds(*asked.kinds) if asked.kinds else ())]
    named = [*(own() if asked.own else ()), *(published(asked.published) if asked.published else ())]
    sources += [(case, list(range(*asked.seeds))) for case in named]
    by_name: dict[str, list[tuple[Case, list[int]]]] = defaultdict(list)
    for case, seeds in sources:
        if not asked.only or asked.only in case.name:
            by_name[case.name].append((case, seeds))
    for name, some in by_name.items():
        began = time.process_time()
        found: list[tuple[list[Told], float]] = [told(case, seed) for case, seeds in some for seed in seeds]
        rows = [row for each, _ in found for row in each]
        report(name, rows, [charge for _, charge in found], time.process_time() - began)


if __name__ == "__main__":
    main()
