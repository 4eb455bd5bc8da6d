"""Trials: single trainings of a network, with their requests and outcomes."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from grouping.domain.affinities.joint_runs import JointAffinities
from grouping.domain.networks import Network, NetworkKey
from grouping.domain.tasks import check_name
from grouping.domain.trainings.faults import NO_LOSS, Fault, Standing
from grouping.errors import InvalidInputError

EARLY_FIDELITY = 0.2
"""Fidelity of a short pass, as in the early stopping approximation of Standley et al. (2020)."""
EpochsOf = Callable[[int, float], int]
"""All epochs that a training takes, from the number of tasks of its network and its fidelity; see
`grouping.trainers.Trainer.epochs_of`."""

CHECKPOINT_SUFFIX = ".safetensors"
"""Of the file in which the built-in trainer keeps the state of an unfinished training."""


class Purpose(StrEnum):
    """Purpose of a trial: to choose or to judge a grouping, and the same for the recipes that are tuned."""

    SEARCH = "search"
    """Its validation losses take part in choosing the grouping."""
    CONFIRMATION = "confirmation"
    """A fresh seed for a chosen network or a baseline: measures the gain, decides nothing."""
    TUNING = "tuning"
    """A recipe tried for the networks of a grouping that is compared; chooses its recipe, nothing else."""
    TUNED = "tuned"
    """A fresh seed under the recipe that was found: measures the gain, decides nothing."""


class TrialState(StrEnum):
    """State of a trial; all states but planned and running are final."""

    PLANNED = "planned"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    DIVERGED = "diverged"
    """The loss became infinite or not a number; a result, and not tried again."""
    FAILED = "failed"
    """Could not be carried out; ``fault`` says what kind of thing went wrong."""
    SKIPPED = "skipped"
    """Not trained, because the training budget was spent before its turn."""

    @property
    def is_final(self) -> bool:
        """Whether nothing more will happen to the trial."""
        return self not in (TrialState.PLANNED, TrialState.RUNNING)

    @property
    def is_lost(self) -> bool:
        """Whether it was trained, or tried, and has no scores, so that its network is not used."""
        return self in (TrialState.DIVERGED, TrialState.FAILED)


class Variant(NamedTuple):
    """How a trial is trained, where that differs from all others of its job; only while recipes are tuned.

    Attributes:
        recipe: number of a recipe that the trainer drew; 0 for the recipe of the job.
        members: number of networks whose predictions are averaged; each has a seed of its own.
    """

    recipe: int = 0
    members: int = 1


PLAIN = Variant()
"""One network under the recipe of the job."""


class TrialKey(NamedTuple):
    """Identity of a trial within a job."""

    network: NetworkKey
    seed: int
    fidelity: float = 1.0
    purpose: Purpose = Purpose.SEARCH
    variant: Variant = PLAIN


@dataclass(frozen=True, slots=True)
class TrialRequest:
    """One training that a strategy asks for.

    Attributes:
        network: network to train.
        seed: seed of the initial weights and of the order of the rows.
        fidelity: share of the full number of epochs, in (0, 1].
        purpose: what its scores are for.
        measures_affinity: whether gradients are measured while it trains, which changes none of its scores.
        variant: recipe, and number of networks that are averaged.
    """

    network: Network
    seed: int
    fidelity: float = 1.0
    purpose: Purpose = Purpose.SEARCH
    measures_affinity: bool = False
    variant: Variant = PLAIN

    def __post_init__(self) -> None:
        if not 0 < self.fidelity <= 1:
            raise InvalidInputError(f"Fidelity must be in (0, 1]; got {self.fidelity}.")

    @property
    def key(self) -> TrialKey:
        """Identity of the trial within a job."""
        return TrialKey(self.network.key, self.seed, self.fidelity, self.purpose, self.variant)


@dataclass(frozen=True, slots=True)
class TaskScore:
    """Losses and metrics of one trial on one of its tasks.

    Attributes:
        task: name of the task.
        validation_loss: normalised loss on the validation rows, lower is better; finite.
        test_loss: normalised loss on the test rows; None if not measured.
        validation_metric: the task's metric on the validation rows; None if not measured.
        test_metric: the task's metric on the test rows; None if not measured.
    """

    task: str
    validation_loss: float
    test_loss: float | None = None
    validation_metric: float | None = None
    test_metric: float | None = None

    def __post_init__(self) -> None:
        values = (self.validation_loss, self.test_loss, self.validation_metric, self.test_metric)
        if not all(value is None or math.isfinite(value) for value in values):
            raise InvalidInputError(f"Task {self.task!r}: a score must be finite; report a diverged trial.")


@dataclass(frozen=True, slots=True)
class TrialOutcome:
    """Outcome of one training.

    Attributes:
        state: succeeded, diverged or failed.
        scores: one per task of the group when succeeded, else empty.
        epochs: epochs carried out.
        seconds: wall time of the training on its worker.
        error: reason why it diverged or failed, in words for the user.
        affinities: affinities measured during a successful training: from gradients if requested, from masks
            if the network has them.
        cost_snt: inference cost of the network as this training measured it, in SNT; None if it did not.
        costs: further costs of the network that it measured, by name, such as ``latency_ms``; not negative.
        artefact: path or address of what the training keeps, as text; None for nothing.
        fault: class of what went wrong; of a failed outcome that of the user unless given; None where it
            succeeded.
    """

    state: TrialState
    scores: tuple[TaskScore, ...] = ()
    epochs: int = 0
    seconds: float = 0.0
    error: str | None = None
    affinities: JointAffinities | None = None
    cost_snt: float | None = None
    costs: Mapping[str, float] = field(default_factory=dict)
    artefact: str | None = None
    fault: Fault | None = None

    def __post_init__(self) -> None:
        if not self.state.is_final:
            raise InvalidInputError(f"An outcome cannot be {self.state}.")
        if bool(self.scores) != (self.state is TrialState.SUCCEEDED):
            raise InvalidInputError("Scores come with a succeeded trial and only with one.")
        if self.state is TrialState.DIVERGED:
            object.__setattr__(self, "fault", Fault.DIVERGED)
        elif self.state is TrialState.FAILED:
            object.__setattr__(self, "fault", self.fault or Fault.USER)
        elif self.fault is not None:
            raise InvalidInputError("A fault comes with a trial that diverged or failed.")
        if self.affinities is not None:
            if self.state is not TrialState.SUCCEEDED:
                raise InvalidInputError("Affinities come with a succeeded trial only.")
            if {score.task for score in self.scores} != set(self.affinities.tasks):
                raise InvalidInputError("Affinities must be those of the tasks that were scored.")
        if self.cost_snt is not None and not (math.isfinite(self.cost_snt) and self.cost_snt > 0):
            raise InvalidInputError(f"An inference cost is a positive number, not {self.cost_snt}.")
        for name, cost in self.costs.items():
            check_name(name, "cost")
            if not (math.isfinite(cost) and cost >= 0):
                raise InvalidInputError(f"The cost {name!r} is a number from 0, not {cost}.")


class TrialOrigin(NamedTuple):
    """Origin of a copied outcome: the training it comes from, whose job may have been deleted since."""

    job_id: str
    trial_id: str


@dataclass(frozen=True, slots=True)
class ToldFrom:
    """Where a result comes from that was told from outside, by the word of whoever told it.

    Attributes:
        source: such as the name of a file; may be empty.
        told_by: who told it; may be empty.
        at_s: time at which it was told, in seconds since 1970, UTC.
    """

    source: str = ""
    told_by: str = ""
    at_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Trial:
    """One training of a job, planned, running or ended. Times are seconds since 1970 in UTC.

    Attributes:
        id: identifier of the trial.
        position: position in the plan of its job, from 0.
        network: network that is trained.
        purpose: what its scores are for.
        seed: seed of the initial weights and of the order of the rows.
        fidelity: share of the full number of epochs.
        state: its present state.
        attempts: number of its starts, those that were given back aside.
        planned_epochs: epochs it is to be trained for.
        epochs: epochs carried out, once finished.
        seconds: wall time of the training, once finished.
        error: reason why it diverged or failed, in words.
        started_s: time at which its last attempt started.
        finished_s: time at which it reached a final state.
        scores: one per task of the group once succeeded, in the order of the table's tasks.
        measures_affinity: whether affinities are measured while it trains.
        reused_from: job and trial whose outcome was copied, with the epochs and seconds it took there; None
            for a trial of this job's own.
        artefact: path or address of what the training keeps, as text; None for nothing.
        told: where its result comes from, if it was told from outside and not trained by any job.
        standing: what its losses say about it.
        fault: class of what went wrong, once it diverged or failed.
        variant: recipe, and number of networks that are averaged.
    """

    id: str
    position: int
    network: Network
    purpose: Purpose
    seed: int
    fidelity: float
    state: TrialState
    attempts: int = 0
    planned_epochs: int = 0
    epochs: int = 0
    seconds: float = 0.0
    error: str | None = None
    started_s: float | None = None
    finished_s: float | None = None
    scores: tuple[TaskScore, ...] = ()
    measures_affinity: bool = False
    reused_from: TrialOrigin | None = None
    artefact: str | None = None
    told: ToldFrom | None = None
    standing: Standing = NO_LOSS
    fault: Fault | None = None
    variant: Variant = PLAIN

    @classmethod
    def planned(cls, position: int, request: TrialRequest) -> Trial:
        """Build the trial of a request that no database keeps; its position is its identifier."""
        return cls(
            str(position),
            position,
            request.network,
            request.purpose,
            request.seed,
            request.fidelity,
            TrialState.PLANNED,
            measures_affinity=request.measures_affinity,
            variant=request.variant,
        )

    @property
    def is_charged(self) -> bool:
        """Whether it counts in a training budget: every trial does, unless copied, told or given up."""
        return self.state is not TrialState.SKIPPED and self.reused_from is None and self.told is None

    @property
    def key(self) -> TrialKey:
        """Identity of the trial within its job."""
        return TrialKey(self.network.key, self.seed, self.fidelity, self.purpose, self.variant)
