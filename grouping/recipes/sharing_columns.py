"""Sharing among parallel encoders: declarations of methods that mix the features of several encoders."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

from grouping.domain.tasks import Task
from grouping.domain.trainings.recipes import Recipe
from grouping.errors import InvalidInputError
from grouping.parameters import Field
from grouping.recipes.declarations import Declaration

_PLE = "Tang et al., Progressive layered extraction (PLE), RecSys 2020"
_MODULE = "grouping.training.sharing"
MAX_EXPERTS = 64
MAX_SHARING_LEVELS = 16

ExpertCount = Annotated[int, Field(ge=1, le=MAX_EXPERTS, description="Experts that all tasks share.")]
OwnCount = Annotated[int, Field(ge=1, le=MAX_EXPERTS, description="Experts of each task's own.")]
SharedCount = Annotated[
    int, Field(ge=0, le=MAX_EXPERTS, description="Experts that all tasks share; 0 for networks apart.")
]
LevelCount = Annotated[
    int,
    Field(ge=1, le=MAX_SHARING_LEVELS, description="Levels that the hidden layers are divided into."),
]


@dataclass(frozen=True, slots=True)
class Asymmetric:
    """Asymmetric sharing: the layers of one task also serve the others."""

    name: ClassVar[str] = "asymmetric"
    title: ClassVar[str] = "Asymmetric sharing"
    description: ClassVar[str] = (
        "An encoder per task; the encoder of one task, the source, also feeds the others, but not the other "
        "way round."
    )
    source: ClassVar[str] = f"A baseline of {_PLE}"
    implementation: ClassVar[str] = f"{_MODULE}.asymmetric:AsymmetricSharing"

    source_task: Annotated[
        str,
        Field(
            max_length=200,
            description="The task whose encoder feeds the others; the first one of a group where this is "
            "empty or not in it.",
        ),
    ] = ""

    def named_tasks(self) -> tuple[tuple[str, str], ...]:
        """Return the tasks that the parameters name, each after its place."""
        return (("/source_task", self.source_task),) if self.source_task else ()


@dataclass(frozen=True, slots=True)
class Customised:
    """Customised sharing: a shared encoder beside each task's own."""

    name: ClassVar[str] = "customised"
    title: ClassVar[str] = "Customised sharing"
    description: ClassVar[str] = "An encoder for all tasks beside one for each; a head sees both."
    source: ClassVar[str] = f"A baseline of {_PLE}"
    implementation: ClassVar[str] = f"{_MODULE}.customised:CustomisedSharing"


@dataclass(frozen=True, slots=True)
class Mmoe:
    """Multi-gate mixture of experts: shared experts and a gate per task."""

    name: ClassVar[str] = "mmoe"
    title: ClassVar[str] = "Multi-gate mixture of experts (MMoE)"
    description: ClassVar[str] = "Several encoders, the experts, that each task mixes by a gate of its own."
    source: ClassVar[str] = (
        "Ma et al., Modeling task relationships in multi-task learning with multi-gate mixture-of-experts, "
        "KDD 2018"
    )
    implementation: ClassVar[str] = f"{_MODULE}.mmoe:MmoeSharing"

    n_experts: ExpertCount = 3


def check_levels(n_levels: int, n_stages: int) -> None:
    """Refuse more levels than an encoder has stages.

    Raises:
        InvalidInputError: pointing into the recipe.
    """
    if n_levels > n_stages:
        raise InvalidInputError(
            f"An encoder of {n_stages} hidden widths cannot be divided into {n_levels} levels: choose at "
            f"most {n_stages} levels, or give more hidden widths.",
            pointer="/sharing/parameters/n_levels",
        )


@dataclass(frozen=True, slots=True)
class MultiLevelMmoe:
    """Multi-level mixture of experts: shared experts and a gate per task at several levels."""

    name: ClassVar[str] = "multi-level-mmoe"
    title: ClassVar[str] = "Multi-level mixture of experts"
    description: ClassVar[str] = (
        "Mixtures of shared experts at several levels; at each of them a gate per task mixes what it sees "
        "next."
    )
    source: ClassVar[str] = f"A baseline of {_PLE}"
    implementation: ClassVar[str] = f"{_MODULE}.multi_level_mmoe:MultiLevelMmoeSharing"

    n_experts: ExpertCount = 3
    n_levels: LevelCount = 2

    def check_recipe(self, recipe: Recipe, tasks: Sequence[Task]) -> None:
        """Refuse more levels than there are hidden widths."""
        check_levels(self.n_levels, len(recipe.hidden))


@dataclass(frozen=True, slots=True)
class Cgc:
    """Customised gate control: experts of each task beside shared ones."""

    name: ClassVar[str] = "cgc"
    title: ClassVar[str] = "Customised gate control (CGC)"
    description: ClassVar[str] = (
        "Experts of each task and shared ones; a gate per task mixes its own with the shared."
    )
    source: ClassVar[str] = _PLE
    implementation: ClassVar[str] = f"{_MODULE}.cgc:CgcSharing"

    n_own: OwnCount = 1
    n_shared: SharedCount = 1


@dataclass(frozen=True, slots=True)
class Ple:
    """Progressive layered extraction: experts of each task beside shared ones at several levels."""

    name: ClassVar[str] = "ple"
    title: ClassVar[str] = "Progressive layered extraction (PLE)"
    description: ClassVar[str] = (
        "Experts of each task and shared ones at several levels; below the last one the shared experts see "
        "those of every task."
    )
    source: ClassVar[str] = _PLE
    implementation: ClassVar[str] = f"{_MODULE}.ple:PleSharing"

    n_own: OwnCount = 1
    n_shared: SharedCount = 1
    n_levels: LevelCount = 2

    def check_recipe(self, recipe: Recipe, tasks: Sequence[Task]) -> None:
        """Refuse more levels than there are hidden widths."""
        check_levels(self.n_levels, len(recipe.hidden))


COLUMN_SHARING: tuple[type[Declaration], ...] = (Asymmetric, Customised, Mmoe, MultiLevelMmoe, Cgc, Ple)
