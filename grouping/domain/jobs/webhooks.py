"""Webhooks: addresses that are told when a job has ended, which of them are allowed, and how it is signed.

The signature is that of Standard Webhooks (https://www.standardwebhooks.com), for which most languages have a
library: HMAC-SHA256 over identifier, time and body.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated
from urllib.parse import urlsplit

from annotated_types import MaxLen

from grouping.domain.fields import Pattern
from grouping.errors import InvalidInputError

MAX_WEBHOOKS = 3
MAX_ADDRESS = 2000
LEAST_SECRET = 16
"""Bytes of a secret."""
RETRY_S = (5.0, 30.0, 120.0, 600.0, 3600.0, 10_800.0, 21_600.0, 43_200.0)
"""Seconds from each attempt that failed to the next one; then it is given up, after a day."""
MAX_ATTEMPTS = len(RETRY_S) + 1
ADDRESS = (
    r"^https?://([a-z0-9]([a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:.]+\])(:[0-9]{1,5})?"
    r"(/[A-Za-z0-9._~!$&'()*+,;=:@%/-]*)?(\?[A-Za-z0-9._~!$&'()*+,;=:@%/?-]*)?$"
)
"""An address that every program reads alike: no user, no fragment, host and scheme in small letters."""
Webhook = Annotated[
    str, MaxLen(MAX_ADDRESS), Pattern(ADDRESS, "an address such as https://host.example/path")
]

_PORTS = {"http": 80, "https": 443}
_HIDDEN = re.compile(r"(?i)%(2e|2f|5c|25)")
"""Dots, slashes and percent signs that are written otherwise."""


@dataclass(frozen=True, slots=True)
class _Place:
    scheme: str
    host: str
    port: int
    path: str

    @classmethod
    def of(cls, address: str) -> _Place:
        """Take an address apart.

        Raises:
            InvalidInputError: if it is none that is allowed for any service.
        """
        if len(address) > MAX_ADDRESS or not re.fullmatch(ADDRESS, address):
            raise InvalidInputError(
                f"{address[:100]!r} is no address of a webhook; write one such as https://host.example/path, "
                "with the host in small letters, without user, password and fragment."
            )
        parts = urlsplit(address)
        try:
            port = parts.port
        except ValueError:
            raise InvalidInputError(f"{address[:100]!r} has no port that there is.") from None
        path = parts.path or "/"
        if _HIDDEN.search(path) or {".", ".."} & set(path.split("/")):
            raise InvalidInputError(f"The path of {address[:100]!r} has dots or slashes that lead elsewhere.")
        return cls(parts.scheme, parts.hostname or "", port or _PORTS[parts.scheme], path)


@dataclass(frozen=True, slots=True)
class AllowedWebhooks:
    """Addresses below which webhooks may lie; none where a service sends nothing.

    Attributes:
        prefixes: the addresses: scheme, host and port have to be the same, and the path has to begin with
            that of the prefix, whole parts of it.
    """

    prefixes: tuple[str, ...] = ()
    _places: tuple[_Place, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        for prefix in self.prefixes:
            if "?" in prefix:
                raise InvalidInputError(
                    f"The address {prefix[:100]!r} that is allowed has a query; leave it out."
                )
        object.__setattr__(self, "_places", tuple(map(_Place.of, self.prefixes)))

    @classmethod
    def parse(cls, text: str) -> AllowedWebhooks:
        """Read addresses that are separated by commas.

        Raises:
            InvalidInputError: if one is no address.
        """
        return cls(tuple(part.strip() for part in text.split(",") if part.strip()))

    def refusal(self, address: str) -> str:
        """Say why nothing may be sent to an address; empty where it may."""
        if not self.prefixes:
            return (
                "This service sends no webhooks: who runs it has not allowed any address (GROUPING_WEBHOOKS)."
            )
        try:
            place = _Place.of(address)
        except InvalidInputError as error:
            return str(error)
        if any(_is_below(place, allowed) for allowed in self._places):
            return ""
        return f"Webhooks may not be sent to {address[:100]}; allowed are {', '.join(self.prefixes)}."


def _is_below(place: _Place, allowed: _Place) -> bool:
    if (place.scheme, place.host, place.port) != (allowed.scheme, allowed.host, allowed.port):
        return False
    folder = allowed.path if allowed.path.endswith("/") else f"{allowed.path}/"
    return place.path == allowed.path or place.path.startswith(folder)


@dataclass(frozen=True, slots=True)
class Signer:
    """Signs what is sent.

    Attributes:
        secret: secret that sender and receiver share; as it is, or ``whsec_`` and Base64.
    """

    secret: str = field(repr=False)
    _key: bytes = field(init=False, repr=False)

    def __post_init__(self) -> None:
        encoded = self.secret.removeprefix("whsec_")
        try:
            is_encoded = encoded != self.secret
            key = base64.b64decode(encoded, validate=True) if is_encoded else self.secret.encode()
        except binascii.Error as error:
            raise InvalidInputError("After whsec_ a secret of webhooks goes on in Base64.") from error
        if len(key) < LEAST_SECRET:
            raise InvalidInputError(f"A secret of webhooks has at least {LEAST_SECRET} bytes.")
        object.__setattr__(self, "_key", key)

    def headers(self, delivery_id: str, now_s: float, body: bytes) -> Mapping[str, str]:
        """Return the headers with identifier, time and signature of a body.

        Args:
            delivery_id: what is the same in every attempt, so that the receiver knows a repetition.
            now_s: time of this attempt, in seconds since 1970.
            body: what is sent.
        """
        signed = f"{delivery_id}.{int(now_s)}.".encode() + body
        signature = base64.b64encode(hmac.digest(self._key, signed, hashlib.sha256)).decode()
        return {
            "webhook-id": delivery_id,
            "webhook-timestamp": str(int(now_s)),
            "webhook-signature": f"v1,{signature}",
        }
