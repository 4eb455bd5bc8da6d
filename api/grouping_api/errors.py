"""Error answers: the HTTP status of each error class, and documents of ``application/problem+json``.

No answer holds a trace, a path of this machine or the offending input itself.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response
from starlette.routing import Match

from grouping import errors
from grouping.wire.base_types import path_of, sentence_of
from grouping_api.all_routes import routes_of

PROBLEM_MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_S = 5

STATUS: Mapping[type[errors.GroupingError], tuple[int, str]] = {
    errors.GroupingError: (500, "Internal error"),
    errors.InvalidInputError: (422, "Invalid input"),
    errors.UnknownNameError: (422, "Unknown name"),
    errors.ForbiddenError: (403, "Forbidden"),
    errors.AmbiguousIdError: (422, "More than one begins so"),
    errors.TableFormatError: (422, "Not a score table"),
    errors.ResultsRefusedError: (422, "Finished results do not fit"),
    errors.DataSetError: (422, "Not a table"),
    errors.BundleError: (422, "Not a sound bundle"),
    errors.MarkedTextError: (422, "Not readable"),
    errors.SearchFileError: (422, "Not a search file"),
    errors.TooManyCandidatesError: (422, "Too many candidate networks"),
    errors.BudgetTooSmallError: (422, "Inference budget too small"),
    errors.SolverError: (503, "No answer from the solver"),
    errors.DeadlineExceededError: (503, "Not solved in time"),
    errors.OverloadedError: (503, "Too busy"),
    errors.MissingExtraError: (503, "A part is not installed"),
    errors.NotFoundError: (404, "Not found"),
    errors.StateConflictError: (409, "Not possible in this state"),
    errors.NotMeasuredError: (409, "Not measured"),
    errors.StaleLeaseError: (409, "Lease lost"),
    errors.LeaseLostError: (409, "Lease lost"),
    errors.IdempotencyConflictError: (422, "Idempotency key used before"),
    errors.StoreUnavailableError: (503, "Database unavailable"),
    errors.StoreUnusableError: (500, "Database cannot be used"),
    errors.SchemaOutdatedError: (503, "Database has another schema version"),
    errors.TrainingError: (500, "Training failed"),
    errors.RetryTrainingError: (500, "Training to be tried again"),
    errors.WorkerLostError: (500, "Worker lost"),
}
"""HTTP status and title of every error the project raises; a subclass not listed takes its parent's."""

_CODES = {
    413: "body_too_large",
    422: "invalid_input",
    500: "internal_error",
    503: "unavailable",
}
"""Error codes that differ from the name of their HTTP status."""

_REFUSED = (400, 401, 403, 405, 413, 415, 421, 500, 503)
"""Statuses of requests that are refused before any part of the project has looked at them."""

_logger = logging.getLogger(__name__)


class InvalidParameterError(errors.InvalidInputError):
    """A query parameter breaks a rule.

    Attributes:
        parameter: name of the query parameter.
    """

    def __init__(self, parameter: str, message: str) -> None:
        super().__init__(message)
        self.parameter = parameter


class UnknownParameterError(InvalidParameterError):
    """A query parameter that the address does not have.

    Attributes:
        known: names of those that it has.
    """

    def __init__(self, parameter: str, known: Sequence[str]) -> None:
        listed = f"It takes {', '.join(known)}." if known else "It takes none."
        shown = parameter[:50].encode("utf-8", "replace").decode()
        super().__init__(shown, f"This address has no query parameter {shown!r}. {listed}")
        self.known = tuple(known)


class NotModifiedError(Exception):
    """The caller has the current answer already.

    Attributes:
        etag: ETag of the answer.
    """

    def __init__(self, etag: str) -> None:
        super().__init__(etag)
        self.etag = etag


def status_of(error: errors.GroupingError) -> tuple[int, str]:
    """Return the HTTP status and the title of an error raised on purpose."""
    return next(STATUS[base] for base in type(error).__mro__ if base in STATUS)


