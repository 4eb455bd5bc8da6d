"""Commands that read score tables, without a service and without training."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from grouping.cli.options import demands
from grouping.cli.output.terminal import new_console, print_json
from grouping.domain.objectives import Objective
from grouping.domain.tables.formats import TableFormat
from grouping.errors import InvalidInputError

EXIT_INFEASIBLE = 1
EXIT_DIFFERENT = 1


@demands.with_demands
def solve(
    table: demands.TableArgument,
    budget: demands.BudgetOption = None,
    test: demands.TestOption = None,
    groups: demands.GroupsOption = None,
    gains: demands.GainsOption = False,
    table_format: demands.FormatOption = None,
    objective: demands.ObjectiveOption = Objective.SUM,
    *,
    demanded: Callable[..., demands.Demanded],
    best: Annotated[int, typer.Option(min=1, max=1000, help="List the best groupings, not one.")] = 1,
    explain: Annotated[bool, typer.Option("--explain", help="Explain the grouping, task by task.")] = False,
    confidence: Annotated[
        bool,
        typer.Option(
            "--confidence", help="Say how far the grouping can be trusted, given the noise of the scores."
        ),
    ] = False,
    noise: Annotated[
        float | None,
        typer.Option(min=0.0, help="Noise of a loss, such as 0.01; from the seeds unless given."),
    ] = None,
    pairwise: Annotated[
        bool, typer.Option("--pairwise", help="Take all groups, estimated from singles and pairs (HOA).")
    ] = False,
    solver: demands.SolverOption = "HiGHS",
    time_limit_s: demands.TimeLimitOption = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print JSON: an object for one --budget, else a list.")
    ] = False,
) -> None:
    """Choose the networks of a score table within a budget; without one, for all budgets.

    Exit status 1 when no grouping exists within a budget, 2 on bad input.
    """
    from grouping.cli.output.answers import SolveOptions
    from grouping.domain.groupings import SolutionStatus
    from grouping.solver import default_budgets

    imported = demands.load(table, test, gains, table_format, groups)
    wanted = demanded(imported.table, budget or ())
    if pairwise and (best > 1 or explain or confidence or objective is not Objective.SUM or test):
        raise InvalidInputError("--pairwise goes with budgets, weights, --apart and --max-… only.")
    options = SolveOptions(objective, best, explain, confidence, noise, pairwise, solver, time_limit_s)
    findings = demands.findings_of(imported, wanted.table, objective)
    demands.say(findings)
    answers = list(options.answers(wanted, wanted.budgets or default_budgets(wanted.table)))
    if as_json:
        shown = [
            answer.on_the_wire(findings).model_dump(mode="json", exclude_unset=True) for answer in answers
        ]
        print_json(shown[0] if budget and len(budget) == 1 else shown)
    else:
        console = new_console()
        for answer in answers:
            answer.show(console, wanted.table.cost_unit)
    if any(answer.solution.status is SolutionStatus.INFEASIBLE for answer in answers):
        raise typer.Exit(EXIT_INFEASIBLE)


def curve(
    table: demands.TableArgument,
    budget: demands.BudgetOption = None,
    test: demands.TestOption = None,
    groups: demands.GroupsOption = None,
    gains: demands.GainsOption = False,
    table_format: demands.FormatOption = None,
    objective: demands.ObjectiveOption = Objective.SUM,
    cost: demands.CostOption = None,
    time_limit_s: Annotated[
        float | None, typer.Option("--time-limit", min=0.01, help="Seconds of all budgets together.")
    ] = None,
    svg: Annotated[Path | None, typer.Option(help="Also write a picture of the curve to this file.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show the least loss over the inference budget, beside choices that need no search."""
    from grouping.cli.options.cost_units import priced
    from grouping.plots import curve_svg
    from grouping.solver import solve_curve

    imported = demands.load(table, test, gains, table_format, groups)
    findings = demands.findings_of(imported, objective=objective)
    demands.say(findings)
    table_in_use, budgets = priced(imported.table, cost, budget or ())
    found = solve_curve(table_in_use, budgets or None, objective=objective, time_limit_s=time_limit_s)
    if svg is not None:
        svg.write_text(curve_svg(found), encoding="utf-8")
    if as_json:
        from grouping.wire.local import LocalCurve

        print_json(LocalCurve.read(found, findings=findings))
        return
    console = new_console()
    unit = table_in_use.cost_unit
    head = "budget" if unit == "SNT" else f"budget ({unit})"
    rows = Table(head, "loss", "test loss", "cost", "proof", "random mean", "random worst", box=None)
    for point in found.points:
        solution = point.solution
        proof = solution.status.value + (", no better than a smaller budget" if point.is_dominated else "")
        rows.add_row(
            f"{solution.budget_snt:g}",
            _number(solution.loss),
            _number(point.test_loss),
            _number(solution.cost_snt),
            proof,
            _number(point.random.mean if point.random else None),
            _number(point.random.worst if point.random else None),
        )
    console.print(rows)
    for baseline in found.baselines:
        console.print(
            f"{baseline.name}: cost {baseline.cost_snt:.4g}, loss {baseline.loss:.6g}", soft_wrap=True
        )


def table(
    table: demands.TableArgument,
    test: demands.TestOption = None,
    groups: demands.GroupsOption = None,
    gains: demands.GainsOption = False,
    table_format: demands.FormatOption = None,
    to: Annotated[TableFormat | None, typer.Option(help="Write the table in this format.")] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="File to write to; the screen unless given.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the description as JSON.")] = False,
) -> None:
    """Describe a score table and what is missing in it; convert it to another format."""
    from grouping.formats import write_table

    if output is not None and to is None:
        raise InvalidInputError("Say with --to in which format the file is to be written.")
    if as_json and to is not None:
        raise InvalidInputError("--json is the description; for the table as JSON give --to json alone.")
    imported = demands.load(table, test, gains, table_format, groups)
    if as_json:
        from grouping.wire.imports import ImportReportOut

        report = imported.report
        print_json(ImportReportOut.read(report, sentences=report.sentences(), findings=report.findings()))
        return
    if to is None:
        for sentence in imported.report.sentences():
            typer.echo(sentence)
        return
    demands.say(demands.findings_of(imported))
    data = write_table(imported.table, to)
    if output is not None:
        output.write_bytes(data)
    elif to is TableFormat.PARQUET:
        raise InvalidInputError("Parquet is no text: name a file with --output.")
    else:
        sys.stdout.buffer.write(data)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.6g}"


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
