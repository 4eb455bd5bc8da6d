"""Python code as a trainer: a function, a class that trains, or a whole trainer, named in a declaration."""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from grouping.domain.trainings.progress import Progress
from grouping.domain.trainings.trials import TrialOutcome, TrialRequest
from grouping.errors import InvalidInputError, TrainingError
from grouping.trainers.command_process import training_id
from grouping.trainers.declaration import (
    DeclaredTrainer,
    TableTrainer,
    TrainerDeclaration,
    attributes_of,
    parameters_of,
)
from grouping.trainers.loading import CodeReference, LoadingFirst
from grouping.trainers.result_file import outcome_of
from grouping.trainers.trainer import Trainer
from grouping.trainers.workers import TrainingWorker, WorkerContext, WorkerSetup

TOLD_TO_FUNCTIONS: Mapping[str, str] = {
    "tasks": "names of the tasks of the network, in display order",
    "seed": "seed of the training",
    "size": "size of the network, such as 0.5",
    "size_name": "name of that size, such as resnet18; empty where it has none",
    "epochs": "epochs of this training: its share of those of a full one",
    "fidelity": "share of a full training, in (0, 1]",
    "cost": "inference cost of the network, in SNT",
    "purpose": "search or confirmation",
    "measures_affinity": "whether affinities are wanted",
    "checkpoint": "folder that survives when the training is started again; None outside a service",
    "report": "report(step, values) tells a point of the learning curves",
    "log": "log(text) tells further output",
    "is_cancelled": "is_cancelled() tells whether nobody waits for the training any more",
}
"""Arguments that a function may take, beside the parameters of its declaration."""
TOLD_TO_CLASSES: Mapping[str, str] = {
    "tasks": "names of the tasks of the job, in display order",
    "data": "name of the version of the data",
    "context": "settings of the worker: reports, checkpoint_interval_s",
}
"""Likewise, arguments that a class of a worker may take."""


@dataclass(frozen=True, slots=True)
class PythonPlan:
    """Plan of a worker that trains by a function or class.

    Attributes:
        reference: the function or class.
        tasks: names of the tasks of the job, in display order.
        parameters: values of the declared parameters.
        data: name of the version of the data.
        epochs: epochs of a full training.
        size_names: names of sizes by their number.
    """

    reference: CodeReference
    tasks: tuple[str, ...]
    parameters: Mapping[str, Any] = field(default_factory=dict)
    data: str = ""
    epochs: int = 1
    size_names: Mapping[float, str] = field(default_factory=dict)

    def outcome(self, answer: Any, request: TrialRequest, seconds: float) -> TrialOutcome:
        """Return what user code answered as an outcome.

        Raises:
            TrainingError: if it is none.
        """
        if isinstance(answer, TrialOutcome):
            return answer if answer.seconds else replace(answer, seconds=seconds)
        name = self.reference.name
        if not isinstance(answer, Mapping):
            raise TrainingError(
                f'{name} returned {type(answer).__name__}; it must return a dict such as {{"validation": '
                '{"TASK": 0.3}}.'
            )
        outcome = outcome_of(
            answer,
            self.tasks_of(request),
            epochs=self.epochs_of(request),
            what=f"The result of {name}",
        )
        return replace(outcome, seconds=seconds)

    def epochs_of(self, request: TrialRequest) -> int:
        """Return the epochs of a training."""
        return max(1, round(self.epochs * request.fidelity))

    def tasks_of(self, request: TrialRequest) -> list[str]:
        """Return the tasks of a network, in display order."""
        return [task for task in self.tasks if task in request.network.group]


