"""Options of every command that asks a service about a job."""

from __future__ import annotations

from typing import Annotated

import typer

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
