"""Commands that label jobs, by which they are found again, and that delete them."""

from __future__ import annotations

from typing import Annotated

import typer

from grouping.cli.options.connecting import DEFAULT_SERVER, AsJson, JobId, Server, Token
from grouping.cli.output.terminal import print_json
from grouping.errors import InvalidInputError


def rename(
    job_id: JobId,
    name: Annotated[str, typer.Argument(help="New name; '' for one made of problem and tasks.")],
    server: Server = DEFAULT_SERVER,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Give a job another name."""
    from grouping.client import Client

    with Client(server, token=token) as client:
        job = client.job(job_id).label(name=name)
    if as_json:
        print_json(job.data)
    else:
        typer.echo(job.data.name)


def tag(
    job_id: JobId,
    add: Annotated[list[str] | None, typer.Argument(metavar="[TAG]...", help="Tags to add.")] = None,
    drop: Annotated[list[str] | None, typer.Option("--drop", help="Tag to remove; repeat.")] = None,
    server: Server = DEFAULT_SERVER,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Add tags to a job or remove some; print the tags that it has then."""
    from grouping.client import Client

    with Client(server, token=token) as client:
        job = client.job(job_id)
        if add or drop:
            job.label(add_tags=add or (), drop_tags=drop or ())
    if as_json:
        print_json(job.data)
    else:
        typer.echo(" ".join(job.data.tags))


def note(
    job_id: JobId,
    text: Annotated[
        str | None, typer.Argument(help="New note, '' for none; prints the present one if left out.")
    ] = None,
    server: Server = DEFAULT_SERVER,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Print the note of a job, or replace it."""
    from grouping.client import Client

    with Client(server, token=token) as client:
        job = client.job(job_id)
        if text is not None:
            job.label(note=text)
    if as_json:
        print_json(job.data)
    elif job.data.note:
        typer.echo(job.data.note)


def delete(
    job_ids: Annotated[
        list[str], typer.Argument(metavar="JOB_ID...", help="Identifiers of jobs, or their first characters.")
    ],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Delete nothing; say what would go, and who depends on it.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask first.")] = False,
    server: Server = DEFAULT_SERVER,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Delete jobs that have ended, with their scores; say first what goes with them."""
    from grouping.client import Client

    with Client(server, token=token) as client:
        jobs = [client.job(job_id) for job_id in job_ids]
        planned = [job.delete(dry_run=True) for job in jobs]
        if not dry_run:
            if as_json and not yes:
                raise InvalidInputError("With --json nothing is asked: add --yes to delete, or --dry-run.")
            if not yes:
                for deletion in planned:
                    typer.echo(f"{deletion.job.name} ({deletion.job.id}): {' '.join(deletion.sentences)}")
                typer.confirm("Delete?", abort=True)
            planned = [job.delete() for job in jobs]
    if as_json:
        print_json(planned)
        return
    for deletion in planned:
        done = "Deleted" if deletion.is_deleted else "Would delete"
        typer.echo(f"{done} {deletion.job.name} ({deletion.job.id}). {' '.join(deletion.sentences)}")
