"""The solver beside the plain programme in CBC, and on its own where CBC does not finish; in one run.

    python benchmarks/solver.py [published] [random] [large] [draws] [p-median] [all] [best] [implicit] [size]
        [many]

All sections run unless some are named.

The plain programme (a variable per cell, see `grouping.solver.exact.programme`) goes to CBC through PuLP, on
the same arrays, with a time limit; where CBC hits it, the ratio is "at least". `--plot FILE` draws the
section `size` as SVG. `--processor-time` has the solver's time limits count processor time instead of the
wall's.
"""

from __future__ import annotations

import argparse
import math
import multiprocessing
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from _machine import describe_machine, spread
from _tables import KINDS, all_groups, long_text, pairwise, random_groups, table_of

from grouping.domain.constraints import Constraints
from grouping.domain.tables.score_table import FloatArray, ScoreTable
from grouping.formats import read_table
from grouping.plots.svg import BLUE, ORANGE, RULE, document, element, text
from grouping.replay.p_median import read_p_median
from grouping.replay.published import reproduce
from grouping.solver import (
    BudgetSolver,
    assess_confidence,
    best_groupings,
    explain,
    solve,
    solve_curve,
    solve_pairwise,
)
from grouping.solver.exact.block_losses import BlockLosses
from grouping.solver.exact.bound_and_fix import ExactSearch
from grouping.solver.exact.instance import Instance, build_instance
from grouping.solver.exact.programme import CBC, solve_programme

CBC_LIMIT_S = 60.0


def timed(action: Callable[[], object]) -> float:
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


def plain_cbc(table: ScoreTable, budget: float) -> tuple[float, bool]:
    """Seconds of PuLP and CBC on the plain programme, and whether it closed it."""
    started = time.perf_counter()
    instance = build_instance(table, Constraints())
    limited = replace(instance, limits=instance.limits_for(budget))
    result = solve_programme(limited, solver=CBC, time_limit_s=CBC_LIMIT_S)
    return time.perf_counter() - started, result.is_proven


def instance_of(losses: FloatArray) -> Instance:
    """The arrays of all groups, without a `Network` object for each."""
    floors = losses.min(axis=0)
    scaled = losses - floors
    unit = float(scaled[np.isfinite(scaled)].max())
    n = len(losses)
    return Instance(
        rows=np.arange(n),
        losses=BlockLosses.of(scaled / unit),
        costs=np.ones((n, 2)),
        limits=np.array([np.inf, np.inf]),
        is_forced=np.zeros(n, dtype=np.bool_),
        unit=unit,
        floor=float(floors.sum()),
    )


def random_section() -> None:
    """27 tasks, 3,200 random groups: every budget proven, against CBC on some of them."""
    print("\n27 tasks, 3,200 random groups, budgets 1 to 27")
    for noise in (0.02, 0.1):
        tables = [random_groups(seed, noise=noise) for seed in range(5)]
        for table in tables:
            _ = table.validation  # the table is built; what follows is solving
        seconds, proven = [], 0
        for table in tables:
            started = time.perf_counter()
            curve = solve_curve(table, range(1, 28), n_random=0)
            seconds.append(time.perf_counter() - started)
            proven += sum(point.solution.status == "optimal" for point in curve.points)
        print(f"  noise {noise:g}: all 27 budgets {spread(seconds)} s over 5 seeds; {proven} of 135 proven")
    table = random_groups(0)
    budgets = [float(b) for b in range(1, 28)]
    ours = timed(lambda: solve_curve(table, budgets, n_random=0))
    plain = [plain_cbc(table, budget) for budget in budgets]
    theirs, closed = sum(seconds for seconds, _ in plain), sum(is_closed for _, is_closed in plain)
    at_least = "" if closed == len(budgets) else "at least "
    print(
        f"  all 27 budgets, seed 0: ours {ours:.2f} s, CBC {theirs:.1f} s ({closed} closed within "
        f"{CBC_LIMIT_S:g} s each): {at_least}{theirs / ours:.0f} times faster"
    )


def plain_highs(table: ScoreTable, budget: float, limit_s: float) -> str:
    """What HiGHS makes of the plain programme in a time: its loss, or that it has none, and its gap."""
    instance = build_instance(table, Constraints())
    limited = replace(instance, limits=instance.limits_for(budget))
    started = time.perf_counter()
    result = solve_programme(limited, time_limit_s=limit_s)
    seconds = time.perf_counter() - started
    if result.chosen is None:
        return f"nothing after {seconds:.1f} s"
    loss = instance.value(result.chosen) * instance.unit + instance.floor
    return f"{loss:.2f} {'proven' if result.is_proven else 'not proven'} after {seconds:.1f} s"


