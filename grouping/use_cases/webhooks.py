"""Webhooks of jobs: what the environment allows, and what a job may ask for."""

from __future__ import annotations

import os
from pathlib import Path

from grouping.domain.jobs.specification import JobSpec
from grouping.domain.jobs.webhooks import AllowedWebhooks, Signer
from grouping.errors import InvalidInputError

ALLOWED_VARIABLE = "GROUPING_WEBHOOKS"
SECRET_VARIABLE = "GROUPING_WEBHOOK_SECRET"
SECRET_FILE_VARIABLE = "GROUPING_WEBHOOK_SECRET_FILE"


def allowed_webhooks() -> AllowedWebhooks:
    """Return the addresses that the environment allows; none unless it names any.

    Raises:
        InvalidInputError: if one is no address.
    """
    try:
        return AllowedWebhooks.parse(os.environ.get(ALLOWED_VARIABLE, ""))
    except InvalidInputError as error:
        raise InvalidInputError(f"{ALLOWED_VARIABLE}: {error}") from error


def check_webhooks(spec: JobSpec) -> None:
    """Refuse a job that is to tell an address which is not allowed.

    Raises:
        InvalidInputError: says which are; the pointer gives the address.
    """
    allowed = allowed_webhooks() if spec.notify else AllowedWebhooks()
    for position, address in enumerate(spec.notify):
        if why := allowed.refusal(address):
            raise InvalidInputError(why, pointer=f"/notify/{position}")


def webhook_signer() -> Signer:
    """Return what signs webhooks, by the secret that the environment holds or names a file of.

    Raises:
        InvalidInputError: if there is none, or it cannot be read.
    """
    secret = os.environ.get(SECRET_VARIABLE, "")
    if path := os.environ.get(SECRET_FILE_VARIABLE):
        try:
            secret = Path(path).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise InvalidInputError(f"The secret of webhooks cannot be read from {path}: {error}") from error
    if not secret:
        raise InvalidInputError(
            f"Webhooks are signed, and there is no secret: set {SECRET_VARIABLE} or {SECRET_FILE_VARIABLE}, "
            "for instance to what openssl rand -hex 32 prints."
        )
    return Signer(secret)
