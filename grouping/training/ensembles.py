"""Ensembles: several networks of one group and size from different seeds, whose predictions are averaged.

Probabilities of classes are averaged, and numbers; of counts the logarithms are. An ensemble keeps no
checkpoint: one that is lost is trained again from its start.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from grouping.domain.trainings.engines import Engine
from grouping.domain.trainings.recipes import Recipe
from grouping.domain.trainings.trials import PLAIN, TrialOutcome, TrialRequest, TrialState
from grouping.errors import GroupingError
from grouping.training.data import TrainingData
from grouping.training.engines.engine_run import EngineRun
from grouping.training.engines.planning import divide
from grouping.training.engines.training import begin
from grouping.training.evaluation import divergence, evaluate
from grouping.training.targets import FORMS

Forward = Callable[[Tensor], Sequence[Tensor]]
SEED_STEP = 2**53
"""Above every seed of a trial, so that no two members of two ensembles share one by chance."""


def train_ensemble(
    data: TrainingData, request: TrialRequest, recipe: Recipe, engine: Engine = Engine.AUTO
) -> TrialOutcome:
    """Train the members of an ensemble one after another, and score their mean prediction.

    Args:
        data: the data set.
        request: what is trained; the first member has its seed.
        recipe: recipe of every member.
        engine: engine to train with.

    Returns:
        Scores of the mean prediction, with the epochs of all members; diverged if one of them did.
    """
    started, epochs = time.perf_counter(), 0
    forwards: list[Forward] = []
    for member in range(request.variant.members):
        own = replace(request, seed=request.seed + member * SEED_STEP, variant=PLAIN)
        try:
            (share,) = divide(data, [own], recipe, engine)
            run = begin(data, [own], recipe, share.engine, [None])
        except GroupingError as error:
            return TrialOutcome(TrialState.FAILED, error=str(error))
        fault = _to_the_end(run)
        epochs += run.spent
        if fault:
            return _without_scores(fault, epochs, started)
        forwards.append(run.forward(0))
    norms = [data.normalisations[task.name] for task in data.tasks_of(request.network.group)]

    def mean(inputs: Tensor) -> list[Tensor]:
        each = zip(*(forward(inputs) for forward in forwards), strict=True)
        return [
            FORMS[norm.task.kind].averaged(torch.stack(outputs), norm.constants)
            for norm, outputs in zip(norms, each, strict=True)
        ]

    evaluation = evaluate(data, norms, mean)
    if not evaluation.is_finite:
        return _without_scores(divergence("validation or test", epochs), epochs, started)
    seconds = time.perf_counter() - started
    return TrialOutcome(TrialState.SUCCEEDED, evaluation.scores(), epochs, seconds)


def _to_the_end(run: EngineRun) -> str:
    """Train a single member; return why it diverged, or nothing."""
    while run.epoch < run.n_epochs and not run.has_stopped(0):
        if not run.prepare_epoch():
            (loss,) = run.run_epoch()
            if not math.isfinite(loss):
                return divergence("training", run.epoch)
    return ""


def _without_scores(error: str, epochs: int, started: float) -> TrialOutcome:
    return TrialOutcome(TrialState.DIVERGED, (), epochs, time.perf_counter() - started, error)
