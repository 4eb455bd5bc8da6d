"""Connection to a service: requests, answers, files and errors."""

from __future__ import annotations

import time
import uuid
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx
from pydantic import BaseModel, ValidationError

from grouping.client.http import new_client, proxy_of
from grouping.errors import GroupingError, InvalidInputError, StoreUnavailableError

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
        timeout_s: seconds to wait for each answer.
    """

    def __init__(
        self, url: str = "http://127.0.0.1:8000", *, token: str | None = None, timeout_s: float = 30.0
    ):
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self.url = url.rstrip("/")
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

    def _send(self, method: str, path: str, **options: Any) -> httpx.Response:
        try:
            response = self._http.request(method, path, **options)
        except httpx.UnsupportedProtocol as error:
            raise InvalidInputError(
                f"{self.url} is no address of a service; write http://host:port."
            ) from error
        except ValueError as error:  # JSON knows no infinity and no NaN
            raise InvalidInputError("The request holds a number that is not finite.") from error
        except httpx.TransportError as error:
            raise StoreUnavailableError(_no_answer(self.url, error)) from error
        if response.is_success:
            return response
        raise _error_of(response)

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
        except StoreUnavailableError:
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


def _error_of(response: httpx.Response) -> GroupingError:
    try:
        problem = response.json()
    except ValueError:
        problem = {}
    if not isinstance(problem, dict):
        problem = {}
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
