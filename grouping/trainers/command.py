"""A command as a trainer: one process for each training."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from grouping.domain.networks import Network
from grouping.domain.trainings.trials import TrialOutcome, TrialRequest
from grouping.trainers.command_process import Command, run_command, training_id
from grouping.trainers.declaration import TableTrainer, TrainerDeclaration, attributes_of, parameters_of
from grouping.trainers.placeholders import CommandTraining, fill
from grouping.trainers.runtime_env import here
from grouping.trainers.trainer import Trainer, TrainerRequest
from grouping.trainers.workers import TrainingWorker, WorkerContext, WorkerSetup


@dataclass(frozen=True, slots=True)
class CommandPlan:
    """Plan of a worker that trains by a command.

    Attributes:
        command: the command.
        tasks: names of the tasks of the job, in display order.
        parameters: values of the declared parameters.
        job: identifier of the job.
        epochs: epochs of a full training.
        deadline_s: seconds after which a training is ended; None for no end.
        size_names: names of sizes by their number.
    """

    command: Command
    tasks: tuple[str, ...]
    parameters: Mapping[str, Any] = field(default_factory=dict)
    job: str = ""
    epochs: int = 1
    deadline_s: float | None = None
    size_names: Mapping[float, str] = field(default_factory=dict)


class CommandWorker(TrainingWorker):
    """Trains one network after another, each by a run of the command.

    Args:
        plan: the command and what is common to its runs.
        context: settings of the worker.
    """

    def __init__(self, plan: CommandPlan, context: WorkerContext) -> None:
        self._plan = replace(plan, command=replace(plan.command, directory=here(plan.command.directory)))
        self._context = context

    def train(self, requests: Sequence[TrialRequest], checkpoints: Path | None = None) -> list[TrialOutcome]:
        """Run the command for each request.

        Raises:
            RetryTrainingError: if one asks for another attempt.
        """
        plan = self._plan
        return [
            run_command(
                plan.command,
                request,
                self._context.reports,
                tasks=plan.tasks,
                parameters=plan.parameters,
                checkpoints=checkpoints,
                deadline_s=plan.deadline_s,
                epochs=max(1, round(plan.epochs * request.fidelity)),
                job=plan.job,
                size_name=plan.size_names.get(request.network.size, ""),
            )
            for request in requests
        ]


class CommandTrainer(TableTrainer):
    """Trains each network by a run of a declared command; `command_trainer` makes the class."""

    @classmethod
    def command(cls) -> Command:
        """Return the declared command."""
        said = cls.declaration
        return Command(said.command, cls.folder, said.environment, tuple(said.parameters), said.grace_s)

    @classmethod
    def complete(cls, request: TrainerRequest) -> Mapping[str, Any]:
        """Fill up the parameters, and refuse what cannot be put into the command line."""
        parameters = super().complete(request)
        names = [task.name for task in request.tasks]
        whole = TrialRequest(Network(frozenset(names)), 0)
        training = CommandTraining(whole, names, cls.folder, cls.folder, parameters=parameters)
        fill(cls.declaration.command, training)
        return parameters

    def checkpoint_of(self, request: TrialRequest, checkpoints: Path) -> Path | None:
        """Return the folder of the training."""
        return checkpoints / training_id(request)

    def setup(self) -> WorkerSetup:
        """Return the setup of a worker that runs the command."""
        whole = Network(frozenset(self.job.tasks))
        plan = CommandPlan(
            self.command(),
            self.job.tasks,
            self.given,
            self.job.id,
            self.trainings.epochs_of(len(self.job.tasks), 1.0),
            self.trainings.deadline_s(whole, 1.0),
            self.job.size_names,
        )
        key = hashlib.sha256(json.dumps(asdict(plan), sort_keys=True, default=str).encode()).hexdigest()
        return WorkerSetup(f"command {key}", CommandWorker, plan)


def command_trainer(name: str, declaration: TrainerDeclaration, folder: Path) -> type[Trainer]:
    """Make the trainer of a declared command.

    Args:
        name: its name in jobs.
        declaration: the declaration, with a `command`.
        folder: folder that the command is started in.

    Raises:
        InvalidInputError: if a placeholder is unknown.
    """
    said = {"title": name, "description": "Trains by a command of the operator.", "__module__": __name__}
    attributes = said | {"parameters": parameters_of(declaration)} | attributes_of(name, declaration, folder)
    made: type[CommandTrainer] = type("CommandTrainer", (CommandTrainer,), attributes)
    made.command()
    return made
