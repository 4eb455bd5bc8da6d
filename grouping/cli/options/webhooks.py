"""Options of commands that accept or send webhooks."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from grouping.cli.options.home import expanded

WebhooksOption = Annotated[
    str | None,
    typer.Option(
        "--webhooks",
        envvar="GROUPING_WEBHOOKS",
        help="Addresses below which jobs may name webhooks, separated by commas, such as "
        "https://hooks.example/grouping/; none unless given. API and dispatchers need the same.",
    ),
]
WebhookSecretFile = Annotated[
    Path | None,
    typer.Option(
        "--webhook-secret-file",
        envvar="GROUPING_WEBHOOK_SECRET_FILE",
        help="File with the secret that signs webhooks; GROUPING_WEBHOOK_SECRET holds the secret itself.",
        dir_okay=False,
    ),
]


def use_webhooks(allowed: str | None, secret_file: Path | None = None) -> None:
    """Have this process, and all that it starts, allow webhooks and sign them.

    Raises:
        InvalidInputError: if an address that is allowed is none.
    """
    from grouping.use_cases.webhooks import ALLOWED_VARIABLE, SECRET_FILE_VARIABLE, allowed_webhooks

    if allowed is not None:
        os.environ[ALLOWED_VARIABLE] = allowed
    if secret_file is not None:
        os.environ[SECRET_FILE_VARIABLE] = str(expanded(secret_file))
    allowed_webhooks()
