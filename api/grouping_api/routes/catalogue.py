"""What can be asked for: problems, strategies, the methods of a recipe, losses and metrics."""

from __future__ import annotations

from fastapi import APIRouter

from grouping.domain.recipes import Part
from grouping.problems.registry import list_problems
from grouping.problems.registry import list_unavailable as list_unavailable_problems
from grouping.recipes import (
    list_losses,
    list_methods,
    list_metrics,
    list_unavailable,
    list_unavailable_losses,
    list_unavailable_metrics,
)
from grouping.strategies import list_strategies
from grouping.strategies import list_unavailable as list_unavailable_strategies
from grouping.wire.catalogue import (
    LossList,
    MetricList,
    ProblemList,
    RecipeMethods,
    RecipePart,
    StrategyList,
)

router = APIRouter(prefix="/v1", tags=["catalogue"])


@router.get("/problems", operation_id="listProblems", summary="What can be trained")
def get_problems() -> ProblemList:
    """Problems come from this installation only, never from a request."""
    return ProblemList.read(items=list_problems(), unavailable=list_unavailable_problems())


@router.get("/strategies", operation_id="listStrategies", summary="How a search decides what to train")
def get_strategies() -> StrategyList:
    """Strategies, with the JSON Schema of their parameters."""
    return StrategyList.read(items=list_strategies(), unavailable=list_unavailable_strategies())


@router.get("/recipes", operation_id="listRecipeMethods", summary="How networks may be built and trained")
def get_recipes() -> RecipeMethods:
    """Encoders, ways of sharing, loss weightings, schedules and optimisers, with JSON Schemas."""
    parts = [
        RecipePart.read(part=part, items=list_methods(part), unavailable=list_unavailable(part))
        for part in Part
    ]
    return RecipeMethods(items=parts)


@router.get("/losses", operation_id="listLosses", summary="What a task may be trained on")
def get_losses() -> LossList:
    """Losses that the tasks of a problem may name, with JSON Schemas of their parameters."""
    return LossList.read(items=list_losses(), unavailable=list_unavailable_losses())


@router.get("/metrics", operation_id="listMetrics", summary="What a task may be reported by")
def get_metrics() -> MetricList:
    """Metrics that the tasks of a problem may name, with their units and directions."""
    return MetricList.read(items=list_metrics(), unavailable=list_unavailable_metrics())
