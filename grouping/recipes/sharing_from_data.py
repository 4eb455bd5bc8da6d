"""Sharing learned from the data: declarations of methods that learn relations, branches or masks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from grouping.domain.trainings.recipes import Recipe
from grouping.parameters import Field
from grouping.recipes.declarations import Declaration

_MODULE = "grouping.training.sharing"


@dataclass(frozen=True, slots=True)
class Multilinear:
    """Multilinear sharing: a last stage per task, with a prior on how they are related."""

    name: ClassVar[str] = "multilinear"
    title: ClassVar[str] = "Multilinear relationship prior"
    description: ClassVar[str] = (
        "Shared stages up to the last one, of which each task has its own; a learned covariance of the tasks "
        "draws those of related tasks together."
    )
    source: ClassVar[str] = (
        "Long et al., Learning multiple tasks with multilinear relationship networks, NeurIPS 2017"
    )
    implementation: ClassVar[str] = f"{_MODULE}.multilinear:MultilinearSharing"

    strength: Annotated[
        float, Field(ge=0, le=1e6, description="Factor of the penalty by the prior; 0 for none.")
    ] = 0.0001
    shrinkage: Annotated[
        float,
        Field(gt=0, le=1, description="Share of the identity in a covariance; 1 for an ordinary L2 penalty."),
    ] = 0.1


@dataclass(frozen=True, slots=True)
class AdaptiveWidening:
    """Adaptive widening: stages that branch by the similarity of the tasks."""

    name: ClassVar[str] = "adaptive-widening"
    title: ClassVar[str] = "Adaptive widening"
    description: ClassVar[str] = (
        "Trains one network first, then divides its stages, from the last one down, into branches for tasks "
        "that find the same rows hard."
    )
    source: ClassVar[str] = "Lu et al., Fully-adaptive feature sharing in multi-task networks, CVPR 2017"
    implementation: ClassVar[str] = f"{_MODULE}.adaptive_widening:AdaptiveWidening"

    n_branches: Annotated[
        int,
        Field(
            ge=1,
            le=64,
            description="Branches of the last stage, at most one per task; every stage below has half as "
            "many as the one above it, rounded up.",
        ),
    ] = 2
    thin_epochs: Annotated[
        float,
        Field(gt=0, le=1, description="Length of the first training, as a share of the recipe's epochs."),
    ] = 0.2

    def preparation_epochs(self, n_tasks: int, recipe: Recipe) -> int:
        """Return the epochs of the thin network; none for a task alone."""
        return recipe.epochs_at(self.thin_epochs) if n_tasks > 1 else 0


@dataclass(frozen=True, slots=True)
class Sparse:
    """Sparse sharing: a subnetwork of one encoder per task."""

    name: ClassVar[str] = "sparse"
    title: ClassVar[str] = "Sparse sharing"
    description: ClassVar[str] = (
        "One encoder, of which each task uses the weights that pruning left to it when it was trained alone."
    )
    source: ClassVar[str] = "Sun et al., Learning sparse sharing architectures for multiple tasks, AAAI 2020"
    implementation: ClassVar[str] = f"{_MODULE}.sparse:SparseSharing"

    rounds: Annotated[
        int, Field(ge=1, le=50, description="How many times the network of a task is pruned.")
    ] = 4
    rate: Annotated[
        float, Field(gt=0, lt=1, description="Share of the weights left that is pruned each time.")
    ] = 0.3
    round_epochs: Annotated[
        float,
        Field(gt=0, le=1, description="Length of a training before pruning, as a share of the epochs."),
    ] = 0.2

    def epochs_of_a_task(self, recipe: Recipe) -> int:
        """Return the epochs of finding the mask of one task: a training, and one after each pruning."""
        return (self.rounds + 1) * recipe.epochs_at(self.round_epochs)

    def preparation_epochs(self, n_tasks: int, recipe: Recipe) -> int:
        """Return the epochs of finding all masks; none for a task alone, which has none."""
        return n_tasks * self.epochs_of_a_task(recipe) if n_tasks > 1 else 0


LEARNED_SHARING: tuple[type[Declaration], ...] = (Multilinear, AdaptiveWidening, Sparse)
