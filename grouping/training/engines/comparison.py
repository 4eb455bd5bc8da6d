"""Choice of a job's engine by measured speed: a few gradient steps of each possible engine, once.

Engines differ by rounding, and so a choice by the clock must not be made twice for one job. The caller keeps
the answer; a call of `train_networks` by itself goes by the rule (`planning`).
"""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Mapping
from dataclasses import replace

import torch

from grouping.domain.trainings.arithmetic import Stacking
from grouping.domain.trainings.engines import LEAST_SEEDS, Engine, EngineChoice, WorkSize
from grouping.domain.trainings.recipes import Recipe
from grouping.domain.trainings.trials import TrialRequest
from grouping.errors import GroupingError
from grouping.training.cost import measure_costs
from grouping.training.data import TrainingData
from grouping.training.engines.engine_run import EngineRun
from grouping.training.engines.independence import stacking_at
from grouping.training.engines.sequential import SingleTraining
from grouping.training.engines.stacked import StackedTraining, can_stack
from grouping.training.engines.vmapped import VmappedTraining
from grouping.training.methods import build_sampling

MARGIN = 1.2
"""How many times as fast as the rule's engine another has to be: closer ones would be chosen by chance."""
SHORTEST_S = 20.0
"""Seconds of processor time below which the trainings of a job are not worth a measurement. They are guessed
without the clock (`estimate_s`), so that a job that is short is short on every machine."""
STEP_S = 1e-3
MULTIPLY_ADDS_PER_S = 2e10
"""Time of a gradient step without arithmetic, and speed of arithmetic, on an ordinary processor: guesses."""
MOST_MEMBERS = 16
"""Members of a run that is measured; more of them change little."""
N_STEPS = 4
N_ROUNDS = 8
ROUND_S = 0.2
"""About what a run may take in a round: networks that take long are measured in fewer steps and members."""
LONGEST_S = 0.5
"""Processor time after which no further round of measurements is begun; there are two at least."""


def compare_engines(data: TrainingData, work: WorkSize, recipe: Recipe) -> EngineChoice:
    """Choose the engine of a job: that of the rule, unless another is clearly faster.

    Nothing is measured where only one engine is possible, or the job is short.

    Args:
        data: the data set, on the device of the training.
        work: the networks to be trained.
        recipe: recipe of the trainings.
    """
    request = TrialRequest(work.network, 0)
    rule = Engine.STACKED if can_stack(data, request, recipe) else Engine.SEQUENTIAL
    if estimate_s(data, work, recipe) < SHORTEST_S:
        return EngineChoice(rule)
    step_s = _step_s(data, work, recipe)
    n_steps = max(1, min(N_STEPS, int(ROUND_S / MOST_MEMBERS / step_s)))
    sample = data.with_first_rows(n_steps * recipe.batch_size)
    most = min(MOST_MEMBERS, int(ROUND_S / (n_steps * step_s)))
    runs = _begin(sample, work, replace(recipe, epochs=100 * N_ROUNDS, patience=0), most)
    if len(runs) < 2:
        return EngineChoice(rule)
    return choose(rule, _measure(runs, len(build_sampling(recipe, sample).steps(0, 0)), data.device))


def estimate_s(data: TrainingData, work: WorkSize, recipe: Recipe) -> float:
    """Estimate the time of all trainings one after another, in seconds of an ordinary processor."""
    n_steps = work.n_epochs * len(build_sampling(recipe, data).steps(0, 0))
    return n_steps * _step_s(data, work, recipe)


def _step_s(data: TrainingData, work: WorkSize, recipe: Recipe) -> float:
    (cost,) = measure_costs(data.n_features, data.tasks, [work.network], recipe)
    n_rows = min(build_sampling(recipe, data).rows_per_step, len(data.train))
    # Backwards, every product is computed twice: for the weights and for what lies below.
    return STEP_S + 3 * n_rows * cost.encoder_multiply_adds / MULTIPLY_ADDS_PER_S


def choose(rule: Engine, step_ms: Mapping[Engine, float]) -> EngineChoice:
    """Choose the fastest engine, or that of the rule where none is `MARGIN` times as fast.

    Args:
        rule: the engine that the rule chooses.
        step_ms: milliseconds per training and gradient step of each engine, that of the rule among them.
    """
    fastest = min(step_ms, key=lambda engine: (step_ms[engine], engine != rule))
    figures = ", ".join(
        f"{engine} {step_ms[engine]:.3g}" for engine in sorted(step_ms, key=step_ms.__getitem__)
    )
    figures = f"{figures} ms per training and gradient step"
    gain = step_ms[rule] / step_ms[fastest]
    if fastest is not rule and gain < MARGIN:
        return EngineChoice(rule, f"{fastest} is only {gain:.2f} times as fast: {figures}", step_ms)
    second = min((engine for engine in step_ms if engine is not fastest), key=step_ms.__getitem__)
    gain = step_ms[second] / step_ms[fastest]
    return EngineChoice(fastest, f"{gain:.1f} times as fast as {second}: {figures}", step_ms)


def _begin(data: TrainingData, work: WorkSize, recipe: Recipe, most: int) -> dict[Engine, EngineRun]:
    """Begin a run of each possible engine, with about `most` members at most."""
    first = TrialRequest(work.network, 0)
    runs: dict[Engine, EngineRun] = {}
    if can_stack(data, first, recipe):
        n_networks = max(1, min(work.n_networks, max(2, most)))
        if stacking_at(data, recipe, work.network.size) is Stacking.NONE:
            n_networks = 1
        runs[Engine.STACKED] = StackedTraining(data, [first] * n_networks, recipe)
    if work.n_seeds >= LEAST_SEEDS:
        n_seeds = min(work.n_seeds, max(LEAST_SEEDS, most))
        seeds = [TrialRequest(work.network, seed) for seed in range(n_seeds)]
        with contextlib.suppress(GroupingError):  # what it refuses, there is one engine less for
            runs[Engine.VMAP] = VmappedTraining(data, seeds, recipe, [None] * len(seeds))
    return runs | {Engine.SEQUENTIAL: SingleTraining(data, first, recipe)} if runs else {}


def _measure(runs: Mapping[Engine, EngineRun], n_steps: int, device: torch.device) -> dict[Engine, float]:
    """Measure milliseconds per training and gradient step, the least of several alternating rounds."""
    for run in runs.values():
        run.run_epoch()
    least = dict.fromkeys(runs, math.inf)
    end_s = _now_s(device) + LONGEST_S
    for number in range(N_ROUNDS):
        if number >= 2 and _now_s(device) > end_s:
            break
        for engine, run in runs.items():
            started = _now_s(device)
            run.run_epoch()
            seconds = (_now_s(device) - started) / (n_steps * len(run.requests))
            least[engine] = min(least[engine], 1000.0 * max(seconds, 1e-9))
    return least


def _now_s(device: torch.device) -> float:
    """Return processor time, which other programs disturb little; on a GPU, the clock once all is done."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        return time.perf_counter()
    return time.process_time()
