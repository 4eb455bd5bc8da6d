"""Tells webhooks that jobs have ended: what is to be told stands in the database until it is told.

It works in a thread of its own, so that a slow receiver holds up no job. A dispatcher that dies between the
request and the record has another one tell it again; the receiver knows it by its `webhook-id`.
"""

from __future__ import annotations

import logging
import threading
import time

import httpx

from grouping.domain.jobs.webhooks import AllowedWebhooks, Signer
from grouping.errors import StoreUnavailableError
from grouping.store import Delivery, Store
from grouping.use_cases.webhooks import allowed_webhooks, webhook_signer
from grouping.wire.webhooks import EndedJobOut, JobEndedOut

logger = logging.getLogger(__name__)

POLL_S = 1.0
TIMEOUT_S = 10.0
"""Seconds for each step of a request."""
LEASE_S = 60.0
"""Seconds after which an attempt of which nothing is heard counts as lost."""
END_S = 5.0
"""Seconds that an attempt under way is waited for when the dispatcher ends."""


class Notifier:
    """Tells webhooks, one after another.

    Args:
        store: the database.
        allowed: addresses that may be told; looked at again before each attempt.
        signer: what signs.
    """

    def __init__(self, store: Store, allowed: AllowedWebhooks, signer: Signer) -> None:
        self._store = store
        self._allowed = allowed
        self._signer = signer
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="webhooks", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End, after the attempt under way unless that takes long; it is made again then."""
        self._stop.set()
        self._thread.join(END_S)

    def step(self) -> bool:
        """Make the attempt that is due for the longest time; return whether there was one.

        Raises:
            StoreUnavailableError: if the database does not answer; what was told may be told again.
        """
        delivery = self._store.claim_delivery(lease_s=LEASE_S)
        if delivery is None:
            return False
        if why := self._allowed.refusal(delivery.address):
            self._store.record_undelivered(delivery, why, is_hopeless=True)
            return True
        status, fault = self._send(delivery)
        if fault:
            logger.warning("Job %s: %s was not told: %s", delivery.job_id, delivery.address, fault)
            self._store.record_undelivered(delivery, fault)
        else:
            self._store.record_delivered(delivery, status)
        return True

    def _send(self, delivery: Delivery) -> tuple[int, str]:
        """Send it; return the status of the answer, and what went wrong."""
        told = JobEndedOut.read(delivery, data=EndedJobOut.read(delivery))
        body = told.model_dump_json().encode()
        headers = {
            "content-type": "application/json",
            "user-agent": "mtl-grouping",
            **self._signer.headers(delivery.id, time.time(), body),
        }
        try:
            request = httpx.Request(
                "POST", delivery.address, content=body, headers=headers, extensions={"timeout": _TIMEOUTS}
            )
            # Neither redirects nor what the environment says of proxies and passwords is followed.
            with httpx.HTTPTransport(trust_env=False, retries=0) as transport:
                answer = transport.handle_request(request)  # of which nothing but the head is read
                status = answer.status_code
                answer.close()
        except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:  # the last: of a host
            return 0, f"{type(error).__name__}: {error}".rstrip(": ")
        if 300 <= status < 400:
            return status, f"It answered {status}; redirects are not followed."
        return status, "" if 200 <= status < 300 else f"It answered {status}."

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                if not self.step():
                    self._stop.wait(POLL_S)
            except StoreUnavailableError as error:
                logger.warning("Webhooks wait for the database: %s", error)
                self._stop.wait(POLL_S)
            except Exception:  # one that cannot be told must not keep the others from being told
                logger.exception("A webhook could not be told; it is tried again in a minute")
                self._stop.wait(POLL_S)


_TIMEOUTS = dict.fromkeys(("connect", "read", "write", "pool"), TIMEOUT_S)


def notifier_of(store: Store) -> Notifier | None:
    """Return what tells webhooks as the environment says; None where it allows none.

    Raises:
        InvalidInputError: if an address is none, or there is no secret.
    """
    allowed = allowed_webhooks()
    return Notifier(store, allowed, webhook_signer()) if allowed.prefixes else None
