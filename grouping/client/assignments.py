"""Trainings that a service leases to workers: asked for, kept, and reported on, one at a time."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import httpx

from grouping.client.connection import Connection
from grouping.domain.networks import Network
from grouping.domain.trainings.faults import Fault
from grouping.domain.trainings.progress import Progress
from grouping.domain.trainings.resources import Resources
from grouping.domain.trainings.trials import TrialOutcome, TrialRequest, TrialState
from grouping.trainers.result_file import document_of
from grouping.wire.jobs import JobOut
from grouping.wire.leases import MAX_POINTS, MAX_TEXT, HeartbeatOut, LeaseOut, TrialStateOut, WaitingOut

if TYPE_CHECKING:
    from grouping.client.agent import Train

ANSWER_S = 30.0
"""Seconds that an answer may take beyond those that the service was asked to wait."""


@dataclass(frozen=True, slots=True)
class Assignment:
    """A training that is leased to a worker.

    Attributes:
        token: secret of the lease.
        worker: name of the worker.
        job_id: identifier of the job.
        trial_id: identifier of the training, the same at each attempt.
        attempt: number of the attempt, from 1.
        problem: name of the problem.
        tasks: tasks to train together, in display order.
        request: what to train: network, seed, fidelity, purpose.
        parameters: parameters of the job's trainer.
        epochs: epochs of this training, as they count in a training budget.
        deadline_s: seconds after which to end it and report a failure; None for no end.
        lease_s: seconds for which a heartbeat keeps the lease.
        size_name: name of the size of the network; empty where it has none.
    """

    token: str
    worker: str
    job_id: str
    trial_id: str
    attempt: int
    problem: str
    tasks: tuple[str, ...]
    request: TrialRequest
    parameters: Mapping[str, Any]
    epochs: int
    deadline_s: float | None
    lease_s: float
    size_name: str = ""

    @classmethod
    def of(cls, lease: LeaseOut) -> Assignment:
        """Read an assignment from the answer of the service."""
        network = Network(frozenset(lease.tasks), lease.size, lease.cost_snt)
        request = TrialRequest(network, lease.seed, lease.fidelity, lease.purpose, lease.measures_affinity)
        return cls(
            lease.token,
            lease.worker,
            lease.job_id,
            lease.trial_id,
            lease.attempt,
            lease.problem,
            tuple(lease.tasks),
            request,
            lease.parameters,
            lease.epochs,
            lease.deadline_s,
            lease.lease_s,
            lease.size_name,
        )

    @property
    def size(self) -> float:
        """Size of the network; the full one is 1."""
        return self.request.network.size

    @property
    def seed(self) -> int:
        """Seed of the training."""
        return self.request.seed

    @property
    def fidelity(self) -> float:
        """Share of a full training, in (0, 1]."""
        return self.request.fidelity

    def __str__(self) -> str:
        return f"{self.request.network.name(self.tasks)}, seed {self.seed}, of job {self.job_id}"


class Assignments:
    """Methods by which a worker trains for a service: for some of its jobs, or for any."""

    def _service(self) -> Connection:
        raise NotImplementedError

    def _job_ids(self) -> Sequence[str] | None:
        """Return the jobs to train for; None for any."""
        raise NotImplementedError

    def ask(
        self, worker: str | None = None, *, wait_s: float = 30.0, resources: Resources | None = None
    ) -> Assignment | None:
        """Lease the next training; None if there is none in time.

        An attempt is counted with it. Call `heartbeat` several times per ``Assignment.lease_s`` while it
        trains, then one of `tell`, `fail` and `give_back`.

        Args:
            worker: name of the worker, for people; host and process unless given.
            wait_s: seconds to wait for a training where there is none; at most 60.
            resources: what the worker has for it; only trainings that fit are leased then. Memory that is
                not stated is not limited.

        Raises:
            ServiceError: if the service refuses, as where it trains the job itself.
            StoreUnavailableError: if the service or its database does not answer.
        """
        asked = {"worker": worker or this_worker(), "wait_s": wait_s, **self._asked_for(resources)}
        timeout = httpx.Timeout(wait_s + ANSWER_S)
        answer = self._service().request("POST", "/v1/leases", json=asked, timeout=timeout)
        if answer is None:
            return None
        return Assignment.of(LeaseOut.model_validate(answer, extra="ignore"))

    def waiting(self, resources: Resources | None = None) -> WaitingOut:
        """Tell what waits for workers, and what a worker with these resources lacks for it.

        Raises:
            ServiceError: if the service refuses, as where it trains the job itself.
            StoreUnavailableError: if the service or its database does not answer.
        """
        asked = self._asked_for(resources)
        return self._service().read(WaitingOut, "POST", "/v1/leases/waiting", json=asked)

    def heartbeat(self, assignment: Assignment, progress: Sequence[Progress] = (), log: str = "") -> bool:
        """Keep the lease, and pass on what the training told since the last heartbeat.

        Args:
            assignment: the training.
            progress: points of its learning curves; the last ``MAX_POINTS`` are sent.
            log: further output, as it was written; the last ``MAX_TEXT`` characters are sent.

        Returns:
            Whether the user cancels the job, so that the training should end.

        Raises:
            ServiceError: with the code ``lease_lost`` if the lease has ended: nobody waits for it any more.
            StoreUnavailableError: if the service or its database does not answer.
        """
        told = {
            "progress": [
                {"step": point.step, "values": dict(point.values)} for point in progress[-MAX_POINTS:]
            ],
            "log": log[-MAX_TEXT:],
        }
        answer = self._service().read(HeartbeatOut, "POST", _address(assignment, "heartbeat"), json=told)
        return answer.is_cancelled

    def tell(self, assignment: Assignment, outcome: TrialOutcome) -> TrialState:
        """Report the outcome of a training; telling it again changes nothing.

        Returns:
            State of the training.

        Raises:
            ServiceError: with the code ``lease_lost`` if the lease has ended, or if the losses are not those
                of the tasks of the assignment.
            StoreUnavailableError: if the service or its database does not answer.
        """
        if outcome.state is TrialState.SUCCEEDED:
            result = {**document_of(outcome), "seconds": outcome.seconds}
            return self._report(assignment, "complete", result)
        reason = outcome.error or f"The training {outcome.state}."
        if outcome.state is TrialState.DIVERGED:
            told = {"error": reason[-MAX_TEXT:], "is_diverged": True, "epochs": outcome.epochs}
            return self._report(assignment, "fail", told)
        return self.fail(assignment, reason, fault=outcome.fault or Fault.USER)

    def fail(
        self, assignment: Assignment, error: str, *, retry: bool = False, fault: Fault = Fault.USER
    ) -> TrialState:
        """Report that a training failed.

        Args:
            assignment: the training.
            error: what went wrong, for people.
            retry: whether to train it again, unless it was tried too often.
            fault: class of what went wrong: of the user, the deadline, or resources; where memory ran out, it
                is trained once more.

        Returns:
            State of the training; planned if it will be tried again, else failed.

        Raises:
            ServiceError: with the code ``lease_lost`` if the lease has ended.
            StoreUnavailableError: if the service or its database does not answer.
        """
        told = {"error": error[-MAX_TEXT:], "retry": retry, "fault": fault.value}
        return self._report(assignment, "fail", told)

    def give_back(self, assignment: Assignment) -> TrialState:
        """Give a training back, to be trained by another worker; this attempt is not counted.

        Raises:
            ServiceError: with the code ``lease_lost`` if the lease has ended.
            StoreUnavailableError: if the service or its database does not answer.
        """
        return self._report(assignment, "give-back", None)

    def work(self, train: Train, **options: Any) -> None:
        """Train for the service with a function of Python, until there is nothing left to do.

        Args:
            train: a function from an `Assignment`, and what takes its reports, to its outcome; see
                ``grouping.client.agent.Train``.
            **options: see ``grouping.client.agent.Agent``.

        Raises:
            ServiceError: if the service refuses what it is asked for.
            StoreUnavailableError: if it does not answer for ten minutes.
        """
        from grouping.client.agent import Agent

        Agent(self, train, **options).run()

    def has_ended(self) -> bool:
        """Return whether all the jobs to train for have ended; False where any job will do."""
        jobs = self._job_ids()
        return jobs is not None and all(
            self._service().read(JobOut, "GET", f"/v1/jobs/{job_id}").state.is_final for job_id in jobs
        )

    def _asked_for(self, resources: Resources | None) -> dict[str, Any]:
        jobs = self._job_ids()
        asked: dict[str, Any] = {} if jobs is None else {"job_ids": list(jobs)}
        return asked if resources is None else asked | {"resources": asdict(resources)}

    def _report(self, assignment: Assignment, how: str, told: Mapping[str, Any] | None) -> TrialState:
        options = {} if told is None else {"json": told}
        answer = self._service().read(TrialStateOut, "POST", _address(assignment, how), **options)
        return answer.state


class AssignmentsOfJobs(Assignments):
    """The same for several jobs.

    Args:
        service: a connection to the service.
        job_ids: the jobs to train for; any if None.
    """

    def __init__(self, service: Connection, job_ids: Sequence[str] | None = None) -> None:
        self._connection = service
        self._jobs = job_ids

    def _service(self) -> Connection:
        return self._connection

    def _job_ids(self) -> Sequence[str] | None:
        return self._jobs


def this_worker() -> str:
    """Return a name for workers of this process: host and process id."""
    return f"{socket.gethostname()}-{os.getpid()}"[:200]


def _address(assignment: Assignment, how: str) -> str:
    return f"/v1/leases/{assignment.token}/{how}"
