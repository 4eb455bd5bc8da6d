"""Multi-gate mixture of experts (Ma et al., KDD 2018): shared experts, and a gate for each task.

With experts ``f_e`` and ``g_t(x) = softmax(W_t x + c_t)``, the features of task t are
``sum_e g_t(x)_e f_e(x)``. An expert has all stages of the encoder, at its widths. It is the multi-level
method with one level.

What differs from the paper: gates have an offset and start at zero, so that every task starts with the mean
of the experts. A task alone has one expert, which is the plain encoder.
"""

from __future__ import annotations

from grouping.recipes.sharing_columns import Mmoe, MultiLevelMmoe
from grouping.training.blueprint import Blueprint
from grouping.training.sharing.multi_level_mmoe import MultiLevelMmoeSharing


class MmoeSharing(MultiLevelMmoeSharing):
    """Network of shared experts with a gate per task; see the module."""

    def __init__(self, blueprint: Blueprint, parameters: Mmoe) -> None:
        super().__init__(blueprint, MultiLevelMmoe(n_experts=parameters.n_experts, n_levels=1))
