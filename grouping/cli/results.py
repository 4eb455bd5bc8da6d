"""Finished results: the command that adds them to a job, and the options by which a new job brings them."""

from __future__ import annotations

import getpass
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from grouping.cli.options import demands
from grouping.cli.options.connecting import DEFAULT_SERVER, AsJson, JobId, Server, Token
from grouping.cli.output.terminal import print_json
from grouping.domain.tables.result_values import ResultValues

if TYPE_CHECKING:
    from grouping.domain.tables.finished_results import FinishedResults

ResultsOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--results",
        help="File with trainings that were carried out before, in any layout of score tables; they count as "
        "trained. Repeat for several.",
    ),
]
ValuesOption = Annotated[
    ResultValues | None,
    typer.Option(
        "--values",
        help="Meaning of the numbers of results: reported, what the trainer would report; or losses, as in "
        "an exported score table. Needed only for tasks whose metric is higher better.",
    ),
]


def add_results(
    job_id: JobId,
    file: Annotated[
        Path, typer.Argument(help="Trainings that were carried out, in any layout of score tables.")
    ],
    test: Annotated[Path | None, typer.Option(help="Test values in the same form.")] = None,
    values: ValuesOption = None,
    table_format: demands.FormatOption = None,
    told_by: Annotated[
        str | None,
        typer.Option("--told-by", help="Who tells them, for people.", show_default="your user name"),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option("--data", help="Digest of their data; they are refused if the job has another."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Add nothing; say what would be added, and what is refused.")
    ] = False,
    server: Server = DEFAULT_SERVER,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Add finished results to a job: they count as trained and cost nothing; all of the file, or none.

    The same file again changes nothing. A job that has succeeded stays as it is: clone it with --results.
    """
    from grouping.client import Client

    with Client(server, token=token) as client:
        told = client.job(job_id).add_results(
            file,
            test=test,
            told_by=teller(told_by),
            values=values,
            data=data,
            format=table_format,
            dry_run=dry_run,
        )
    if as_json:
        print_json(told)
        return
    demands.say(told.findings, file.name)
    known = f", {told.known:,} {'are' if dry_run else 'were'} known" if told.known else ""
    verb = "would be added" if dry_run else "added"
    typer.echo(f"{told.added:,} result{'s' * (told.added != 1)} {verb}{known}.")


def with_results(
    request: Mapping[str, Any],
    files: Sequence[Path] | None,
    values: ResultValues | None,
    sizes: Mapping[str, float] | None = None,
) -> dict[str, Any]:
    """Return a request with the trainings of files, which count as trained from the start.

    Args:
        request: fields of the request.
        files: score tables in any layout.
        values: meaning of their numbers.
        sizes: numbers of the sizes that they may name, by name; those of the request unless given.

    Raises:
        TableFormatError: if a file cannot be read.
        InvalidInputError: if it has no results.
    """
    if not files:
        return dict(request)
    from grouping.use_cases.named_results import sizes_in
    from grouping.wire.results import FinishedResultsIn

    sizes = sizes_in(request) if sizes is None else sizes
    found = [read_results(path, sizes, values) for path in files]
    told = [FinishedResultsIn.of(results).model_dump(mode="json") for results in found]
    return {**request, "results": [*request.get("results", ()), *told]}


def read_results(
    path: Path,
    sizes: Mapping[str, float] | None,
    values: ResultValues | None,
    *,
    test: Path | None = None,
    data: str | None = None,
) -> FinishedResults:
    """Read the trainings of a file.

    Args:
        path: a score table in any layout.
        sizes: numbers of the sizes that it may name, by name.
        values: meaning of its numbers.
        test: a file with the test values; None if they stand in the same file, or there are none.
        data: digest of the data; None if not known.

    Raises:
        TableFormatError: if a file cannot be read.
        InvalidInputError: if it has no results.
    """
    from grouping.formats import read_table, results_of_table

    table = read_table(path, test=test, sizes=sizes)
    demands.say(table.report.findings(""), path.name)
    return results_of_table(table, source=path.name, told_by=teller(None), values=values, data=data)


def teller(told_by: str | None) -> str:
    """Return who tells results: the user of this machine unless another is named."""
    if told_by is not None:
        return told_by
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):
        return ""
