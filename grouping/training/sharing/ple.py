"""Progressive layered extraction (Tang et al., RecSys 2020): own experts beside shared ones, in levels.

The stages of the encoder are divided into levels. At each level, task t has experts of its own that read
``h_t``, and the shared experts read ``h_s``; both are the inputs at first. With ``E_t`` and ``E_s`` what they
give,

    h_t <- sum_e g_t(h_t)_e [E_t, E_s]_e,    h_s <- sum_e g_s(h_s)_e [E_1, ..., E_T, E_s]_e

where ``g(h) = softmax(W h + c)``; the last level has no ``g_s``, and the features of task t are the last
``h_t``. Losses of other tasks reach the experts of a task through ``h_s``, below the last level only. One
level is the method CGC. A gate reads the mean of the features over positions; those of the first level, what
the encoder gives to gates.

What differs from the paper: gates have an offset and start at zero, so that each starts with equal shares; an
expert has the stages of a level, at the widths of the encoder. Without shared experts tasks have networks of
their own. A task alone has the plain encoder.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor, nn

from grouping.recipes.sharing_columns import Ple
from grouping.training.blueprint import Blueprint
from grouping.training.networks import MultiTaskNetwork
from grouping.training.sharing.columns import column, depths_of, members, own_column, run
from grouping.training.sharing.gating import Gate
from grouping.training.sharing.levels import gate_widths, split_stages


class PleSharing(MultiTaskNetwork):
    """Network of own and shared experts in levels; see the module.

    Attributes:
        common: stages of each shared expert.
        own: stages of each task's own experts, those of one task after those of another.
        gates: by level, a gate for each task.
        common_gates: for each level but the last, the gate that mixes the next input of the shared experts.
        levels: stages of each level.
    """

    def __init__(self, blueprint: Blueprint, parameters: Ple) -> None:
        super().__init__(blueprint)
        names = self.task_names
        is_alone = len(names) == 1
        self.levels = split_stages(len(blueprint.widths), parameters.n_levels)
        self._encoder = blueprint.encoder
        self._n_own = 1 if is_alone else parameters.n_own
        n_common = 0 if is_alone else parameters.n_shared
        self.common = nn.ModuleList(column(blueprint, j) for j in range(n_common))
        self.own = nn.ModuleList(
            # Alone it is the plain encoder, which starts as that of hard sharing.
            blueprint.stages() if is_alone else own_column(blueprint, name, j)
            for name in names
            for j in range(self._n_own)
        )
        widths = list(enumerate(gate_widths(blueprint, self.levels)))
        n_seen = self._n_own + n_common
        self.gates = nn.ModuleList(
            nn.ModuleList(Gate(blueprint, n_seen, level, "task", name, n_in=width) for name in names)
            for level, width in widths
        )
        n_all = self._n_own * len(names) + n_common
        self.common_gates = nn.ModuleList(
            Gate(blueprint, n_all, level, "shared", n_in=width) for level, width in widths[:-1] if n_common
        )
        self.heads = blueprint.heads()

    def features(self, inputs: Tensor) -> list[Tensor]:
        """Return the last mixture of each task."""
        reads = self._encoder.gate_inputs(inputs)
        mixed, mixed_reads = [inputs] * len(self.task_names), [reads] * len(self.task_names)
        common, common_reads = inputs, reads
        for level, gates in enumerate(self.gates):
            from_common = self._run(self.common, level, [common] * len(self.common))
            from_own = self._run(self.own, level, [own for own in mixed for _ in range(self._n_own)])
            if level < len(self.common_gates):
                common = members(self.common_gates, Gate)[level](common_reads, from_own + from_common)
                common_reads = self._encoder.summary(common)
            mixed = [
                gate(own_reads, from_own[t * self._n_own : (t + 1) * self._n_own] + from_common)
                for t, (gate, own_reads) in enumerate(zip(members(gates, Gate), mixed_reads, strict=True))
            ]
            if level + 1 < len(self.levels):
                mixed_reads = [self._encoder.summary(own) for own in mixed]
        return mixed

    def shared_parameters(self) -> Mapping[str, nn.Parameter]:
        """Return the parameters of the shared experts, and of what they see from below the last level.

        That is everything of a level from which ``h_s`` comes: the experts of the tasks and the shared gate,
        and the gates of the tasks where the experts that read them are seen in turn.
        """
        if len(self.task_names) == 1:
            return super().shared_parameters()
        if not self.common:
            return {}
        met = {id(p) for p in self.common.parameters()} | {id(p) for p in self.common_gates.parameters()}
        for level in self.levels[:-1]:
            met |= {
                id(p) for own in members(self.own, nn.ModuleList) for i in level for p in own[i].parameters()
            }
        for gates in list(self.gates)[: max(0, len(self.levels) - 2)]:
            met |= {id(p) for p in gates.parameters()}
        return {name: p for name, p in self.named_parameters() if id(p) in met}

    def depths(self) -> Sequence[Sequence[nn.Parameter]]:
        """Return the parameters stage by stage over all experts; gates belong to the last depth."""
        return depths_of(self, members(self.common, nn.ModuleList) + members(self.own, nn.ModuleList))

    def _run(self, columns: nn.ModuleList, level: int, inputs: Sequence[Tensor]) -> list[Tensor]:
        return [
            run((each[i] for i in self.levels[level]), own)
            for each, own in zip(members(columns, nn.ModuleList), inputs, strict=True)
        ]
