"""Affinities of the tasks of one network, measured during its training and without changing it.

Affinities from gradients are measured where a request asks for them. Affinities from the network's structure,
such as the overlap of the masks of sparse sharing, cost nothing: every training of several tasks measures
them.

Three methods from the gradients ``g_i`` of the tasks' losses ``L_i`` on the shared weights ``theta``, at the
batch of a measured step, before the step is taken; all are averaged over the measured steps:

- ``tag`` (Fifty et al., NeurIPS 2021): ``1 - L_j(theta - lr g_i) / L_j(theta)``, with the learning rate of
  the step; the heads stay as they are.
- ``cosine``: of ``g_i`` and ``g_j``.
- ``first-order`` (ETAP, 2026): ``g_j . u_i / L_j``, with ``u_i`` what task i adds to the optimiser's update.
  Given its denominator, Adam's update is linear in the gradients, and a gradient enters the running mean with
  weights that sum to one over the steps to come. So ``u_i = lr g_i / (sqrt(v) + eps)``, with ``v`` the
  bias-corrected mean square of the joint gradient up to this very step. The momentum of earlier steps is
  common to all sources, weight decay is no task's doing: both are left out. To first order it is the
  look-ahead of a step ``u_i``, without the forward passes.

What differs from the papers: the look-ahead of TAG is a plain gradient step, also though the network is
trained with Adam, and the look-aheads of all source tasks are one batched pass.

Cost: one backward pass per task through the shared weights and one forward pass per task and measured step.
With every tenth step measured, a training of five tasks took 1.37 times its processor time without.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.func import functional_call, vmap

from grouping.domain.affinities.joint_runs import GRADIENT_METHODS, JointAffinities
from grouping.domain.tables.score_table import FloatArray
from grouping.training.data import Rows
from grouping.training.gradients import gradients_of
from grouping.training.losses import Normalisation
from grouping.training.networks import MultiTaskNetwork
from grouping.training.targets import labelled

MEASURE_EVERY = 10
"""Every so many gradient steps are measured, as in TAG."""
LEAST_MEASURED = 20
"""Short trainings are measured more often, for this many measured steps if they have as many."""


def measuring_interval(n_steps: int) -> int:
    """Return the gradient steps between measured steps in a training of `n_steps`."""
    return max(1, min(MEASURE_EVERY, n_steps // LEAST_MEASURED))


class AffinityMeter:
    """Sums up the affinities of one training. Reads network and optimiser and changes neither."""

    def __init__(
        self,
        network: MultiTaskNetwork,
        normalisations: Sequence[Normalisation],
        optimiser: torch.optim.Optimizer,
        n_steps: int,
    ) -> None:
        """Start with nothing measured.

        Args:
            network: the network in training.
            normalisations: constants of the losses, in the order of the network's `T` tasks.
            optimiser: the optimiser of the network.
            n_steps: gradient steps of the whole training.
        """
        self._network = network
        self._normalisations = tuple(normalisations)
        self._optimiser = optimiser
        self._shared = dict(network.shared_parameters())
        self._interval = measuring_interval(n_steps)
        n_tasks = len(network.task_names)
        device = next(iter(self._shared.values())).device
        shape = (len(GRADIENT_METHODS), n_tasks, n_tasks)
        self._sums = torch.zeros(shape, dtype=torch.float64, device=device)
        self._counts = torch.zeros(shape, dtype=torch.int64, device=device)
        self._n_measured = 0

    def observe(self, step: int, rows: Tensor, targets: Sequence[Tensor], losses: Sequence[Tensor]) -> None:
        """Measure if this gradient step is a measured one; call it before the optimiser steps.

        Args:
            step: gradient steps taken before, over all epochs.
            rows: inputs of the batch.
            targets: encoded targets of each task.
            losses: loss of each task on the batch, as scalars with their graph; the graph is kept.
        """
        if step % self._interval:
            return
        gradients = self.shared_gradients(losses)
        now = torch.stack([loss.detach() for loss in losses]).double()
        # The first update is none: where layers draw, such as dropout, all look-aheads draw the same, but not
        # what the joint pass drew.
        steps = torch.cat([torch.zeros_like(gradients[:1]), self._learning_rate * gradients])
        ahead = self.look_ahead(rows, targets, steps).double()
        measured = torch.stack(
            (
                1.0 - ahead[1:] / ahead[:1],
                _cosines(gradients),
                first_order(gradients, self.updates(gradients, step), now),
            )
        )
        is_known = torch.isfinite(measured)
        self._sums += torch.where(is_known, measured, 0.0)
        self._counts += is_known
        self._n_measured += 1

    def shared_gradients(self, losses: Sequence[Tensor]) -> Tensor:
        """Compute the gradient of each loss on the shared weights, flattened, ``[T, P]``."""
        return gradients_of(losses, list(self._shared.values()))

    @torch.no_grad()
    def look_ahead(self, rows: Tensor, targets: Sequence[Tensor], updates: Tensor) -> Tensor:
        """Compute losses after each of ``[K, P]`` updates is subtracted from shared weights: ``[K, T]``.

        Row i is after update i, column j the loss of task j. The weights themselves stay as they are, and so
        does the global generator; layers that draw draw the same for every update.
        """
        moved, start = {}, 0
        for name, weight in self._shared.items():
            part = updates[:, start : start + weight.numel()]
            moved[name] = weight - part.reshape(-1, *weight.shape)
            start += weight.numel()

        def outputs(weights: Mapping[str, Tensor]) -> list[Tensor]:
            found: list[Tensor] = functional_call(self._network, dict(weights), (rows,))
            return found

        with torch.random.fork_rng(devices=[rows.device] if rows.is_cuda else []):
            every = vmap(outputs, randomness="same")(moved)
        columns = [
            vmap(norm.batch_loss, in_dims=(0, None))(output, target)
            for norm, output, target in zip(self._normalisations, every, targets, strict=True)
        ]
        return torch.stack(columns, dim=1)

    @torch.no_grad()
    def updates(self, gradients: Tensor, step: int) -> Tensor:
        """Compute each task's part in the update of the shared weights, to be subtracted, ``[T, P]``.

        The joint gradient is the sum of the tasks' because the losses are added with equal weights.
        """
        group = self._optimiser.param_groups[0]
        if "betas" not in group:  # plain gradient descent
            return self._learning_rate * gradients
        decay = group["betas"][1]
        squares = torch.cat(
            [
                self._optimiser.state[weight]["exp_avg_sq"].flatten()
                if weight in self._optimiser.state
                else torch.zeros_like(weight).flatten()
                for weight in self._shared.values()
            ]
        )
        squares = decay * squares + (1.0 - decay) * gradients.sum(dim=0).square()
        scale: Tensor = (squares / (1.0 - decay ** (step + 1))).sqrt() + group["eps"]
        return self._learning_rate * gradients / scale

    @property
    def _learning_rate(self) -> float:
        return float(self._optimiser.param_groups[0]["lr"])

    @property
    def n_measured(self) -> int:
        """Number of gradient steps measured so far."""
        return self._n_measured

    def means(self) -> Mapping[str, FloatArray]:
        """Return the means over the measured steps, ``[T, T]`` by method; empty without any."""
        if not self._n_measured:
            return {}
        counts = self._counts.cpu().numpy()
        with np.errstate(invalid="ignore", divide="ignore"):
            means = np.where(counts > 0, self._sums.cpu().numpy() / counts, np.nan)
        return dict(zip(GRADIENT_METHODS, means, strict=True))

    def state_dict(self) -> dict[str, Tensor]:
        """Return a copy of the sums, tensors only."""
        return {
            "affinity.sums": self._sums.clone(),
            "affinity.counts": self._counts.clone(),
            "affinity.n_measured": torch.tensor(self._n_measured),
        }

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Continue from a state of the same training; one that measured nothing starts anew."""
        if "affinity.sums" in state:
            self._sums.copy_(state["affinity.sums"])
            self._counts.copy_(state["affinity.counts"])
            self._n_measured = int(state["affinity.n_measured"])


