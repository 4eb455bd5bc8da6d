"""Command that shows what the trainings of a job print."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from grouping.cli.options.connecting import DEFAULT_SERVER, AsJson, JobId, Server, Token
from grouping.cli.output.terminal import new_console, print_json
from grouping.errors import InvalidInputError

if TYPE_CHECKING:
    from grouping.client import RemoteJob
    from grouping.wire.jobs import TrialOut

POLL_S = 1.0
_GAP = re.compile(r"\n\[\.\.\. [\d,]+ characters left out \.\.\.\]\n")


def logs(
    job_id: JobId,
    trial: Annotated[
        str | None,
        typer.Argument(help="Identifier of a training, or its beginning; lists the trainings unless given."),
    ] = None,
    follow: Annotated[
        bool,
        typer.Option("--follow", "-f", help="Go on showing what the training prints until it has ended."),
    ] = False,
    server: Server = DEFAULT_SERVER,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """List the trainings of a job, or show what one has printed so far."""
    from grouping.client import Client

    if follow and (trial is None or as_json):
        raise InvalidInputError("--follow shows the log of one training: name it, and leave out --json.")

    with Client(server, token=token) as client:
        job = client.job(job_id)
        found = job.trials()
        if trial is None:
            _show_list(found, as_json=as_json)
            return
        chosen = _find(found, trial).id
        if follow:
            _follow(job, chosen)
            return
        log = job.trial_log(chosen)
    if as_json:
        print_json(log)
    else:
        typer.echo(log.text, nl=False)


def _follow(job: RemoteJob, trial_id: str) -> None:
    """Show the log of a training as it grows, until the training or its job has ended."""
    shown = ""
    while True:
        is_over = job.refresh().state.is_final or _find(job.trials(), trial_id).state.is_final
        text = job.trial_log(trial_id).text  # after the look: what came before the end is in it
        typer.echo(further(shown, text), nl=False)
        shown = text
        if is_over:
            return
        time.sleep(POLL_S)


def further(shown: str, text: str) -> str:
    """Return what a log has beyond what was shown of it; its middle may have been left out since."""
    if text.startswith(shown):
        return text[len(shown) :]
    before, after = (_GAP.split(one)[-1] for one in (shown, text))
    for start in range(max(0, len(before) - len(after)), len(before)):
        if after.startswith(before[start:]):
            return after[len(before) - start :]
    return text


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
