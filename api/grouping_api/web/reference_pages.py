"""Pages of the API reference: every request with its fields, answers and a command that sends it."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Request
from starlette.responses import HTMLResponse

from grouping.errors import NotFoundError
from grouping_api.access import READ
from grouping_api.dependencies import SettingsDep
from grouping_api.errors import known_codes
from grouping_api.root_path import root_path
from grouping_api.web.reference_view import find_operation, operations_by_tag, problem_members
from grouping_api.web.rendering import Render

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)


@router.get("/reference", dependencies=[READ])
def reference_page(render: Render, request: Request) -> HTMLResponse:
    """List every request by what it is about, and the errors."""
    document = request.app.openapi()
    return render(
        "reference.html",
        document=document,
        operations=operations_by_tag(document),
        problem=problem_members(document),
        codes=known_codes(),
    )


@router.get("/reference/{operation_id}", dependencies=[READ])
def operation_page(
    render: Render,
    request: Request,
    settings: SettingsDep,
    operation_id: Annotated[str, Path(max_length=100)],
) -> HTMLResponse:
    """Show one request: what is sent, what is answered, and a command that sends it."""
    operation = find_operation(request.app.openapi(), operation_id)
    if operation is None:
        raise NotFoundError("request", operation_id)
    base_url = f"{request.url.scheme}://{request.url.netloc}{root_path()}"
    command = operation.curl(base_url, with_token=settings.api_token is not None)
    return render("reference_operation.html", operation=operation, command=command)
