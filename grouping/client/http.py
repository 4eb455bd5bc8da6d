"""The one maker of HTTP clients: no proxy between this machine and itself, and errors that name the proxy."""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Mapping
from urllib.request import getproxies, proxy_bypass

import httpx

from grouping.errors import InvalidInputError


def new_client(url: str, *, headers: Mapping[str, str] | None = None, timeout_s: float) -> httpx.Client:
    """Return a client for the service at an address.

    ``HTTP_PROXY``, ``HTTPS_PROXY``, ``ALL_PROXY`` and ``NO_PROXY`` count, except for a loopback address: a
    proxy could only reach itself there.

    Raises:
        InvalidInputError: if the environment names a proxy that cannot be used.
    """
    try:
        return httpx.Client(
            base_url=url, headers=headers, timeout=timeout_s, trust_env=not _is_loopback(httpx.URL(url).host)
        )
    except (ImportError, ValueError) as error:
        raise InvalidInputError(
            f"The proxy of the environment ({_proxies()}) cannot be used: {str(error).rstrip('.')}. "
            "Unset it, or name the host of the service in NO_PROXY."
        ) from error
    except httpx.InvalidURL as error:
        raise InvalidInputError(f"{url} is no address of a service: {error}.") from error


def answers(url: str) -> bool:
    """Return whether a service answers at an address and can work."""
    with new_client(url, timeout_s=2.0) as client:
        try:
            return client.get("/readyz").status_code == httpx.codes.OK
        except httpx.TransportError:
            return False


def proxy_of(url: str) -> str:
    """Return the proxy through which requests to an address go, for an error; empty where none is."""
    target = httpx.URL(url)
    if _is_loopback(target.host) or proxy_bypass(target.host):
        return ""
    proxies = getproxies()
    return _without_password(proxies.get(target.scheme) or proxies.get("all") or "")


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _without_password(proxy: str) -> str:
    return re.sub(r"//[^/@]*@", "//", proxy)


def _proxies() -> str:
    named = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
    found = {name: os.environ.get(name) or os.environ.get(name.lower()) for name in named}
    return ", ".join(f"{name}={_without_password(value)}" for name, value in found.items() if value)
