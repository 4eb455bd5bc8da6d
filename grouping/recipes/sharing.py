"""Sharing: declarations of which layers the tasks of a network share, and how."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, ClassVar

from grouping.domain.tasks import Task
from grouping.domain.trainings.recipes import Recipe
from grouping.errors import InvalidInputError
from grouping.parameters import Field
from grouping.recipes.declarations import Declaration
from grouping.recipes.sharing_columns import COLUMN_SHARING
from grouping.recipes.sharing_from_data import LEARNED_SHARING

OwnShare = Annotated[
    float,
    Field(ge=0, le=1, description="Weight of a task's own features at the start; the others share the rest."),
]
ConditionAt = Annotated[
    int,
    Field(
        ge=0, description="Stage whose features the task vector meets, from 0; those above run once per task."
    ),
]


@dataclass(frozen=True, slots=True)
class Hard:
    """Hard sharing: one encoder, a head per task."""

    name: ClassVar[str] = "hard"
    title: ClassVar[str] = "Hard sharing"
    description: ClassVar[str] = "All tasks share one encoder; each has a head of its own."
    source: ClassVar[str] = "Caruana, Multitask learning, Machine Learning 28, 1997"
    implementation: ClassVar[str] = "grouping.training.sharing.hard:HardSharing"


@dataclass(frozen=True, slots=True)
class Soft:
    """Soft sharing: an encoder per task, held near those of the others."""

    name: ClassVar[str] = "soft"
    title: ClassVar[str] = "Soft sharing"
    description: ClassVar[str] = "An encoder per task; squared distances between their weights are penalised."
    source: ClassVar[str] = (
        "Duong et al., Low resource dependency parsing: cross-lingual parameter sharing in a neural network "
        "parser, ACL 2015"
    )
    implementation: ClassVar[str] = "grouping.training.sharing.soft:SoftSharing"

    strength: Annotated[
        float,
        Field(
            ge=0, le=1e6, description="Factor of the squared distances, over all pairs of tasks; 0 for none."
        ),
    ] = 0.01


@dataclass(frozen=True, slots=True)
class Hierarchical:
    """Hierarchical sharing: tasks at different depths of one encoder."""

    name: ClassVar[str] = "hierarchical"
    title: ClassVar[str] = "Hierarchical sharing"
    description: ClassVar[str] = (
        "One encoder; simple tasks are read off its lower stages, the others off its last one."
    )
    source: ClassVar[str] = (
        "Søgaard and Goldberg, Deep multi-task learning with low level tasks supervised at lower layers, "
        "ACL 2016"
    )
    implementation: ClassVar[str] = "grouping.training.sharing.hierarchical:HierarchicalSharing"

    depths: Annotated[
        Mapping[str, Annotated[int, Field(ge=1)]],
        Field(
            description="Stages below the head of a task, by its name. Tasks that are not named have all "
            "stages, and all but one if they have a single output.",
            json_schema_extra={"default": {}},
        ),
    ] = field(default_factory=dict)

    def named_tasks(self) -> tuple[tuple[str, str], ...]:
        """Return the tasks that the parameters name, each after its place."""
        return tuple((self.place_of(task), task) for task in self.depths)

    @staticmethod
    def place_of(task: str) -> str:
        """Return the JSON pointer of the depth of a task, below the parameters."""
        return f"/depths/{task.replace('~', '~0').replace('/', '~1')}"

    def stages_below(self, task: Task, n_stages: int) -> int:
        """Return how many of the stages are below the head of a task, from 1.

        Raises:
            InvalidInputError: if it is to have more stages than there are, pointing at it.
        """
        if task.name not in self.depths:
            return max(1, n_stages - 1) if task.n_outputs == 1 else n_stages
        depth = self.depths[task.name]
        if depth > n_stages:
            raise InvalidInputError(
                f"Task {task.name!r} cannot be at depth {depth}: the encoder has {n_stages} stages, one for "
                "each hidden width. Choose a lower depth, or more hidden widths.",
                pointer=f"/sharing/parameters{self.place_of(task.name)}",
            )
        return depth

    def check_recipe(self, recipe: Recipe, tasks: Sequence[Task]) -> None:
        """Refuse depths that the encoder does not have."""
        for task in tasks:
            self.stages_below(task, len(recipe.hidden))


@dataclass(frozen=True, slots=True)
class CrossStitch:
    """Cross-stitch networks: an encoder per task, mixed after every stage."""

    name: ClassVar[str] = "cross-stitch"
    title: ClassVar[str] = "Cross-stitch units"
    description: ClassVar[str] = (
        "An encoder per task; a learned matrix mixes their features after every stage."
    )
    source: ClassVar[str] = "Misra et al., Cross-stitch networks for multi-task learning, CVPR 2016"
    implementation: ClassVar[str] = "grouping.training.sharing.cross_stitch:CrossStitchSharing"

    own_share: OwnShare = 0.9


@dataclass(frozen=True, slots=True)
class Sluice:
    """Sluice networks: encoders mixed by subspaces, with skip connections."""

    name: ClassVar[str] = "sluice"
    title: ClassVar[str] = "Sluice network"
    description: ClassVar[str] = (
        "An encoder per task; parts of their features are mixed after every stage, and a head sees a learned "
        "mixture of all stages."
    )
    source: ClassVar[str] = "Ruder et al., Latent multi-task architecture learning, AAAI 2019"
    implementation: ClassVar[str] = "grouping.training.sharing.sluice:SluiceSharing"

    n_subspaces: Annotated[
        int, Field(ge=1, le=8, description="Parts that the channels are divided into.")
    ] = 2
    own_share: OwnShare = 0.9
    last_share: Annotated[
        float,
        Field(ge=0, le=1, description="Weight of the last stage at the start; the others share the rest."),
    ] = 0.9
    orthogonality: Annotated[
        float, Field(ge=0, le=1e6, description="Factor of the penalty that keeps the subspaces apart.")
    ] = 0.001


@dataclass(frozen=True, slots=True)
class Mtan:
    """Multi-task attention network: one encoder, and an attention mask per task and stage."""

    name: ClassVar[str] = "mtan"
    title: ClassVar[str] = "Attention per task (MTAN)"
    description: ClassVar[str] = (
        "One encoder; each task has soft masks that choose among the features of a stage."
    )
    source: ClassVar[str] = "Liu, Johns and Davison, End-to-end multi-task learning with attention, CVPR 2019"
    implementation: ClassVar[str] = "grouping.training.sharing.mtan:MtanSharing"

    reduction: Annotated[
        int, Field(ge=1, le=64, description="How many times narrower than its stage an attention module is.")
    ] = 4


def check_stage(at: int, n_stages: int) -> None:
    """Refuse a stage for task vectors that the encoder does not have.

    Raises:
        InvalidInputError: pointing into the recipe.
    """
    if at >= n_stages:
        raise InvalidInputError(
            f"There is no stage {at} that a task vector could meet: the encoder has {n_stages}, one for "
            f"each hidden width, counted from 0. Choose at most {n_stages - 1}, or more hidden widths.",
            pointer="/sharing/parameters/at",
        )


@dataclass(frozen=True, slots=True)
class ConditioningConcat:
    """Conditioning: one network, told its task by additional channels."""

    name: ClassVar[str] = "conditioning-concat"
    title: ClassVar[str] = "Conditioning by concatenation"
    description: ClassVar[str] = "One encoder; a learned task vector is appended to the features of a stage."
    source: ClassVar[str] = "Dumoulin et al., Feature-wise transformations, Distill 2018"
    implementation: ClassVar[str] = "grouping.training.sharing.conditioning:ConcatConditioning"

    at: ConditionAt = 0
    size: Annotated[int, Field(ge=1, le=256, description="Length of the task vector.")] = 8

    def check_recipe(self, recipe: Recipe, tasks: Sequence[Task]) -> None:
        """Refuse a stage that the encoder does not have."""
        check_stage(self.at, len(recipe.hidden))


@dataclass(frozen=True, slots=True)
class ConditioningAdd:
    """Conditioning: one network, told its task by a shift of its features."""

    name: ClassVar[str] = "conditioning-add"
    title: ClassVar[str] = "Conditioning by addition"
    description: ClassVar[str] = "One encoder; a learned task vector is added to the features of a stage."
    source: ClassVar[str] = "Dumoulin et al., Feature-wise transformations, Distill 2018"
    implementation: ClassVar[str] = "grouping.training.sharing.conditioning:AddConditioning"

    at: ConditionAt = 0

    def check_recipe(self, recipe: Recipe, tasks: Sequence[Task]) -> None:
        """Refuse a stage that the encoder does not have."""
        check_stage(self.at, len(recipe.hidden))


@dataclass(frozen=True, slots=True)
class ConditioningMultiply:
    """Conditioning: one network, told its task by a scaling of its features."""

    name: ClassVar[str] = "conditioning-multiply"
    title: ClassVar[str] = "Conditioning by multiplication"
    description: ClassVar[str] = (
        "One encoder; the features of a stage are multiplied by a learned task vector."
    )
    source: ClassVar[str] = "Dumoulin et al., Feature-wise transformations, Distill 2018"
    implementation: ClassVar[str] = "grouping.training.sharing.conditioning:MultiplyConditioning"

    at: ConditionAt = 0

    def check_recipe(self, recipe: Recipe, tasks: Sequence[Task]) -> None:
        """Refuse a stage that the encoder does not have."""
        check_stage(self.at, len(recipe.hidden))


SHARING: tuple[type[Declaration], ...] = (
    Hard,
    Soft,
    Hierarchical,
    CrossStitch,
    Sluice,
    Mtan,
    ConditioningConcat,
    ConditioningAdd,
    ConditioningMultiply,
    *COLUMN_SHARING,
    *LEARNED_SHARING,
)
