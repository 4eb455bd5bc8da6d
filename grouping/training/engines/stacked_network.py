"""Networks of equal widths as one: every layer is a batch of products, with the gradients written out.

Activations are ``[members, width, rows]``, so that the weights of `torch.nn.Linear` are used as they are. All
members see the same rows. The gradients are those of the sum of each member's normalised losses; nothing
of one member reaches another, so one that diverges leaves the others alone.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from grouping.domain.tasks import Task
from grouping.training.blueprint import Blueprint
from grouping.training.clipping import clip_members
from grouping.training.engines.heads import HeadKind
from grouping.training.engines.layout import Layout, Segment
from grouping.training.engines.products import affine, products


class StackedNetwork:
    """Fully connected encoders shared by the tasks of each member, and linear heads.

    Attributes:
        layout: names and places of the weights.
        weights: all of them, a vector whose ``grad`` `differentiate` fills.
    """

    def __init__(self, blueprint: Blueprint, groups: Sequence[Sequence[Task]], kinds: Sequence[HeadKind]):
        """Start from the weights that the blueprint decides.

        Args:
            blueprint: gives encoder, widths and seed.
            groups: the tasks of each member, in canonical order.
            kinds: the heads of these members.
        """
        self._kinds = tuple(kinds)
        self._members = torch.cat([kind.members for kind in kinds])
        self._n_members = len(groups)
        self._n_layers = len(blueprint.widths)
        self.layout = _lay_out(blueprint, self._n_members, kinds)
        like = kinds[0].factors
        vector = torch.zeros(self.layout.n_numbers, dtype=like.dtype, device=like.device)
        self._fill(vector, blueprint, groups)
        self.weights = torch.nn.Parameter(vector)
        self.weights.grad = torch.zeros_like(vector)
        self._rooms: dict[tuple[str, tuple[int, ...]], Tensor] = {}
        self._views = self.layout.views(self.weights.detach())
        self._gradients = self.layout.views(self.weights.grad)
        owners = [[member for member, _ in segment.owners] for segment in self.layout.segments]
        self._owners = [torch.tensor(members, device=like.device) for members in owners]

    def _fill(self, vector: Tensor, blueprint: Blueprint, groups: Sequence[Sequence[Task]]) -> None:
        """Fill the vector with initial weights; members of one seed share them: each layer is drawn once."""
        drawn = {f"network.stages.{name}": p for name, p in blueprint.stages().named_parameters()}
        heads = {task: blueprint.head(task) for task in {task for group in groups for task in group}}
        with torch.no_grad():
            for view, segment in zip(self.layout.views(vector), self.layout.segments, strict=True):
                for row, (member, name) in enumerate(segment.owners):
                    if name in drawn:
                        view[row] = drawn[name]
                    else:
                        _, _, place, kind = name.split(".")
                        view[row] = heads[groups[member][int(place)]].get_parameter(kind)

    def differentiate(self, inputs: Tensor, targets: Sequence[Tensor], n_rows: int) -> list[Tensor]:
        """Compute the gradient at a batch, into ``weights.grad``.

        Args:
            inputs: ``[features, rows]``.
            targets: targets of each kind of heads, see `HeadKind.arranged`.
            n_rows: number of rows that count.

        Returns:
            Normalised losses of the heads of each kind, ``[heads]``.
        """
        n = self._n_members
        activations = [inputs.expand(n, -1, -1)]
        for layer in range(self._n_layers):
            weight, bias = self._views[2 * layer : 2 * layer + 2]
            out = self._room(f"activations {layer}", *weight.shape[:2], inputs.shape[1])
            activations.append(affine(weight, activations[-1], bias, out).relu_())
        gradient = self._room(f"gradient {self._n_layers}", *activations[-1].shape)
        losses = self._differentiate_heads(activations[-1], gradient, targets, n_rows)
        for layer in reversed(range(self._n_layers)):
            torch.ops.aten.threshold_backward(gradient, activations[layer + 1], 0, grad_input=gradient)
            products(gradient, activations[layer].transpose(1, 2), out=self._gradients[2 * layer])
            torch.sum(gradient, dim=2, out=self._gradients[2 * layer + 1])
            if layer:
                below = self._room(f"gradient {layer}", *activations[layer].shape)
                gradient = products(self._views[2 * layer].transpose(1, 2), gradient, below)
        return losses

    def _differentiate_heads(
        self, last: Tensor, gradient: Tensor, targets: Sequence[Tensor], n_rows: int
    ) -> list[Tensor]:
        """Compute losses of the heads of each kind; `gradient` becomes theirs on the last features."""
        shape = (len(self._members), *last.shape[1:])
        seen_by_all = torch.index_select(last, 0, self._members, out=self._room("seen", *shape))
        losses, start = [], 0
        for number, (kind, wanted) in enumerate(zip(self._kinds, targets, strict=True)):
            seen = seen_by_all[start : start + len(kind.members)]
            start += len(kind.members)
            place = 2 * (self._n_layers + number)
            weight, bias = self._views[place : place + 2]
            out = self._room(f"outputs {number}", *weight.shape[:2], shape[2])
            found, slopes = kind.losses_and_gradients(affine(weight, seen, bias, out), wanted, n_rows)
            losses.append(found)
            products(slopes, seen.transpose(1, 2), out=self._gradients[place])
            torch.sum(slopes, dim=2, out=self._gradients[place + 1])
            # What the heads have seen is not needed any more: their gradients take its place.
            products(weight.transpose(1, 2), slopes, out=seen)
        gradient.zero_().index_add_(0, self._members, seen_by_all)
        return losses

    def clip_gradients(self, most: float) -> None:
        """Shorten the gradient of each member, as `differentiate` left it, to a norm of at most that."""
        clip_members(self._gradients, self._owners, self._n_members, most)

    def _room(self, name: str, *shape: int) -> Tensor:
        """Return memory for an intermediate result, reused in each step: fresh memory costs a page fault."""
        key = (name, shape)
        if key not in self._rooms:
            self._rooms[key] = torch.empty(shape, dtype=self.weights.dtype, device=self.weights.device)
        return self._rooms[key]


def _lay_out(blueprint: Blueprint, n_members: int, kinds: Sequence[HeadKind]) -> Layout:
    segments = []
    n_in = blueprint.encoder.n_features
    for layer, width in enumerate(blueprint.widths):
        for shape, kind in (((width, n_in), "weight"), ((width,), "bias")):
            owners = [(member, f"network.stages.{layer}.0.{kind}") for member in range(n_members)]
            segments.append(Segment(shape, owners))
        n_in = width
    for heads in kinds:
        for shape, kind in (((heads.n_outputs, n_in), "weight"), ((heads.n_outputs,), "bias")):
            owners = [(member, f"network.heads.{place}.{kind}") for member, place in heads.owners]
            segments.append(Segment(shape, owners))
    return Layout(tuple(segments))
