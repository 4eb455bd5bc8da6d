"""What every store does with tokens."""

from __future__ import annotations

import pytest

from grouping.domain.access import NewToken, Scope, token_digest
from grouping.errors import NotFoundError
from grouping.store import Store
from tests.contracts.scenarios import crash_everywhere, everything


class TokenContract:
    """Tokens are kept by their digest, found while they are valid, and revoked for good."""

    def test_a_token_is_found_by_its_digest_until_it_is_revoked(self, store: Store) -> None:
        new = NewToken()
        kept = store.add_token(new, "nightly \0", Scope.SUBMIT)
        assert (kept.name, kept.scope, kept.expires_s, kept.revoked_s) == (
            "nightly \ufffd",
            Scope.SUBMIT,
            None,
            None,
        )
        assert new.secret.startswith(kept.hint)
        assert store.find_valid_token(token_digest(new.secret)) == kept
        assert store.find_valid_token(token_digest(new.secret + "x")) is None
        assert new.secret not in repr(everything(store)), "only the digest is kept"
        revoked = store.revoke_token(kept.id)
        assert revoked.revoked_s is not None
        assert store.find_valid_token(new.digest) is None
        assert store.revoke_token(kept.id) == revoked
        assert store.list_tokens() == (revoked,)

    def test_a_token_is_refused_once_its_time_is_over(self, store: Store) -> None:
        long, over = NewToken(), NewToken()
        store.add_token(long, "long", Scope.READ, lifetime_s=3600)
        store.add_token(over, "over", Scope.READ, lifetime_s=0)
        assert store.find_valid_token(long.digest) is not None
        assert store.find_valid_token(over.digest) is None
        assert [token.name for token in store.list_tokens()] == ["over", "long"]

    @pytest.mark.parametrize("unknown", ["", "0" * 32, "a\0", "\ud800"])
    def test_an_unknown_token_cannot_be_revoked(self, store: Store, unknown: str) -> None:
        with pytest.raises(NotFoundError):
            store.revoke_token(unknown)

    def test_a_crash_while_a_token_is_made_leaves_none(self, store: Store) -> None:
        assert crash_everywhere(store, lambda: store.add_token(NewToken(), "a", Scope.ADMIN)) >= 2
