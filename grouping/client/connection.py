"""Connection to a service: requests, answers, files and errors."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from email.utils import parsedate_to_datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx
from pydantic import BaseModel, ValidationError

from grouping.client.http import new_client, proxy_of
from grouping.errors import (
    DeadlineExceededError,
    GroupingError,
    InvalidInputError,
    OverloadedError,
    StoreUnavailableError,
)

POLL_S = 0.5

Answer = TypeVar("Answer", bound=BaseModel)


class ServiceError(GroupingError):
    """The service refused a request.

    Attributes:
        status: HTTP status.
        code: the service's stable error code.
        errors: one entry per faulty field, with ``pointer`` and ``message``.
    """

    def __init__(self, status: int, code: str, message: str, errors: list[dict[str, Any]]) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.errors = errors


class Connection:
    """HTTP connection to one service.

    Args:
        url: address of the service.
        token: API token, where the service asks for one.
        timeout_s: seconds to wait for each answer. A busy service refuses a request with 429 or 503 and says
            when to ask again: one that may be repeated safely is sent again then, unless that is more than
            `timeout_s` after the first answer.
    """

    def __init__(
        self, url: str = "http://127.0.0.1:8000", *, token: str | None = None, timeout_s: float = 30.0
    ):
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self.url = url.rstrip("/")
        self._timeout_s = timeout_s
        self._http = new_client(self.url, headers=headers, timeout_s=timeout_s)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def request(self, method: str, path: str, **options: Any) -> Any:
        """Send a request and return its JSON answer, None where there is none.

        Raises:
            ServiceError: if the service refuses.
            StoreUnavailableError: if the service or its database does not answer.
        """
        response = self._send(method, path, **options)
        return response.json() if response.content else None

    def read(self, kind: type[Answer], method: str, path: str, **options: Any) -> Answer:
        """Send a request and return its answer as a wire type; fields that a newer service adds are ignored.

        Raises:
            ServiceError: if the service refuses, or answers something else.
            StoreUnavailableError: if the service or its database does not answer.
        """
        return _understood(kind, self._send(method, path, **options))

    def download(self, path: str, **parameters: Any) -> bytes:
        """Return the content of a file that the service makes.

        Raises:
            ServiceError: if the service refuses.
            StoreUnavailableError: if the service or its database does not answer.
        """
        return self._send("GET", path, params=parameters).content

    def save(self, path: str, out: Path, **parameters: Any) -> None:
        """Write a file that the service sends, part by part; it is there once it is whole.

        Raises:
            ServiceError: if the service refuses.
            StoreUnavailableError: if the service or its database does not answer, or the file breaks off.
        """
        partial = out.with_name(f"{out.name}.{uuid.uuid4().hex}.partial")
        request = self._http.build_request("GET", path, params=parameters)
        with self._speaking(), closing(self._answer(request, stream=True)) as response:
            try:
                with partial.open("wb") as file:
                    file.writelines(response.iter_bytes())
                partial.replace(out)
            finally:
                partial.unlink(missing_ok=True)

    def _send(self, method: str, path: str, **options: Any) -> httpx.Response:
        with self._speaking():
            return self._answer(self._http.build_request(method, path, **options))

    def _answer(self, request: httpx.Request, *, stream: bool = False) -> httpx.Response:
        """Return the successful answer to a request, sent again as long as a busy service asks for that."""
        response = self._http.send(request, stream=stream)
        end_s = time.monotonic() + self._timeout_s
        while not response.is_success:
            response.read()
            wait_s = _wait_s(response)
            if wait_s is None or time.monotonic() + wait_s > end_s:
                raise _error_of(response)
            time.sleep(wait_s)
            response = self._http.send(request, stream=stream)
        return response

    @contextmanager
    def _speaking(self) -> Iterator[None]:
        """Have what goes wrong between here and the service told as an error of the project."""
        try:
            yield
        except httpx.UnsupportedProtocol as error:
            raise InvalidInputError(
                f"{self.url} is no address of a service; write http://host:port."
            ) from error
        except ValueError as error:  # JSON knows no infinity and no NaN
            raise InvalidInputError("The request holds a number that is not finite.") from error
        except httpx.TransportError as error:
            raise StoreUnavailableError(_no_answer(self.url, error)) from error

    def create(
        self, kind: type[Answer], path: str, idempotency_key: str | None = None, **options: Any
    ) -> Answer:
        """Send a request that creates an object, again if its answer is lost; the key prevents duplicates.

        Raises:
            ServiceError: if the service refuses.
            StoreUnavailableError: if the service or its database does not answer.
        """
        options["headers"] = {"Idempotency-Key": idempotency_key or uuid.uuid4().hex}
        try:
            return self.read(kind, "POST", path, **options)
        except StoreUnavailableError as error:
            if not isinstance(error.__cause__, httpx.TransportError):
                raise  # the service answered, and was waited for
            time.sleep(POLL_S)
            return self.read(kind, "POST", path, **options)


def _no_answer(url: str, error: httpx.TransportError) -> str:
    told = f"The service at {url} does not answer ({error})."
    if proxy := proxy_of(url):
        return f"{told} It was asked through the proxy {proxy}; name its host in NO_PROXY to ask it directly."
    return f"{told} Start it with: grouping serve"


def _understood(kind: type[Answer], response: httpx.Response) -> Answer:
    try:
        return kind.model_validate_json(response.content, extra="ignore")
    except ValidationError as error:
        raise ServiceError(
            response.status_code,
            "unknown_answer",
            f"The answer of {response.url} is not the one that this version of the client knows: "
            f"{error.error_count()} differences. Use the version of the service.",
            [],
        ) from error


def _wait_s(response: httpx.Response) -> float | None:
    """Return the seconds after which a refused request is to be sent again; None where it must not be.

    What changes something may only be repeated if it has an idempotency key, or if the service says that it
    did nothing. What took too long would do so again.
    """
    if response.status_code not in (httpx.codes.TOO_MANY_REQUESTS, httpx.codes.SERVICE_UNAVAILABLE):
        return None
    code = _problem_of(response).get("code")
    is_safe = response.request.method in ("GET", "HEAD") or "Idempotency-Key" in response.request.headers
    if code == DeadlineExceededError.code or not (is_safe or code == OverloadedError.code):
        return None
    told = response.headers.get("Retry-After", "").strip()
    if told.isdecimal():
        return float(told)
    try:
        return max(0.0, parsedate_to_datetime(told).timestamp() - time.time())
    except ValueError:
        return None


def _problem_of(response: httpx.Response) -> dict[str, Any]:
    try:
        problem = response.json()
    except ValueError:
        return {}
    return problem if isinstance(problem, dict) else {}


def _error_of(response: httpx.Response) -> GroupingError:
    problem = _problem_of(response)
    detail = str(problem.get("detail") or f"The service answered {response.status_code}.")
    fields = [error for error in problem.get("errors") or [] if isinstance(error, dict)]
    listed = [
        f"{error.get('pointer') or error.get('parameter') or 'request'}: {error.get('message')}"
        for error in fields
    ]
    message = "; ".join([detail, *(line for line in listed if detail not in line)])
    if response.status_code == httpx.codes.SERVICE_UNAVAILABLE:
        return StoreUnavailableError(message)
    return ServiceError(response.status_code, str(problem.get("code", "")), message, fields)
