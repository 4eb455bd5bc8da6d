"""Routes for the catalogue: problems, strategies, trainers, methods of a recipe, losses and metrics."""

from __future__ import annotations

from fastapi import APIRouter

from grouping import recipes, strategies, trainers
from grouping.domain.trainings.recipes import Part
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
from grouping_api.access import READ

router = APIRouter(prefix="/v1", tags=["catalogue"])


@router.get("/problems", summary="List problems", dependencies=[READ])
def list_problems() -> ProblemList:
    """Return the problems that can be trained; they come from this installation, never from a request."""
    return ProblemList.read(items=problems.list_problems(), unavailable=problems.list_unavailable())


@router.get("/strategies", summary="List strategies", dependencies=[READ])
def list_strategies() -> StrategyList:
    """Return the strategies, which decide what a search trains, with JSON Schemas of their parameters."""
    return StrategyList.read(items=strategies.list_strategies(), unavailable=strategies.list_unavailable())


@router.get("/trainers", summary="List trainers", dependencies=[READ])
def list_trainers() -> TrainerList:
    """Return the trainers, with JSON Schemas of their parameters; the built-in one takes a recipe."""
    return TrainerList.read(items=trainers.list_trainers(), unavailable=trainers.list_unavailable())


@router.get("/recipes", summary="List the methods of recipes", dependencies=[READ])
def list_recipe_methods() -> RecipeMethods:
    """Return encoders, ways of sharing, loss weightings, schedules and optimisers, with JSON Schemas."""
    parts = [
        RecipePart.read(
            part=part, items=recipes.list_methods(part), unavailable=recipes.list_unavailable(part)
        )
        for part in Part
    ]
    return RecipeMethods(items=parts)


@router.get("/losses", summary="List losses", dependencies=[READ])
def list_losses() -> LossList:
    """Return the losses on which a task may be trained, with JSON Schemas of their parameters."""
    return LossList.read(items=recipes.list_losses(), unavailable=recipes.list_unavailable_losses())


@router.get("/metrics", summary="List metrics", dependencies=[READ])
def list_metrics() -> MetricList:
    """Return the metrics by which a task may be reported, with their units and directions."""
    return MetricList.read(items=recipes.list_metrics(), unavailable=recipes.list_unavailable_metrics())
