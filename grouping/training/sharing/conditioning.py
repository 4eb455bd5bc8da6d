"""Conditioning: one network that is told its task by a vector (Dumoulin et al., 2018).

Source: Dumoulin et al., Feature-wise transformations, Distill 2018.

The features ``x`` of the stage `at` meet the learned vector ``v_t`` of every task t, the same at every
position, and the layers above see

    concat: M [x ; v_t]        add: x + v_t        multiply: x * v_t

with a linear map M of the channels back to as many as the stage has. The stages above are shared too, but
they see other features for every task, so that they are run once per task: the inference cost grows with the
number of tasks, the more the lower `at` is. Sums start from vectors of zeros and products from ones, so that
both start as hard sharing does.

What differs from the source: it describes one place or several, and vectors that another network computes;
here it is one stage, and a vector per task is learned. There a concatenation goes into the next layer itself;
with M, any encoder can take it. ``M x`` is the same for all tasks and is computed once. A network of one task
has no vector and is the encoder itself.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn

from grouping.recipes.sharing import (
    ConditioningAdd,
    ConditioningConcat,
    ConditioningMultiply,
    check_stage,
)
from grouping.training.blueprint import Blueprint
from grouping.training.initialisation import generator_for
from grouping.training.networks import MultiTaskNetwork
from grouping.training.sharing.shapes import is_present, per_channel


class Conditioning(MultiTaskNetwork, ABC):
    """Base of the three ways of conditioning.

    Attributes:
        stages: the encoder.
        vectors: one per task; none in a network of one task.
    """

    def __init__(self, blueprint: Blueprint, at: int, start: Callable[[int, str], Tensor]) -> None:
        """Build the encoder.

        Args:
            blueprint: blueprint of the network.
            at: stage whose features meet the vector, from 0.
            start: function from the channels of the stage and the name of a task to its initial vector.

        Raises:
            InvalidInputError: if there is no such stage.
        """
        super().__init__(blueprint)
        check_stage(at, len(blueprint.widths))
        self._at = at
        self.stages = blueprint.stages()
        told = blueprint.tasks if len(blueprint.tasks) > 1 else ()
        self.vectors = nn.ParameterList(
            blueprint.parameter(start(blueprint.widths[at], task.name)) for task in told
        )
        self.heads = blueprint.heads()

    @abstractmethod
    def tell(self, features: Tensor) -> list[Tensor]:
        """Combine the features of the stage with the vector of every task."""

    def features(self, inputs: Tensor) -> list[Tensor]:
        """Return the features of the last stage, for every task."""
        common = inputs
        for stage in self.stages[: self._at + 1]:
            common = stage(common)
        told = self.tell(common) if self.vectors else [common]
        for stage in self.stages[self._at + 1 :]:
            told = [stage(own) for own in told]
        return told

    def shared_parameters(self) -> Mapping[str, nn.Parameter]:
        """Return all parameters but those of heads and vectors."""
        own = ("heads.", "vectors.")
        return {name: p for name, p in self.named_parameters() if not name.startswith(own)}

    def depths(self) -> Sequence[Sequence[nn.Parameter]]:
        """Return the parameters by stage, those of the vectors with their stage, then the heads."""
        lower = [list(stage.parameters()) for stage in self.stages]
        heads = list(self.heads.parameters())
        known = {id(parameter) for depth in [*lower, heads] for parameter in depth}
        lower[self._at] += [p for p in self.parameters() if id(p) not in known]
        return [*lower, heads]


class ConcatConditioning(Conditioning):
    """Conditioning that appends the vector to the channels.

    Attributes:
        from_features: the columns of M for the features.
        from_vector: the columns of M for the vector.
    """

    def __init__(self, blueprint: Blueprint, parameters: ConditioningConcat) -> None:
        def start(width: int, task: str) -> Tensor:
            generator = generator_for("task vector", blueprint.seed, task)
            return torch.randn(parameters.size, generator=generator)

        super().__init__(blueprint, parameters.at, start)
        self._size = parameters.size
        if self.vectors:
            width = blueprint.widths[parameters.at]
            self.from_features = blueprint.pointwise(width, width, "features")
            self.from_vector = blueprint.pointwise(parameters.size, width, "task vector")

    def tell(self, features: Tensor) -> list[Tensor]:
        """Apply a linear map to features and vector side by side."""
        vectors = torch.stack(list(self.vectors))  # as rows of features with one position each
        shape = (-1, self._size, 1, 1) if features.ndim == 4 else (-1, *[1] * (features.ndim - 2), self._size)
        shifts = self.from_vector(vectors.reshape(shape)).unbind()
        mapped = self.from_features(features)
        return [mapped + _where_present(shift, features) for shift in shifts]


class AddConditioning(Conditioning):
    """Conditioning that adds the vector to the channels."""

    def __init__(self, blueprint: Blueprint, parameters: ConditioningAdd) -> None:
        super().__init__(blueprint, parameters.at, lambda width, task: torch.zeros(width))

    def tell(self, features: Tensor) -> list[Tensor]:
        """Add the vector of every task."""
        shifts = [per_channel(vector, features) for vector in self.vectors]
        return [features + _where_present(shift, features) for shift in shifts]


class MultiplyConditioning(Conditioning):
    """Conditioning that multiplies the channels by the vector."""

    def __init__(self, blueprint: Blueprint, parameters: ConditioningMultiply) -> None:
        super().__init__(blueprint, parameters.at, lambda width, task: torch.ones(width))

    def tell(self, features: Tensor) -> list[Tensor]:
        """Multiply by the vector of every task."""
        return [features * per_channel(vector, features) for vector in self.vectors]


def _where_present(shift: Tensor, features: Tensor) -> Tensor:
    present = is_present(features)
    return shift if present is None else shift * present
