"""Engines: ways to carry out the trainings of many networks, different in speed and in rounding."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from grouping.domain.networks import Network

LEAST_SEEDS = 4
"""Fewer seeds of one network are hardly faster as one than one after another.

See ``docs/explanation/training.md``.
"""


class Engine(StrEnum):
    """A way to carry out the trainings of many networks."""

    AUTO = "auto"
    """By a rule: stacked where the recipe allows it, else sequential. In a job: the fastest, as measured."""
    STACKED = "stacked"
    """Networks of equal widths and one seed as one; see `grouping.training.engines.stacked`."""
    VMAP = "vmap"
    """Several seeds of one network as one; see `grouping.training.engines.vmapped`. What cannot be, is
    trained one after another."""
    SEQUENTIAL = "sequential"
    """One after another."""


@dataclass(frozen=True, slots=True)
class WorkSize:
    """Size of a job's work, as far as the speed of an engine depends on it.

    Attributes:
        network: a typical network of the job.
        n_networks: number of networks that are trained with each seed.
        n_seeds: seeds of a network that are planned together; 1 where seeds must not be trained together.
        n_epochs: the most epochs of all trainings together.
    """

    network: Network
    n_networks: int
    n_seeds: int
    n_epochs: int


@dataclass(frozen=True, slots=True)
class EngineChoice:
    """The engine of a job, and why.

    Attributes:
        engine: the chosen engine, never `Engine.AUTO`.
        reason: reason of the choice, in words for the user; empty where there was nothing to choose.
        step_ms: milliseconds per training and gradient step with each engine, lower is better;
            processor time, but wall time on a GPU. Empty where nothing was measured.
    """

    engine: Engine
    reason: str = ""
    step_ms: Mapping[Engine, float] = field(default_factory=dict)


def engine_of_stack(engine: Engine, n_members: int) -> Engine:
    """Return the engine that trains a stack of so many networks in a job with this engine.

    Few seeds of a network are faster one after another; `Engine.AUTO` is left to the rule of the trainer.
    """
    if engine is Engine.VMAP and n_members < LEAST_SEEDS:
        return Engine.SEQUENTIAL
    return Engine.AUTO if engine is Engine.STACKED else engine