def large_section() -> None:
    """100 to 500 tasks: the answer within a second and within 30 s, and HiGHS on the plain programme."""
    print("\nLarge tables, seed 0, budgets a twentieth, a tenth and a quarter of the number of tasks")
    for n_tasks, n_groups in ((100, 3_000), (200, 10_000), (500, 20_000)):
        table = random_groups(0, n_tasks, n_groups)
        _ = table.validation, table.is_complete
        for part in (20, 10, 4):
            budget = n_tasks / part
            line = f"  {n_tasks} tasks, {n_groups:,} groups, budget {budget:g}:"
            for limit in (1.0, 30.0):
                started = time.perf_counter()
                found = solve(table, budget, time_limit_s=limit)
                assert found.loss is not None
                line += (
                    f" {found.loss:.4f} (gap {found.gap:.3%}) in {time.perf_counter() - started:.2f} s"
                    f" of {limit:g};"
                )
            print(f"{line} HiGHS, plain programme: {plain_highs(table, budget, 30.0)}")


def draws_section() -> None:
    """48 draws of the losses of 60 tasks at nine budgets, as the adaptive search asks for in one step."""
    table, budgets = random_groups(0, 60, 600), (4.0, 6.0, 8.0, 10.0, 12.0, 15.0, 18.0, 22.0, 30.0)
    noise = np.random.default_rng(0).normal(1.0, 0.02, (48, *table.validation.shape))
    draws = table.validation * noise
    started = time.process_time()
    chosen = BudgetSolver().in_draws(table, draws, budgets)
    seconds = time.process_time() - started
    excess = []
    for draw, by_budget in zip(draws[:4], chosen[:4], strict=True):
        drawn = table.with_arrays(draw[:, :, None])
        for budget, rows in zip(budgets, by_budget, strict=True):
            best = solve(drawn, budget, max_ties=1).loss
            assert best is not None
            excess.append(float(np.nanmin(draw[list(rows)], axis=0).sum()) / best - 1.0)
    print(
        f"\n48 draws of 60 tasks and 600 networks at 9 budgets: {seconds:.2f} s of processor time; four "
        f"draws are above their optima by {statistics.mean(excess):.3%}, at most {max(excess):.3%}"
    )


def p_median_section(folder: Path | None) -> None:
    """p-median instances of the OR-Library, each to its proof."""
    if folder is None:
        print("\np-median: name the folder of pmed1.txt, pmed2.txt, ... with --p-median")
        return
    files = sorted(folder.glob("pmed*.txt"), key=lambda path: int(path.stem.removeprefix("pmed")))
    print(f"\np-median, {len(files)} instances; seconds include no reading")
    total = 0.0
    for path in files:
        table, n_medians = read_p_median(path)
        _ = table.validation, table.is_complete
        started = time.perf_counter()
        first = solve(table, n_medians, time_limit_s=0.0, max_ties=1)
        at_once = time.perf_counter() - started
        started = time.perf_counter()
        found = solve(table, n_medians, max_ties=1)
        seconds = time.perf_counter() - started
        total += seconds
        print(
            f"  {path.stem}: {len(table.tasks)} vertices, {n_medians:g} medians: {first.loss:g} after "
            f"{at_once:.2f} s, {found.loss:g} {found.status} after {seconds:.2f} s"
        )
    print(f"  all: {total:.2f} s")


def all_section() -> None:
    """All 2^N - 1 groups under HOA."""
    print("\nAll groups under HOA, structureless pairs, budget 3, seconds over 3 seeds")
    for n_tasks in (8, 10, 12, 14, 16):
        tables = [table_of(all_groups("structureless", n_tasks, seed)) for seed in range(3)]
        for table in tables:
            _ = table.validation, table.is_complete
        seconds, proven = [], True
        for table in tables:
            seconds.append(timed(lambda table=table: solve(table, 3.0)))  # type: ignore[misc]
            proven &= solve(table, 3.0).status == "optimal"
        line = f"  {n_tasks} tasks, {len(tables[0].networks):,} groups: {spread(seconds)} s, proven {proven}"
        if n_tasks <= 14:
            cbc, closed = plain_cbc(tables[0], 3.0)
            at_least = "" if closed else "at least "
            line += f"; CBC {cbc:.1f} s: {at_least}{cbc / statistics.median(seconds):.0f} times faster"
        print(line, flush=True)
    for kind in KINDS:
        instance = instance_of(all_groups(kind, 20, 0))
        for budget in (3.0, 5.0, 8.0):
            started = time.perf_counter()
            found = ExactSearch(instance).solve(instance.limits_for(budget))
            print(
                f"  20 tasks, {instance.n_candidates:,} groups, {kind}, budget {budget:g}: "
                f"{time.perf_counter() - started:.2f} s, proven {found.is_proven}",
                flush=True,
            )


