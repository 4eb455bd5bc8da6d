"""Requests and answers on tokens of the HTTP API."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from annotated_types import Interval
from pydantic import Field

from grouping.domain.access import MAX_TOKEN_NAME, Scope
from grouping.wire.base_types import Input, Output, PlainText

TOKEN_EXAMPLE = {"name": "nightly runs", "scope": "submit", "expires_in_days": 90}


class TokenRequest(Input):
    """A token to create."""

    name: Annotated[PlainText, Field(min_length=1, max_length=MAX_TOKEN_NAME)] = Field(
        description="What it is for, or whose it is."
    )
    scope: Annotated[Scope, Field(strict=False)] = Field(
        description="`read`, `submit` (jobs, tables, leases of trainings), or `admin` (delete, tokens); each "
        "allows what the ones before it do."
    )
    expires_in_days: Annotated[float, Interval(gt=0, le=3650)] | None = Field(
        default=None, description="Days after which it is refused; no end if left out."
    )

    @property
    def lifetime_s(self) -> float | None:
        """Seconds after which it is refused; None for no end."""
        return None if self.expires_in_days is None else 86400.0 * self.expires_in_days


class TokenOut(Output):
    """A token that was given out; the token itself is not kept."""

    id: str
    name: str
    scope: Scope
    hint: str = Field(description="Its first characters.")
    created_at: datetime = Field(validation_alias="created_s")
    expires_at: datetime | None = Field(
        validation_alias="expires_s", description="When it is refused from; null for no end."
    )
    revoked_at: datetime | None = Field(validation_alias="revoked_s")


class NewTokenOut(TokenOut):
    """A new token, shown this once."""

    token: str = Field(validation_alias="secret", description="The token; it cannot be read again.")


class TokenList(Output):
    """All tokens that were given out, newest first."""

    items: list[TokenOut]
