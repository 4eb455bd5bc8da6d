"""The Ray actor that trains: long-lived, one thread, its data kept between trainings.

A fresh process or Ray task per small network costs several times the training itself, so an actor trains
one network after another and converts the shared data to tensors once.
"""

from __future__ import annotations

import os

import ray
import torch

from grouping.domain.recipes import Recipe
from grouping.domain.tasks import Task
from grouping.domain.trials import TrialOutcome, TrialRequest, TrialState
from grouping.errors import GroupingError
from grouping.training.data import TrainingData, best_device
from grouping.training.loop import train_network


class TrainingActor:
    """Trains one network at a time. Wrapped by `ray.remote` in the driver."""

    def __init__(self) -> None:
        # Two torch threads under load can be tens of times slower than one.
        torch.set_num_threads(1)
        self._digest: str | None = None
        self._data: TrainingData | None = None

    def process_id(self) -> int:
        """The actor's process, for people and for tests that kill it."""
        return os.getpid()

    def train(
        self,
        holder: list[ray.ObjectRef],
        digest: str,
        tasks: tuple[Task, ...],
        request: TrialRequest,
        recipe: Recipe,
    ) -> TrialOutcome:
        """Train and score one network.

        Args:
            holder: a list of one reference to the data set, fetched only when it is not here yet.
            digest: identifies data set and tasks.
            tasks: the tasks of the job.
            request: network, seed and fidelity.
            recipe: how to train.

        Returns:
            The outcome. A request that can never work is a failed outcome, not an exception.
        """
        try:
            if digest != self._digest or self._data is None:
                self._data = TrainingData.from_dataset(ray.get(holder[0]), tasks, best_device())
                self._digest = digest
            return train_network(self._data, request, recipe)
        except GroupingError as error:
            return TrialOutcome(TrialState.FAILED, error=str(error))
