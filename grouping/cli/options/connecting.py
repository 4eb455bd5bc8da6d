"""Options of every command that asks a service about a job."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from grouping.client import Client, RemoteTable

DEFAULT_SERVER = "http://127.0.0.1:8000"
Server = Annotated[str, typer.Option(envvar="GROUPING_SERVER", help="Address of the service.")]
Token = Annotated[
    str | None, typer.Option(envvar="GROUPING_API_TOKEN", help="API token, if it asks for one.")
]
ServerIfAny = Annotated[
    str | None,
    typer.Option(envvar="GROUPING_SERVER", help="Address of the service.", show_default=DEFAULT_SERVER),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
JobId = Annotated[str, typer.Argument(help="Identifier of a job, or its first characters.")]
JobOrTable = Annotated[
    str,
    typer.Argument(
        metavar="JOB|TABLE", help="Identifier of a job or a score table, or its first characters."
    ),
]
_NOT_FOUND = 404


def table_of(client: Client, identifier: str) -> RemoteTable:
    """Return the score table of a job, or the one with that identifier.

    Raises:
        ServiceError: if there is neither, or several begin so.
    """
    from grouping.client import ServiceError

    try:
        return client.table(client.job(identifier).table_id)
    except ServiceError as error:
        if error.status != _NOT_FOUND:
            raise
    return client.table(identifier)
