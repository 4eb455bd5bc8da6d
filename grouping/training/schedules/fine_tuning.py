"""Fine-tuning schedule: the source task first, then the others from its layers.

Source: Howard and Ruder, Universal language model fine-tuning for text classification (ACL 2018). With depths
``0 .. D`` from the inputs to the heads, of which the first ``k`` are frozen, the others are trained at

    rate(d) = rate * q ** (D - d)   for d >= k, else 0,

where ``q`` is the paper's 1 / 2.6 (discriminative fine-tuning; 1 unless told). Gradual unfreezing trains only
depth ``D`` first, then ``D - 1`` and ``D``, and so on down to ``k``, a phase for each.

What differs: the rate of every phase falls along a cosine and not along a slanted triangle; the phases of
gradual unfreezing are of equal length, with a fresh optimiser each; what comes first is another task on the
same rows, with its own head, and not a language model. The source is not trained along later, so its own
scores may get worse. A rate of 0 holds weights to the last bit, weight decay included; statistics that a
layer keeps of its inputs, such as those of batch normalisation, still follow the data.
"""

from __future__ import annotations

from collections.abc import Sequence

from grouping.recipes.schedules import FineTuning
from grouping.training.schedules.division import divide_epochs
from grouping.training.schedules.schedule import Phase, Schedule


class FineTuningSchedule(Schedule):
    """Schedule of a source task, then the others; see the module."""

    def __init__(self, parameters: FineTuning) -> None:
        self._parameters = parameters

    def phases(self, tasks: Sequence[str], n_epochs: int, n_depths: int) -> tuple[Phase, ...]:
        """Return the source alone, then the others; one joint phase without a source or another task.

        Raises:
            InvalidInputError: if there are too few epochs, or no depth would be left to train.
        """
        source = self._parameters.source_of(tasks)
        others = tuple(task for task in tasks if task != source)
        if source is None:
            return (Phase(n_epochs, tuple(tasks)),)
        rates = self._rates(n_depths)
        share = self._parameters.source_share
        weights = [share, *([(1.0 - share) / len(rates)] * len(rates))]
        first, *rest = divide_epochs(n_epochs, weights, FineTuning.name)
        tuned = (Phase(count, others, own) for count, own in zip(rest, rates, strict=True))
        return (Phase(first, (source,)), *tuned)

    def _rates(self, n_depths: int) -> list[tuple[float, ...]]:
        """Return factors on the rate by depth, for each phase after the source's."""
        self._parameters.check_depths(n_depths)
        frozen, top = self._parameters.frozen, n_depths - 1
        full = [self._parameters.rate_factor ** (top - depth) for depth in range(n_depths)]
        lowest = range(top, frozen - 1, -1) if self._parameters.gradual else [frozen]
        phases = [tuple(r if depth >= low else 0.0 for depth, r in enumerate(full)) for low in lowest]
        return [() if set(rates) == {1.0} else rates for rates in phases]
