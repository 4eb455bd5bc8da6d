"""Declarations of losses that a task may name, one file each; `grouping.training.losses` computes them."""

from grouping.recipes.losses.absolute_error import AbsoluteError
from grouping.recipes.losses.balanced_cross_entropy import BalancedCrossEntropy
from grouping.recipes.losses.binary_cross_entropy import BinaryCrossEntropy
from grouping.recipes.losses.cosine import Cosine
from grouping.recipes.losses.cross_entropy import CrossEntropy
from grouping.recipes.losses.declaration import Constants, LossDeclaration
from grouping.recipes.losses.focal import Focal
from grouping.recipes.losses.huber import Huber
from grouping.recipes.losses.poisson import Poisson
from grouping.recipes.losses.quantile import Quantile
from grouping.recipes.losses.ranked_probability import RankedProbability
from grouping.recipes.losses.squared_error import SquaredError

LOSSES: tuple[type[LossDeclaration], ...] = (
    SquaredError,
    CrossEntropy,
    BinaryCrossEntropy,
    AbsoluteError,
    Huber,
    Quantile,
    Poisson,
    BalancedCrossEntropy,
    Focal,
    RankedProbability,
    Cosine,
)

__all__ = ["LOSSES", "Constants", "LossDeclaration"]
