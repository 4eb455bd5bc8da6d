"""Commands that list the score tables of a service, and the groupings that were stored of one."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.table import Table

from grouping.cli.job_list import SHOWN_ID
from grouping.cli.options.connecting import DEFAULT_SERVER, AsJson, JobOrTable, Server, Token, table_of
from grouping.cli.output.terminal import new_console, print_json

Limit = Annotated[int, typer.Option(min=1, help="The most to list.")]


def tables(
    limit: Limit = 50, server: Server = DEFAULT_SERVER, token: Token = None, as_json: AsJson = False
) -> None:
    """List the score tables of a service, newest first: those of jobs, and imported ones."""
    from grouping.client import Client

    with Client(server, token=token) as client:
        found = [table.data for table in client.tables(limit=limit)]
    if as_json:
        print_json(found)
        return
    rows = Table("table", "name", "tasks", "revision", "of job", box=None, pad_edge=False)
    for table in found:
        of_job = "imported" if table.job_id is None else table.job_id[:SHOWN_ID]
        rows.add_row(table.id[:SHOWN_ID], table.name, str(len(table.tasks)), str(table.revision), of_job)
    new_console().print(rows)


def groupings(
    identifier: JobOrTable,
    server: Server = DEFAULT_SERVER,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """List the stored groupings of a score table, or of that of a job, newest first; at most 100."""
    from grouping.client import Client

    with Client(server, token=token) as client:
        found = table_of(client, identifier).groupings()
    if as_json:
        print_json(found)
        return
    rows = Table("grouping", "budget", "status", "cost", "loss", "networks", box=None, pad_edge=False)
    for grouping in found:
        numbers = (grouping.request.budget_snt, grouping.cost_snt, grouping.loss)
        budget, cost, loss = ("-" if number is None else f"{number:.4g}" for number in numbers)
        networks = ", ".join(grouping.networks)
        rows.add_row(grouping.id[:SHOWN_ID], budget, grouping.status.value, cost, loss, networks)
    new_console().print(rows)
