"""Multi-level mixture of experts: shared experts at several levels, with a gate per task at each.

Source: the multi-level baseline (ML-MMoE) of Tang et al., Progressive Layered Extraction, RecSys 2020, after
Ma et al., KDD 2018.

The stages of the encoder are divided into levels. With experts ``f_le`` of level l and ``h_t0 = x``,

    h_tl = sum_e g_tl(h_t,l-1)_e f_le(h_t,l-1),    g_tl(h) = softmax(W_tl h + c_tl)

and the features of task t are those of the last level. The experts are the same for all tasks. Below the
first mixture tasks see the same inputs, so experts of the first level run once, and those of the others once
for each task. A gate reads the mean of the features over positions; the first one, what the encoder gives to
gates.

What differs from the paper, which gives no formulas for this baseline: each task follows a path of its own
through the levels. A task alone has one expert per level, which is the plain encoder.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor, nn

from grouping.recipes.sharing_columns import MultiLevelMmoe
from grouping.training.blueprint import Blueprint
from grouping.training.networks import MultiTaskNetwork
from grouping.training.sharing.columns import column, depths_of, members, run
from grouping.training.sharing.gating import Gate
from grouping.training.sharing.levels import gate_widths, split_stages


class MultiLevelMmoeSharing(MultiTaskNetwork):
    """Network of shared experts in levels; see the module.

    Attributes:
        experts: stages of each expert.
        gates: by level, a gate for each task.
        levels: stages of each level.
    """

    def __init__(self, blueprint: Blueprint, parameters: MultiLevelMmoe) -> None:
        super().__init__(blueprint)
        n_experts = parameters.n_experts if len(self.task_names) > 1 else 1
        self.levels = split_stages(len(blueprint.widths), parameters.n_levels)
        self._encoder = blueprint.encoder
        self.experts = nn.ModuleList(column(blueprint, j) for j in range(n_experts))
        self.gates = nn.ModuleList(
            nn.ModuleList(Gate(blueprint, n_experts, level, name, n_in=width) for name in self.task_names)
            for level, width in enumerate(gate_widths(blueprint, self.levels))
        )
        self.heads = blueprint.heads()

    def features(self, inputs: Tensor) -> list[Tensor]:
        """Return the last mixture of each task."""
        reads = self._encoder.gate_inputs(inputs)
        first = self._run_experts(0, inputs)
        mixed = [gate(reads, first) for gate in members(self.gates[0], Gate)]
        for level in range(1, len(self.levels)):
            mixed = [
                gate(self._encoder.summary(own), self._run_experts(level, own))
                for gate, own in zip(members(self.gates[level], Gate), mixed, strict=True)
            ]
        return mixed

    def shared_parameters(self) -> Mapping[str, nn.Parameter]:
        """Return the parameters of the experts."""
        return {name: p for name, p in self.named_parameters() if name.startswith("experts.")}

    def depths(self) -> Sequence[Sequence[nn.Parameter]]:
        """Return the parameters stage by stage over all experts; gates belong to the last depth."""
        return depths_of(self, self._columns())

    def _run_experts(self, level: int, inputs: Tensor) -> list[Tensor]:
        return [run((each[i] for i in self.levels[level]), inputs) for each in self._columns()]

    def _columns(self) -> list[nn.ModuleList]:
        return members(self.experts, nn.ModuleList)
