"""The encoder itself, in PyTorch. Heads are added by `ModuleEncoder`."""

from __future__ import annotations

from torch import Tensor, nn

from grouping.training.encoders.module import ModuleEncoder


class ResidualEncoder(ModuleEncoder):
    """Stages from ``[rows, n_in]`` to ``[rows, width]``."""

    def module(self, index: int, n_in: int, width: int) -> nn.Module:
        """One stage."""
        return ResidualLayer(n_in, width, self.parameters.strength)


class ResidualLayer(nn.Module):
    """A linear shortcut plus a layer with a GELU."""

    def __init__(self, n_in: int, width: int, strength: float) -> None:
        super().__init__()
        self.shortcut = nn.Linear(n_in, width)
        self.layer = nn.Linear(n_in, width)
        self.strength = strength

    def forward(self, rows: Tensor) -> Tensor:
        """The features of each row."""
        shortcut: Tensor = self.shortcut(rows)
        return shortcut + self.strength * nn.functional.gelu(self.layer(rows))
