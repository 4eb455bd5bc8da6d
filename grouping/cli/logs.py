"""Command that shows what the trainings of a job print."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from grouping.cli.connecting import DEFAULT_SERVER, AsJson, JobId, Server, Token
from grouping.cli.terminal import new_console, print_json
from grouping.errors import InvalidInputError

if TYPE_CHECKING:
    from grouping.wire.jobs import TrialOut


def logs(
    job_id: JobId,
    trial: Annotated[
        str | None,
        typer.Argument(help="Identifier of a training, or its beginning; lists the trainings unless given."),
    ] = None,
    server: Server = DEFAULT_SERVER,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """List the trainings of a job, or show what one has printed so far."""
    from grouping.client import Client

    with Client(server, token=token) as client:
        job = client.job(job_id)
        found = job.trials()
        if trial is None:
            _show_list(found, as_json=as_json)
            return
        log = job.trial_log(_find(found, trial).id)
    if as_json:
        print_json(log)
    else:
        typer.echo(log.text, nl=False)


def _find(trials: Sequence[TrialOut], beginning: str) -> TrialOut:
    found = [trial for trial in trials if trial.id.startswith(beginning)]
    if len(found) != 1:
        number = "no training" if not found else f"{len(found)} trainings"
        raise InvalidInputError(f"The job has {number} whose identifier begins with {beginning!r}.")
    return found[0]


def _show_list(trials: Sequence[TrialOut], *, as_json: bool) -> None:
    if as_json:
        print_json(trials)
        return
    rows = Table("training", "network", "seed", "purpose", "state", "error", box=None, pad_edge=False)
    for trial in trials:
        error = (trial.error or "").partition("\n")[0]
        rows.add_row(trial.id, trial.network, str(trial.seed), trial.purpose.value, trial.state.value, error)
    new_console().print(rows)
