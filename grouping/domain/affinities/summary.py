"""Summary of an affinity matrix in a sentence or two: the strongest effects, and how much is known."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from grouping.domain.affinities.status import CellStatus

if TYPE_CHECKING:
    from grouping.domain.affinities.matrix import AffinityMatrix, Effect

NOTHING_STANDS_OUT = "No effect stands out from the noise."


def summarise(matrix: AffinityMatrix) -> str:
    """Name the strongest help and harm beyond the noise, or the tasks most and least alike; count cells."""
    ends = matrix.ends()
    if ends is None:
        return matrix.why_empty or "Nothing has been measured yet."
    if not matrix.is_effect:
        return _most_and_least_alike(matrix)
    return " ".join(part for part in (_strongest(matrix, *ends), _known(matrix)) if part)


def _strongest(matrix: AffinityMatrix, highest: Effect, lowest: Effect) -> str:
    clear = matrix.ends(~matrix.is_within_noise)
    if clear is None:
        return NOTHING_STANDS_OUT
    first, last = clear
    said, lost = [], []
    for effect, is_one, exists, noun in (
        (first, first.value > 0, highest.value > 0, "help"),
        (last, last.value < 0, lowest.value < 0, "harm"),
    ):
        if is_one:
            verb = matrix.verb(effect.value)
            said.append(f"{effect.source} {verb} {effect.target} most ({_amount(matrix, effect)})")
        elif exists:
            lost.append(f"no {noun} stands out from the noise")
    if not said:
        return NOTHING_STANDS_OUT if lost else "No task changes the loss of another."
    return f"{'; '.join((*said, *lost))}."


def _amount(matrix: AffinityMatrix, effect: Effect) -> str:
    about = "about " if effect.status is CellStatus.ESTIMATED else ""
    noise = matrix.shown_noise(effect.standard_error)
    return f"{about}{matrix.shown(effect.value)}{f' ± {noise}' if noise else ''}"


def _known(matrix: AffinityMatrix) -> str:
    """Say how many effects are measured, estimated and unknown; empty if all are measured."""
    found = [(status, number) for status, number in matrix.counts().items() if number]
    total = sum(number for _, number in found)
    if len(found) == 1:
        return "" if found[0][0] is CellStatus.MEASURED else f"All {total:,} effects are {found[0][0]}."
    parts = [f"{number:,} {status}" for status, number in found]
    return f"Of {total:,} effects {', '.join(parts[:-1])} and {parts[-1]}."


def _most_and_least_alike(matrix: AffinityMatrix) -> str:
    ends = matrix.ends(np.triu(np.ones(matrix.values.shape, dtype=bool), k=1))
    assert ends is not None, "what is alike is so both ways"
    most, least = ends
    said = f"{most.source} and {most.target} overlap most ({matrix.shown(most.value)})"
    if (most.source, most.target) != (least.source, least.target):
        said += f"; {least.source} and {least.target} least ({matrix.shown(least.value)})"
    return f"{said}."
