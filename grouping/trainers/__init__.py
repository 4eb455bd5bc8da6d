"""Trainers: they train a network with a seed to a fidelity, and return its losses."""

from grouping.domain.jobs import DEFAULT_TRAINER
from grouping.trainers.local import LocalPool, PreparedTrainer
from grouping.trainers.registry import (
    TrainerInfo,
    discover_trainers,
    get_trainer,
    list_trainers,
    list_unavailable,
    parameters_in_use,
    trainer_class,
    trainer_for,
    trainer_of,
)
from grouping.trainers.trainer import (
    NoReports,
    Prepared,
    Stack,
    SteppedTraining,
    StepResult,
    Trainer,
    TrainerJob,
    TrainerRequest,
    TrainingReports,
    TrainingWorker,
    WorkerContext,
    WorkerPool,
    WorkerSetup,
)

__all__ = [
    "DEFAULT_TRAINER",
    "LocalPool",
    "NoReports",
    "Prepared",
    "PreparedTrainer",
    "Stack",
    "StepResult",
    "SteppedTraining",
    "Trainer",
    "TrainerInfo",
    "TrainerJob",
    "TrainerRequest",
    "TrainingReports",
    "TrainingWorker",
    "WorkerContext",
    "WorkerPool",
    "WorkerSetup",
    "discover_trainers",
    "get_trainer",
    "list_trainers",
    "list_unavailable",
    "parameters_in_use",
    "trainer_class",
    "trainer_for",
    "trainer_of",
]
