"""The trainer `external`: trainings are done by workers that ask for them over HTTP."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Annotated, Any, ClassVar

from annotated_types import Interval, Len
from pydantic import Field

from grouping.domain.fields import STRICT, check
from grouping.domain.networks import Network
from grouping.domain.trainings.recipes import MAX_EPOCHS
from grouping.domain.trainings.resources import Resources
from grouping.errors import TrainingError
from grouping.parameters import build
from grouping.trainers.trainer import Prepared, Trainer, TrainerRequest
from grouping.trainers.workers import WorkerPool, WorkerSetup

MAX_SECONDS = 100 * 86_400.0


@dataclass(frozen=True, slots=True)
class ExternalParameters:
    """Parameters of the trainer `external`."""

    __pydantic_config__: ClassVar[Mapping[str, str]] = STRICT

    data: Annotated[
        str,
        Len(1, 200),
        Field(
            description="Name and version of the data that the workers train on, such as v1; scores of two "
            "jobs are compared, and reused, only where it is the same."
        ),
    ]
    epochs: Annotated[
        int,
        Interval(ge=1, le=MAX_EPOCHS),
        Field(description="Epochs of a full training, as they count in a training budget."),
    ] = 1
    deadline_s: Annotated[
        float | None,
        Interval(gt=0, le=MAX_SECONDS),
        Field(
            description="Seconds after which a training is ended and counts as failed; no end if left out."
        ),
    ] = None
    lease_s: Annotated[
        float,
        Interval(ge=1, le=MAX_SECONDS),
        Field(description="Seconds after which a worker that was not heard from is taken for lost."),
    ] = 60.0
    resources: Annotated[
        Resources | None,
        Field(
            description='Resources that a training holds, as in {"gpus": 0.5, "memory_gib": 8}; workers that '
            "say what they have get only what fits."
        ),
    ] = None

    def __post_init__(self) -> None:
        check(self)


class External(Trainer):
    """Trainer whose trainings are leased to workers anywhere; what they run is theirs to say.

    Its parameters are `ExternalParameters`.
    """

    name: ClassVar[str] = "external"
    title: ClassVar[str] = "Workers anywhere"
    description: ClassVar[str] = (
        "Leaves the trainings to workers that ask for them over HTTP; the command grouping worker is one."
    )
    parameters: ClassVar[type[Any] | None] = ExternalParameters
    trains_elsewhere: ClassVar[bool] = True

    @classmethod
    def complete(cls, request: TrainerRequest) -> Mapping[str, Any]:
        """Check the parameters, and fill in their defaults."""
        return asdict(_read(request.parameters))

    @classmethod
    def scores_depend_on(
        cls, parameters: Mapping[str, Any], settled: Mapping[str, Any] | None
    ) -> Mapping[str, Any] | None:
        """Return the data and the epochs; deadlines and leases change no score."""
        return {"data": parameters["data"], "epochs": parameters["epochs"]}

    @classmethod
    def durations_depend_on(
        cls, parameters: Mapping[str, Any], settled: Mapping[str, Any] | None
    ) -> Mapping[str, Any]:
        """Return the data and what a training holds."""
        return {"data": parameters["data"], "resources": parameters["resources"]}

    @classmethod
    def in_words(cls, parameters: Mapping[str, Any], settled: Mapping[str, Any] | None) -> str:
        """Describe the data and the epochs."""
        epochs = parameters["epochs"]
        return f"by workers anywhere, data {parameters['data']}, {epochs} epoch{'s' * (epochs != 1)}"

    def epochs_of(self, n_tasks: int, fidelity: float) -> int:
        """Return the share of the epochs of a full training, at least one."""
        return max(1, round(self._own.epochs * fidelity))

    def resources(self, network: Network) -> Resources | None:
        """Return what the job says that a training holds."""
        return self._own.resources

    def deadline_s(self, network: Network, fidelity: float) -> float | None:
        """Return the deadline of the job."""
        return self._own.deadline_s

    @property
    def lease_s(self) -> float:
        """Length of a lease that the job asks for."""
        return self._own.lease_s

    def prepare(self, pool: WorkerPool) -> Prepared:
        """Tell scores apart by the problem and by the name of the data; nothing is loaded."""
        return Prepared(f"{self.name} {self.job.problem} {self._own.data}")

    def setup(self) -> WorkerSetup:
        """Refuse to train here.

        Raises:
            TrainingError: always.
        """
        raise TrainingError(
            "The trainer 'external' trains nothing itself: start workers that do, with `grouping worker` or "
            "POST /v1/leases."
        )

    @functools.cached_property
    def _own(self) -> ExternalParameters:
        return _read(self.job.parameters)


def _read(parameters: Mapping[str, Any]) -> ExternalParameters:
    return build(ExternalParameters, parameters, what="trainer external", pointer="/trainer/parameters")