def known_codes() -> list[tuple[int, str, str]]:
    """Return status, code and title of every error that a request may be answered with, by status."""
    raised = {(status, error.code): title for error, (status, title) in STATUS.items()}
    refused = {(status, _code_of(status)): HTTPStatus(status).phrase for status in _REFUSED}
    return sorted((status, code, title) for (status, code), title in (refused | raised).items())


def _code_of(status: int) -> str:
    return _CODES.get(status) or HTTPStatus(status).phrase.lower().replace(" ", "_")


def problem(
    status: int,
    detail: str,
    *,
    code: str | None = None,
    title: str | None = None,
    faults: Sequence[Mapping[str, Any]] = (),
    extra: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    """Build a problem document (RFC 9457).

    Args:
        status: HTTP status.
        detail: what is wrong and what to do, for people.
        code: stable name for programs; derived from the status unless given.
        title: short name for people; the name of the status unless given.
        faults: one per offending field, each with ``pointer`` or ``parameter`` and ``message``.
        extra: further fields of the document.
        headers: further response headers.
    """
    code = code or _code_of(status)
    content: dict[str, Any] = {
        "type": f"urn:mtl-grouping:error:{code}",
        "title": title or HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "code": code,
        "errors": [{"pointer": None, "parameter": None, **fault} for fault in faults],
        **(extra or {}),
    }
    sent = dict(headers or {})
    if status == 503:
        sent.setdefault("Retry-After", str(RETRY_AFTER_S))
    return JSONResponse(content, status, sent, media_type=PROBLEM_MEDIA_TYPE)


def problem_of(error: errors.GroupingError) -> JSONResponse:
    """Build the problem document of an error raised on purpose."""
    status, title = status_of(error)
    if status >= 500 and not isinstance(
        error, errors.OverloadedError
    ):  # a part that is not there: where in our code it was missed tells nothing
        cause = f" ({error.__cause__})" if error.__cause__ is not None else ""
        _logger.warning("%s: %s%s", error.code, error, cause)
    if status == 500 and not isinstance(error, errors.StoreUnusableError):
        _logger.error("%s: %s", error.code, error, exc_info=error)
        return problem(status, "The service made a mistake; it has been logged.", title=title)
    detail = str(error)
    faults: list[dict[str, Any]] = []
    extra: dict[str, Any] = {}
    if isinstance(error, errors.InvalidInputError):
        if isinstance(error, InvalidParameterError):
            faults.append({"parameter": error.parameter, "message": detail})
        else:
            faults.append({"pointer": error.pointer, "message": detail})
    if isinstance(error, errors.AmbiguousIdError):
        extra["candidates"] = [{"id": found, "name": name} for found, name in error.candidates.items()]
    if isinstance(error, (errors.UnknownNameError, UnknownParameterError)):
        extra["known"] = list(error.known)
    if isinstance(error, errors.TooManyCandidatesError):
        extra |= {"n_networks": error.n_networks, "limit": error.limit}
    if isinstance(error, errors.TableFormatError):
        extra["line"] = error.line
    if isinstance(error, errors.BudgetTooSmallError):
        extra["cheapest_cover_snt"] = error.cheapest_cover_snt
    if isinstance(error, errors.StoreUnavailableError):
        detail = error.told
    headers = {}
    if isinstance(error, errors.OverloadedError):
        headers["Retry-After"] = str(error.retry_after_s)
    return problem(status, detail, code=error.code, title=title, faults=faults, extra=extra, headers=headers)


def problem_of_http(error: HTTPException) -> JSONResponse:
    """Build the problem document of an error raised by the framework or by a guard."""
    details = {
        404: "There is nothing at this address.",
        405: "This address does not answer to that method.",
    }
    standard = error.detail == HTTPStatus(error.status_code).phrase
    detail = details.get(error.status_code, error.detail) if standard else error.detail
    return problem(error.status_code, detail, headers=error.headers)


def problem_of_validation(error: RequestValidationError) -> JSONResponse:
    """Build the problem document of a request that does not fit its schema."""
    faults = []
    for fault in error.errors()[:20]:
        place, *path = path_of(fault["loc"])
        message = sentence_of(str(fault["msg"]))
        if fault["type"] == "json_invalid":
            faults.append({"pointer": "", "message": "The body is not JSON."})
        elif place == "body":
            faults.append({"pointer": "".join(f"/{_escape(part)}" for part in path), "message": message})
        else:
            faults.append({"parameter": ".".join(str(part)[:100] for part in path), "message": message})
    where = faults[0].get("pointer") or faults[0].get("parameter") or "the request"
    more = f" And {len(faults) - 1} more." if len(faults) > 1 else ""
    return problem(422, f"{where}: {faults[0]['message']}{more}", title="Invalid input", faults=faults)


def _escape(part: object) -> str:
    """Escape a part of a JSON pointer, and cut it, since a field name may come from the sender."""
    text = str(part)[:100].encode("utf-8", "replace").decode()
    return errors.pointer_part(text)


def problem_of_bug(error: Exception) -> JSONResponse:
    """Build the answer to an unexpected error; its trace goes to the log only."""
    _logger.error("Unhandled error", exc_info=error)
    return problem(500, "The service made a mistake; it has been logged.")


def install_error_handlers(app: FastAPI) -> None:
    """Register the handlers that turn errors into problem documents, or into pages for browsers."""

    def presenting(answer: Callable[[Any], JSONResponse]) -> Callable[[Request, Exception], Response]:
        async def handle(request: Request, error: Exception) -> Response:
            return _presented(request, answer(error))

        return handle  # type: ignore[return-value]

    async def refused(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        if error.status_code == 405:
            error.headers = {"Allow": ", ".join(_methods_at(request))}
        return _presented(request, problem_of_http(error))

    async def not_modified(request: Request, error: Exception) -> Response:
        assert isinstance(error, NotModifiedError)
        return Response(status_code=304, headers={"ETag": error.etag})

    app.add_exception_handler(NotModifiedError, not_modified)
    app.add_exception_handler(errors.GroupingError, presenting(problem_of))
    app.add_exception_handler(HTTPException, refused)
    app.add_exception_handler(RequestValidationError, presenting(problem_of_validation))


def _methods_at(request: Request) -> list[str]:
    """Return all methods to which an address answers: those of the routes that fit it most closely."""
    found: dict[int, set[str]] = {}
    for route in routes_of(request.app.routes):
        if route.matches(request.scope)[0] is not Match.NONE:
            found.setdefault(len(route.param_convertors), set()).update(route.methods or ())
    methods = found[min(found)] if found else {"GET"}  # files
    return sorted(methods | ({"HEAD"} if "GET" in methods else set()))


def _presented(request: Request, answer: JSONResponse) -> Response:
    """Return the problem document, or a page that says the same if a browser asked for a page."""
    wants_page = "text/html" in request.headers.get("accept", "")
    if not wants_page or request.url.path.startswith("/v1/"):
        return answer
    document = json.loads(bytes(answer.body))
    page: Response = request.app.state.pages.render(
        request, "error.html", status=answer.status_code, title=document["title"], detail=document["detail"]
    )
    if "retry-after" in answer.headers:
        page.headers["Retry-After"] = answer.headers["retry-after"]
    return page


def problem_responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Describe the answers of a route other than the usual one, for OpenAPI."""
    meanings = {
        304: "Nothing has changed since the answer with that ETag.",
        400: "The body cannot be read.",
        403: "The token does not allow it.",
        404: "There is no such object.",
        409: "Not possible in the present state.",
        413: "The body is too large.",
        415: "The Content-Type is not accepted here.",
        422: "The request breaks a rule; `errors` says which field.",
        503: "Too busy, or the database is not available; try again after `Retry-After` seconds.",
    }
    content: Mapping[str, Any] = {
        "application/problem+json": {"schema": {"$ref": "#/components/schemas/ProblemOut"}}
    }
    return {
        status: {"description": meanings[status]} | ({"content": content} if status >= 400 else {})
        for status in statuses
    }
