"""The command that shows an affinity matrix of a job."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from grouping.cli.jobs import DEFAULT_SERVER, AsJson, JobId, Server, Token
from grouping.cli.terminal import new_console
from grouping.client import Client
from grouping.domain.affinity import AffinityMatrix
from grouping.domain.affinity_methods import METHODS

_METHOD = typer.Option(help=f"How it is measured: {', '.join(METHODS)}.")


def affinity(
    job_id: JobId,
    method: Annotated[str, _METHOD] = "pairwise",
    server: Server = DEFAULT_SERVER,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Which task helps which in the networks of a job, or how far their masks overlap."""
    with Client(server, token=token) as client:
        table_id = client.job(job_id).table_id
        answer = client.request("GET", f"/v1/score-tables/{table_id}/affinity", params={"method": method})
    if as_json:
        typer.echo(json.dumps(answer, indent=2))
    else:
        show_affinity(new_console(), answer)


def show_affinity(console: Console, answer: Mapping[str, Any]) -> None:
    """Print a matrix: a row for each source, a column for each target, with the noise of each value."""
    matrix = _matrix(answer)
    console.print(matrix.summary(), soft_wrap=True)
    rows = Table("source", *matrix.tasks, box=None, pad_edge=False)
    for i, source in enumerate(matrix.tasks):
        rows.add_row(source, *(_cell(matrix, i, j) for j in range(len(matrix.tasks))))
    console.print(rows)
    for warning in matrix.warnings:
        console.print(f"Beware: {warning}", soft_wrap=True)
    console.print(f"{answer['title']}: {matrix.formula}. {answer['meaning']}", soft_wrap=True)


def _cell(matrix: AffinityMatrix, i: int, j: int) -> str:
    value, error = matrix.values[i, j], matrix.standard_errors[i, j]
    if np.isnan(value):
        return "" if i == j else "-"
    noise = "" if np.isnan(error) else f" ± {matrix.shown(error).removeprefix('+')}"
    return matrix.shown(value) + noise


def _matrix(answer: Mapping[str, Any]) -> AffinityMatrix:
    return AffinityMatrix(
        tuple(answer["tasks"]),
        answer["method"],
        answer["formula"],
        np.array(answer["values"], dtype=np.float64),
        np.array(answer["standard_errors"], dtype=np.float64),
        np.array(answer["n_networks"], dtype=np.int64),
        tuple(answer["warnings"]),
    )
