"""The command that submits a job like another one."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from grouping.cli.jobs import DEFAULT_SERVER, AsJson, JobId, Server, Token, report_submitted


def clone(
    job_id: JobId,
    add_task: Annotated[list[str] | None, typer.Option(help="Task to group as well; repeat.")] = None,
    drop_task: Annotated[list[str] | None, typer.Option(help="Task to leave out; repeat.")] = None,
    strategy: Annotated[str | None, typer.Option(help="Another strategy.")] = None,
    budget: Annotated[
        list[float] | None, typer.Option(help="Other inference budgets in SNT; repeat.")
    ] = None,
    seeds: Annotated[int | None, typer.Option(help="Trainings of each network to choose on.")] = None,
    confirm: Annotated[int | None, typer.Option(help="Fresh trainings to confirm on; 0 for none.")] = None,
    max_trainings: Annotated[int | None, typer.Option(help="Training budget in trainings.")] = None,
    max_epochs: Annotated[int | None, typer.Option(help="Training budget in epochs.")] = None,
    max_seconds: Annotated[float | None, typer.Option(help="Training budget in seconds.")] = None,
    name: Annotated[str | None, typer.Option(help="A label for people.")] = None,
    detach: Annotated[bool, typer.Option("--detach", help="Submit and return.")] = False,
    server: Server = DEFAULT_SERVER,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Submit a job like another, with a task more or less, and train only what differs.

    The exit status is that of `run`.
    """
    from grouping.client import Client

    limits = {"trainings": max_trainings, "epochs": max_epochs, "seconds": max_seconds}
    changes: dict[str, Any] = {
        "add_tasks": add_task or None,
        "drop_tasks": drop_task or None,
        "strategy": None if strategy is None else {"name": strategy},
        "budgets_snt": budget or None,
        "n_seeds": seeds,
        "n_confirmation_seeds": confirm,
        "training_budget": limits if any(limit is not None for limit in limits.values()) else None,
        "name": name,
    }
    given = {field: value for field, value in changes.items() if value is not None}
    with Client(server, token=token) as client:
        job = client.job(job_id).clone(**given)
        raise typer.Exit(report_submitted(job, detach=detach, as_json=as_json))
