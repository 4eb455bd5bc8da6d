"""Asymmetric sharing: the layers of one task also serve the others, but not the other way round.

Source: one of the single-level baselines of Tang et al., Progressive Layered Extraction, RecSys 2020.

With ``b_t`` the bottom layers of task t and s the source, the features of the source are ``b_s(x)`` and those
of every other task t are ``M_t [b_t(x), b_s(x)]``, with ``M_t`` linear. The losses of the others do train
``b_s``; nothing of theirs reaches the source's output.

What differs from the paper: its tower reads the concatenation itself. Here ``M_t`` first maps it back to
the width of the encoder, so that a head is the same in every network and the cost of the concatenation
counts. For a linear head it changes nothing about what can be expressed. In a group without the named
source, the first task is the source. A task alone has the plain encoder.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor, nn

from grouping.recipes.sharing_columns import Asymmetric
from grouping.training.blueprint import Blueprint
from grouping.training.networks import MultiTaskNetwork
from grouping.training.sharing.columns import concatenate, depths_of, members, own_column, run


class AsymmetricSharing(MultiTaskNetwork):
    """Network in which one task's layers also serve the others; see the module.

    Attributes:
        source: position of the source among the tasks.
        bottoms: own stages of each task.
        merges: for each task, the linear map of its own and the source's features; nothing for the source.
    """

    def __init__(self, blueprint: Blueprint, parameters: Asymmetric) -> None:
        super().__init__(blueprint)
        names = self.task_names
        self.source = names.index(parameters.source_task) if parameters.source_task in names else 0
        self.bottoms = nn.ModuleList(
            # The source's are the shared ones: they start as in a network of hard sharing.
            blueprint.stages() if i == self.source else own_column(blueprint, name)
            for i, name in enumerate(names)
        )
        width = blueprint.widths[-1]
        self.merges = nn.ModuleList(
            nn.Identity() if i == self.source else blueprint.pointwise(2 * width, width, "merge", name)
            for i, name in enumerate(names)
        )
        self.heads = blueprint.heads()

    def features(self, inputs: Tensor) -> list[Tensor]:
        """Return the source's own features, and for the others a map of theirs and the source's."""
        own = [run(bottom, inputs) for bottom in members(self.bottoms, nn.ModuleList)]
        source = own[self.source]
        return [
            source if i == self.source else merge(concatenate([features, source]))
            for i, (features, merge) in enumerate(zip(own, self.merges, strict=True))
        ]

    def shared_parameters(self) -> Mapping[str, nn.Parameter]:
        """Return the parameters of the source's layers."""
        prefix = f"bottoms.{self.source}."
        return {name: p for name, p in self.named_parameters() if name.startswith(prefix)}

    def depths(self) -> Sequence[Sequence[nn.Parameter]]:
        """Return the parameters stage by stage over all tasks."""
        return depths_of(self, members(self.bottoms, nn.ModuleList))
