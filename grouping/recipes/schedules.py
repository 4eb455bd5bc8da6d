"""Schedules: declarations of which tasks of a network are trained when."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, ClassVar

from grouping.errors import InvalidInputError, pointer_part
from grouping.parameters import Field
from grouping.recipes.declarations import Declaration

TaskName = Annotated[str, Field(min_length=1, max_length=100)]
Order = Annotated[
    list[TaskName],
    Field(
        max_length=1000,
        description="Tasks that come first, in this order; all others follow in the order of the problem. "
        "Tasks that are not in a network are passed over.",
    ),
]


def require_epochs(schedule: str, n_epochs: int, n_phases: int, network: str = "this network") -> None:
    """Refuse a recipe with fewer epochs than a schedule has phases.

    Args:
        schedule: name of the schedule.
        n_epochs: epochs of the recipe.
        n_phases: number of phases, of at least one epoch each.
        network: the network in words, for the error message.

    Raises:
        InvalidInputError: pointing into the recipe.
    """
    if n_epochs < n_phases:
        raise InvalidInputError(
            f"The schedule {schedule!r} divides the training of {network} into {n_phases} phases, and the "
            f"recipe has {n_epochs} epochs: raise the number of epochs to at least {n_phases}.",
            pointer="/epochs",
        )


@dataclass(frozen=True, slots=True)
class Joint:
    """Schedule that trains all tasks in every step."""

    name: ClassVar[str] = "joint"
    title: ClassVar[str] = "Joint training"
    description: ClassVar[str] = "All tasks of a network are trained in every step."
    source: ClassVar[str] = "Caruana, Multitask learning, Machine Learning 28, 1997"
    implementation: ClassVar[str] = "grouping.training.schedules.joint:JointSchedule"


@dataclass(frozen=True, slots=True)
class Continual:
    """Schedule that trains one task after another, each by itself."""

    name: ClassVar[str] = "continual"
    title: ClassVar[str] = "One task after another"
    description: ClassVar[str] = (
        "The tasks are trained one after another, each alone for its share of the epochs. Heads of earlier "
        "tasks stay as they are; the shared layers go on, so that earlier tasks may be forgotten."
    )
    source: ClassVar[str] = (
        "McCloskey and Cohen, Catastrophic interference in connectionist networks, Psychology of Learning "
        "and Motivation 24, 1989"
    )
    implementation: ClassVar[str] = "grouping.training.schedules.continual:ContinualSchedule"

    order: Order = field(default_factory=list)
    epoch_weights: Annotated[
        dict[TaskName, Annotated[float, Field(gt=0, le=1000, allow_inf_nan=False)]],
        Field(
            max_length=1000,
            description="By task, how its number of epochs compares with that of a task that is not named.",
        ),
    ] = field(default_factory=dict)

    def named_tasks(self) -> tuple[tuple[str, str], ...]:
        """Return the tasks that the parameters name, each after its place."""
        weights = tuple((f"/epoch_weights/{pointer_part(task)}", task) for task in self.epoch_weights)
        return (*_places(self.order), *weights)

    def n_phases(self, tasks: Sequence[str], n_depths: int) -> int:
        """Return one phase for each task of a network."""
        return len(tasks)


@dataclass(frozen=True, slots=True)
class Sequential:
    """Schedule that adds tasks one by one and never leaves one out again."""

    name: ClassVar[str] = "sequential"
    title: ClassVar[str] = "Tasks added one by one"
    description: ClassVar[str] = (
        "First one task, then it and a second one, and so on, until all are trained together: no task is "
        "left out once it has begun."
    )
    source: ClassVar[str] = "Standley et al., Which tasks should be learned together, ICML 2020"
    implementation: ClassVar[str] = "grouping.training.schedules.sequential:SequentialSchedule"

    order: Order = field(default_factory=list)
    last_share: Annotated[
        float,
        Field(
            gt=0,
            lt=1,
            description="Share of the epochs in which all tasks are trained; the phases before it are of "
            "equal length.",
        ),
    ] = 0.5

    def named_tasks(self) -> tuple[tuple[str, str], ...]:
        """Return the tasks that the parameters name, each after its place."""
        return _places(self.order)

    def n_phases(self, tasks: Sequence[str], n_depths: int) -> int:
        """Return one phase for each task of a network."""
        return len(tasks)


@dataclass(frozen=True, slots=True)
class FineTuning:
    """Schedule that trains one task first, then the others from its weights."""

    name: ClassVar[str] = "fine-tuning"
    title: ClassVar[str] = "Fine-tuning from a source task"
    description: ClassVar[str] = (
        "The source task is trained first; then the others start from its layers, of which the lower ones "
        "may be frozen, released one by one, or trained at smaller rates. Networks without the source, or "
        "of one task, are trained jointly, for all epochs."
    )
    source: ClassVar[str] = "Howard and Ruder, Universal language model fine-tuning, ACL 2018"
    implementation: ClassVar[str] = "grouping.training.schedules.fine_tuning:FineTuningSchedule"

    source_task: Annotated[
        TaskName | None,
        Field(description="Task that is trained first; the first one of the network unless named."),
    ] = None
    source_share: Annotated[
        float, Field(gt=0, lt=1, description="Share of the epochs in which the source is trained.")
    ] = 0.5
    frozen: Annotated[
        int,
        Field(
            ge=0,
            le=100,
            description="Lower depths of the network, inputs first, that keep the source's weights. The "
            "last depth, heads included, is always trained.",
        ),
    ] = 0
    gradual: Annotated[
        bool,
        Field(
            description="Release the depths one by one from the heads down, a phase for each, until only the "
            "frozen ones are left; the phases are of equal length."
        ),
    ] = False
    rate_factor: Annotated[
        float,
        Field(
            gt=0,
            le=1,
            description="Learning rate of a depth over that of the depth above it, while the others are "
            "trained; 1 / 2.6 in the paper.",
        ),
    ] = 1.0

    def named_tasks(self) -> tuple[tuple[str, str], ...]:
        """Return the tasks that the parameters name, each after its place."""
        return () if self.source_task is None else (("/source_task", self.source_task),)

    def source_of(self, tasks: Sequence[str]) -> str | None:
        """Return the task of a network that is trained first; None if all are trained jointly."""
        source = self.source_task or tasks[0]
        return source if source in tasks and len(tasks) > 1 else None

    def n_phases(self, tasks: Sequence[str], n_depths: int) -> int:
        """Return the source's phase plus one, or one for each depth that is released."""
        if self.source_of(tasks) is None:
            return 1
        return 1 + (max(1, n_depths - self.frozen) if self.gradual else 1)

    def fewest_depths(self, stages: Mapping[str, int]) -> int | None:
        """Return the fewest depths of a network of a source and other tasks; None if there is none.

        Args:
            stages: for each task, how many stages are below its head.
        """
        first = self.source_task
        if len(stages) < 2 or (first is not None and first not in stages):
            return None
        lowest = sorted(stages[task] for task in stages if task != first)
        return 1 + (lowest[1] if first is None else max(stages[first], lowest[0]))

    def check_depths(self, n_depths: int) -> None:
        """Refuse to freeze so much of a network that nothing would be left to train.

        Args:
            n_depths: depths of the network, heads included.

        Raises:
            InvalidInputError: pointing into the recipe.
        """
        if self.frozen >= n_depths:
            raise InvalidInputError(
                f"A network has {n_depths} depths, heads included, and {self.frozen} of them are to be "
                f"frozen: freeze at most {n_depths - 1}. Networks that do not pass all inputs through one "
                "row of shared layers have a single depth.",
                pointer="/schedule/parameters/frozen",
            )


def _places(order: list[TaskName]) -> tuple[tuple[str, str], ...]:
    return tuple((f"/order/{position}", task) for position, task in enumerate(order))


SCHEDULES: tuple[type[Declaration], ...] = (Joint, Continual, Sequential, FineTuning)
