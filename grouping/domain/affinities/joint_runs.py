"""Joint runs: affinities measured while one network is trained on several tasks at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from grouping.domain.networks import Network
from grouping.domain.tables.score_table import FloatArray
from grouping.errors import InvalidInputError

GRADIENT_METHODS = ("tag", "cosine", "first-order")
"""Methods that a joint run measures from gradients where that is asked for, all of them in the same run."""
MASK_OVERLAP = "overlap"
"""Method that every joint run of sparse sharing measures: the overlap of the masks of two tasks."""
JOINT_METHODS = (*GRADIENT_METHODS, MASK_OVERLAP)
"""Methods that joint runs measure; see `grouping.training.affinities`."""


@dataclass(frozen=True, eq=False)
class JointAffinities:
    """Affinities of one joint run: from gradients, as means over measured steps, and from masks.

    Attributes:
        tasks: names of the `T` tasks of the network.
        values: ``[T, T]`` for each measured method of `JOINT_METHODS`;
            ``values[method][source, target]``, positive helps. The diagonal is the effect of a task's own
            gradient on itself. An overlap is symmetric, 0 to 1, and has on its diagonal the share of the
            weights in the mask of the task. NaN where nothing was measured.
        n_steps: number of gradient steps at which gradients were measured; 0 if at none.
        sample_overlap: ``[T, T]``, symmetric; share of the training rows with a label of either task that
            have a label of both.
    """

    tasks: tuple[str, ...]
    values: Mapping[str, FloatArray] = field(repr=False)
    n_steps: int
    sample_overlap: FloatArray = field(repr=False)

    def __post_init__(self) -> None:
        shape = (len(self.tasks), len(self.tasks))
        if not self.tasks or len(set(self.tasks)) != len(self.tasks):
            raise InvalidInputError("Name each task of a joint run once, and at least one.")
        if unknown := sorted(set(self.values) - set(JOINT_METHODS)):
            raise InvalidInputError(f"A joint run does not measure {', '.join(unknown)}.")
        if self.n_steps < bool(set(self.values) & set(GRADIENT_METHODS)):
            raise InvalidInputError("Affinities from gradients come from at least one measured step.")
        frozen = {}
        for method, values in self.values.items():
            frozen[method] = np.array(values, dtype=np.float64)
            if frozen[method].shape != shape or np.isinf(frozen[method]).any():
                raise InvalidInputError(
                    f"Affinities by {method} must be finite or absent, in the shape {shape}."
                )
            if method == MASK_OVERLAP and ((frozen[method] < 0) | (frozen[method] > 1)).any():
                raise InvalidInputError("An overlap of masks is a share from 0 to 1.")
            frozen[method].flags.writeable = False
        overlap = np.array(self.sample_overlap, dtype=np.float64)
        if overlap.shape != shape or not ((overlap >= 0) & (overlap <= 1)).all():
            raise InvalidInputError(f"Sample overlaps must be shares in the shape {shape}.")
        overlap.flags.writeable = False
        object.__setattr__(self, "values", frozen)
        object.__setattr__(self, "sample_overlap", overlap)

    def without_gradients(self) -> JointAffinities | None:
        """Return only what is measured without being asked for, the overlap of masks; None if nothing is."""
        kept = {method: cells for method, cells in self.values.items() if method not in GRADIENT_METHODS}
        return JointAffinities(self.tasks, kept, 0, self.sample_overlap) if kept else None


@dataclass(frozen=True, slots=True)
class JointRun:
    """A joint run: its network, its seed and its affinities."""

    network: Network
    seed: int
    affinities: JointAffinities

    def __post_init__(self) -> None:
        if set(self.affinities.tasks) != self.network.group:
            raise InvalidInputError(
                f"The affinities of {self.network} must be those of its tasks: "
                f"{', '.join(sorted(self.network.group))}."
            )
