"""Command that submits a copy of a job with changes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from grouping.cli.jobs import report_submitted, tell_estimate
from grouping.cli.options.added_tasks import new_tasks, task_asked_for
from grouping.cli.options.connecting import DEFAULT_SERVER, AsJson, JobId, Server, Token
from grouping.cli.options.jobs import with_clone_options
from grouping.cli.results import ResultsOption, ValuesOption, with_results


@with_clone_options
def clone(
    job_id: JobId,
    add_task: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME[:KEY=VALUE,...]",
            help="Task to group as well; repeat. Of a job that defines its tasks, with its definition, such "
            "as noise:metric=rmse,unit=dB.",
        ),
    ] = None,
    tasks_from: Annotated[
        Path | None,
        typer.Option(help="Search file; its tasks that the job does not have are grouped as well."),
    ] = None,
    drop_task: Annotated[list[str] | None, typer.Option(help="Task to leave out; repeat.")] = None,
    *,
    asked: dict[str, Any],
    results: ResultsOption = None,
    values: ValuesOption = None,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Say what it would cost, and submit nothing."),
    ] = False,
    detach: Annotated[bool, typer.Option("--detach", help="Submit and return.")] = False,
    server: Server = DEFAULT_SERVER,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Submit a copy of a job with changes, such as a task more or less, and train only what differs.

    The exit status is that of `run`.
    """
    from grouping.client import Client

    with Client(server, token=token) as client:
        source = client.job(job_id)
        added: list[str | dict[str, Any]] = [task_asked_for(text) for text in add_task or []]
        if tasks_from is not None:
            added += new_tasks(tasks_from, source.data.spec.tasks)
        sizes = {size.name: size.width or size.cost for size in source.data.spec.sizes}
        changes = {"add_tasks": added, "drop_tasks": drop_task or [], **asked}
        wanted = with_results(changes, results, values, sizes)
        if dry_run:
            tell_estimate(source.estimate_clone(**wanted), as_json=as_json)
            return
        job = source.clone(**wanted)
        raise typer.Exit(report_submitted(job, detach=detach, as_json=as_json))
