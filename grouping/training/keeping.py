"""Trainings whose weights are kept: as `train_networks`, with a safetensors file of each network."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from safetensors.torch import save
from torch import Tensor

from grouping.domain.trainings.trials import TrialOutcome, TrialRequest


@dataclass(frozen=True, slots=True)
class KeptTraining:
    """A training with its weights.

    Attributes:
        outcome: outcome of the training.
        weights: content of a safetensors file of parameters and buffers, by their names in the network; empty
            where it did not succeed.
        widths: widths of the stages of the network.
    """

    outcome: TrialOutcome
    weights: bytes = b""
    widths: tuple[int, ...] = ()


@dataclass
class WeightsKeeper:
    """Keeps the weights of trainings that succeed, and no states; see `grouping.training.engines.keeper`.

    Attributes:
        files: content of a safetensors file for each training.
    """

    files: dict[TrialRequest, bytes] = field(default_factory=dict)

    def load(self, request: TrialRequest) -> Mapping[str, Tensor] | None:
        """Start anew."""
        return None

    def is_due(self, epoch: int) -> bool:
        """Save no states."""
        return False

    def save(self, request: TrialRequest, state: Mapping[str, Tensor], epoch: int) -> None:
        """Save no state."""

    def ended(self, request: TrialRequest, weights: Callable[[], Mapping[str, Tensor]]) -> None:
        """Keep the weights."""
        self.files[request] = save({name: value.cpu().contiguous() for name, value in weights().items()})
