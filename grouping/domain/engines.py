"""Engines: ways to carry out the trainings of many networks, which differ in speed and by rounding."""

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
    """How trainings are carried out."""

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
class Work:
    """What a job trains, as far as the speed of an engine depends on it.

    Attributes:
        network: a typical one.
        n_networks: that are trained at each seed.
        n_seeds: of each network that are planned together; 1 where seeds are not to be trained together.
        n_epochs: of all trainings together, at most.
    """

    network: Network
    n_networks: int
    n_seeds: int
    n_epochs: int


@dataclass(frozen=True, slots=True)
class EngineChoice:
    """The engine of a job, and why.

    Attributes:
        engine: never `Engine.AUTO`.
        reason: in words for the user; empty where there was nothing to choose.
        step_ms: milliseconds that each engine took per training and gradient step, lower is better;
            processor time, but time of the clock on a GPU. Empty where nothing was measured.
    """

    engine: Engine
    reason: str = ""
    step_ms: Mapping[Engine, float] = field(default_factory=dict)


def engine_of_stack(engine: Engine, n_members: int) -> Engine:
    """What trains a stack of a job that has this engine.

    Few seeds of a network are faster one after another; and what cannot be stacked is for the rule to say.
    """
    if engine is Engine.VMAP and n_members < LEAST_SEEDS:
        return Engine.SEQUENTIAL
    return Engine.AUTO if engine is Engine.STACKED else engine