def best_section() -> None:
    """The ten best groupings against one solve, and against excluding them one by one."""
    print(
        "\nThe ten best of 27 tasks, 3,200 groups, against one solve (median over 5 seeds, budgets 4, 8, 16)"
    )
    ratios, cuts = [], []
    for seed in range(5):
        table = random_groups(seed)
        for budget in (4.0, 8.0, 16.0):
            one = timed(lambda: solve(table, budget))  # noqa: B023
            ten = timed(lambda: best_groupings(table, budget, 10))  # noqa: B023
            ratios.append(ten / one)
        if seed < 2:
            cuts.append(_by_cuts(table, 8.0, 10) / timed(lambda: solve(table, 8.0)))  # noqa: B023
    print(f"  enumeration {spread(ratios)} times one solve; no-good cuts {spread(cuts)} times (budget 8)")


def _by_cuts(table: ScoreTable, budget: float, k: int) -> float:
    """Seconds of excluding one found set after another, on the candidates the bound leaves over."""
    started = time.perf_counter()
    instance = build_instance(table, Constraints())
    limits = instance.limits_for(budget)
    found = ExactSearch(instance).solve(limits)
    assert found.relaxed is not None
    kept = np.argsort(found.relaxed.reduced_costs)[:150]
    core = replace(instance.select(kept), limits=limits)
    excluded: list[tuple[int, ...]] = []
    for _ in range(k):
        result = solve_programme(core, excluded=excluded)
        excluded.append(result.chosen or ())
    return time.perf_counter() - started


def implicit_section(counts: Sequence[int] = (20, 24, 30, 40)) -> None:
    """Groups generated, not listed."""
    print("\nGroups generated under HOA, time limit 60 s, seed 0")
    for n_tasks in counts:
        for kind in KINDS:
            estimate = pairwise(kind, n_tasks, 0)
            for budget in (3.0, 5.0, 8.0):
                started, worked = time.perf_counter(), time.process_time()
                solution = solve_pairwise(estimate, budget, time_limit_s=60.0)
                print(
                    f"  {n_tasks} tasks, {kind}, budget {budget:g}: {solution.status.value}, gap "
                    f"{solution.gap:.3%}, {time.perf_counter() - started:.1f} s, "
                    f"{time.process_time() - worked:.1f} s of the processor",
                    flush=True,
                )


def published_section(folder: Path | None) -> None:
    """The curves of Standley et al. (2020), settings 1 and 3, from their score tables."""
    if folder is None:
        print("\nPublished curves: skipped, name the folder of their score tables with --published")
        return
    started = time.perf_counter()
    points = reproduce(folder)
    exact = sum(point.is_reproduced for point in points)
    tied = sum(bool(point.tied) for point in points)
    print(
        f"\nPublished curves: {exact} of {len(points)} figures to the last digit, {tied} of them ties, "
        f"{time.perf_counter() - started:.2f} s"
    )


def size_section(plot: Path | None) -> None:
    """Time and memory against the number of candidates, each in a process of its own."""
    print("\nTime and peak memory of one solve, all groups, structureless, budget 3 (own process each)")
    context = multiprocessing.get_context("spawn")
    rows = []
    for n_tasks in (8, 10, 12, 14, 16, 18, 20):
        with context.Pool(1) as pool:
            rows.append(pool.apply(_measure, (n_tasks,)))
        candidates, seconds, mib = rows[-1]
        print(f"  {n_tasks} tasks, {candidates:,} candidates: {seconds:.3f} s, {mib:.0f} MiB", flush=True)
    if plot is not None:
        plot.write_text(_plot(rows), encoding="utf-8")


MANY = ((100, 3_000, 5), (500, 20_000, 8), (1_000, 100_000, 10))
"""Tasks, networks and the mean size of a group."""
MANY_LIMIT_S = 5.0


def many_section(is_processor_time: bool) -> None:
    """What commands do with tables of hundreds of tasks, each table in a process of its own."""
    print(f"\nHundreds of tasks, from the text of a long CSV; time limits of {MANY_LIMIT_S:g} s each")
    context = multiprocessing.get_context("spawn")
    for size in MANY:
        with context.Pool(1) as pool:
            for line in pool.apply(_measure_many, (*size, is_processor_time)):
                print(f"  {line}", flush=True)


