"""Tokens of a service, for its administrator."""

from __future__ import annotations

from grouping.client.connection import Connection
from grouping.domain.access import Scope
from grouping.wire.tokens import NewTokenOut, TokenList, TokenOut


class Tokens(Connection):
    """Methods of a client on the tokens of its service; they need the scope `admin`."""

    def create_token(
        self, name: str, scope: Scope | str = Scope.READ, *, expires_in_days: float | None = None
    ) -> NewTokenOut:
        """Create a token; ``token`` of the answer is shown this once.

        Args:
            name: what it is for, or whose it is.
            scope: ``read``, ``submit`` or ``admin``.
            expires_in_days: days after which it is refused; None for no end.

        Raises:
            ServiceError: if the service asks nobody for a token, or this one may not.
        """
        asked = {"name": name, "scope": str(scope), "expires_in_days": expires_in_days}
        return self.read(NewTokenOut, "POST", "/v1/tokens", json=asked)

    def tokens(self) -> list[TokenOut]:
        """Return all tokens that were given out, newest first, with those that were revoked."""
        return self.read(TokenList, "GET", "/v1/tokens").items

    def revoke_token(self, token_id: str) -> TokenOut:
        """Have the service refuse a token from now on; the first characters of its identifier do.

        Raises:
            ServiceError: if there is none, or several begin so.
        """
        return self.read(TokenOut, "DELETE", f"/v1/tokens/{token_id}")
