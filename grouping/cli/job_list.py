"""Command that lists jobs, and finds them again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from grouping.cli.options.connecting import DEFAULT_SERVER, AsJson, Server, Token
from grouping.cli.options.fields import option, option_name, replacing
from grouping.cli.output.terminal import new_console, print_json
from grouping.domain.fields import declared
from grouping.domain.jobs.query import JobQuery

if TYPE_CHECKING:
    from grouping.client import RemoteJob

SHOWN_ID = 12
"""Characters of an identifier that tell jobs apart which were not submitted in the same moment."""


def _with_query(command: Callable[..., Any]) -> Callable[..., Any]:
    """Replace the parameter ``query`` of a command by an option for each field of a query of jobs."""
    fields = {option_name(field): field for field in declared(JobQuery).values()}

    def gathered(**given: Any) -> dict[str, Any]:
        return {fields[name].name: value for name, value in given.items() if value not in (None, [])}

    return replacing(command, "query", [option(f, has_default=True) for f in fields.values()], gathered)


@_with_query
def jobs(
    *,
    query: dict[str, Any],
    limit: Annotated[int, typer.Option(min=1, help="The most jobs to list.")] = 50,
    server: Server = DEFAULT_SERVER,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """List jobs, newest first, or find them by state, problem, name, tag or text."""
    from grouping.client import Client

    with Client(server, token=token) as client:
        found = client.jobs(limit=limit, **query)
    if as_json:
        print_json([job.data for job in found])
    elif not found:
        typer.echo("No such job." if query else "There is no job yet.", err=True)
    else:
        _show(found)


def _show(found: Sequence[RemoteJob]) -> None:
    rows = Table("job", "name", "state", "problem", "tasks", "tags", "submitted", box=None, pad_edge=False)
    for job in found:
        data = job.data
        subject = data.spec.problem or data.spec.trainer.name
        submitted = data.created_at.astimezone().strftime("%Y-%m-%d %H:%M")
        state = data.state.value + (", degraded" if data.is_degraded else "")
        row = (data.name, state, subject, str(len(data.spec.tasks)), ", ".join(data.tags))
        rows.add_row(job.id[:SHOWN_ID], *row, submitted)
    new_console().print(rows)