def _measure_many(n_tasks: int, n_networks: int, mean_size: int, is_processor_time: bool) -> list[str]:
    if is_processor_time:
        time.monotonic = time.perf_counter = time.process_time
    text = long_text(n_tasks, n_networks, mean_size).encode()
    before = _peak_mib()
    found: list[ScoreTable] = []
    seconds = timed(lambda: found.append(read_table(text).table))
    table = found[0]
    said = [
        f"{n_tasks} tasks, {n_networks:,} networks, {table.cells.n_cells:,} cells, {len(text) / 1e6:.0f} MB",
        f"read in {seconds:.1f} s; peak {_peak_mib():.0f} MiB, of which {before:.0f} before reading",
    ]
    budget, limit_s = n_tasks / 3, MANY_LIMIT_S
    solution = solve(table, budget, time_limit_s=limit_s)
    asked: dict[str, Callable[[], str]] = {
        "solve": lambda: f"gap {100 * (solve(table, budget, time_limit_s=limit_s).gap or 0.0):.2f} %",
        "ten best": lambda: f"{len(best_groupings(table, budget, 10, time_limit_s=limit_s).losses)} found",
        "confidence": lambda: (
            f"{assess_confidence(table, budget, noise=0.01, time_limit_s=limit_s).n_resamples} draws"
        ),
        "explanation": lambda: f"{len(explain(table, solution, time_limit_s=limit_s).tasks)} tasks",
        "curve": lambda: f"{len(solve_curve(table, time_limit_s=limit_s).points)} budgets",
    }
    for name, action in asked.items():
        answers: list[str] = []
        seconds = timed(lambda: answers.append(action()))  # noqa: B023
        said.append(f"{name}: {answers[0]} in {seconds:.1f} s; peak {_peak_mib():.0f} MiB")
    return said


def _peak_mib() -> float:
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1]) / 1024


def _measure(n_tasks: int) -> tuple[int, float, float]:
    instance = instance_of(all_groups("structureless", n_tasks, 0))
    seconds = timed(lambda: ExactSearch(instance).solve(instance.limits_for(3.0)))
    return instance.n_candidates, seconds, _peak_mib()


def _plot(rows: list[tuple[int, float, float]]) -> str:
    """Both on logarithmic axes, as plain SVG."""
    width, height, left, top = 640, 320, 60, 20

    def x(candidates: float) -> float:
        return left + (math.log10(candidates) - 2) / 4.2 * (width - left - 20)

    def y(value: float, low: float, high: float) -> float:
        return top + math.log(high / value) / math.log(high / low) * (height - top - 40)

    bottom = height - 40
    parts = [text("candidates", width / 2, height - 6, text_anchor="middle")]
    for power in range(2, 7):
        at = x(10**power)
        parts += [
            element("line", x1=at, x2=at, y1=top, y2=bottom, stroke=RULE),
            text(f"{10**power:,}", at, bottom + 16, text_anchor="middle"),
        ]
    parts += [
        text(f"{10.0**p:g}", left - 6, y(10.0**p, 1e-3, 10) + 4, text_anchor="end") for p in range(-3, 2)
    ]
    for label, column, unit, colour in (("seconds", 1, 1.0, BLUE), ("GiB", 2, 1024.0, ORANGE)):
        points = [(x(row[0]), y(row[column] / unit, 1e-3, 10.0)) for row in rows]
        path = " ".join(f"{px:.1f},{py:.1f}" for px, py in points)
        parts += [
            element("polyline", points=path, fill="none", stroke=colour, stroke_width=2.0),
            text(label, points[-1][0], points[-1][1] - 8, text_anchor="end", fill=colour),
        ]
    title = "Seconds and peak memory of one solve against the number of candidates"
    said = f"From {rows[0][1]:.3g} s at {rows[0][0]:,} to {rows[-1][1]:.3g} s at {rows[-1][0]:,} candidates."
    return document(*parts, width=width, height=height, title=title, description=said, name="solver-size")


def main() -> None:
    """Run the sections asked for."""
    sections: dict[str, Callable[[], None]] = {
        "published": lambda: published_section(asked.published),
        "random": random_section,
        "large": large_section,
        "draws": draws_section,
        "p-median": lambda: p_median_section(asked.p_median),
        "all": all_section,
        "best": best_section,
        "implicit": lambda: implicit_section(asked.tasks),
        "many": lambda: many_section(asked.processor_time),
    }
    parser = argparse.ArgumentParser()
    parser.add_argument("sections", nargs="*", choices=[[], *sections, "size"])
    parser.add_argument("--plot", type=Path)
    parser.add_argument("--published", type=Path, help="folder with settingN_val.csv, _test.csv and _esa.csv")
    parser.add_argument("--p-median", type=Path, help="folder with pmed1.txt, pmed2.txt, ...")
    parser.add_argument("--tasks", type=int, nargs="*", default=(20, 24, 30, 40), help="for `implicit`")
    parser.add_argument(
        "--processor-time", action="store_true", help="time limits count work, for a machine that is shared"
    )
    asked = parser.parse_args()
    if asked.processor_time:
        time.monotonic = time.process_time
    print(describe_machine())
    for name, section in sections.items():
        if not asked.sections or name in asked.sections:
            section()
    if not asked.sections or "size" in asked.sections:
        size_section(asked.plot)


if __name__ == "__main__":
    main()
