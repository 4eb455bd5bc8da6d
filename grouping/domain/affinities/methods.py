"""Affinity methods: the formula and meaning of a cell, and which recipes can measure it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from grouping.domain.verdicts.gain_formula import GainFormula


@dataclass(frozen=True, slots=True)
class AffinityMethod:
    """A way to measure affinity.

    Attributes:
        name: name of the method in requests.
        title: name of the method as people read it.
        formula: the formula of a cell, in words; a noun.
        meaning: meaning of a value, in sentences.
        is_from_table: whether it is computed from a score table; else joint runs measure it.
        is_share: whether a value is a share of a loss, shown in percent; else a plain number.
        is_effect: whether a value is a signed effect, positive helps; else it says how alike two tasks are,
            from 0 to 1, the same in both directions.
        is_of_pairs: whether a cell is the effect in the network of its two tasks, so that training every
            single task and pair measures all of them.
        counts_both: whether a cell counts the trained networks that hold both tasks, and not those that
            measured it.
        needs_sharing: name of the only way of sharing whose networks measure it; None for any.
    """

    name: str
    title: str
    formula: str
    meaning: str
    is_from_table: bool
    is_share: bool = True
    is_effect: bool = True
    is_of_pairs: bool = False
    counts_both: bool = False
    needs_sharing: str | None = None


_GAIN = GainFormula.RELATIVE_TO_ALONE.value
_BESIDE = "Positive means that the task of the column loses less beside the task of the row than alone."
_STEPS = "mean over the measured steps of a joint run of"
_WHERE = "on training batches, by the shared weights only"
DEFAULT_METHOD = "estimate"
"""The method unless another is asked for."""
POSTERIOR = "posterior"
"""The mean effect over all groups, as the model of the losses expects it."""
METHODS: Mapping[str, AffinityMethod] = {
    method.name: method
    for method in (
        AffinityMethod(
            DEFAULT_METHOD,
            "Estimate",
            f"{_GAIN} in the full-size network of the two tasks, validation losses: the mean over seeds "
            "where that network and the target's own were trained, else what a model of all trained networks "
            "expects",
            _BESIDE,
            is_from_table=True,
            is_of_pairs=True,
            counts_both=True,
        ),
        AffinityMethod(
            POSTERIOR,
            "All groups, expected",
            "mean over all groups that hold the target and not the source, each size counting alike, of "
            "(loss - loss with the source) / (mean absolute loss of the target), validation losses, "
            "full-size networks, up to the largest group that was trained, as a model of all trained "
            "networks expects it",
            "Positive means that the task of the column loses less, on average, where the task of the row "
            "joins its group. Where all tasks were trained together, the effects on a task add up to what "
            "training it with all others does.",
            is_from_table=True,
            counts_both=True,
        ),
        AffinityMethod(
            "pairwise",
            "Pairs",
            f"mean over seeds of {_GAIN}, validation losses, full-size networks",
            _BESIDE,
            is_from_table=True,
            is_of_pairs=True,
        ),
        AffinityMethod(
            "higher-order",
            "All groups",
            f"mean over groups and seeds of {_GAIN}, validation losses, full-size networks",
            _BESIDE,
            is_from_table=True,
        ),
        AffinityMethod(
            "tag",
            "Look-ahead (TAG)",
            f"{_STEPS} 1 - (loss of the target after a gradient step of the source) / (its loss before), "
            f"{_WHERE}",
            "Positive means that a gradient step for the task of the row lowers the loss of the task of the "
            "column. It does not say that the column's task does better than alone.",
            is_from_table=False,
        ),
        AffinityMethod(
            "cosine",
            "Gradient cosine",
            f"{_STEPS} the cosine of the gradients of the two losses, {_WHERE}",
            "Positive means that the gradients of the two tasks agree; the matrix is symmetric.",
            is_from_table=False,
            is_share=False,
        ),
        AffinityMethod(
            "first-order",
            "First-order look-ahead",
            f"{_STEPS} (gradient of the target) . (the source's share of Adam's update) / (loss of the "
            f"target), {_WHERE}",
            "Positive means that what the task of the row adds to the optimiser's update lowers the loss of "
            "the task of the column. It does not say that the column's task does better than alone.",
            is_from_table=False,
        ),
        AffinityMethod(
            "overlap",
            "Overlap of masks",
            "mean over networks and seeds of (weights in the masks of both tasks) / (weights in the mask of "
            "either), of the weights that pruning may take",
            "0 means that the masks of the two tasks have no weight in common, 1 that they are the same; the "
            "matrix is symmetric. Two masks that keep the shares p and q of the weights at random overlap by "
            "pq / (p + q - pq): compare with that. It does not say that one task helps the other.",
            is_from_table=False,
            is_share=False,
            is_effect=False,
            needs_sharing="sparse",
        ),
    )
}
"""Every method by name, in the order in which they are shown."""
