"""Trainings before a network's own, from which a method of sharing learns its structure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from grouping.domain.networks import Network
from grouping.domain.trainings.recipes import Method, Recipe
from grouping.domain.trainings.trials import TrialRequest
from grouping.training.data import TrainingData
from grouping.training.loop import Training


def first_training(
    data: TrainingData,
    tasks: Sequence[str],
    recipe: Recipe,
    seed: int,
    *,
    widths: tuple[int, ...],
    share: float,
) -> Training:
    """Build a training with hard sharing, not begun: all tasks in every step, losses summed.

    Declarations count its epochs for the training budget: see `grouping.recipes.epochs`.

    Args:
        data: the data set.
        tasks: names of the tasks.
        recipe: encoder, optimiser and learning rate are taken from it.
        seed: seed of the initial weights, which are those of every network with this seed and widths.
        widths: widths of the stages.
        share: share of the recipe's epochs, at least one epoch; the learning rate falls to zero within them.
    """
    plain = replace(
        recipe,
        hidden=widths,
        epochs=recipe.epochs_at(share),
        sharing=Method("hard"),
        weighting=Method("equal"),
        schedule=Method("joint"),
    )
    return Training(data, TrialRequest(Network.of(*tasks), seed), plain)
