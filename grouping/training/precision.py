"""Reduced precision: layers that compute in bfloat16 or float16 while they are trained.

By automatic mixed precision: products and convolutions take that format, what PyTorch knows to lose too much
by it (softmax, norms, sums) takes float32. It covers what lies below the heads. Weights, and so what the
optimiser remembers and the gradients that it gets, are float32; so are heads, losses, penalties, and every
evaluation. bfloat16 has the exponents of float32, so gradients need no scaling.

float16 has not: small gradients would become 0 (Micikevicius et al., Mixed precision training, ICLR 2018).
They are scaled up where they enter the reduced layers and down again where they reach the weights, so that
losses and the weights of tasks are what they are in any precision. PyTorch's own `GradScaler` scales the
loss, which methods that compare the losses or gradients of tasks would see; the factor is adapted by its
rules: halved after a step with a gradient that is not finite, which is left out, and doubled after many
good ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from grouping.domain.trainings.recipes import Precision
from grouping.errors import TrainingError


def check_precision(precision: Precision, device: torch.device) -> Precision:
    """Return the precision, if networks can be trained in it on the device.

    Raises:
        TrainingError: if the device does not support it.
    """
    if precision is Precision.BFLOAT16 and device.type == "cuda" and not torch.cuda.is_bf16_supported():
        name = torch.cuda.get_device_name(device)
        raise TrainingError(f"{name} does not compute in bfloat16: choose the precision float32.")
    return precision


def reduced(device: torch.device, precision: Precision) -> AbstractContextManager[object]:
    """Compute products and convolutions in a reduced precision within the context."""
    # Cast anew in every use: what is kept from one to the next would outlive a transform of `torch.func`.
    return torch.autocast(device.type, _FORMATS[precision], cache_enabled=False)


_FORMATS = {Precision.BFLOAT16: torch.bfloat16, Precision.FLOAT16: torch.float16}


class GradientScale:
    """Factor on the gradients within the layers that compute in float16; see the module.

    Attributes:
        factor: the present factor.
    """

    first = 2.0**16
    growth_interval = 2_000
    """As in PyTorch's `GradScaler`."""

    def __init__(self) -> None:
        self.factor = self.first
        self._n_good = 0
        self._handles: list[RemovableHandle] = []

    def attach(self, parameters: Iterable[nn.Parameter]) -> None:
        """Divide the gradients of these parameters, those of the reduced layers, by the factor."""
        for handle in self._handles:
            handle.remove()
        self._handles = [
            p.register_hook(self._unscaled)  # type: ignore[no-untyped-call]
            for p in parameters
        ]

    def _unscaled(self, gradient: Tensor) -> Tensor:
        return gradient / self.factor

    def scaled(self, features: Tensor) -> Tensor:
        """Return features of the reduced layers, whose gradient is multiplied by the factor."""
        scaled: Tensor = _ScaledGradient.apply(features, self.factor)  # type: ignore[no-untyped-call]
        return scaled

    def scaled_penalty(self, penalty: Tensor | None) -> Tensor | None:
        """Return a penalty on the parameters themselves, whose gradients are divided like all others."""
        return None if penalty is None else self.scaled(penalty)

    def is_good(self, parameters: Iterable[nn.Parameter]) -> bool:
        """Return whether a step may be taken, and adapt the factor.

        Gradients that are not finite although nothing is scaled any more are let through: then the training
        has diverged, and shows it.
        """
        gradients = [p.grad for p in parameters if p.grad is not None]
        norms = torch._foreach_norm(gradients) if gradients else []
        if all(bool(norm.isfinite()) for norm in norms):
            self._n_good += 1
            if self._n_good >= self.growth_interval:
                self.factor, self._n_good = 2.0 * self.factor, 0
            return True
        is_scaled = self.factor > 1.0
        self.factor, self._n_good = max(1.0, self.factor / 2.0), 0
        return not is_scaled

    def state_dict(self) -> dict[str, Tensor]:
        """Return its state, for checkpoints."""
        return {"gradient_scale": torch.tensor([self.factor, self._n_good], dtype=torch.float64)}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Take up what `state_dict` returned."""
        self.factor, n_good = state["gradient_scale"].tolist()
        self._n_good = int(n_good)


class _ScaledGradient(torch.autograd.Function):
    """Identity whose gradient is multiplied by a number."""

    @staticmethod
    def forward(ctx: Any, features: Tensor, factor: float) -> Tensor:
        ctx.factor = factor
        return features.view_as(features)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return gradient * ctx.factor, None
