"""A score table cell by cell, as people and programs read it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from grouping.domain.groupings import Grouping
from grouping.domain.scores import FloatArray, ScoreTable


@dataclass(frozen=True, slots=True)
class SeedLosses:
    """A loss over seeds; lower is better, NaN where it is unknown.

    Attributes:
        mean: over the seeds that have it.
        standard_error: of the mean; NaN with fewer than two seeds.
        n: number of seeds that have it.
        by_seed: the loss of each seed, by its number.
    """

    mean: float
    standard_error: float
    n: int
    by_seed: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Cell:
    """The losses of one task in one network; `group` is in display order."""

    network: str
    group: tuple[str, ...]
    size: float
    cost_snt: float
    task: str
    validation: SeedLosses
    test: SeedLosses


@dataclass(frozen=True, slots=True)
class ServedTask:
    """The losses of a task in the network that serves it; lower is better, NaN where unknown.

    Attributes:
        task: its name.
        network: name of the network.
        validation_loss: mean over seeds.
        standard_error: of it; NaN with fewer than two seeds.
        test_loss: reported, never decided on.
    """

    task: str
    network: str
    validation_loss: float
    standard_error: float
    test_loss: float


def cells_of(table: ScoreTable) -> Iterator[Cell]:
    """Every cell: one per network and task of its group, both in the order of the table."""
    order = table.task_names
    for n, network in enumerate(table.networks):
        group = tuple(task for task in order if task in network.group)
        for task in group:
            t = order.index(task)
            validation = _losses(
                table,
                table.validation_losses[n, t],
                table.validation[n, t],
                table.validation_standard_error[n, t],
            )
            test = _losses(table, table.test_losses[n, t], table.test[n, t], table.test_standard_error[n, t])
            yield Cell(network.name(order), group, network.size, network.cost_snt, task, validation, test)


def served_tasks(grouping: Grouping, table: ScoreTable) -> tuple[ServedTask, ...]:
    """Each task with its losses in the network that serves it, in display order."""
    errors = grouping.task_losses(table, table.validation_standard_error)
    validation = grouping.task_losses(table, table.validation)
    test = grouping.task_losses(table, table.test)
    return tuple(
        ServedTask(task, name, float(validation[t]), float(errors[t]), float(test[t]))
        for t, (task, name) in enumerate(grouping.serving_names.items())
    )


def _losses(table: ScoreTable, by_seed: FloatArray, mean: float, error: float) -> SeedLosses:
    values = {str(seed): float(value) for seed, value in zip(table.seeds, by_seed, strict=True)}
    return SeedLosses(float(mean), float(error), int(np.sum(~np.isnan(by_seed))), values)
