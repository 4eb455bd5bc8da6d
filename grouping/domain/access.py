"""Access to a service: scopes, and the tokens that have them."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass, field
from enum import StrEnum

MAX_TOKEN_NAME = 100
HINT_LENGTH = 9
"""First characters of a token that are kept, by which its owner recognises it."""
_PREFIX = "mtlg_"


class Scope(StrEnum):
    """What a token allows; each scope allows what the ones before it do."""

    READ = "read"
    """Read everything, and compute from it what is not stored."""
    SUBMIT = "submit"
    """Submit, change, pause, stop and cancel jobs, import tables, lease trainings and report on them."""
    ADMIN = "admin"
    """Delete things, and create and revoke tokens."""

    def covers(self, other: Scope) -> bool:
        """Return whether this scope allows what another one does."""
        order = list(Scope)
        return order.index(self) >= order.index(other)


@dataclass(frozen=True, slots=True)
class ApiToken:
    """A token that was given out; the token itself is not kept. Times are seconds since 1970 in UTC.

    Attributes:
        id: its identifier.
        name: what it is for, or whose it is.
        scope: what it allows.
        hint: its first characters.
        created_s: time at which it was created.
        expires_s: time after which it is refused; None for no end.
        revoked_s: time at which it was revoked; None while it is valid.
    """

    id: str
    name: str
    scope: Scope
    hint: str
    created_s: float
    expires_s: float | None = None
    revoked_s: float | None = None


@dataclass(frozen=True, slots=True)
class NewToken:
    """A new token, which is shown once, with what is kept of it.

    Attributes:
        secret: the token.
    """

    secret: str = field(default_factory=lambda: _PREFIX + secrets.token_urlsafe(32), repr=False)

    @property
    def hint(self) -> str:
        """Its first characters."""
        return self.secret[:HINT_LENGTH]

    @property
    def digest(self) -> str:
        """Digest that is kept of it."""
        return token_digest(self.secret)


def token_digest(secret: str) -> str:
    """Return the SHA-256 of a token. It is random, 256 bits long, so that no slow hash is needed."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
