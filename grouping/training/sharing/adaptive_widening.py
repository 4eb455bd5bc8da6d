"""Adaptive widening (Lu et al., CVPR 2017): a network that branches by the similarity of its tasks.

A thin network, in which all tasks share every stage, is trained for a while. Two tasks are similar where the
same rows are hard for them: their affinity is the share of the training rows that are hard for both or hard
for neither, where a row is hard for a task if its loss is above the task's mean. Then, from the last stage
down, what shares a stage above is divided into branches: tasks at the last stage, its branches at the one
below, and so on. The branches of two groups of tasks have the affinity

    a(g, h) = (mean_{i in g} min_{j in h} a(i, j) + mean_{j in h} min_{i in g} a(i, j)) / 2

and of all divisions into the wanted number of branches, that of the least mean over branches of
``1 - mean_{g, h in branch} a(g, h)`` is taken. Every branch starts as a copy of the thin stage, every head as
the thin one, and the branched network is trained.

What differs from the paper: it weighs the number of branches of a stage against their separation, so the
data decide what the network costs. Here the number is a parameter: inference costs are measured before any
data are seen, and so depend on the number of tasks only. The last stage has `n_branches` branches, at most
one per task, and each stage below half as many, rounded up. The thin network is as wide as a branch, starts
from its usual initial weights and not from a large trained network, and branches of all stages are decided
at once. A task alone has the plain encoder.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from grouping.recipes.sharing_from_data import AdaptiveWidening as Parameters
from grouping.training.blueprint import Blueprint
from grouping.training.evaluation import outputs_of
from grouping.training.networks import MultiTaskNetwork
from grouping.training.sharing.branching import Branching, branch_counts, divide
from grouping.training.sharing.columns import members
from grouping.training.sharing.preparation import first_training
from grouping.training.targets import labelled

if TYPE_CHECKING:
    from grouping.domain.trainings.recipes import Recipe
    from grouping.training.data import TrainingData


class AdaptiveWidening(MultiTaskNetwork):
    """Network that branches by the similarity of its tasks; see the module.

    Attributes:
        stages: the branches of each stage.
        branches: ``[stages, T]``, which branch of each stage serves a task; a buffer, so that it is saved.
    """

    branches: Tensor

    def __init__(self, blueprint: Blueprint, parameters: Parameters) -> None:
        super().__init__(blueprint)
        n_tasks = len(self.task_names)
        counts = branch_counts(parameters.n_branches, len(blueprint.widths), n_tasks)
        columns = [blueprint.stages() for _ in range(max(counts))]
        self.stages = nn.ModuleList(
            nn.ModuleList(column[i] for column in columns[:count]) for i, count in enumerate(counts)
        )
        self.heads = blueprint.heads()
        self._thin_epochs = parameters.thin_epochs
        self._widths = blueprint.widths
        # Until the data are seen, tasks are divided in their order.
        self._branching = divide(torch.ones(n_tasks, n_tasks).tolist(), counts)
        self.register_buffer("branches", torch.tensor(self._branching))

    def features(self, inputs: Tensor) -> list[Tensor]:
        """Return the output of the last branch of each task; each branch runs once."""
        features, below = [inputs], (0,) * len(self.task_names)
        for branches, serves in zip(self.stages, self._branching, strict=True):
            fed_by = dict(zip(serves, below, strict=True))
            features = [
                branch(features[fed_by[number]]) for number, branch in enumerate(members(branches, nn.Module))
            ]
            below = serves
        return [features[number] for number in below]

    def shared_parameters(self) -> Mapping[str, nn.Parameter]:
        """Return the parameters of the branches that serve several tasks; of all stages for a single task."""
        if len(self.task_names) == 1:
            return super().shared_parameters()
        prefixes = tuple(
            f"stages.{stage}.{number}."
            for stage, serves in enumerate(self._branching)
            for number in sorted(set(serves))
            if serves.count(number) > 1
        )
        return {name: p for name, p in self.named_parameters() if name.startswith(prefixes)}

    def preparation(self, data: TrainingData, recipe: Recipe, seed: int, done: int = 0) -> Iterator[int]:
        """Train the thin network, divide its stages, and start from copies of them.

        After an interruption all of it is repeated.
        """
        if len(self.task_names) == 1:
            return
        training = first_training(
            data, self.task_names, recipe, seed, widths=self._widths, share=self._thin_epochs
        )
        while not training.is_finished:
            training.run_epoch()
            yield training.epoch
        thin = training.network
        counts = [len(members(branches, nn.Module)) for branches in self.stages]
        self._set_branching(divide(hardness_affinity(thin, data).tolist(), counts))
        learned = members(thin.get_submodule("stages"), nn.Module)
        for stage, branches in zip(learned, self.stages, strict=True):
            for branch in members(branches, nn.Module):
                branch.load_state_dict(stage.state_dict())
        self.heads.load_state_dict(thin.heads.state_dict())

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
    ) -> Any:
        """Load a state, as in every module; the branches are then those of the state."""
        keys = super().load_state_dict(state_dict, strict, assign)
        self._branching = tuple(tuple(serves) for serves in self.branches.tolist())
        return keys

    def _set_branching(self, branching: Branching) -> None:
        self._branching = branching
        self.branches.copy_(torch.tensor(branching))


@torch.no_grad()
def hardness_affinity(network: MultiTaskNetwork, data: TrainingData) -> Tensor:
    """Return the share of training rows that are hard for both tasks or neither: ``[T, T]``, float64.

    A row is hard for a task if its loss is above the mean over the training rows. Rows with labels of both
    tasks count; two tasks that share none have nothing in common.

    Args:
        network: network trained on the `T` tasks.
        data: data set with the rows.
    """
    network.eval()
    rows = data.train
    hard, easy = [], []
    for name, outputs in zip(network.task_names, outputs_of(network, rows.inputs), strict=True):
        known = labelled(rows.targets[name])
        losses = data.normalisations[name].row_losses(outputs, rows.targets[name])
        is_hard = losses > losses[known].mean()
        hard.append(is_hard & known)
        easy.append(~is_hard & known)
    one, other = torch.stack(hard).double(), torch.stack(easy).double()
    both = (one + other) @ (one + other).T
    alike: Tensor = (one @ one.T + other @ other.T) / both.clamp(min=1.0)
    return alike.cpu()
