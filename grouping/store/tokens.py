"""Tokens of the HTTP API in the store, by their digests."""

from __future__ import annotations

from sqlalchemy import select

from grouping.domain.access import ApiToken, NewToken, Scope
from grouping.errors import NotFoundError
from grouping.store.codec import is_id, new_id, storable
from grouping.store.database import Database
from grouping.store.rows import TokenRow


class TokenMethods:
    """Methods of the store for tokens."""

    _database: Database

    def add_token(
        self, new: NewToken, name: str, scope: Scope, *, lifetime_s: float | None = None
    ) -> ApiToken:
        """Keep a new token, so that it is accepted from now on.

        Args:
            new: the token.
            name: what it is for, or whose it is.
            scope: what it allows.
            lifetime_s: seconds after which it is refused; None for no end.
        """
        with self._database.writing() as session:
            now_s = self._database.now_s(session)
            row = TokenRow(
                id=new_id(),
                name=storable(name),
                scope=scope,
                digest=new.digest,
                hint=new.hint,
                created_s=now_s,
                expires_s=None if lifetime_s is None else now_s + lifetime_s,
            )
            session.add(row)
            session.flush()
            return _token_of(row)

    def list_tokens(self) -> tuple[ApiToken, ...]:
        """Return all tokens that were given out, newest first, revoked ones included."""
        with self._database.reading() as session:
            rows = session.scalars(select(TokenRow).order_by(TokenRow.created_s.desc(), TokenRow.id.desc()))
            return tuple(map(_token_of, rows))

    def find_valid_token(self, digest: str) -> ApiToken | None:
        """Find the token of a digest, if it was neither revoked nor is past its end."""
        with self._database.reading() as session:
            row = session.scalars(select(TokenRow).where(TokenRow.digest == digest)).one_or_none()
            if row is None or row.revoked_s is not None:
                return None
            is_over = row.expires_s is not None and row.expires_s <= self._database.now_s(session)
            return None if is_over else _token_of(row)

    def revoke_token(self, token_id: str) -> ApiToken:
        """Refuse a token from now on; the same again changes nothing.

        Raises:
            NotFoundError: if there is none.
        """
        with self._database.writing() as session:
            row = session.get(TokenRow, token_id) if is_id(token_id) else None
            if row is None:
                raise NotFoundError("token", token_id)
            if row.revoked_s is None:
                row.revoked_s = self._database.now_s(session)
            session.flush()
            return _token_of(row)


def _token_of(row: TokenRow) -> ApiToken:
    scope = Scope(row.scope)
    return ApiToken(row.id, row.name, scope, row.hint, row.created_s, row.expires_s, row.revoked_s)
