"""Command that compares two jobs, or two stored groupings."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from grouping.cli.options.connecting import DEFAULT_SERVER, AsJson, Server, Token
from grouping.cli.output.terminal import new_console, print_json

if TYPE_CHECKING:
    from grouping.wire.comparisons import ChosenOut, JobComparison
    from grouping.wire.stored_groupings import GroupingComparison


def compare(
    a: Annotated[str, typer.Argument(metavar="FIRST", help="Identifier, or its first characters.")],
    b: Annotated[str, typer.Argument(metavar="SECOND", help="Identifier, or its first characters.")],
    groupings: Annotated[
        bool, typer.Option("--groupings", help="Compare two stored groupings, not two jobs.")
    ] = False,
    server: Server = DEFAULT_SERVER,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Compare two jobs or two stored groupings: every change is the second minus the first."""
    from grouping.client import Client

    with Client(server, token=token) as client:
        found: Any = client.compare_groupings(a, b) if groupings else client.compare_jobs(a, b)
    if as_json:
        print_json(found)
    elif groupings:
        _show_groupings(found)
    else:
        _show_jobs(found)


def _show_jobs(found: JobComparison) -> None:
    console = new_console()
    console.print(f"First: {found.a.name} ({found.a.id}), {found.a.state.value}", soft_wrap=True)
    console.print(f"Second: {found.b.name} ({found.b.id}), {found.b.state.value}", soft_wrap=True)
    for note in found.notes:
        console.print(f"Note: {note}", soft_wrap=True)
    rows = Table("budget", "first", "loss", "second", "loss", "change", box=None, pad_edge=False)
    for row in found.budgets:
        change = _signed(row.loss_change)
        rows.add_row(f"{row.budget_snt:g}", *_side(row.a), *_side(row.b), change)
    console.print(rows)
    if found.differences:
        fields = Table("asked for otherwise", "first", "second", box=None, pad_edge=False)
        for field in found.differences:
            fields.add_row(field.field, *(json.dumps(value) for value in (field.a, field.b)))
        console.print(fields)
    if found.affinity is not None:
        console.print(found.affinity.sentence, soft_wrap=True)


def _show_groupings(found: GroupingComparison) -> None:
    console = new_console()
    for note in found.notes:
        console.print(f"Note: {note}", soft_wrap=True)
    for label, names in (("both", found.in_both), ("first", found.only_a), ("second", found.only_b)):
        console.print(f"Only in the {label}: " if label != "both" else "In both: ", end="")
        console.print(", ".join(names) or "none", soft_wrap=True)
    rows = Table("task", "first", "loss", "second", "loss", "change", box=None, pad_edge=False)
    for row in found.tasks:
        a, b = (row.a_network or "-", _number(row.a_loss)), (row.b_network or "-", _number(row.b_loss))
        rows.add_row(row.task, *a, *b, _signed(row.change))
    rows.add_row("all", "", _number(found.a.loss), "", _number(found.b.loss), _signed(found.loss_change))
    console.print(rows)


def _side(chosen: ChosenOut | None) -> tuple[str, str]:
    return ("-", "-") if chosen is None else (", ".join(chosen.networks) or "none", _number(chosen.loss))


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"


def _signed(value: float | None) -> str:
    return "-" if value is None else f"{value:+.4f}"
