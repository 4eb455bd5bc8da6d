"""Command that writes to a file the scores of a job or a table, and what follows from them."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from grouping.cli.options.connecting import DEFAULT_SERVER, JobOrTable, Server, Token, table_of
from grouping.domain.affinities.methods import DEFAULT_METHOD
from grouping.domain.tables.exports import Exported, ExportFormat
from grouping.errors import InvalidInputError

if TYPE_CHECKING:
    from grouping.client import RemoteJob

_CONFLICT = 409


class Downloaded(StrEnum):
    """What is written to a file: scores, or what is exported of them."""

    SCORES = "scores"
    MATRIX = Exported.MATRIX.value
    GRAPH = Exported.GRAPH.value
    CURVE = Exported.CURVE.value
    NETWORKS = Exported.NETWORKS.value
    BUNDLE = "bundle"


def download(
    identifier: JobOrTable,
    what: Annotated[
        Downloaded,
        typer.Argument(
            help="scores with the values of metrics, a row for each task of a network and each seed; matrix "
            "and graph of affinities; budget curve; networks of a budget; bundle: the recommended networks "
            "themselves, which the service trains first unless it keeps them.",
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
        typer.Option(
            help="Budget of the networks, the middle one of the job unless given, or of the bundle."
        ),
    ] = None,
    server: Server = DEFAULT_SERVER,
    token: Token = None,
) -> None:
    """Write scores, affinities, their graph, the curve, the networks or a bundle of a job to a file."""
    from grouping.client import Client

    if what is Downloaded.BUNDLE:
        if out is None or out.suffix.lower() != ".zip":
            raise InvalidInputError("A bundle is a ZIP archive: name its file, as in --out bundle.zip.")
        with Client(server, token=token) as client:
            _download_bundle(client.job(identifier), out, budget)
        return
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


def _download_bundle(job: RemoteJob, out: Path, budget: float | None) -> None:
    """Write a bundle that the service keeps, after having it made where it keeps none."""
    from grouping.client import ServiceError

    try:
        job.download_bundle(out, budget_snt=budget)
    except ServiceError as error:
        if error.status != _CONFLICT:
            raise
        asked = job.finish(budget_snt=budget)
        typer.echo(f"The service trains the networks of job {job.id} once more, to keep them.", err=True)
        job.wait_for_bundle(asked)
        job.download_bundle(out, budget_snt=budget)


def _by_suffix(out: Path | None) -> ExportFormat:
    if out is None or not out.suffix:
        return ExportFormat.CSV
    suffix = out.suffix[1:].lower()
    if suffix not in set(ExportFormat):
        raise InvalidInputError(
            f"{out.suffix} is none of the formats {', '.join(ExportFormat)}: name the format with --format."
        )
    return ExportFormat(suffix)
