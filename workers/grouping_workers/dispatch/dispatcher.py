"""The dispatcher: claims jobs from the database, and looks after the processes that work on them.

All truth is in the database, written under the lease of a claim: whatever dies, the next claim goes on from
what is stored. The dispatcher itself imports neither what trains nor Ray, runs no strategy and no trainer,
and so lives on when one of those dies or hangs.
"""

from __future__ import annotations

import contextlib
import logging
import multiprocessing.connection
import os
import socket
import threading
import time
import uuid
from contextlib import ExitStack
from pathlib import Path

from grouping.errors import StoreUnavailableError, WorkerLostError
from grouping.guarded_process import ONE_THREAD
from grouping.store import Store
from grouping_workers.checkpoint_folders import prune
from grouping_workers.dispatch.child_process import ChildProcess
from grouping_workers.dispatch.fair_shares import fair_shares
from grouping_workers.dispatch.finisher import FINISH_S, Finisher
from grouping_workers.dispatch.messages import Join
from grouping_workers.dispatch.notifier import Notifier
from grouping_workers.dispatch.private_cluster import private_surroundings
from grouping_workers.dispatch.reach import Reachability
from grouping_workers.dispatch.supervised_job import SupervisedJob
from grouping_workers.settings import RaySettings

logger = logging.getLogger(__name__)

LEASE_S = 30.0
POLL_S = 0.5
TICK_S = 0.1
RETRY_S = 2.0
TELL_S = 5.0
"""Seconds between two signs of life in the database."""
CLUSTER_PAUSE_S = 2.0
"""Seconds before another Ray is started in place of one that ended."""


