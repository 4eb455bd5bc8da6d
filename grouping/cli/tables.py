"""Commands that read score tables: no server, no training."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from grouping.cli.terminal import new_console
from grouping.domain.groupings import Grouping, Solution, SolutionStatus
from grouping.domain.scores import ScoreTable
from grouping.errors import InvalidInputError

EXIT_INFEASIBLE = 1
EXIT_DIFFERENT = 1


def grouping_json(grouping: Grouping, table: ScoreTable) -> dict[str, Any]:
    """A grouping as JSON-ready data: networks with what they serve, and who serves each task."""
    test = grouping.total_loss(table, table.test)
    return {
        "cost_snt": grouping.cost_snt,
        "test_loss": None if test != test else test,
        "networks": [
            {
                "name": network.name(grouping.tasks),
                "size": network.size,
                "cost_snt": network.cost_snt,
                "serves": list(grouping.served_tasks(n)),
                "helpers": list(grouping.helper_tasks(n)),
            }
            for n, network in enumerate(grouping.networks)
        ],
        "serving": {task: grouping.network_for(task).name(grouping.tasks) for task in grouping.tasks},
    }


def solution_json(solution: Solution, table: ScoreTable) -> dict[str, Any]:
    """A solution as JSON-ready data."""
    result: dict[str, Any] = {
        "budget_snt": solution.budget_snt,
        "status": solution.status.value,
        "loss": solution.loss,
        "bound": solution.bound,
        "gap": solution.gap,
        "solver": solution.solver,
        "cost_snt": None,
        "test_loss": None,
        "networks": [],
        "serving": {},
        "ties": [],
    }
    if solution.grouping is not None:
        result |= grouping_json(solution.grouping, table)
        result["ties"] = [grouping_json(tie, table) for tie in solution.ties]
    if solution.infeasibility is not None:
        result["reason"] = solution.infeasibility.reason
        result["uncovered_tasks"] = list(solution.infeasibility.uncovered_tasks)
        result["cheapest_cover_snt"] = solution.infeasibility.cheapest_cover_snt
    return result


def show_solution(console: Console, solution: Solution, table: ScoreTable) -> None:
    """Print a solution for people."""
    if solution.grouping is None:
        reason = solution.infeasibility.reason if solution.infeasibility else ""
        console.print(f"No grouping within {solution.budget_snt:g} SNT. {reason}", soft_wrap=True)
        return
    proof = "proven optimal" if solution.status is SolutionStatus.OPTIMAL else "not proven"
    if solution.status is SolutionStatus.FEASIBLE:
        proof += (
            ", gap unknown" if solution.gap is None else f", at most {solution.gap:.2%} above the optimum"
        )
    test = solution.grouping.total_loss(table, table.test)
    shown_test = "" if test != test else f", test loss {test:.6g}"
    console.print(
        f"Budget {solution.budget_snt:g} SNT: loss {solution.loss:.6g}{shown_test}, "
        f"cost {solution.grouping.cost_snt:.4g} SNT, {proof}",
        soft_wrap=True,
    )
    rows = Table("network", "cost (SNT)", "serves", "only trained with", box=None, pad_edge=False)
    for n, network in enumerate(solution.grouping.networks):
        helpers = ", ".join(solution.grouping.helper_tasks(n)) or "-"
        served = ", ".join(solution.grouping.served_tasks(n))
        rows.add_row(network.name(table.task_names), f"{network.cost_snt:.4g}", served, helpers)
    console.print(rows)
    if solution.ties:
        more = " or more" if solution.has_more_ties else ""
        console.print(f"{len(solution.ties)}{more} other groupings have the same loss.", soft_wrap=True)


def solve(
    table: Annotated[Path, typer.Argument(help="Wide CSV of validation losses: network,size,cost,task,...")],
    budget: Annotated[
        list[float] | None, typer.Option("--budget", help="Inference budget in SNT; repeat for several.")
    ] = None,
    test: Annotated[Path | None, typer.Option(help="Wide CSV of test losses, only reported.")] = None,
    gains: Annotated[bool, typer.Option("--gains", help="The cells are gains: higher is better.")] = False,
    weight: Annotated[
        list[str] | None, typer.Option("--weight", help="Weight of a task, as NAME=NUMBER; repeat.")
    ] = None,
    solver: Annotated[
        str, typer.Option(help="HiGHS, CBC (with the extra mtl-grouping[cbc]), or any other that PuLP finds.")
    ] = "HiGHS",
    time_limit_s: Annotated[
        float | None, typer.Option("--time-limit", min=0.01, help="Seconds per budget.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print JSON: an object for one --budget, else a list.")
    ] = False,
) -> None:
    """Choose the networks of a score table within a budget; without one, for all budgets.

    Exit status 1 when no grouping exists within a budget, 2 on bad input.
    """
    from grouping.formats import read_wide_csv
    from grouping.solver import solve_curve

    scores = read_wide_csv(table, test, values="gains" if gains else "losses")
    scores = scores.with_weights(_parse_weights(weight or []))
    curve = solve_curve(scores, budget or None, solver=solver, time_limit_s=time_limit_s)
    solutions = [point.solution for point in curve.points]
    if as_json:
        answers = [solution_json(solution, scores) for solution in solutions]
        typer.echo(json.dumps(answers[0] if budget and len(budget) == 1 else answers, indent=2))
    else:
        console = new_console()
        for solution in solutions:
            show_solution(console, solution, scores)
            console.print()
    if any(solution.status is SolutionStatus.INFEASIBLE for solution in solutions):
        raise typer.Exit(EXIT_INFEASIBLE)


def _parse_weights(items: list[str]) -> dict[str, float]:
    weights = {}
    for item in items:
        name, separator, number = item.rpartition("=")
        try:
            weights[name] = float(number)
        except ValueError:
            separator = ""
        if not separator:
            raise InvalidInputError(f"A weight is given as NAME=NUMBER; got {item!r}.")
    return weights


def reproduce(
    folder: Annotated[Path, typer.Argument(help="Folder with settingN_val.csv, _test.csv and _esa.csv.")],
    solver: Annotated[
        str, typer.Option(help="HiGHS, CBC (with the extra mtl-grouping[cbc]), or any other that PuLP finds.")
    ] = "HiGHS",
) -> None:
    """Print the curves published by Standley et al. (2020) beside the computed ones.

    Exit status 1 when a figure differs.
    """
    from grouping.replay.published import DECIMALS, reproduce

    points = reproduce(folder, solver=solver)
    console = new_console()
    rows = Table("setting", "method", "budget", "published", "computed", "difference", "note", box=None)
    for point in points:
        tied = ", ".join(f"{loss:.{DECIMALS}f}" for loss in point.tied)
        rows.add_row(
            point.setting,
            point.method,
            f"{point.budget_snt:g}",
            f"{point.published:.{DECIMALS}f}",
            f"{point.computed:.{DECIMALS}f}",
            f"{point.difference:.{DECIMALS}f}",
            f"ties with {tied}" if tied else "",
        )
    console.print(rows)
    wrong = sum(not point.is_reproduced for point in points)
    console.print(f"{len(points) - wrong} of {len(points)} published figures reproduced to the last digit.")
    if wrong:
        raise typer.Exit(EXIT_DIFFERENT)