class FunctionWorker(TrainingWorker):
    """Calls a function for each training."""

    def __init__(self, plan: PythonPlan, context: WorkerContext) -> None:
        self._plan = plan
        self._reports = context.reports
        self._function: Callable[..., Any] = plan.reference.load()
        self._accepted = _accepted(self._function, [*TOLD_TO_FUNCTIONS, *plan.parameters])

    def train(self, requests: Sequence[TrialRequest], checkpoints: Path | None = None) -> list[TrialOutcome]:
        """Call the function for each request."""
        outcomes = []
        for request in requests:
            started = time.perf_counter()
            told = self._told(request, checkpoints)
            answer = self._function(**{name: told[name] for name in self._accepted})
            outcomes.append(self._plan.outcome(answer, request, time.perf_counter() - started))
        return outcomes

    def _told(self, request: TrialRequest, checkpoints: Path | None) -> dict[str, Any]:
        checkpoint = None if checkpoints is None else checkpoints / training_id(request)
        if checkpoint is not None and "checkpoint" in self._accepted:
            checkpoint.mkdir(parents=True, exist_ok=True)

        def report(step: float, values: Mapping[str, float]) -> None:
            finite = {name: float(value) for name, value in values.items() if abs(value) < float("inf")}
            self._reports.progress(request, Progress(step, finite))

        return {
            "tasks": self._plan.tasks_of(request),
            "seed": request.seed,
            "size": request.network.size,
            "size_name": self._plan.size_names.get(request.network.size, ""),
            "epochs": self._plan.epochs_of(request),
            "fidelity": request.fidelity,
            "cost": request.network.cost_snt,
            "purpose": request.purpose.value,
            "measures_affinity": request.measures_affinity,
            "checkpoint": checkpoint,
            "report": report,
            "log": partial(self._reports.log, request),
            "is_cancelled": self._reports.is_cancelled,
            **self._plan.parameters,
        }


class ClassWorker(TrainingWorker):
    """Makes an object of a class once, and calls its method ``train`` with requests."""

    def __init__(self, plan: PythonPlan, context: WorkerContext) -> None:
        self._plan = plan
        made: Any = plan.reference.load()
        told = {"tasks": plan.tasks, "data": plan.data, "context": context, **plan.parameters}
        self._object = made(**{name: told[name] for name in _accepted(made, told)})
        self._takes_checkpoints = len(inspect.signature(self._object.train).parameters) > 1

    def train(self, requests: Sequence[TrialRequest], checkpoints: Path | None = None) -> list[TrialOutcome]:
        """Call ``train(requests)``, with the folder of checkpoints if it takes that."""
        started = time.perf_counter()
        arguments = (requests, checkpoints) if self._takes_checkpoints else (requests,)
        answers = list(self._object.train(*arguments))
        if len(answers) != len(requests):
            raise TrainingError(
                f"{self._plan.reference.name}.train gave {len(answers)} answers to {len(requests)} requests."
            )
        seconds = (time.perf_counter() - started) / len(requests)
        return [self._plan.outcome(*pair, seconds) for pair in zip(answers, requests, strict=True)]


class PythonTrainer(TableTrainer):
    """Trains by a function or a class; `python_trainer` makes the class of the trainer.

    Attributes:
        reference: the function or class.
        worker: the worker that calls it.
    """

    reference: CodeReference
    worker: type[FunctionWorker] | type[ClassWorker]

    def checkpoint_of(self, request: TrialRequest, checkpoints: Path) -> Path | None:
        """Return the folder of the training."""
        return checkpoints / training_id(request)

    def setup(self) -> WorkerSetup:
        """Return the setup of a worker that calls the code."""
        said = self.declaration
        plan = PythonPlan(
            self.reference,
            self.job.tasks,
            self.given,
            said.data,
            self.trainings.epochs_of(len(self.job.tasks), 1.0),
            self.job.size_names,
        )
        return WorkerSetup(f"{said.digest} {plan!r}", LoadingFirst(self.reference, self.worker), plan)


class _FromFile(DeclaredTrainer):
    """Mixed into a trainer that a declaration names, so that its code is loaded in every process."""

    reference: CodeReference

    def setup(self) -> WorkerSetup:
        """Return its setup, which loads its code first."""
        setup: WorkerSetup = super().setup()  # type: ignore[safe-super]
        return replace(setup, build=LoadingFirst(self.reference, setup.build))


