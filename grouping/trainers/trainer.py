"""Interface of trainers: what a search asks of a trainer, whatever it trains with.

A `Trainer` is made three times for a job. Where the job is planned it only answers how long trainings are and
which belong together, so making one imports nothing large. Where the job is prepared it loads what is shared
and measures what networks cost. Its `setup` then travels to the processes that train, each of which builds a
`TrainingWorker` from it, once, and hands it requests, many at once where they may be trained as one.

A trainer of your own implements `setup`, and its worker `train`; everything else has a default.
`grouping.testing` has the contract that both keep, as tests to be run on them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from grouping.domain.access import Scope
from grouping.domain.jobs.search_state import SearchTerms
from grouping.domain.jobs.task_definitions import TaskDefinition
from grouping.domain.networks import MeasuredNetwork, Network
from grouping.domain.tasks import Task
from grouping.domain.trainings.datasets import DataDigests
from grouping.domain.trainings.resources import Resources
from grouping.domain.trainings.terms import TrainingTerms
from grouping.domain.trainings.trials import Trial, TrialRequest
from grouping.trainers.runtime_env import RuntimeEnv
from grouping.trainers.trainings import Trainings
from grouping.trainers.workers import WorkerPool, WorkerSetup


@dataclass(frozen=True, slots=True)
class TrainerRequest:
    """Request of a user to a trainer, before there is a job.

    Attributes:
        problem: name of the problem to train on; empty where the job defines its tasks.
        tasks: the tasks to group, in display order.
        largest: number of tasks of the largest network that may be trained.
        parameters: parameters of the trainer, as the user gave them.
    """

    problem: str
    tasks: tuple[Task, ...]
    largest: int
    parameters: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TrainerJob:
    """The description of a job that a trainer is given.

    Attributes:
        id: identifier of the job; empty where there is none.
        problem: name of the problem that is trained on; empty where the job defines its tasks.
        tasks: names of the tasks, in display order.
        terms: terms of the search: candidates, budgets, seeds.
        parameters: parameters of the trainer, as `Trainer.complete` returned them.
        seed: seed of what the trainer draws in `Trainer.prepare`; no trial has it.
        operator: settings of the trainer by whoever runs the service.
        settled: what `Trainer.prepare` has found out for this job before; None before the first time.
        definitions: definitions of the tasks, where the job defines them. A trainer then gives the value of
            a task's metric, in the direction of that metric, where it would give a loss.
        size_names: names of the sizes that it can build, by their number; empty where it builds any.
        stated: what the job itself says of its trainings. It goes over what the trainer says: ask
            `Trainer.trainings`.
    """

    problem: str
    tasks: tuple[str, ...]
    terms: SearchTerms
    parameters: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 0
    operator: Mapping[str, Any] = field(default_factory=dict)
    settled: Mapping[str, Any] | None = None
    id: str = ""
    definitions: tuple[TaskDefinition, ...] = ()
    size_names: Mapping[float, str] = field(default_factory=dict)
    stated: TrainingTerms = field(default_factory=TrainingTerms)


@dataclass(frozen=True, slots=True)
class Stack:
    """Trials that are handed to a worker together.

    Attributes:
        trials: the trials, at least one.
        is_whole: whether they must not be handed over in parts, because their scores depend on which trials
            are trained together.
    """

    trials: tuple[Trial, ...]
    is_whole: bool = False


@dataclass(frozen=True, slots=True)
class Prepared:
    """Result of preparing a job.

    Attributes:
        fingerprint: digest of what is trained on; scores under two fingerprints are never compared.
        settled: what was found out and must not change during the job, ready for JSON; comes back as
            `TrainerJob.settled` when the job is prepared again, as after a crash.
        events: events for the user about the preparation: kind and data, ready for JSON.
    """

    fingerprint: str
    settled: Mapping[str, Any] = field(default_factory=dict)
    events: tuple[tuple[str, Mapping[str, Any]], ...] = ()


class Trainer(ABC):
    """Trains the networks of one job.

    Args:
        job: what to train.

    Attributes:
        name: its name in jobs.
        title: its name for people.
        description: what it trains, in a sentence.
        parameters: a frozen dataclass whose fields, annotated for Pydantic, are the parameters that a job may
            give it; None if it is handed whatever a job says.
        measures_affinities: whether it can measure affinities while it trains
            (``TrialRequest.measures_affinity``).
        needs_problem: whether it trains on installed problems only, and no tasks that a job defines.
        plans_continuously: whether the next networks are chosen whenever a worker is free, so that none waits
            for the others; else in steps, once everything is trained, which is the same whenever a job is
            run. A job may ask for the other.
        makes_splits: whether it trains on several splits of the data, as the terms of
            the search say for each seed.
        trains_elsewhere: whether its trainings are done by workers that ask for them over HTTP, so that it
            has no `setup`.
        tells_progress: whether its workers report progress or output while they train.
        tunes: whether it draws recipes of its own where the job tunes them (``job.terms.tuning``), and
            trains by ``TrialRequest.variant``.
        max_attempts: failures after which a training is given up that asks for another attempt; losses of
            machines do not count.
        scope: what a token has to allow to submit a job with it.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    description: ClassVar[str]
    parameters: ClassVar[type[Any] | None] = None
    measures_affinities: ClassVar[bool] = False
    needs_problem: ClassVar[bool] = False
    plans_continuously: ClassVar[bool] = True
    makes_splits: ClassVar[bool] = False
    trains_elsewhere: ClassVar[bool] = False
    tells_progress: ClassVar[bool] = True
    tunes: ClassVar[bool] = False
    max_attempts: ClassVar[int] = 3
    scope: ClassVar[Scope] = Scope.SUBMIT

    def __init__(self, job: TrainerJob) -> None:
        self.job = job

    @property
    def trainings(self) -> Trainings:
        """Length, resources, deadline and attempts of the trainings, by the job and else by this trainer."""
        return Trainings(self)

    @classmethod  # noqa: B027 - nothing, by default
    def warm_up(cls) -> None:
        """Import and start what any job needs, in a process that waits for its first job."""

    # --- where a job is submitted, or others are compared with it: nothing is loaded

    @classmethod
    def complete(cls, request: TrainerRequest) -> Mapping[str, Any]:
        """Check the parameters of a job to be, and return them with all that the job should keep.

        Raises:
            InvalidInputError: if no such job can be trained, pointing into the parameters.
        """
        return request.parameters

    @classmethod
    def in_use(cls, parameters: Mapping[str, Any], settled: Mapping[str, Any] | None) -> Mapping[str, Any]:
        """Return the parameters with which another job gets the same scores as this one, as it stands.

        Args:
            parameters: those of the job.
            settled: what it settled; None before it was prepared.
        """
        return parameters

    @classmethod
    def scores_depend_on(
        cls, parameters: Mapping[str, Any], settled: Mapping[str, Any] | None
    ) -> Mapping[str, Any] | None:
        """Return what scores depend on beside data, network, seed and fidelity, by name.

        Where two jobs agree in all of it, outcomes of one are copied into the other instead of being trained
        again.

        Returns:
            Values ready for JSON; None where they are not known before the job is prepared.
        """
        return {**cls.in_use(parameters, settled), **(settled or {})}

    @classmethod
    def data_digests(cls, settled: Mapping[str, Any]) -> DataDigests | None:
        """Return digests of the parts of the data, from what a job settled; None where only the whole counts.

        With them, outcomes are copied between jobs whose data differ in nothing that a network saw, such as
        in the target of a task that it was not trained on.
        """
        return None

    @classmethod
    def durations_depend_on(
        cls, parameters: Mapping[str, Any], settled: Mapping[str, Any] | None
    ) -> Mapping[str, Any]:
        """Return what the time of an epoch depends on beside data and network, by name."""
        return cls.in_use(parameters, settled)

    @classmethod
    def in_words(cls, parameters: Mapping[str, Any], settled: Mapping[str, Any] | None) -> str:
        """Describe in a line how the networks of a job are trained, for people."""
        return ", ".join(f"{name} {value}" for name, value in {**parameters, **(settled or {})}.items())

    @classmethod
    def affinity_methods(cls, parameters: Mapping[str, Any]) -> frozenset[str]:
        """Return the affinity methods that each of its trainings measures unasked."""
        return frozenset()

    @classmethod
    def n_together(cls, parameters: Mapping[str, Any]) -> int:
        """Return how many networks of one kind take about as long together as one by itself."""
        return 1

    @classmethod
    def preparation(cls, parameters: Mapping[str, Any]) -> str:
        """Name what `prepare` trains beside the trials, for people; empty for nothing."""
        return ""

    # --- what a study asks beyond networks and seeds

    @classmethod
    def on_share(cls, parameters: Mapping[str, Any], share: float) -> Mapping[str, Any] | None:
        """Return the parameters that train on a share of the training rows, for about as many steps.

        The rows are the same for every network and seed, and a smaller share is a part of a larger one.

        Args:
            parameters: parameters in use, as `complete` returned them.
            share: share of the rows that these parameters train on, above 0 and below 1.

        Returns:
            Complete parameters; None if the trainer cannot do that.

        Raises:
            InvalidInputError: if it can, but not for this share.
        """
        return None

    @classmethod
    def from_source(cls, parameters: Mapping[str, Any], source: str) -> Mapping[str, Any] | None:
        """Return the parameters that train a source task first, and the others from what it has learned.

        In a network with the source, it is trained alone for as long as a whole training takes, and then the
        other tasks without it for as long; they are scored as always.

        Args:
            parameters: parameters in use, as `complete` returned them.
            source: name of the task that is trained first.

        Returns:
            Complete parameters; None if the trainer cannot do that.

        Raises:
            InvalidInputError: if it can, but not with these parameters.
        """
        return None

    # --- where the job is planned: nothing large is imported

    def epochs_of(self, n_tasks: int, fidelity: float) -> int:
        """Return the epochs that a training counts in a training budget; one, if it has no epochs."""
        return 1

    def epochs_of_recipe(self, recipe: int, n_tasks: int) -> int:
        """Return the epochs of a full training under a recipe that it drew; see `tunes`."""
        return self.epochs_of(n_tasks, 1.0)

    def stacks(self, planned: Sequence[Trial], n_workers: int) -> list[Stack]:
        """Cut planned trials into stacks that are trained together, in the order in which to start them.

        Args:
            planned: trials in the order of the plan.
            n_workers: number of stacks that are trained at the same time.
        """
        return [Stack((trial,)) for trial in planned]

    def resources(self, network: Network) -> Resources | None:
        """Return what a training of a network holds; None for one processor and the usual share of a GPU."""
        return None

    def runtime_env(self) -> RuntimeEnv | None:
        """Return what Ray brings to the workers of the job, with absolute paths; None for nothing."""
        return None

    def deadline_s(self, network: Network, fidelity: float) -> float | None:
        """Return the seconds after which a training is ended and counts as failed; None for no end."""
        return None

    def checkpoint_of(self, request: TrialRequest, checkpoints: Path) -> Path | None:
        """Return where a training keeps the state that it goes on from, after `prepare`; None for nowhere.

        A training whose worker is lost is not to blame for it as long as this file, or one in this folder,
        is newer each time.

        Args:
            request: the training.
            checkpoints: the folder that its worker is given.
        """
        return None

    @property
    def lease_s(self) -> float:
        """Seconds after which a worker elsewhere that was not heard from is taken for lost."""
        return 60.0

    # --- where the job is prepared: once, and again after a crash

    def prepare(self, pool: WorkerPool) -> Prepared:
        """Load what is trained on and settle what must not change during the job.

        Raises:
            GroupingError: if the job cannot be trained; the text is for the user.
        """
        return Prepared(f"{self.name} {self.job.problem}")

    def measure(self, networks: Sequence[Network], pool: WorkerPool) -> tuple[MeasuredNetwork | None, ...]:
        """Return inference costs of networks, after `prepare`; the stated ones, unless measurable.

        Returns:
            One per network, in order; None for one that cannot be built.
        """
        return tuple(MeasuredNetwork(network) for network in networks)

    def environment(self) -> Mapping[str, str]:
        """Return what scores depend on beside the job, as far as known without asking a worker."""
        return {}

    @abstractmethod
    def setup(self) -> WorkerSetup:
        """Return the setup from which the workers of the job are built, after `prepare`."""
