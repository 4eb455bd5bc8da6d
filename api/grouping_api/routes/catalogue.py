"""What can be asked for: problems, strategies, trainers, the methods of a recipe, losses and metrics."""

from __future__ import annotations

from fastapi import APIRouter

from grouping import recipes, strategies, trainers
from grouping.domain.recipes import Part
from grouping.problems import registry as problems
from grouping.wire.catalogue import (
    LossList,
    MetricList,
    ProblemList,
    RecipeMethods,
    RecipePart,
    StrategyList,
    TrainerList,
)

router = APIRouter(prefix="/v1", tags=["catalogue"])


@router.get("/problems", summary="What can be trained")
def list_problems() -> ProblemList:
    """Problems come from this installation only, never from a request."""
    return ProblemList.read(items=problems.list_problems(), unavailable=problems.list_unavailable())


@router.get("/strategies", summary="How a search decides what to train")
def list_strategies() -> StrategyList:
    """Strategies, with the JSON Schema of their parameters."""
    return StrategyList.read(items=strategies.list_strategies(), unavailable=strategies.list_unavailable())


@router.get("/trainers", summary="What trains the networks")
def list_trainers() -> TrainerList:
    """Trainers, with the JSON Schema of their parameters; the built-in one takes a recipe."""
    return TrainerList.read(items=trainers.list_trainers(), unavailable=trainers.list_unavailable())


@router.get("/recipes", summary="How networks may be built and trained")
def list_recipe_methods() -> RecipeMethods:
    """Encoders, ways of sharing, loss weightings, schedules and optimisers, with JSON Schemas."""
    parts = [
        RecipePart.read(
            part=part, items=recipes.list_methods(part), unavailable=recipes.list_unavailable(part)
        )
        for part in Part
    ]
    return RecipeMethods(items=parts)


@router.get("/losses", summary="What a task may be trained on")
def list_losses() -> LossList:
    """Losses that the tasks of a problem may name, with JSON Schemas of their parameters."""
    return LossList.read(items=recipes.list_losses(), unavailable=recipes.list_unavailable_losses())


@router.get("/metrics", summary="What a task may be reported by")
def list_metrics() -> MetricList:
    """Metrics that the tasks of a problem may name, with their units and directions."""
    return MetricList.read(items=recipes.list_metrics(), unavailable=recipes.list_unavailable_metrics())
