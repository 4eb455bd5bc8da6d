"""Customised sharing: a shared bottom beside each task's own bottom.

Source: one of the single-level baselines of Tang et al., Progressive Layered Extraction, RecSys 2020.

With ``b`` the shared bottom layers and ``b_t`` those of task t, the features of task t are
``M_t [b(x), b_t(x)]``, with ``M_t`` linear.

What differs from the paper: its tower reads the concatenation itself. Here ``M_t`` first maps it back to
the width of the encoder, so that a head is the same in every network and the cost of the concatenation
counts. For a linear head it changes nothing about what can be expressed. A task alone has the plain
encoder.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor, nn

from grouping.recipes.sharing_columns import Customised
from grouping.training.blueprint import Blueprint
from grouping.training.networks import MultiTaskNetwork
from grouping.training.sharing.columns import concatenate, depths_of, members, own_column, run


class CustomisedSharing(MultiTaskNetwork):
    """Network with a shared bottom beside own bottoms; see the module.

    Attributes:
        stages: the shared bottom.
        bottoms: own stages of each task; none for a task alone.
        merges: for each task, the linear map of the shared and its own features; none for a task alone.
    """

    def __init__(self, blueprint: Blueprint, parameters: Customised) -> None:
        super().__init__(blueprint)
        names = self.task_names if len(self.task_names) > 1 else ()
        width = blueprint.widths[-1]
        self.stages = blueprint.stages()
        self.bottoms = nn.ModuleList(own_column(blueprint, name) for name in names)
        self.merges = nn.ModuleList(blueprint.pointwise(2 * width, width, "merge", name) for name in names)
        self.heads = blueprint.heads()

    def features(self, inputs: Tensor) -> list[Tensor]:
        """Return a linear map of shared and own features for each task."""
        shared = run(self.stages, inputs)
        if not self.bottoms:
            return [shared]
        return [
            merge(concatenate([shared, run(bottom, inputs)]))
            for bottom, merge in zip(members(self.bottoms, nn.ModuleList), self.merges, strict=True)
        ]

    def shared_parameters(self) -> Mapping[str, nn.Parameter]:
        """Return the parameters of the shared bottom."""
        return {name: p for name, p in self.named_parameters() if name.startswith("stages.")}

    def depths(self) -> Sequence[Sequence[nn.Parameter]]:
        """Return the parameters stage by stage over all bottoms."""
        return depths_of(self, [self.stages, *members(self.bottoms, nn.ModuleList)])
