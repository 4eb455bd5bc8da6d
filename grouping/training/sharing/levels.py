"""Levels: the stages of an encoder divided into consecutive parts, after each of which tasks meet."""

from __future__ import annotations

from itertools import pairwise

from grouping.recipes.sharing_columns import check_levels
from grouping.training.blueprint import Blueprint


def split_stages(n_stages: int, n_levels: int) -> tuple[range, ...]:
    """Return positions of the stages of each level, evenly divided; lower levels have the odd ones.

    Raises:
        InvalidInputError: if there are fewer stages than levels, pointing into the recipe.
    """
    check_levels(n_levels, n_stages)
    size, odd = divmod(n_stages, n_levels)
    starts = [level * size + min(level, odd) for level in range(n_levels + 1)]
    return tuple(range(start, stop) for start, stop in pairwise(starts))


def gate_widths(blueprint: Blueprint, levels: tuple[range, ...]) -> tuple[int, ...]:
    """Return input widths of the gates of each level: `Encoder.gate_inputs` first, then features."""
    return (blueprint.encoder.n_gate_inputs, *(blueprint.widths[level[-1]] for level in levels[:-1]))
