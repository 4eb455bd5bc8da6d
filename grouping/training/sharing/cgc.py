"""Customised gate control (Tang et al., RecSys 2020): own experts beside shared ones, and a gate per task.

With the experts ``E_t`` of task t and the shared ones ``E_s``, its features are
``sum_e g_t(x)_e [E_t(x), E_s(x)]_e`` with ``g_t(x) = softmax(W_t x + c_t)``. It is progressive layered
extraction with one level; what differs from the paper is said there.
"""

from __future__ import annotations

from grouping.recipes.sharing_columns import Cgc, Ple
from grouping.training.blueprint import Blueprint
from grouping.training.sharing.ple import PleSharing


class CgcSharing(PleSharing):
    """Network with own and shared experts and a gate per task; see the module."""

    def __init__(self, blueprint: Blueprint, parameters: Cgc) -> None:
        super().__init__(blueprint, Ple(n_own=parameters.n_own, n_shared=parameters.n_shared, n_levels=1))