def python_trainer(name: str, declaration: TrainerDeclaration, folder: Path) -> type[Trainer]:
    """Make the trainer that a declaration names: a `Trainer`, a class with ``train``, or a function.

    Args:
        name: its name in jobs.
        declaration: the declaration, with `python`.
        folder: folder that files are found from.

    Raises:
        InvalidInputError: if there is no such code, or it cannot be a trainer. Errors of the code pass
            through.
    """
    shipped = declaration.runtime_env
    if shipped is not None:
        shipped.make_importable()
    reference = CodeReference.parse(declaration.python, folder)
    if shipped is not None and not shipped.brings(reference.module):
        raise InvalidInputError(
            f"{reference.module} is not in the working_dir, of which workers have a copy.", pointer="/python"
        )
    found = reference.load()
    if declaration.environment:
        raise InvalidInputError(
            "The environment is for commands: set it in the code.", pointer="/environment"
        )
    told = {*TOLD_TO_FUNCTIONS, *TOLD_TO_CLASSES} - {"epochs"}  # may be a parameter, which is told instead
    if taken := sorted(told & set(declaration.parameters)):
        raise InvalidInputError(
            f"{taken[0]!r} is told by the search: choose another name.", pointer="/parameters"
        )
    summary = (inspect.getdoc(found) or "").partition("\n")[0] or f"Trains by {declaration.python}."
    said: dict[str, Any] = {"title": name, "description": summary, "reference": reference}
    if inspect.isclass(found) and issubclass(found, Trainer):
        return _whole_trainer(found, declaration, said | attributes_of(name, declaration, folder))
    worker = worker_class(reference, declaration.parameters)
    attributes = {"parameters": parameters_of(declaration), "worker": worker, "__module__": __name__}
    return type(
        "PythonTrainer", (PythonTrainer,), said | attributes | attributes_of(name, declaration, folder)
    )


def worker_class(
    reference: CodeReference, parameters: Iterable[str]
) -> type[FunctionWorker] | type[ClassWorker]:
    """Return the worker that trains by a function or by a class with ``train``.

    Args:
        reference: the function or class, which is loaded.
        parameters: names of the declared parameters.

    Raises:
        InvalidInputError: if it is neither, or needs what nobody tells it. Errors of its code pass through.
    """
    found = reference.load()
    if inspect.isclass(found) and issubclass(found, Trainer):
        raise InvalidInputError(
            f"{reference.name} is a whole trainer: register it in a file of trainers, under [trainers.NAME]."
        )
    if inspect.isclass(found) and callable(getattr(found, "train", None)):
        _accepted(found, [*TOLD_TO_CLASSES, *parameters])
        return ClassWorker
    if callable(found) and not inspect.isclass(found):
        _accepted(found, [*TOLD_TO_FUNCTIONS, *parameters])
        return FunctionWorker
    raise InvalidInputError(
        f"{reference.name} in {reference.module} is neither a function, nor a class with a method "
        "train(requests), nor a subclass of grouping.trainers.Trainer."
    )


def _whole_trainer(
    found: type[Trainer], declaration: TrainerDeclaration, attributes: dict[str, Any]
) -> type[Trainer]:
    if inspect.isabstract(found):
        missing = ", ".join(sorted(found.__abstractmethods__))
        raise InvalidInputError(f"{declaration.python} does not implement {missing}.")
    if declaration.parameters:
        raise InvalidInputError(
            f"{declaration.python} is a Trainer and declares its parameters itself: leave out [parameters].",
            pointer="/parameters",
        )
    for name in ("title", "description"):
        if not getattr(declaration, name) and hasattr(found, name):
            del attributes[name]
    return type(found.__name__, (_FromFile, found), attributes)


def _accepted(function: Callable[..., Any], told: Iterable[str]) -> list[str]:
    """Return which of the arguments a function takes by name.

    Raises:
        InvalidInputError: if it needs another one, or does not take a declared parameter.
    """
    known = list(told)
    takes = inspect.signature(function).parameters.values()
    if any(one.kind is one.VAR_KEYWORD for one in takes):
        return known
    named = {one.name: one for one in takes if one.kind in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY)}
    needed = [one.name for one in takes if one.default is one.empty and one.kind is not one.VAR_POSITIONAL]
    if unknown := [name for name in needed if name not in known or name not in named]:
        raise InvalidInputError(
            f"{function.__name__} needs {unknown[0]!r}, which nobody tells it. It may take "
            f"{', '.join(known)}; more under [parameters]."
        )
    return [name for name in known if name in named]
