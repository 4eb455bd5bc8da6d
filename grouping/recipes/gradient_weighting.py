"""Weightings of gradients: declarations of methods that combine gradients on shared parameters.

All but the first are implemented by the package TorchJD. ``requires`` names modules that not every
installation has; without them, a method is listed as unavailable. The extra that brings them has the name of
the method.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from grouping.parameters import Field
from grouping.recipes.declarations import Declaration

_TORCHJD = "grouping.training.weighting.jacobian_descent"


@dataclass(frozen=True, slots=True)
class Mgda:
    """Multiple-gradient descent: a direction that lowers every loss."""

    name: ClassVar[str] = "mgda"
    title: ClassVar[str] = "Multiple-gradient descent (MGDA)"
    description: ClassVar[str] = "The shortest combination of the gradients: no loss rises in a small step."
    source: ClassVar[str] = (
        "Désidéri, 2012; Sener and Koltun, Multi-task learning as multi-objective optimization, NeurIPS 2018"
    )
    implementation: ClassVar[str] = "grouping.training.weighting.mgda:MgdaWeighting"

    normalisation: Annotated[
        Literal["none", "norm", "loss", "loss-norm"],
        Field(description="What each gradient is divided by before: its norm, its loss, or both."),
    ] = "none"


@dataclass(frozen=True, slots=True)
class PcGrad:
    """Gradients without the parts in conflict with others (PCGrad)."""

    name: ClassVar[str] = "pcgrad"
    title: ClassVar[str] = "Projecting conflicting gradients (PCGrad)"
    description: ClassVar[str] = "Each gradient loses what points against another's; then they are added."
    source: ClassVar[str] = "Yu et al., Gradient surgery for multi-task learning, NeurIPS 2020"
    implementation: ClassVar[str] = f"{_TORCHJD}:GramianDescent"


@dataclass(frozen=True, slots=True)
class GradVac:
    """Gradients turned towards their usual angle (gradient vaccine)."""

    name: ClassVar[str] = "gradvac"
    title: ClassVar[str] = "Gradient vaccine (GradVac)"
    description: ClassVar[str] = (
        "Each gradient is turned towards another's where it is further off than usual."
    )
    source: ClassVar[str] = "Wang et al., Gradient vaccine, ICLR 2021"
    implementation: ClassVar[str] = f"{_TORCHJD}:GradVacDescent"

    beta: Annotated[float, Field(ge=0, le=1, description="Weight of the newest cosine in what is usual.")] = (
        0.5
    )


@dataclass(frozen=True, slots=True)
class CaGrad:
    """The direction with the best worst case near the average gradient (CAGrad)."""

    name: ClassVar[str] = "cagrad"
    title: ClassVar[str] = "Conflict-averse gradient descent (CAGrad)"
    description: ClassVar[str] = (
        "Near the mean gradient, what improves the worst-off task most. Needs the extra cagrad."
    )
    source: ClassVar[str] = "Liu et al., Conflict-averse gradient descent, NeurIPS 2021"
    implementation: ClassVar[str] = f"{_TORCHJD}:GramianDescent"
    requires: ClassVar[tuple[str, ...]] = ("cvxpy", "clarabel")

    c: Annotated[
        float, Field(ge=0, lt=1, description="How far from the mean gradient; 0 is equal weighting.")
    ] = 0.5


@dataclass(frozen=True, slots=True)
class NashMtl:
    """The direction of a Nash bargain between the tasks (Nash-MTL)."""

    name: ClassVar[str] = "nash-mtl"
    title: ClassVar[str] = "Bargaining (Nash-MTL)"
    description: ClassVar[str] = "The tasks' Nash bargaining solution. Needs the extra nash-mtl."
    source: ClassVar[str] = "Navon et al., Multi-task learning as a bargaining game, ICML 2022"
    implementation: ClassVar[str] = f"{_TORCHJD}:NashMtlDescent"
    requires: ClassVar[tuple[str, ...]] = ("cvxpy", "ecos")

    iterations: Annotated[int, Field(ge=1, le=1000, description="Of its solver, at most.")] = 20


@dataclass(frozen=True, slots=True)
class FairGrad:
    """The direction with alpha-fair shares of the step (FairGrad)."""

    name: ClassVar[str] = "fairgrad"
    title: ClassVar[str] = "Fair resource allocation (FairGrad)"
    description: ClassVar[str] = (
        "The step is divided among the tasks by alpha-fairness; 1 is Nash bargaining."
    )
    source: ClassVar[str] = "Ban and Ji, Fair resource allocation in multi-task learning, ICML 2024"
    implementation: ClassVar[str] = f"{_TORCHJD}:FairGradDescent"

    alpha: Annotated[
        float, Field(ge=0.1, le=10, description="The higher, the more the worst-off task counts.")
    ] = 1.0


@dataclass(frozen=True, slots=True)
class UpGrad:
    """The sum of gradients, each projected to conflict with none (UPGrad)."""

    name: ClassVar[str] = "upgrad"
    title: ClassVar[str] = "Unconflicting projection of gradients (UPGrad)"
    description: ClassVar[str] = (
        "Each gradient is projected to where no loss rises; the projections are added: no conflict is left."
    )
    source: ClassVar[str] = (
        "Quinton and Rey, Jacobian descent for multi-objective optimization, arXiv 2406.16232, 2024"
    )
    implementation: ClassVar[str] = f"{_TORCHJD}:GramianDescent"


@dataclass(frozen=True, slots=True)
class DualProj:
    """The sum of gradients, projected to conflict with none (dual cone projection)."""

    name: ClassVar[str] = "dualproj"
    title: ClassVar[str] = "Projection onto the dual cone (DualProj)"
    description: ClassVar[str] = "The sum of the gradients is projected to where no loss rises."
    source: ClassVar[str] = (
        "Lopez-Paz and Ranzato, Gradient episodic memory for continual learning, NeurIPS 2017"
    )
    implementation: ClassVar[str] = f"{_TORCHJD}:GramianDescent"


@dataclass(frozen=True, slots=True)
class AlignedMtl:
    """Gradients made well conditioned (Aligned-MTL)."""

    name: ClassVar[str] = "aligned-mtl"
    title: ClassVar[str] = "Independent component alignment (Aligned-MTL)"
    description: ClassVar[str] = (
        "The principal components of the gradients are made of one length: neither conflict nor dominance."
    )
    source: ClassVar[str] = (
        "Senushkin et al., Independent component alignment for multi-task learning, CVPR 2023"
    )
    implementation: ClassVar[str] = f"{_TORCHJD}:GramianDescent"

    scale_mode: Annotated[
        Literal["min", "median", "rmse"], Field(description="Which component gives the length.")
    ] = "min"


@dataclass(frozen=True, slots=True)
class ImtlG:
    """The direction with the same projection on every task's gradient (IMTL-G)."""

    name: ClassVar[str] = "imtl-g"
    title: ClassVar[str] = "Impartial gradients (IMTL-G)"
    description: ClassVar[str] = "The combination with the same projection on the gradient of every task."
    source: ClassVar[str] = "Liu et al., Towards impartial multi-task learning, ICLR 2021"
    implementation: ClassVar[str] = f"{_TORCHJD}:GramianDescent"


