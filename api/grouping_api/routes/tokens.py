"""Routes for tokens of the API: create, list, revoke."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Annotated

from fastapi import APIRouter, Body, Response

from grouping.domain.access import ApiToken, NewToken
from grouping.errors import StateConflictError
from grouping.store import Store
from grouping.wire.base_types import Joined
from grouping.wire.tokens import TOKEN_EXAMPLE, NewTokenOut, TokenList, TokenOut, TokenRequest
from grouping_api.access import ADMIN
from grouping_api.dependencies import SettingsDep, StoreDep, TokenId
from grouping_api.errors import problem_responses
from grouping_api.json_body import StrictJsonRoute
from grouping_api.settings import Settings

router = APIRouter(prefix="/v1/tokens", tags=["system"], route_class=StrictJsonRoute)


@router.get("", summary="List tokens", dependencies=[ADMIN])
def list_tokens(store: StoreDep) -> TokenList:
    """Return all tokens that were given out, newest first, with those that were revoked."""
    return TokenList.read(items=store.list_tokens())


@router.post(
    "",
    status_code=201,
    summary="Create a token",
    responses=problem_responses(409, 413, 415, 422),
    dependencies=[ADMIN],
)
def create_token(
    request: Annotated[
        TokenRequest, Body(openapi_examples={"submit": {"summary": "For programs", "value": TOKEN_EXAMPLE}})
    ],
    response: Response,
    store: StoreDep,
    settings: SettingsDep,
) -> NewTokenOut:
    """Create a token, which this answer shows once: only its digest is kept.

    It takes no `Idempotency-Key`, since a token cannot be shown again; revoke one whose answer was lost.
    """
    response.headers["Cache-Control"] = "no-store"
    new, kept = make_token(store, settings, request)
    return NewTokenOut.read(Joined(kept, SimpleNamespace(secret=new.secret)))


@router.delete(
    "/{token_id}",
    summary="Revoke a token",
    response_model=TokenOut,
    responses=problem_responses(404),
    dependencies=[ADMIN],
)
def revoke_token(token_id: TokenId, store: StoreDep) -> ApiToken:
    """Refuse a token from now on; it stays in the list. The same again changes nothing."""
    return store.revoke_token(token_id)


def make_token(store: Store, settings: Settings, request: TokenRequest) -> tuple[NewToken, ApiToken]:
    """Create a token, and keep it.

    Raises:
        StateConflictError: if the service asks nobody for a token.
    """
    if settings.api_token is None:
        raise StateConflictError(
            "This service asks for no token, so that one would protect nothing: serve it with "
            "GROUPING_API_TOKEN first, which is the token of its administrator."
        )
    new = NewToken()
    return new, store.add_token(new, request.name, request.scope, lifetime_s=request.lifetime_s)
