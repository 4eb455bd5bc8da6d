"""What strategies find for how many trainings, replayed on score tables.

    python benchmarks/search.py [own] [published] [sparse]   (all unless named)
        [--published FOLDER] [--strategy NAME]... [--seeds N] [--tables N] [--max-charge N] [--processes N]

``own`` replays the tables that come with the project; ``published`` those in a folder with ``standley`` and
``mtgnet`` below it, skipped without one; ``sparse`` generated ones of 27 tasks and 3,200 networks. Strategies
that a table cannot answer are named with the reason. Figures are means over inference budgets and seeds; the
spread is from the least to the most seed.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from _machine import describe_machine
from _tables import sparse_orders

from grouping.cli.output import replays
from grouping.cli.output.terminal import new_console
from grouping.domain.tables.score_table import ScoreTable
from grouping.formats import Values, read_wide_csv
from grouping.replay.oracle import RevealedLosses
from grouping.replay.published import BUDGETS_SNT
from grouping.replay.replaying import Mode, Replay, Setup, replay
from grouping.replay.summary import regret_curve
from grouping.replay.tables import list_tables, open_table
from grouping.strategies import get_strategy, list_strategies

SPARSE_BUDGETS = (3.0, 5.0, 8.0, 13.0)
MIN_SEEDS = 5
"""Seeds that a table needs for searches of single seeds to say something of their spread."""
SPARSE_CHARGES = (50.0, 100.0, 150.0, 200.0, 300.0, 400.0)


class Bench:
    """Replays with the options of the command line."""

    def __init__(self, asked: argparse.Namespace) -> None:
        names = asked.strategy or [info.name for info in list_strategies()]
        self.strategies = [get_strategy(name) for name in names]
        self.asked = asked
        self.console = new_console()

    def run(
        self,
        name: str,
        table: ScoreTable,
        setup: Setup,
        *,
        early: ScoreTable | None = None,
        values: Values = "losses",
        charges: Sequence[float] = (),
    ) -> tuple[Replay, ...]:
        setup = replace(setup, n_seeds=self.asked.seeds, extra_checkpoints=tuple(charges))
        started = time.perf_counter()
        found = replay(table, self.strategies, setup, early=early, processes=self.asked.processes)
        replays.show(self.console, replays.ReplayResult(name, values, table, found), setup, charges)
        print(f"({time.perf_counter() - started:.0f} s)\n", flush=True)
        return found

    def own(self) -> None:
        """The project's tables: with the means of all seeds as answers; where they have many, with one."""
        for name in list_tables():
            own = open_table(name)
            cap = None if len(own.full.networks) < 100 else 100.0
            for mode in Mode:
                self.run(name, own.full, Setup(mode=mode, max_charge=cap), early=own.early)
            if len(own.full.seeds) < MIN_SEEDS:
                continue
            noisy = Setup(mode=Mode.EACH, answers=RevealedLosses.ONE_SEED, max_charge=cap)
            self.run(f"{name}, each search sees one seed", own.full, noisy, early=own.early)

    def published(self) -> None:
        """Standley et al. (2020), settings 1 and 3; Song et al. (2022), ETTm1 as gains."""
        if self.asked.published is None:
            print("Published tables: skipped, name their folder with --published\n")
            return
        for setting in (1, 3):
            stem = self.asked.published / "standley" / f"setting{setting}"
            table = read_wide_csv(f"{stem}_val.csv", f"{stem}_test.csv")
            early = read_wide_csv(f"{stem}_esa.csv")
            for mode in Mode:
                self.run(f"Standley, setting {setting}", table, Setup(BUDGETS_SNT, mode), early=early)
        folder = self.asked.published / "mtgnet"
        table = read_wide_csv(folder / "ettm1_val.csv", folder / "ettm1_test.csv", values="gains")
        free = ("singles", "together")
        for cap in (21.0, 42.0):
            setup = Setup((2.0, 3.0), Mode.EACH, free=free, max_charge=cap)
            name = f"ETTm1, singles and all-in-one given, {cap:g} further trainings"
            self._gains(self.run(name, table, setup, values="gains"), len(table.tasks))

    def sparse(self) -> None:
        """Generated tables: singles and all-in-one given."""
        n_tasks = 27
        for seed in range(self.asked.tables):
            table = sparse_orders(seed, n_tasks)
            setup = Setup(
                SPARSE_BUDGETS, Mode.ALL, free=("singles", "together"), max_charge=self.asked.max_charge
            )
            name = f"27 tasks, sparse higher orders, table {seed}"
            shown = [charge for charge in SPARSE_CHARGES if charge <= self.asked.max_charge]
            self._gains(self.run(name, table, setup, values="gains", charges=shown), n_tasks)

    def _gains(self, replays: Sequence[Replay], n_tasks: int) -> None:
        """Mean test gain of the last recommendation at each inference budget, beside the best."""
        for one in replays:
            if one.unanswerable is None:
                gains = 1.0 - one.test_losses[:, :, -1] / n_tasks
                figures = ", ".join(_spread(gains[:, b]) for b in range(gains.shape[1]))
                area = np.nanmean(regret_curve(one).mean)
                print(f"  {one.strategy}: mean test gain {figures}; mean regret over all charges {area:.2%}")
        if replays:
            best = 1.0 - replays[0].reference.test / n_tasks
            budgets = ", ".join(f"{budget:g}" for budget in replays[0].reference.budgets_snt)
            print(f"  best by validation: {', '.join(f'{x:.4f}' for x in best)} (budgets {budgets})\n")


def _spread(values: np.ndarray) -> str:
    if len(values) == 1:
        return f"{values[0]:.4f}"
    return f"{values.mean():.4f} ({values.min():.4f} to {values.max():.4f})"


def main() -> None:
    """Run the sections asked for."""
    parser = argparse.ArgumentParser()
    parser.add_argument("sections", nargs="*", choices=[[], "own", "published", "sparse"])
    parser.add_argument("--published", type=Path, help="folder with standley/ and mtgnet/")
    parser.add_argument("--strategy", action="append", help="repeat; all unless given")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--tables", type=int, default=2, help="how many tables `sparse` generates")
    parser.add_argument("--max-charge", type=float, default=400.0, help="for `sparse`")
    parser.add_argument("--processes", type=int, default=2)
    asked = parser.parse_args()
    print(describe_machine(), f"{asked.seeds} seeds of what is random\n", sep="; ")
    bench = Bench(asked)
    sections: dict[str, Callable[[], None]] = {
        "own": bench.own,
        "published": bench.published,
        "sparse": bench.sparse,
    }
    for name, section in sections.items():
        if not asked.sections or name in asked.sections:
            section()


if __name__ == "__main__":
    main()
