"""Settings of dispatchers and of the processes of their jobs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from grouping.domain.jobs.specification import DEFAULT_TRAINER
from grouping.domain.trainings.engines import Engine
from grouping_workers.dispatch.messages import Activity

CHECKPOINT_INTERVAL_S = 30.0
LIMITS_S: dict[Activity, float] = {
    Activity.STARTING: 300.0,
    Activity.PREPARING: 6 * 3600.0,
    Activity.MEASURING: 3600.0,
    Activity.PLANNING: 3600.0,
    Activity.WAITING: 300.0,
}
"""While trainings run, a process tells every second that it lives."""
TRAINING_S = 7 * 86_400.0
"""A week: longer than trainings take, so that only what hangs is ended."""
OBJECT_STORE_BYTES = 512 * 2**20
"""Memory in which processes of a private Ray cluster share data."""


@dataclass(frozen=True, slots=True)
class RaySettings:
    """The Ray cluster on which networks are trained, and what its workers may use.

    Attributes:
        address: Ray cluster to join; None starts one on this machine, for this dispatcher alone.
        home: folder in which that one keeps its files while it runs; a temporary one unless given.
        n_workers: the most stacks of networks in training at the same time; one per processor unless given.
        trials_per_gpu: workers that share one GPU, where there are any.
        checkpoints: folder of the checkpoints, a folder per job in it, the same for every worker; None for
            none.
        checkpoint_interval_s: seconds between two checkpoints of a training.
        engine: how networks are trained together, in jobs that are still to be prepared; unless named, the
            fastest, measured once per job.
        limits_s: seconds after which the process of a job that has told nothing new counts as hanging, by
            what it does.
        training_s: seconds after which what one worker trains in one go is ended, and has failed, where
            neither job nor trainer states a deadline; None for no end.
    """

    address: str | None = None
    home: Path | None = None
    n_workers: int | None = None
    trials_per_gpu: int = 1
    checkpoints: Path | None = None
    checkpoint_interval_s: float = CHECKPOINT_INTERVAL_S
    engine: Engine = Engine.AUTO
    limits_s: Mapping[Activity, float] = field(default_factory=lambda: LIMITS_S)
    training_s: float | None = TRAINING_S

    @property
    def trainer_settings(self) -> Mapping[str, Any]:
        """Settings by whoever runs the service, by name of the trainer."""
        return {DEFAULT_TRAINER: {"engine": self.engine.value}}

    @property
    def is_shared(self) -> bool:
        """Whether others may use the cluster too."""
        return self.address is not None
