"""Summary of an affinity matrix in a sentence or two: the strongest effects, and how much is known."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from grouping.domain.affinity_status import CellStatus

if TYPE_CHECKING:
    from grouping.domain.affinity import AffinityMatrix, Effect

NOTHING_STANDS_OUT = "No effect stands out from the noise."


def summarise(matrix: AffinityMatrix) -> str:
    """Name the strongest help and harm beyond the noise, or the tasks most and least alike; count cells."""
    effects = matrix.effects()
    if not effects:
        return matrix.why_empty or "Nothing has been measured yet."
    if not matrix.is_effect:
        return _most_and_least_alike(matrix, effects)
    return " ".join(part for part in (_strongest(matrix, effects), _known(matrix)) if part)


def _strongest(matrix: AffinityMatrix, effects: Sequence[Effect]) -> str:
    clear = [effect for effect in effects if not effect.is_within_noise]
    if not clear:
        return NOTHING_STANDS_OUT
    said, lost = [], []
    for effect, is_one, exists, noun in (
        (clear[0], clear[0].value > 0, effects[0].value > 0, "help"),
        (clear[-1], clear[-1].value < 0, effects[-1].value < 0, "harm"),
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


def _most_and_least_alike(matrix: AffinityMatrix, effects: Sequence[Effect]) -> str:
    places = {task: place for place, task in enumerate(matrix.tasks)}
    pairs = [effect for effect in effects if places[effect.source] < places[effect.target]]
    most, least = pairs[0], pairs[-1]
    said = f"{most.source} and {most.target} overlap most ({matrix.shown(most.value)})"
    if len(pairs) > 1:
        said += f"; {least.source} and {least.target} least ({matrix.shown(least.value)})"
    return f"{said}."
