"""Commands that create, list and revoke the tokens of a service."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.table import Table

from grouping.cli.job_list import SHOWN_ID
from grouping.cli.options.connecting import DEFAULT_SERVER, AsJson, Server, Token
from grouping.cli.output.terminal import new_console, print_json
from grouping.domain.access import Scope

app = typer.Typer(
    help="Create, list and revoke tokens of a service; needs its own token, or one of the scope admin.",
    no_args_is_help=True,
)


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="What it is for, or whose it is.")],
    scope: Annotated[
        Scope,
        typer.Option(
            help="read; submit: also submit and change jobs, import tables, lease trainings; admin: also "
            "delete, and tokens."
        ),
    ] = Scope.READ,
    days: Annotated[
        float | None,
        typer.Option(min=0.001, max=3650, help="Days after which it is refused; no end unless given."),
    ] = None,
    server: Server = DEFAULT_SERVER,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Create a token and print it, this once: the service keeps its digest only."""
    from grouping.client import Client

    with Client(server, token=token) as client:
        made = client.create_token(name, scope, expires_in_days=days)
    if as_json:
        print_json(made)
    else:
        typer.echo(made.token)


@app.command(name="list")
def list_all(server: Server = DEFAULT_SERVER, token: Token = None, as_json: AsJson = False) -> None:
    """List the tokens that were given out, newest first, with those that were revoked."""
    from grouping.client import Client

    with Client(server, token=token) as client:
        found = client.tokens()
    if as_json:
        print_json(found)
        return
    rows = Table("token", "name", "scope", "begins with", "created", "state", box=None, pad_edge=False)
    for one in found:
        state = "valid"
        if one.expires_at is not None:
            state = f"until {one.expires_at:%Y-%m-%d}"
        if one.revoked_at is not None:
            state = f"revoked {one.revoked_at:%Y-%m-%d}"
        created = f"{one.created_at:%Y-%m-%d}"
        rows.add_row(one.id[:SHOWN_ID], one.name, one.scope.value, one.hint, created, state)
    new_console().print(rows)


@app.command()
def revoke(
    token_id: Annotated[
        str, typer.Argument(metavar="TOKEN_ID", help="Identifier in the list, or its first characters.")
    ],
    server: Server = DEFAULT_SERVER,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Have the service refuse a token from now on."""
    from grouping.client import Client

    with Client(server, token=token) as client:
        revoked = client.revoke_token(token_id)
    if as_json:
        print_json(revoked)
    else:
        typer.echo(f"Revoked {revoked.name} ({revoked.hint}...).")
