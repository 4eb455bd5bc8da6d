"""Trainers: they train a network with a seed to a fidelity, and return its losses."""

from grouping.domain.jobs.specification import DEFAULT_TRAINER
from grouping.trainers.local import LocalPool, PreparedTrainer
from grouping.trainers.registry import (
    TrainerInfo,
    discover_trainers,
    get_trainer,
    list_trainers,
    list_unavailable,
    max_attempts_of,
    parameters_in_use,
    terms_of_job,
    trainer_class,
    trainer_for,
    trainer_of,
)
from grouping.trainers.trainer import Prepared, Stack, Trainer, TrainerJob, TrainerRequest
from grouping.trainers.trainings import Trainings
from grouping.trainers.workers import (
    NoReports,
    SteppedTraining,
    StepResult,
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
    "Trainings",
    "WorkerContext",
    "WorkerPool",
    "WorkerSetup",
    "discover_trainers",
    "get_trainer",
    "list_trainers",
    "list_unavailable",
    "max_attempts_of",
    "parameters_in_use",
    "terms_of_job",
    "trainer_class",
    "trainer_for",
    "trainer_of",
]
