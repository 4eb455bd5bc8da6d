"""Gaussian noise on the inputs."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from grouping.training.augmentation.augmentation import Augmentation


class NoiseAugmentation(Augmentation):
    """Augmentation that adds noise; see the module."""

    def apply(
        self, inputs: Tensor, targets: Mapping[str, Tensor], generator: torch.Generator
    ) -> tuple[Tensor, Mapping[str, Tensor]]:
        """See `Augmentation.apply`."""
        noise = torch.randn(inputs.shape, generator=generator).to(inputs)
        return inputs + self.declaration.deviation * noise, targets
