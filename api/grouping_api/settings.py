"""Settings of the API process, read from the environment when `Settings` is built and never before."""

from __future__ import annotations

import ipaddress
import os
from pathlib import Path
from typing import Annotated

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from grouping.errors import InvalidInputError
from grouping_api.root_path import PREFIX

LOOPBACK_NAMES = ("127.0.0.1", "localhost", "::1")


class Settings(BaseSettings):
    """Settings of the API, each read from an environment variable with the prefix ``GROUPING_``.

    The descriptions are those of the reference, too.
    """

    model_config = SettingsConfigDict(env_prefix="GROUPING_", extra="ignore", frozen=True)

    database_url: str = Field(
        default="sqlite:///grouping.db", description="URL of the database that holds jobs and scores."
    )
    api_token: SecretStr | None = Field(
        default=None,
        description="Token that callers must present, of 16 characters or more; without one the API listens "
        "on loopback only.",
    )
    allowed_hosts: Annotated[tuple[str, ...], NoDecode] = Field(
        default=LOOPBACK_NAMES,
        description="Host names under which the service may be called, without ports, separated by commas; "
        "`*` for any. Another name is refused, so that a page of another site cannot reach the service by "
        "rebinding its name.",
    )
    data_paths: Annotated[tuple[Path, ...], NoDecode] = Field(
        default=(),
        description="Folders of this machine from which tables may be stored by their path, separated by "
        "colons.",
    )
    root_path: str = Field(
        default="",
        description="Path below which a proxy shows the service, such as `/grouping`; that of the proxy's "
        "header `X-Forwarded-Prefix` unless given.",
    )
    solve_time_limit_s: float = Field(
        default=10.0,
        gt=0,
        le=600,
        description="Most seconds of one request that solves, whatever it asks for; an answer that this ends "
        "gives its optimality gap.",
    )
    solve_processes: int | None = Field(
        default=None,
        ge=1,
        le=256,
        description="Requests that solve, or read whole score tables, at the same time; one per processor, "
        "four at most, unless given.",
    )
    solve_queue: int = Field(
        default=16,
        ge=0,
        le=10_000,
        description="Such requests that wait for their turn; more are refused with 503 and `Retry-After`.",
    )
    solve_memory_mb: int = Field(
        default=2048,
        ge=256,
        description="Most memory of one solve, in MiB; each solve is a process of its own.",
    )
    upload_readers: int = Field(
        default=2, ge=1, le=256, description="Uploads that are read at the same time, each by a process."
    )
    uploads: int = Field(
        default=8,
        ge=1,
        le=10_000,
        description="Uploads that are received, wait for a reader or are read at the same time; more are "
        "refused with 503 and `Retry-After`. Each holds its file in memory: 128 MiB at most, 256 MiB for "
        "data.",
    )
    event_streams: int = Field(
        default=1000,
        ge=1,
        le=100_000,
        description="Streams of events that are open at the same time; more are refused with 503 and "
        "`Retry-After`.",
    )
    header_time_s: float = Field(
        default=10.0,
        gt=0,
        le=600,
        description="Seconds in which a caller sends the headers of a request; then it is cut off.",
    )
    silence_s: float = Field(
        default=30.0,
        gt=0,
        le=3600,
        description="Seconds after which a connection is closed if nothing more comes of a request's body.",
    )
    kept: str | None = Field(
        default=None,
        description="Where `grouping finish` keeps trained weights and bundles, which are offered for "
        "download: a folder, or an address such as `s3://bucket/kept`.",
    )
    bundle_downloads: int = Field(
        default=8,
        ge=1,
        le=1000,
        description="Bundles that are sent at the same time; more are refused with 503 and `Retry-After`.",
    )
    event_poll_s: float = Field(
        default=0.5,
        gt=0,
        le=60,
        description="Seconds between two reads of the database by a stream of events.",
    )
    heartbeat_s: float = Field(
        default=15.0,
        gt=0,
        le=300,
        description="Seconds after which a silent stream sends a comment, so that proxies keep it open.",
    )

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

    @field_validator("root_path")
    @classmethod
    def _check_root_path(cls, value: str) -> str:
        root = value.strip().rstrip("/")
        if root and not PREFIX.fullmatch(root):
            raise ValueError("a root path is a path such as /grouping, of letters, digits and . _ ~ -")
        return root

    @field_validator("api_token")
    @classmethod
    def _refuse_weak_token(cls, value: SecretStr | None) -> SecretStr | None:
        if value is None or not value.get_secret_value():
            return None
        if len(value.get_secret_value()) < 16:
            raise ValueError("an API token has at least 16 characters")
        return value

    @property
    def solves_at_once(self) -> int:
        """Number of requests that solve at the same time."""
        return self.solve_processes or min(4, os.cpu_count() or 1)

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


def read_settings(database_url: str) -> Settings:
    """Read the settings from the environment.

    Args:
        database_url: URL of the database.

    Raises:
        InvalidInputError: if a variable cannot be understood; names every such variable.
    """
    try:
        return Settings(database_url=database_url)
    except ValidationError as error:
        faults = (
            f"GROUPING_{str(fault['loc'][0]).upper()}: {fault['msg'].removeprefix('Value error, ')}"
            for fault in error.errors()
        )
        raise InvalidInputError(f"The environment cannot be used. {'; '.join(faults)}.") from error


def is_loopback(host: str) -> bool:
    """Tell whether an address to listen on can be reached from this machine only."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
