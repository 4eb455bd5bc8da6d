"""Iterative magnitude pruning with rewinding (Frankle and Carbin, ICLR 2019) of the encoder of one task."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from grouping.training.loop import Training
from grouping.training.sharing.columns import matrices

Masks = dict[str, Tensor]
"""For each weight that may be pruned, by its name in the stages: which of its entries are left, bool."""


@dataclass(frozen=True, slots=True)
class PruningRound:
    """One round of pruning: the masks it was trained with, and its loss on the validation rows."""

    masks: Masks
    validation_loss: float


def prune_in_rounds(
    start: Callable[[], Training], *, rounds: int, rate: float
) -> Generator[None, None, list[PruningRound]]:
    """Train, prune, rewind and train again; one step of the generator is an epoch.

    Args:
        start: builds a training of one task that is not begun, each time from the same initial weights.
        rounds: number of times to prune.
        rate: share of the weights left that is pruned each time.

    Returns:
        ``rounds + 1`` rounds, first the one with full masks; fewer if a training does not stay finite.
    """
    found: list[PruningRound] = []
    masks: Masks | None = None
    for _ in range(rounds + 1):
        training = start()
        stages = training.network.get_submodule("stages")
        masks = full_masks(stages) if masks is None else masks
        keep_masked(stages, masks)
        while not training.is_finished:
            training.run_epoch()
            yield
        evaluation = training.evaluate()
        if not evaluation.is_finite:
            break
        found.append(PruningRound(masks, evaluation.validation_losses[0]))
        masks = prune(stages, masks, rate)
    return found


def full_masks(stages: nn.Module) -> Masks:
    """Return masks that leave every weight."""
    return {name: torch.ones_like(weight, dtype=torch.bool) for name, weight in matrices(stages).items()}


@torch.no_grad()
def keep_masked(stages: nn.Module, masks: Mapping[str, Tensor]) -> None:
    """Set masked weights to zero, and their gradients in every step, so that they stay there.

    No step of an optimiser moves a weight of zero whose gradients are all zero, with or without decay.
    """
    for name, weight in matrices(stages).items():
        weight.mul_(masks[name])
        weight.register_hook(partial(torch.mul, masks[name]))  # type: ignore[no-untyped-call]


@torch.no_grad()
def prune(stages: nn.Module, masks: Mapping[str, Tensor], rate: float) -> Masks:
    """Return masks without the share `rate` of the remaining weights of smallest magnitude over all."""
    weights = matrices(stages)
    left = torch.cat([masks[name].flatten() for name in weights])
    sizes = torch.cat([weight.abs().flatten() for weight in weights.values()])
    positions = left.nonzero().flatten()
    order = sizes[positions].argsort(stable=True)
    pruned = left.clone()
    pruned[positions[order[: int(rate * len(positions))]]] = False
    parts = torch.split(pruned, [weight.numel() for weight in weights.values()])
    return {
        name: part.reshape(weight.shape) for (name, weight), part in zip(weights.items(), parts, strict=True)
    }