@dataclass(frozen=True, slots=True)
class ConFig:
    """The direction with the same angle to every task's gradient (ConFIG)."""

    name: ClassVar[str] = "config"
    title: ClassVar[str] = "Conflict-free inverse gradients (ConFIG)"
    description: ClassVar[str] = "The direction at the same angle to every gradient, as long as they agree."
    source: ClassVar[str] = (
        "Liu, Chu and Thuerey, ConFIG: towards conflict-free training of physics informed neural networks, "
        "ICLR 2025"
    )
    implementation: ClassVar[str] = f"{_TORCHJD}:RowDescent"


@dataclass(frozen=True, slots=True)
class GradDrop:
    """Gradients with one sign for each parameter (gradient sign dropout)."""

    name: ClassVar[str] = "graddrop"
    title: ClassVar[str] = "Gradient sign dropout (GradDrop)"
    description: ClassVar[str] = (
        "For each parameter, only the gradients of one sign are added; which one is drawn by their sizes."
    )
    source: ClassVar[str] = "Chen et al., Just pick a sign, NeurIPS 2020"
    implementation: ClassVar[str] = f"{_TORCHJD}:RowDescent"


@dataclass(frozen=True, slots=True)
class Random:
    """Random weights of the losses, drawn anew in every step."""

    name: ClassVar[str] = "random"
    title: ClassVar[str] = "Random weights"
    description: ClassVar[str] = "Drawn anew in every step: what any other method should beat."
    source: ClassVar[str] = "Lin et al., Reasonable effectiveness of random weighting, TMLR 2022"
    implementation: ClassVar[str] = f"{_TORCHJD}:RandomWeighting"


GramianMethod = PcGrad | GradVac | CaGrad | NashMtl | FairGrad | UpGrad | DualProj | AlignedMtl | ImtlG
"""Methods for which inner products of the gradients are enough."""

RowMethod = ConFig | GradDrop
"""Methods that look at every entry of the gradients."""

GRADIENT_WEIGHTING: tuple[type[Declaration], ...] = (
    Mgda,
    PcGrad,
    GradVac,
    CaGrad,
    NashMtl,
    FairGrad,
    UpGrad,
    DualProj,
    AlignedMtl,
    ImtlG,
    ConFig,
    GradDrop,
    Random,
)
