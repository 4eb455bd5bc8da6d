"""The command `grouping`.

Exit status: 0 success; 1 a job failed, or no grouping exists; 2 bad input; 3 the job was cancelled;
4 the service or its database does not answer.
"""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from grouping.cli import affinities, bench, checkpoints, clones, jobs, serving, studies, system, tables
from grouping.errors import GroupingError, StoreUnavailableError
from grouping_api.version import program_version

EXIT_BAD_INPUT = 2
EXIT_UNAVAILABLE = 4

app = typer.Typer(
    help="Find which tasks should share a network, within an inference budget.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _show_version(is_asked: bool) -> None:
    if is_asked:
        typer.echo(f"mtl-grouping {program_version()}")
        raise typer.Exit


@app.callback()
def options(
    _version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Options of the command itself."""


for command in (
    serving.serve,
    jobs.run,
    tables.solve,
    tables.curve,
    tables.table,
    jobs.demo,
    tables.reproduce,
    studies.study,
    jobs.show,
    affinities.affinity,
    clones.clone,
    jobs.cancel,
    jobs.resume,
    system.problems,
    system.strategies,
    system.recipes,
    serving.api,
    serving.dispatcher,
    serving.migrate,
    checkpoints.checkpoints,
    system.openapi,
):
    app.command()(command)
app.add_typer(bench.app, name="bench")


def main() -> None:
    """Run the command line; errors made by the user end in one line and an exit status."""
    os.environ.setdefault("PYTHONSAFEPATH", "1")  # children import nothing from the present folder
    try:
        app()
    except StoreUnavailableError as error:
        typer.echo(f"error: {error}", err=True)
        sys.exit(EXIT_UNAVAILABLE)
    except GroupingError as error:
        typer.echo(f"error: {error}", err=True)
        sys.exit(EXIT_BAD_INPUT)
