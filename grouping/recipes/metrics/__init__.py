"""Declarations of metrics that a task may name, one file each; `grouping.training.metrics` computes them."""

from grouping.recipes.metrics.accuracy import Accuracy
from grouping.recipes.metrics.angular_error import AngularError
from grouping.recipes.metrics.average_precision import AveragePrecision
from grouping.recipes.metrics.balanced_accuracy import BalancedAccuracy
from grouping.recipes.metrics.class_distance import ClassDistance
from grouping.recipes.metrics.cosine_similarity import CosineSimilarity
from grouping.recipes.metrics.declaration import MetricDeclaration
from grouping.recipes.metrics.f1 import F1
from grouping.recipes.metrics.mae import MeanAbsoluteError
from grouping.recipes.metrics.mean_iou import MeanIou
from grouping.recipes.metrics.r2 import R2
from grouping.recipes.metrics.rmse import RootMeanSquaredError
from grouping.recipes.metrics.roc_auc import RocAuc

METRICS: tuple[type[MetricDeclaration], ...] = (
    Accuracy,
    R2,
    MeanAbsoluteError,
    RootMeanSquaredError,
    BalancedAccuracy,
    F1,
    RocAuc,
    AveragePrecision,
    ClassDistance,
    MeanIou,
    AngularError,
    CosineSimilarity,
)

__all__ = ["METRICS", "MetricDeclaration"]
