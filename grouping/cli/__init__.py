"""Command line: the command `grouping`.

Exit status: 0 success; 1 a job failed, or no grouping exists; 2 bad input; 3 the job was cancelled;
4 the service or its database does not answer.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, NoReturn

import typer

from grouping.cli.commands import Commands
from grouping.errors import GroupingError, StoreUnavailableError

SAFE_PATH = "PYTHONSAFEPATH"
EXIT_BAD_INPUT = 2
EXIT_UNAVAILABLE = 4

app = typer.Typer(
    cls=Commands,
    help="Find which tasks should share a network, within an inference budget.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


def _show_version(is_asked: bool) -> None:
    if is_asked:
        from grouping_api.version import program_version

        typer.echo(f"mtl-grouping {program_version()}")
        raise typer.Exit


@app.callback()
def options(
    _version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Options of the command itself."""


def main() -> None:
    """Run the command line; errors made by the user end in one line and an exit status."""
    try:
        with _children_import_what_is_installed():
            app()
    except StoreUnavailableError as error:
        _end(error, EXIT_UNAVAILABLE)
    except GroupingError as error:
        _end(error, EXIT_BAD_INPUT)
    except ModuleNotFoundError as error:
        from grouping.extras import error_for

        missing = error_for(error)
        if missing is None:
            raise
        _end(missing, EXIT_BAD_INPUT)


@contextmanager
def _children_import_what_is_installed() -> Iterator[None]:
    """Keep every process that is started from importing modules of the folder that it is started in."""
    before = os.environ.get(SAFE_PATH)
    os.environ[SAFE_PATH] = before or "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[SAFE_PATH]


def _end(error: GroupingError, status: int) -> NoReturn:
    typer.echo(f"error: {error}", err=True)
    sys.exit(status)
