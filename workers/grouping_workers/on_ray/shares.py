"""Fair shares of a Ray cluster among the jobs on it, whichever dispatcher has them.

The processes of all jobs on a cluster that several dispatchers use meet at a named actor, which needs no
processor. Each tells what share of the cluster it could use and gets what is fair
(`grouping_workers.dispatch.fair_shares`). Who does not renew its share for a while has none. On a cluster of
its own a dispatcher tells each of its jobs its share.
"""

from __future__ import annotations

import logging
import time
from typing import Any

import ray
from ray.exceptions import GetTimeoutError, RayError

from grouping_workers.dispatch.fair_shares import fair_shares
from grouping_workers.job.control import Control

logger = logging.getLogger(__name__)

NAMESPACE = "mtl-grouping"
NAME = "shares-1"
"""The number counts up when members of two versions could not understand each other."""
RENEW_S = 2.0
GONE_S = 15.0
"""Seconds without renewal after which a member has gone."""


class SharesActor:
    """The actor at which the members meet. Wrapped by `ray.remote`."""

    def __init__(self) -> None:
        self._members: dict[str, tuple[float, float]] = {}

    def renew(self, member: str, wanted: float) -> tuple[float, int]:
        """Renew a member; return its share, and how many members there are."""
        now = time.monotonic()
        self._members[member] = (wanted, now)
        self._members = {name: one for name, one in self._members.items() if now - one[1] < GONE_S}
        shares = fair_shares({name: want for name, (want, _) in self._members.items()})
        return shares[member], len(self._members)

    def leave(self, member: str) -> None:
        """Take a member out; the last one ends the actor."""
        self._members.pop(member, None)
        if not self._members:
            ray.actor.exit_actor()


class Share:
    """The share of one member. Never waits for the others: it goes on with its last share meanwhile.

    Args:
        member: name of this process among all that share the cluster.
    """

    def __init__(self, member: str) -> None:
        self._member = member
        self._actor: Any = None
        self._asked: Any = None
        self._asked_at = 0.0
        self._share = 1.0
        self._n_members = 1

    @property
    def has_others(self) -> bool:
        """Whether other jobs are on the cluster."""
        return self._n_members > 1

    def renew(self, wanted: float) -> float:
        """Return the share of the cluster that this job may use now.

        Args:
            wanted: the share that it could use, in [0, 1].
        """
        self._read_answer()
        now = time.monotonic()
        if self._asked is None and now - self._asked_at >= RENEW_S:
            self._asked = self._meet().renew.remote(self._member, wanted)
            self._asked_at = now
        return self._share

    def leave(self) -> None:
        """Leave the others the whole cluster."""
        if self._actor is not None:
            self._actor.leave.remote(self._member)
        self._actor = self._asked = None
        self._asked_at, self._share, self._n_members = 0.0, 1.0, 1

    def _read_answer(self) -> None:
        if self._asked is None:
            return
        try:
            self._share, self._n_members = ray.get(self._asked, timeout=0)
        except GetTimeoutError:
            if time.monotonic() - self._asked_at < GONE_S:
                return
        except RayError as error:  # its node ended, or it was just leaving
            logger.info("Shares are asked for anew: %s", error)
            self._actor = None
        self._asked = None

    def _meet(self) -> Any:
        if self._actor is None:
            remote = ray.remote(num_cpus=0, max_restarts=-1)(SharesActor)
            options = {"name": NAME, "namespace": NAMESPACE, "lifetime": "detached", "get_if_exists": True}
            self._actor = remote.options(**options).remote()
        return self._actor


class ToldShare:
    """The share that the dispatcher tells, on a cluster that only its own jobs use.

    Args:
        control: connection to the dispatcher.
    """

    def __init__(self, control: Control) -> None:
        self._control = control

    @property
    def has_others(self) -> bool:
        """Whether other jobs are on the cluster."""
        return self._control.share < 1

    def renew(self, wanted: float) -> float:
        """Return the share of the cluster that this job may use now; the dispatcher learns what it wants."""
        self._control.wanted = wanted
        return self._control.share

    def leave(self) -> None:
        """Want nothing any more."""
        self._control.wanted = 0.0
