"""Command that shows an affinity matrix of a job."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from grouping.cli.jobs import report_submitted
from grouping.cli.options.connecting import DEFAULT_SERVER, AsJson, JobId, Server, Token
from grouping.cli.output.terminal import new_console, print_json
from grouping.domain.affinities.methods import DEFAULT_METHOD, METHODS
from grouping.domain.affinities.status import CellStatus
from grouping.errors import InvalidInputError

if TYPE_CHECKING:
    from grouping.client import RemoteJob
    from grouping.domain.affinities.matrix import AffinityMatrix
    from grouping.wire.scores import AffinityOut, MissingPairsOut

_METHOD = typer.Option(help=f"Method of the matrix: {', '.join(METHODS)}.", show_default=DEFAULT_METHOD)
_MARKS = {CellStatus.ESTIMATED: "~", CellStatus.UNKNOWN: "-"}
_MEASURE = typer.Option(
    "--measure-missing",
    help="Submit the job that trains every single task and pair, copying what is known, and watch it.",
)


def affinity(
    job_id: JobId,
    method: Annotated[str | None, _METHOD] = None,
    measure_missing: Annotated[bool, _MEASURE] = False,
    detach: Annotated[
        bool, typer.Option("--detach", help="With --measure-missing: submit and return.")
    ] = False,
    server: Server = DEFAULT_SERVER,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Show which task helps which in the networks of a job, or how far their masks overlap."""
    from grouping.client import Client

    if detach and not measure_missing:
        raise InvalidInputError("--detach goes with --measure-missing: without it no job is submitted.")
    if measure_missing and method is not None:
        raise InvalidInputError(
            "--measure-missing takes no --method: it always trains single tasks and pairs."
        )
    with Client(server, token=token) as client:
        job = client.job(job_id)
        if measure_missing:
            measuring = job.measure_pairs()
            status = report_submitted(measuring, detach=detach, as_json=as_json)
            if status == 0 and not (detach or as_json):
                told = f"The matrix with every pair measured: grouping affinity {measuring.id}"
                new_console().print(told, soft_wrap=True)
            raise typer.Exit(status)
        answer = job.affinity_answer(method or DEFAULT_METHOD)
    if as_json:
        print_json(answer)
        return
    console = new_console()
    show_affinity(console, answer)
    show_missing(console, job, answer.missing)


def show_missing(console: Console, job: RemoteJob, missing: MissingPairsOut | None) -> None:
    """Print what would measure the rest of a matrix, with the command; print nothing if it is complete."""
    if missing is None:
        return
    console.print(missing.sentence, soft_wrap=True)
    if missing.job is not None:
        console.print(f"Do it: grouping affinity {job.id} --measure-missing", soft_wrap=True)


def show_affinity(console: Console, answer: AffinityOut) -> None:
    """Print a matrix: a row for each source, a column for each target, with the noise of each value."""
    matrix = _matrix(answer)
    console.print(answer.summary, soft_wrap=True)
    rows = Table("source", *matrix.tasks, box=None, pad_edge=False)
    for i, source in enumerate(matrix.tasks):
        rows.add_row(source, *(_cell(matrix, i, j) for j in range(len(matrix.tasks))))
    console.print(rows)
    occurring = {*itertools.chain.from_iterable(answer.statuses)}
    if marks := [f"{mark} {status.meaning}" for status, mark in _MARKS.items() if status in occurring]:
        console.print("; ".join(marks), soft_wrap=True)
    for warning in matrix.warnings:
        console.print(f"Beware: {warning}", soft_wrap=True)
    console.print(f"{answer.title}: {matrix.formula}. {answer.meaning}", soft_wrap=True)


def _cell(matrix: AffinityMatrix, i: int, j: int) -> str:
    if i == j:
        return ""
    status = matrix.status(i, j)
    mark = _MARKS.get(status, "")
    if status is CellStatus.UNKNOWN:
        return mark
    noise = matrix.shown_noise(matrix.standard_errors[i, j])
    return f"{mark}{matrix.shown(matrix.values[i, j])}{f' ± {noise}' if noise else ''}"


def _matrix(answer: AffinityOut) -> AffinityMatrix:
    import numpy as np

    from grouping.domain.affinities.matrix import AffinityMatrix

    return AffinityMatrix(
        tuple(answer.tasks),
        answer.method,
        answer.formula,
        np.array(answer.values, dtype=np.float64),
        np.array(answer.standard_errors, dtype=np.float64),
        np.array(answer.n_networks, dtype=np.int64),
        tuple(answer.warnings),
        is_estimated=np.array(answer.statuses) == CellStatus.ESTIMATED,
    )
