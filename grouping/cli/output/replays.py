"""Output of replays: tables for people, JSON, CSV, a picture."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from grouping.domain.percentages import fixed_percent
from grouping.domain.tables.score_table import FloatArray, ScoreTable
from grouping.plots import RegretLine, regret_svg
from grouping.plots.scales import nice_ticks
from grouping.replay.replaying import Replay, Setup
from grouping.replay.summary import THRESHOLDS, charge_within, mean_gain, regret_curve

CSV_COLUMNS = (
    "table",
    "strategy",
    "seed",
    "budget_snt",
    "charge",
    "validation_loss",
    "test_loss",
    "validation_regret",
    "test_regret",
)


@dataclass(frozen=True, eq=False)
class ReplayResult:
    """The replays on one table.

    Attributes:
        name: name of the table.
        values: ``losses`` or ``gains``: the cells of its file.
        table: the table.
        replays: one for each strategy.
    """

    name: str
    values: str
    table: ScoreTable
    replays: tuple[Replay, ...]

    @property
    def replayed(self) -> list[Replay]:
        """Replays of which the table could answer every training."""
        return [one for one in self.replays if one.unanswerable is None]


def show(console: Console, result: ReplayResult, setup: Setup, charges: Sequence[float]) -> None:
    """Print regret at some charges, a summary, and the strategies that could not be replayed."""
    budgets = result.replays[0].reference.budgets_snt if result.replays else ()
    kind = "a search for each of" if setup.mode == "each" else "one search for all of"
    console.print(
        f"{result.name}: {len(result.table.networks)} networks, {len(result.table.tasks)} tasks; {kind} "
        f"{len(budgets)} inference budgets ({budgets[0]:g} to {budgets[-1]:g})",
        soft_wrap=True,
    )
    if result.replayed:
        at = charges or _shown_charges(result.replayed)
        console.print("Mean regret in %, validation / test, by trainings charged (- not yet):")
        console.print(_by_charge(result.replayed, at))
        console.print(_summary(result))
    for one in result.replays:
        if one.unanswerable is not None:
            console.print(
                f"{one.strategy} cannot be replayed on this table: {one.unanswerable}.", soft_wrap=True
            )
    console.print()


def _shown_charges(replays: Sequence[Replay]) -> list[float]:
    """Return about eight charges, up to where the last search ended."""
    most = max(float(one.total_charges.max()) for one in replays)
    return [tick for tick in nice_ticks(0.0, max(most, 1.0), 8) if 0 < tick <= most] or [most]


def _by_charge(replays: Sequence[Replay], charges: Sequence[float]) -> Table:
    rows = Table("strategy", *(f"{charge:g}" for charge in charges), "end", box=None)
    for one in replays:
        curves = regret_curve(one), regret_curve(one, is_test=True)
        cells = [_pair(*(curve.mean[_position(one.charges, c)] for curve in curves)) for c in charges]
        rows.add_row(one.strategy, *cells, _pair(*(curve.mean[-1] for curve in curves)))
    return rows


def _position(charges: FloatArray, charge: float) -> int:
    """Return the position of the last checkpoint that is not above a charge."""
    return max(0, int(np.searchsorted(charges, charge + 1e-9, side="right")) - 1)


def _summary(result: ReplayResult) -> Table:
    heads = [f"within {fixed_percent(threshold, 1)} at" for threshold in THRESHOLDS]
    gains = ["mean test gain"] if result.values == "gains" else []
    rows = Table(
        "strategy",
        "charge",
        "seeds",
        *heads,
        "regret in %",
        "test regret in %",
        *gains,
        box=None,
    )
    for one in result.replayed:
        curve, test = regret_curve(one), regret_curve(one, is_test=True)
        reached = [charge_within(one, threshold) for threshold in THRESHOLDS]
        spread = f"{_percent(curve.mean[-1])} ({_percent(curve.low[-1])} to {_percent(curve.high[-1])})"
        spread_test = f"{_percent(test.mean[-1])} ({_percent(test.low[-1])} to {_percent(test.high[-1])})"
        is_spread = len(one.validation_losses) > 1
        gain = mean_gain(one, float(result.table.weights.sum())).mean() if gains else 0.0
        rows.add_row(
            one.strategy,
            f"{one.total_charges.mean():.4g}",
            str(len(one.validation_losses)) if one.is_random or is_spread else "not random",
            *("-" if charge is None else f"{charge:g}" for charge in reached),
            spread if is_spread else _percent(curve.mean[-1]),
            spread_test if is_spread else _percent(test.mean[-1]),
            *([f"{gain:.4f}"] if gains else []),
        )
    return rows


def _pair(validation: float, test: float) -> str:
    return "-" if math.isnan(validation) else f"{_percent(validation)} / {_percent(test)}"


def _percent(value: float) -> str:
    return "-" if math.isnan(value) else f"{100 * value + 0.0:.2f}"


def as_svg(result: ReplayResult, *, is_log: bool = False) -> str:
    """Draw the picture of one table."""
    lines = []
    for one in result.replayed:
        curve = regret_curve(one)
        end = float(one.total_charges.mean())
        lines.append(RegretLine(one.strategy, curve.charges, curve.mean, curve.low, curve.high, end))
    title = f"Regret against trainings on the table {result.name}"
    return regret_svg(lines, is_log=is_log, title=title, name="regret")


def as_csv(results: Sequence[ReplayResult]) -> str:
    """Write a row for each table, strategy, seed, inference budget and charge; blank before a result."""
    import csv
    import io

    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(CSV_COLUMNS)
    for result in results:
        for one in result.replayed:
            parts = (one.validation_losses, one.test_losses, one.validation_regret, one.test_regret)
            for s, b, c in np.ndindex(*one.validation_losses.shape):
                cells = ["" if math.isnan(part[s, b, c]) else f"{part[s, b, c]:.10g}" for part in parts]
                place = (s, f"{one.reference.budgets_snt[b]:g}", f"{one.charges[c]:g}")
                writer.writerow((result.name, one.strategy, *place, *cells))
    return text.getvalue()


def as_json(results: Sequence[ReplayResult], setup: Setup) -> dict[str, Any]:
    """Return all results but single seeds and budgets, which `as_csv` has; null before a result."""
    return {"setup": asdict(setup), "tables": [_table_json(result) for result in results]}


def _table_json(result: ReplayResult) -> dict[str, Any]:
    reference = result.replays[0].reference
    return {
        "name": result.name,
        "n_networks": len(result.table.networks),
        "tasks": list(result.table.task_names),
        "budgets_snt": list(reference.budgets_snt),
        "least_validation_losses": _list(reference.validation),
        "test_losses_of_these": _list(reference.test),
        "strategies": [_replay_json(one, result) for one in result.replays],
    }


def _replay_json(one: Replay, result: ReplayResult) -> dict[str, Any]:
    if one.unanswerable is not None:
        return {"strategy": one.strategy, "cannot_be_replayed": one.unanswerable}
    curve, test = regret_curve(one), regret_curve(one, is_test=True)
    data = {
        "strategy": one.strategy,
        "is_random": one.is_random,
        "n_seeds": len(one.validation_losses),
        "reasons": list(one.reasons),
        "mean_charge": float(one.total_charges.mean()),
        "mean_trainings": float(one.n_trainings.mean()),
        "charge_within": {f"{x:g}": charge_within(one, x) for x in THRESHOLDS},
        "charges": _list(one.charges),
        "share_recommended": _list(curve.share),
        "validation_regret": {"mean": _list(curve.mean), "low": _list(curve.low), "high": _list(curve.high)},
        "test_regret": {"mean": _list(test.mean), "low": _list(test.low), "high": _list(test.high)},
        "final_validation_losses": _list(one.validation_losses[:, :, -1].mean(axis=0)),
        "final_test_losses": _list(one.test_losses[:, :, -1].mean(axis=0)),
        "seconds": round(one.seconds, 2),
    }
    if result.values == "gains":
        total = float(result.table.weights.sum())
        data["mean_test_gain"] = _list(mean_gain(one, total))
        data["mean_validation_gain"] = _list(mean_gain(one, total, is_test=False))
    return data


def _list(values: FloatArray | Sequence[float]) -> list[float | None]:
    return [None if math.isnan(value) else float(value) for value in values]
