"""Command that writes to a file the scores of a job or a table, and what follows from them."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from grouping.cli.options.connecting import DEFAULT_SERVER, JobOrTable, Server, Token, table_of
from grouping.domain.affinities.methods import DEFAULT_METHOD
from grouping.domain.tables.exports import Exported, ExportFormat
from grouping.errors import InvalidInputError


class Downloaded(StrEnum):
    """What is written to a file: scores, or what is exported of them."""

    SCORES = "scores"
    MATRIX = Exported.MATRIX.value
    GRAPH = Exported.GRAPH.value
    CURVE = Exported.CURVE.value
    NETWORKS = Exported.NETWORKS.value


def download(
    identifier: JobOrTable,
    what: Annotated[
        Downloaded,
        typer.Argument(
            help="scores with the values of metrics, a row for each task of a network and each seed; matrix "
            "and graph of affinities; budget curve; networks of a budget.",
        ),
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
    """Write scores, affinities, their graph, the curve or the networks of a job or table to a file."""
    from grouping.client import Client

    chosen = export_format or _by_suffix(out)
    if what is Downloaded.SCORES and chosen is ExportFormat.SVG:
        raise InvalidInputError("There is no picture of scores; choose csv, json or parquet.")
    with Client(server, token=token) as client:
        table = table_of(client, identifier)
        if what is Downloaded.SCORES:
            data = table.export("long-csv" if chosen is ExportFormat.CSV else chosen)
        else:
            data = table.export_view(what.value, chosen, method=method, budget_snt=budget)
    if out is None:
        typer.echo(data, nl=False)
    else:
        out.write_bytes(data)


def _by_suffix(out: Path | None) -> ExportFormat:
    if out is None or not out.suffix:
        return ExportFormat.CSV
    suffix = out.suffix[1:].lower()
    if suffix not in set(ExportFormat):
        raise InvalidInputError(
            f"{out.suffix} is none of the formats {', '.join(ExportFormat)}: name the format with --format."
        )
    return ExportFormat(suffix)