def measured_affinities(
    network: MultiTaskNetwork, meter: AffinityMeter | None, rows: Rows
) -> JointAffinities | None:
    """Return the affinities of one training, with the overlap of the labels of the training rows.

    Args:
        network: the network in training.
        meter: meter of its gradients; None where those are not measured.
        rows: the training rows.

    Returns:
        None where nothing was measured.
    """
    values = {method: found.numpy() for method, found in network.affinities().items()}
    n_steps = 0
    if meter is not None:
        values |= meter.means()
        n_steps = meter.n_measured
    if not values:
        return None
    overlap = sample_overlap([rows.targets[name] for name in network.task_names])
    return JointAffinities(network.task_names, values, n_steps, overlap.numpy())


def _cosines(gradients: Tensor) -> Tensor:
    units = gradients.double()
    units = units / units.norm(dim=1, keepdim=True)  # a gradient of zero has no direction: not a number
    cosines: Tensor = units @ units.T
    return cosines


def first_order(gradients: Tensor, updates: Tensor, losses: Tensor) -> Tensor:
    """Compute ``g_j . u_i / L_j`` as ``[T, T]``, from ``[T, P]`` gradients, updates and ``[T]`` losses."""
    return (updates.double() @ gradients.double().T) / losses


def sample_overlap(targets: Sequence[Tensor]) -> Tensor:
    """Compute the share of rows with both labels among those with either: ``[T, T]``, float64.

    Two tasks without any label share none.

    Args:
        targets: encoded targets, rows first.
    """
    known = torch.stack([labelled(target) for target in targets]).double()
    both = known @ known.T
    counts = known.sum(dim=1)
    either = counts[:, None] + counts[None, :] - both
    return torch.where(either > 0, both / either.clamp(min=1.0), 0.0).cpu()
