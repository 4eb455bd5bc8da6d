"""Softmax gates: the share that a row gets of each of several experts (Jacobs et al., 1991)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from grouping.training.blueprint import Blueprint


class Gate(nn.Module):
    """Gate: a linear map and a softmax, which mix features: ``sum_e p_e(row) features_e``.

    It starts with equal shares. A gate on one expert has nothing to choose, no parameters and no cost. The
    multiply-adds of a mixture are those of the map and one for each number of each expert's features.
    """

    def __init__(
        self, blueprint: Blueprint, n_experts: int, *owner: str | int, n_in: int | None = None
    ) -> None:
        """Build the gate.

        Args:
            blueprint: blueprint of the network.
            n_experts: number of experts it chooses from.
            owner: owner of the gate, such as the name of a task.
            n_in: width of its input; that of `Encoder.gate_inputs` unless given.
        """
        super().__init__()
        self.logits = blueprint.gate(n_experts, *owner, n_in=n_in) if n_experts > 1 else None

    def probabilities(self, reads: Tensor) -> Tensor:
        """Return the share of each expert, ``[rows, experts]``; not negative, each row sums to 1."""
        if self.logits is None:
            return reads.new_ones(len(reads), 1)
        shares: Tensor = self.logits(reads).softmax(dim=1)
        return shares

    def forward(self, reads: Tensor, features: Sequence[Tensor]) -> Tensor:
        """Mix features, to the shape of the features of one expert.

        Args:
            reads: ``[rows, n_in]``, input of the gate.
            features: features of each expert, all of one shape.
        """
        if self.logits is None:
            return features[0]
        each = torch.stack([one.flatten(1) for one in features], dim=1)
        mixed = torch.bmm(self.probabilities(reads).unsqueeze(1), each)
        return mixed.reshape(features[0].shape)
