"""Page of the tokens of the API: list, create, revoke."""

from __future__ import annotations

import time
from typing import Annotated, Any

from fastapi import APIRouter, Form
from pydantic import ValidationError
from starlette.responses import HTMLResponse, RedirectResponse

from grouping.domain.access import MAX_TOKEN_NAME, Scope
from grouping.errors import StateConflictError
from grouping.store import Store
from grouping.wire.base_types import sentence_of
from grouping.wire.tokens import TokenRequest
from grouping_api.access import ADMIN
from grouping_api.dependencies import SettingsDep, StoreDep, TokenId
from grouping_api.routes.tokens import make_token
from grouping_api.settings import Settings
from grouping_api.web.rendering import Render

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)

_Text = Annotated[str, Form(max_length=1000)]


@router.get("/tokens", dependencies=[ADMIN])
def tokens_page(render: Render, store: StoreDep, settings: SettingsDep) -> HTMLResponse:
    """List the tokens, and show the form that creates one."""
    return _page(render, store, settings)


@router.post("/tokens", response_model=None, dependencies=[ADMIN])
def create_token_page(
    render: Render,
    store: StoreDep,
    settings: SettingsDep,
    name: _Text = "",
    scope: _Text = Scope.READ,
    days: _Text = "",
) -> HTMLResponse:
    """Create a token and show it this once; show the form again with what is wrong."""
    fields = {"name": name, "scope": scope, "days": days}
    try:
        asked: dict[str, Any] = {"name": name.strip(), "scope": scope}
        if days.strip():
            asked["expires_in_days"] = _number(days)
        new, _ = make_token(store, settings, TokenRequest.model_validate(asked))
    except ValidationError as error:
        first = error.errors()[0]
        return _page(render, store, settings, fields, fault=f"{first['loc'][0]}: {sentence_of(first['msg'])}")
    except StateConflictError as error:
        return _page(render, store, settings, fields, fault=str(error), status=409)
    page = _page(render, store, settings, secret=new.secret)
    page.headers["Cache-Control"] = "no-store"
    return page


@router.post("/tokens/{token_id}/revoke", response_model=None, dependencies=[ADMIN])
def revoke_token_page(token_id: TokenId, store: StoreDep) -> RedirectResponse:
    """Revoke a token and go back to the list."""
    store.revoke_token(token_id)
    return RedirectResponse("/tokens", 303)


def _number(text: str) -> float | str:
    try:
        return float(text.replace(",", "."))
    except ValueError:
        return text  # refused, with what is wrong, where it is checked


def _page(
    render: Render,
    store: Store,
    settings: Settings,
    fields: dict[str, str] | None = None,
    *,
    secret: str = "",
    fault: str = "",
    status: int = 0,
) -> HTMLResponse:
    return render(
        "tokens.html",
        status=status or (422 if fault else 200),
        tokens=store.list_tokens(),
        scopes=list(Scope),
        fields=fields or {"name": "", "scope": Scope.READ, "days": ""},
        secret=secret,
        fault=fault,
        asks_for_token=settings.api_token is not None,
        longest=MAX_TOKEN_NAME,
        now_s=time.time(),
    )
