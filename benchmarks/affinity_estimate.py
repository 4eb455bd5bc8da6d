"""How far estimated effects between tasks agree with those that trained pairs show, on complete tables.

    python benchmarks/affinity_estimate.py [--method posterior] [--published FOLDER] [--seeds N]

A part of each table is hidden: what an adaptive search for inference budgets 2 and 3 did not train, a random
half of the networks, or all full-size singles and pairs. The estimate sees the rest, with three of the
table's seeds where it has more; its estimated cells are compared with the pairwise affinities of the whole
table and all of its seeds; of the method ``posterior`` with the same means over all groups, from the whole
table. Tables: those that come with the project, and those in a folder with ``standley``,
``peta`` and ``mtgnet`` below it. Nothing is fitted to any of them. At last the time for large tables.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np
from _machine import describe_machine
from _tables import random_groups
from rich.table import Table

from grouping.cli.output.terminal import new_console
from grouping.domain.affinities.matrix import AffinityMatrix, pairwise_affinity
from grouping.domain.affinities.methods import DEFAULT_METHOD, POSTERIOR
from grouping.domain.networks import Network
from grouping.domain.tables.score_table import FloatArray, ScoreTable
from grouping.formats import read_wide_csv
from grouping.replay.oracle import Oracle, RevealedLosses
from grouping.replay.searching import run_search
from grouping.replay.tables import list_tables, open_table
from grouping.strategies import get_strategy
from grouping.strategies.affinity.from_table import table_affinity

BUDGETS_SNT = (2.0, 3.0)
N_SEEDS_SEEN = 3
KINDS = ("adaptive", "half", "no pairs")
"""What is seen: what an adaptive search trains, a random half, all but full-size singles and pairs."""
TRUTH: Mapping[str, Callable[[ScoreTable], AffinityMatrix]] = {
    DEFAULT_METHOD: pairwise_affinity,
    POSTERIOR: lambda table: table_affinity(table, POSTERIOR),
}
"""What the whole table says; of means over all groups that is their posterior, since all were trained."""


def main() -> None:
    """Print a row for each table and each way to hide a part of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--published", type=Path, help="folder with standley/, peta/ and mtgnet/")
    parser.add_argument("--seeds", type=int, default=5, help="parts of each table that are seen")
    parser.add_argument("--method", choices=TRUTH, default=DEFAULT_METHOD, help="what is estimated")
    asked = parser.parse_args()
    print(describe_machine())
    heads = (
        "table",
        "seen",
        "networks",
        "cells",
        "r",
        "r in target",
        "RMSE",
        "RMSE of 0",
        "within 2 s.e.",
        "median s.e.",
    )
    shown = Table(*heads, box=None, pad_edge=False)
    for name, table in _tables(asked.published):
        for kind in KINDS:
            shown.add_row(name, kind, *_figures(table, asked.method, kind, asked.seeds))
    new_console().print(shown)
    _time("27 tasks, 3,200 networks", random_groups(0), asked.method)
    _time("60 tasks, 1,500 networks", random_groups(0, n_tasks=60, n_groups=1500), asked.method)


def _tables(published: Path | None) -> Iterator[tuple[str, ScoreTable]]:
    for name in list_tables():
        yield name, open_table(name).full
    if published is None:
        return
    for setting in (1, 3):
        yield f"standley {setting}", read_wide_csv(published / "standley" / f"setting{setting}_val.csv")
    for path in sorted((published / "peta").glob("*.csv")):
        table = read_wide_csv(path)
        if pairwise_affinity(table).is_known:
            yield path.stem, table
        else:
            print(f"{path.stem}: skipped, it has no single tasks")
    yield "ettm1", read_wide_csv(published / "mtgnet" / "ettm1_val.csv", values="gains")


def _figures(table: ScoreTable, method: str, kind: str, n_parts: int) -> list[str]:
    """Agreement over all estimated cells of all parts."""
    truth = TRUTH[method](table).values
    cells, sizes = [], []
    for seed in range(n_parts if kind != KINDS[2] else 1):
        seen = _seen(table, kind, seed)
        sizes.append(len(seen.networks))
        found = table_affinity(seen, method)
        known = found.is_estimated & ~np.isnan(truth)
        columns = (found.values, found.standard_errors, truth, _centred(found.values, known))
        cells.append(np.stack([part[known] for part in (*columns, _centred(truth, known))]))
    value, error, true, value_within, true_within = np.concatenate(cells, axis=1)
    if len(value) < 3:
        return [f"{np.mean(sizes):.0f} of {len(table.networks)}", str(len(value)), *[""] * 6]
    return [
        f"{np.mean(sizes):.0f} of {len(table.networks)}",
        str(len(value)),
        f"{np.corrcoef(value, true)[0, 1]:.2f}",
        f"{np.corrcoef(value_within, true_within)[0, 1]:.2f}",
        f"{_rms(value - true):.1%}",
        f"{_rms(true):.1%}",
        f"{np.mean(np.abs(value - true) <= 2 * error):.0%}",
        f"{np.median(error):.1%}",
    ]


def _centred(values: FloatArray, known: np.ndarray) -> FloatArray:
    """Effects less the mean of their target over the known cells: which sources are good for it."""
    counted = np.maximum(known.sum(axis=0), 1)
    centred: FloatArray = values - np.where(known, values, 0.0).sum(axis=0) / counted
    return centred


def _seen(table: ScoreTable, kind: str, seed: int) -> ScoreTable:
    generator = np.random.default_rng(seed)
    part = _of_seeds(table, np.roll(np.arange(len(table.seeds)), -seed)[:N_SEEDS_SEEN])
    n_networks = len(table.networks)
    if kind == KINDS[0]:
        oracle = Oracle.of(part)
        trace = run_search(
            oracle, get_strategy("adaptive"), BUDGETS_SNT, seed=seed, answers=RevealedLosses.MEAN
        )
        return oracle.truth.select(sorted(set(trace.rows)))
    if kind == KINDS[1]:
        return part.select(np.sort(generator.permutation(n_networks)[: n_networks // 2]))
    return part.select([n for n, one in enumerate(table.networks) if not _is_pairwise(one)])


def _is_pairwise(network: Network) -> bool:
    return network.size == 1 and len(network.group) <= 2


def _of_seeds(table: ScoreTable, layers: np.ndarray) -> ScoreTable:
    return ScoreTable.from_arrays(
        table.tasks,
        table.networks,
        tuple(table.seeds[s] for s in layers),
        table.validation_losses[:, :, layers],
        table.test_losses[:, :, layers],
    )


def _rms(values: FloatArray) -> float:
    return float(np.sqrt(np.mean(values**2)))


def _time(name: str, table: ScoreTable, method: str) -> None:
    rows = [n for n, network in enumerate(table.networks) if len(network.group) != 2]
    started, processor = time.perf_counter(), time.process_time()
    found = table_affinity(table.select(rows), method)
    assert found.is_estimated is not None
    spent = (
        f"{time.perf_counter() - started:.2f} s, {time.process_time() - processor:.2f} s of processor time"
    )
    print(f"{name}: {spent}, {found.is_estimated.sum():,} cells estimated")


if __name__ == "__main__":
    main()
