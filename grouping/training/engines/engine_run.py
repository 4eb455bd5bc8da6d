"""Run of an engine: trainings that are carried out together, an epoch at a time."""

from __future__ import annotations

import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

from torch import Tensor

from grouping.domain.affinities.joint_runs import JointAffinities
from grouping.domain.trainings.trials import TrialOutcome, TrialRequest, TrialState
from grouping.training.engines.keeper import Keeper
from grouping.training.evaluation import Evaluation, divergence

OnEpoch = Callable[[TrialRequest, int, float], None]
"""Told after every epoch of a training the request, the epochs carried out and the mean training loss."""


class EngineRun(ABC):
    """Trainings of one length that an engine carries out together, all at the same epoch.

    Engines are subclasses.

    Attributes:
        requests: the requests, one per member.
        n_epochs: epochs at the requested fidelity.
        epoch: epochs carried out.
        prepared: epochs carried out before those, to prepare the networks.
    """

    requests: Sequence[TrialRequest]
    n_epochs: int
    epoch: int
    prepared: int = 0

    @property
    def spent(self) -> int:
        """All epochs carried out by each member."""
        return self.prepared + self.epoch

    def prepare_epoch(self) -> bool:
        """Carry out an epoch of the preparation; return False, and do nothing, once it is complete."""
        return False

    @abstractmethod
    def run_epoch(self) -> list[float]:
        """Pass once over the training rows.

        Returns:
            For each member, the mean over the steps of the sum of the normalised losses, lower is better;
            not finite if its training diverged.
        """

    def has_stopped(self, member: int) -> bool:
        """Return whether the training of one member has ended early, for it gets no better."""
        return False

    def narrow(self, members: Sequence[int]) -> None:  # noqa: B027 - most gain nothing by it
        """Take notice that only these members are still of interest."""

    @abstractmethod
    def evaluate(self, member: int) -> Evaluation:
        """Compute losses and metrics of one member on the validation and test rows."""

    def forward(self, member: int) -> Callable[[Tensor], Sequence[Tensor]]:
        """Return the function of a trained member from inputs to the raw outputs of each of its tasks."""
        raise NotImplementedError

    @abstractmethod
    def weights(self, member: int) -> dict[str, Tensor]:
        """Return a copy of the weights by which `evaluate` scores one member, by their names in the network.

        The member is not trained any further then.
        """

    @abstractmethod
    def state_dict(self, member: int) -> dict[str, Tensor]:
        """Return a copy of the state of one member, in the format of `Training.state_dict`."""

    def affinities(self, member: int) -> JointAffinities | None:
        """Return the affinities measured during the training; None without any."""
        return None


def carry_out(
    run: EngineRun,
    should_stop: Callable[[], bool] | None,
    on_epoch: OnEpoch | None,
    keeper: Keeper | None,
) -> tuple[TrialOutcome, ...]:
    """Train the members of an engine run to the end and score them; see `train_networks`.

    The wall time is divided equally among the members.
    """
    started = time.perf_counter()
    ended: dict[int, TrialOutcome] = {}

    def end(member: int, state: TrialState, error: str) -> None:
        ended[member] = TrialOutcome(state, epochs=run.spent, error=error)

    def members() -> list[int]:
        return [member for member in range(len(run.requests)) if member not in ended]

    def finish(member: int) -> None:
        evaluation = run.evaluate(member)
        if evaluation.is_finite:
            scores, affinities = evaluation.scores(), run.affinities(member)
            ended[member] = TrialOutcome(TrialState.SUCCEEDED, scores, run.spent, affinities=affinities)
            if keeper is not None:
                keeper.ended(run.requests[member], partial(run.weights, member))
        else:
            end(member, TrialState.DIVERGED, divergence("validation or test", run.epoch))

    def finish_stopped() -> None:
        for member in members():
            if run.has_stopped(member):
                finish(member)

    finish_stopped()
    while run.epoch < run.n_epochs and members():
        if should_stop is not None and should_stop():
            for member in members():
                end(member, TrialState.FAILED, f"Stopped after {run.epoch} of {run.n_epochs} epochs.")
            break
        if not run.prepare_epoch():
            losses = run.run_epoch()
            for member in members():
                if not math.isfinite(losses[member]):
                    end(member, TrialState.DIVERGED, divergence("training", run.epoch))
                elif on_epoch is not None:
                    on_epoch(run.requests[member], run.epoch, losses[member])
            finish_stopped()
            run.narrow(members())
        if keeper is not None and keeper.is_due(run.epoch):
            for member in members():
                keeper.save(run.requests[member], run.state_dict(member), run.spent)
    for member in members():
        finish(member)
    seconds = (time.perf_counter() - started) / len(run.requests)
    return tuple(replace(ended[member], seconds=seconds) for member in range(len(run.requests)))