class Dispatcher:
    """Works on jobs until told to stop.

    Args:
        store: the database.
        database_url: address of the same database, for the processes of jobs.
        settings: the cluster, and what its workers may use.
        lease_s: how long a claim lasts without renewal.
        n_jobs: the most jobs at the same time.
        notifier: what tells webhooks meanwhile, if any.
        kept: address of the networks that are kept; None where none are made.
        finish_s: seconds after which the making of a bundle is ended, and has failed.
    """

    def __init__(
        self,
        store: Store,
        database_url: str,
        settings: RaySettings,
        *,
        lease_s: float = LEASE_S,
        n_jobs: int = 1,
        notifier: Notifier | None = None,
        kept: str | None = None,
        finish_s: float = FINISH_S,
    ) -> None:
        self._store = store
        self._database_url = database_url
        self._settings = settings
        self._lease_s = lease_s
        self._n_jobs = n_jobs
        self._notifier = notifier
        self._stop = threading.Event()
        self._cluster: ChildProcess | None = None
        self._folder: Path | None = None
        self._cluster_not_before = 0.0
        self._reachability = Reachability(settings.address)
        self._ray: Join | None = None
        self._jobs: list[SupervisedJob] = []
        self._spare: ChildProcess | None = None
        self._waiting_for_ray: list[ChildProcess] = []
        self._told_trouble = ""
        self._claimed_at = 0.0
        self._told_alive_at = -TELL_S
        self.owner = f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"
        self._finisher: Finisher | None = None
        if kept is not None:
            self._finisher = Finisher(
                store, database_url, self.owner, kept, lease_s=lease_s, limit_s=finish_s
            )

    def request_stop(self) -> None:
        """Ask `run` to give its jobs back and return; may be called from a signal handler."""
        self._stop.set()

    def run(self) -> None:
        """Claim and carry out jobs until `request_stop`."""
        logger.info("Dispatcher %s works on %s", self.owner, self._store.url_shown)
        with ExitStack() as stack:
            if self._notifier is not None:
                self._notifier.start()
                stack.callback(self._notifier.stop)
            if self._settings.address is None:
                self._folder = stack.enter_context(private_surroundings(self._settings.home))
            self._work()

    def _work(self) -> None:
        try:
            prune(self._settings.checkpoints)
            while not self._stop.is_set():
                try:
                    self._step()
                except StoreUnavailableError as error:
                    logger.warning("The database does not answer, trying again: %s", error)
                    self._stop.wait(RETRY_S)
            self._give_back()
        finally:
            self._end()
            with contextlib.suppress(StoreUnavailableError):
                self._store.tell_gone(self.owner)

    def _step(self) -> None:
        self._tell_alive()
        self._look_after_cluster()
        self._keep_a_spare()
        self._claim()
        self._look_after_jobs()
        if self._finisher is not None:
            self._finisher.step()
        if self._settings.address is None:
            self._share_out()
        processes = [job.process for job in self._jobs if job.process is not None]
        if pipes := [process.pipe for process in processes if not process.is_ended]:
            multiprocessing.connection.wait(pipes, TICK_S)
        else:
            self._stop.wait(TICK_S)

    def _tell_alive(self) -> None:
        """Tell the database that the dispatcher is at work, now and then; from this loop, which may hang."""
        if time.monotonic() - self._told_alive_at >= TELL_S:
            self._store.tell_alive(self.owner, self._n_jobs)
            self._told_alive_at = time.monotonic()

    # --- jobs

    def _claim(self) -> None:
        """Claim a job where there is room for one; rest for a while after there was none."""
        if len(self._jobs) >= self._n_jobs or time.monotonic() - self._claimed_at < POLL_S:
            return
        if any(job.is_lone for job in self._jobs):
            return
        claim = self._store.claim_job(self.owner, lease_s=self._lease_s, has_others=bool(self._jobs))
        if claim is None:
            self._claimed_at = time.monotonic()
            return
        logger.info("Job %s: claimed", claim.job.id)
        self._jobs.append(
            SupervisedJob(
                self._store, claim, self._take_process, self._settings.limits_s, self._reachability.trouble
            )
        )

    def _look_after_jobs(self) -> None:
        for job in list(self._jobs):
            if not job.step():
                self._jobs.remove(job)
                job.close()
                self._keep(job.process)

    def _share_out(self) -> None:
        """Tell each job what share it has of the cluster that nobody else uses."""
        on_ray = [job for job in self._jobs if job.is_on_ray]
        shares = fair_shares({job.job_id: job.wanted for job in on_ray})
        for job in on_ray:
            job.tell_share(shares[job.job_id])

    def _give_back(self) -> None:
        """Have every process give its job back, then do it for those that are busy."""
        for job in self._jobs:
            job.give_back()
        while self._jobs:
            try:
                self._look_after_jobs()
            except StoreUnavailableError as error:
                logger.warning("The database does not answer: %s", error)
                return
            time.sleep(TICK_S)

    # --- processes

    def _take_process(self) -> ChildProcess:
        """Return the spare process, or start one."""
        process, self._spare = self._spare, None
        return process or self._start_process()

    def _start_process(self) -> ChildProcess:
        from grouping_workers.job.job_process import run_jobs

        arguments = (self._database_url, self._settings)
        process = ChildProcess(run_jobs, arguments, "process of the job", ONE_THREAD)
        if self._ray is None:
            self._waiting_for_ray.append(process)
        else:
            process.send(self._ray)
        return process

    def _keep_a_spare(self) -> None:
        """Have a process ready for the next job while there is none: it takes seconds to start."""
        if not self._jobs and self._spare is None:
            self._spare = self._start_process()
        if self._spare is not None:
            try:
                while self._spare.receive() is not None:
                    pass
            except WorkerLostError as error:
                logger.warning("%s Another one is started.", error)
                self._spare = None
                self._stop.wait(RETRY_S)

    def _keep(self, process: ChildProcess | None) -> None:
        """Keep the process of a job that ended for the next one, if none is kept yet."""
        if process is None:
            return
        if self._spare is None and not self._jobs:
            self._spare = process
        else:
            process.stop()

    # --- Ray

    def _look_after_cluster(self) -> None:
        """Keep a cluster of this dispatcher's own running, or watch whether the named one can be reached."""
        if self._settings.address is not None:
            self._watch_cluster_at(self._settings.address)
            return
        if self._cluster is None:
            if time.monotonic() < self._cluster_not_before:
                return
            from grouping_workers.on_ray.cluster_process import run_cluster

            wanted = (self._settings.n_workers, self._folder)
            self._cluster = ChildProcess(run_cluster, wanted, "Ray cluster")
        try:
            message = self._cluster.receive()
        except WorkerLostError as error:
            logger.warning("%s Another one is started.", error)
            self._cluster, self._ray = None, None
            self._cluster_not_before = time.monotonic() + CLUSTER_PAUSE_S
            self._end_spare()
            for job in self._jobs:
                job.lose_process(str(error))
            return
        if isinstance(message, Join):
            self._have_joined(message)

    def _watch_cluster_at(self, address: str) -> None:
        """Have processes join the cluster once it can be reached; jobs without Ray need not wait for it."""
        trouble = self._reachability.trouble()
        if trouble and trouble != self._told_trouble:
            logger.warning("%s It is tried again; jobs wait.", trouble)
        self._told_trouble = trouble
        if trouble:
            self._ray = None
        elif self._ray is None:
            self._have_joined(Join(address))

    def _have_joined(self, cluster: Join) -> None:
        self._ray = cluster
        for process in self._waiting_for_ray:
            process.send(cluster)
        self._waiting_for_ray.clear()

    def _end_spare(self) -> None:
        if self._spare is not None:
            self._spare.stop()
            self._spare = None

    def _end(self) -> None:
        if self._finisher is not None:
            with contextlib.suppress(StoreUnavailableError):
                self._finisher.stop()
        for job in self._jobs:
            job.close()
            if job.process is not None:
                job.process.stop()
        self._end_spare()
        if self._cluster is not None:
            self._cluster.stop()
