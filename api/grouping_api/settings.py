"""Settings of the API process, read from the environment when `Settings` is built and never before."""

from __future__ import annotations

import ipaddress
import os
from pathlib import Path
from typing import Annotated

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from grouping.errors import InvalidInputError

LOOPBACK_NAMES = ("127.0.0.1", "localhost", "::1")


class Settings(BaseSettings):
    """Settings of the API, each read from an environment variable with the prefix ``GROUPING_``.

    Attributes:
        database_url: URL of the database that holds jobs and scores.
        api_token: token that callers must present; None leaves the API open, which is for loopback only.
        allowed_hosts: host names under which the service may be called, without ports. A name that is not
            listed is refused, so that a page of another site cannot reach the service by rebinding its name.
        data_paths: folders of this machine from which tables may be stored by their path; none unless given.
        solve_time_limit_s: most wall time of one solve; an answer that it ends gives its optimality gap.
        event_poll_s: seconds between two reads of the database by a stream of events.
        heartbeat_s: seconds after which a silent stream sends a comment, so that proxies keep it open.
    """

    model_config = SettingsConfigDict(env_prefix="GROUPING_", extra="ignore", frozen=True)

    database_url: str = "sqlite:///grouping.db"
    api_token: SecretStr | None = None
    allowed_hosts: Annotated[tuple[str, ...], NoDecode] = LOOPBACK_NAMES
    data_paths: Annotated[tuple[Path, ...], NoDecode] = ()
    solve_time_limit_s: float = Field(default=10.0, gt=0, le=600)
    event_poll_s: float = Field(default=0.5, gt=0, le=60)
    heartbeat_s: float = Field(default=15.0, gt=0, le=300)

    @field_validator("allowed_hosts", mode="before")
    @classmethod
    def _split_hosts(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",")) if isinstance(value, str) else value

    @field_validator("data_paths", mode="before")
    @classmethod
    def _split_paths(cls, value: object) -> object:
        return tuple(part for part in value.split(os.pathsep) if part) if isinstance(value, str) else value

    @field_validator("allowed_hosts")
    @classmethod
    def _normalise_hosts(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(host.strip("[]").lower() for host in value if host)

    @field_validator("api_token")
    @classmethod
    def _refuse_weak_token(cls, value: SecretStr | None) -> SecretStr | None:
        if value is None or not value.get_secret_value():
            return None
        if len(value.get_secret_value()) < 16:
            raise ValueError("an API token has at least 16 characters")
        return value

    def check_bind(self, host: str) -> None:
        """Refuse to listen beyond this machine without a token.

        Raises:
            InvalidInputError: if `host` is no loopback address and no token is set.
        """
        if self.api_token is None and not is_loopback(host):
            raise InvalidInputError(
                f"Without a token the service listens on loopback only, and {host} is not: "
                "set GROUPING_API_TOKEN, or serve on 127.0.0.1."
            )


def is_loopback(host: str) -> bool:
    """Tell whether an address to listen on can be reached from this machine only."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
