"""Command that writes to a file what follows from the scores of a job or a table."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from grouping.cli.connecting import DEFAULT_SERVER, Server, Token
from grouping.domain.affinity_methods import DEFAULT_METHOD
from grouping.domain.exports import Exported, ExportFormat

NOT_FOUND = 404


def download(
    identifier: Annotated[
        str,
        typer.Argument(metavar="JOB|TABLE", help="Identifier, or its first characters."),
    ],
    what: Annotated[
        Exported, typer.Argument(help="matrix and graph of affinities, budget curve, networks of a budget.")
    ],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="File to write; the standard output unless given.")
    ] = None,
    export_format: Annotated[
        ExportFormat | None,
        typer.Option("--format", help="Format; by the suffix of --out, else csv, unless given."),
    ] = None,
    method: Annotated[str, typer.Option(help="Affinity method of matrix and graph.")] = DEFAULT_METHOD,
    budget: Annotated[
        float | None,
        typer.Option(help="Budget of the networks; the middle one of the job unless given."),
    ] = None,
    server: Server = DEFAULT_SERVER,
    token: Token = None,
) -> None:
    """Write affinities, their graph, the budget curve or the networks of a job or table to a file."""
    from grouping.client import Client, ServiceError

    chosen = export_format or _by_suffix(out)
    with Client(server, token=token) as client:
        try:
            table_id = client.job(identifier).table_id
        except ServiceError as error:
            if error.status != NOT_FOUND:
                raise
            table_id = identifier
        data = client.table(table_id).export_view(what, chosen, method=method, budget_snt=budget)
    if out is None:
        typer.echo(data, nl=False)
    else:
        out.write_bytes(data)


def _by_suffix(out: Path | None) -> ExportFormat:
    suffix = "" if out is None else out.suffix[1:].lower()
    return ExportFormat(suffix) if suffix in set(ExportFormat) else ExportFormat.CSV
