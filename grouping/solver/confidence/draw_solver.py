"""Exact optima of many draws of the losses, under the same networks, demands and budget.

Where it is not too large, one dynamic programme serves all draws at once
(`grouping.solver.confidence.draw_programme`). Beyond that each draw goes to
`grouping.solver.exact.bound_and_fix`, which starts from the winners of the draws before it. Both are exact.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from grouping.domain.tables.score_table import FloatArray
from grouping.solver.confidence.draw_programme import DrawProgramme
from grouping.solver.deadlines import deadline_in, is_past, share_s
from grouping.solver.exact.block_losses import BlockLosses
from grouping.solver.exact.bound_and_fix import ExactSearch
from grouping.solver.exact.column_generation import MAX_GENERATED_BLOCKS
from grouping.solver.exact.instance import Instance, scaled

ROUGH_NODES = 1_000
"""Nodes of the search for one draw where `choose_in_draws` does not need the proof."""
ROUGH_BLOCKS = 30
"""Blocks up to which such a search is made; beyond it local search has to do."""
_CHUNK_NUMBERS = 1 << 22
_MOST_STARTS = 50


@dataclass(frozen=True, eq=False)
class DrawnOptima:
    """Optima of the draws that were solved in time, the first of those given.

    Attributes:
        values: ``[D]`` least loss of each draw, in the unit of the losses given; infinite if nothing fits.
        chosen: the candidates that attain it, forced ones included, each draw's own; empty if nothing fits.
    """

    values: FloatArray
    chosen: tuple[tuple[int, ...], ...]


def is_searched_exactly(instance: Instance) -> bool:
    """Return whether the optimum of a draw is found in moments: there are few blocks."""
    return instance.is_partition or instance.n_blocks <= MAX_GENERATED_BLOCKS


def solve_draws(
    instance: Instance,
    limits: FloatArray,
    draws: FloatArray,
    *,
    starts: Sequence[tuple[int, ...]] = (),
    deadline: float | None = None,
    max_nodes: int | None = None,
) -> DrawnOptima:
    """Find the optimum of every draw.

    Args:
        instance: candidates, demands and costs; its losses say only which cells may serve (the finite ones).
        limits: ``[R]``, from `Instance.limits_for`.
        draws: ``[D, E]`` losses by cell of the instance's losses, in any unit.
        starts: known choices of candidates.
        deadline: a time of `time.monotonic`; draws it leaves no time for are left out at the end.
        max_nodes: where draws are solved one by one, settle for the best found by so many nodes.
    """
    if instance.is_contradictory or (limits < 0).any():
        return DrawnOptima(np.full(len(draws), np.inf), ((),) * len(draws))
    programme = DrawProgramme.build(instance, limits)
    if programme is None:
        return _one_by_one(instance, limits, draws, starts, deadline, max_nodes)
    size = max(1, _CHUNK_NUMBERS // programme.numbers_per_draw)
    chosen: list[tuple[int, ...]] = []
    for start in range(0, len(draws), size):
        if start and is_past(deadline):
            break
        (part,) = programme.solve(_cells(instance, draws[start : start + size]), [limits])
        chosen += part
    values = [losses_of(instance, draw, choice) for draw, choice in zip(draws, chosen, strict=False)]
    return DrawnOptima(np.array(values, dtype=np.float64), tuple(chosen))


def choose_in_draws(
    instance: Instance, budgets_snt: Sequence[float], draws: FloatArray
) -> tuple[tuple[tuple[int, ...], ...], ...]:
    """Choose candidates for every draw at every inference budget, ``[D][B]``.

    A choice is optimal where the dynamic programme is used. Beyond that it is the best that a search over
    `ROUGH_NODES` nodes finds, or local search beyond `ROUGH_BLOCKS` blocks: optimal or nearly so, and the
    same every time.

    Args:
        instance: as in `solve_draws`.
        budgets_snt: inference budgets; one dynamic programme serves them all where it is worth it.
        draws: ``[D, E]`` losses by cell of the instance's losses, in any unit.
    """
    limits = [instance.limits_for(budget) for budget in budgets_snt]
    programme = None if instance.is_contradictory else DrawProgramme.build(instance, np.max(limits, axis=0))
    if programme is None:
        return tuple(_rough_choices(instance, limits, draw) for draw in draws)
    size = max(1, _CHUNK_NUMBERS // programme.numbers_per_draw)
    chosen: list[tuple[tuple[int, ...], ...]] = []
    for start in range(0, len(draws), size):
        parts = programme.solve(_cells(instance, draws[start : start + size]), limits)
        chosen += zip(*parts, strict=True)
    return tuple(chosen)


def _cells(instance: Instance, draws: FloatArray) -> FloatArray:
    """Return losses as ``[N, B, D]``, infinite where a cell cannot serve."""
    cells: FloatArray = instance.losses.cells.spread(np.ascontiguousarray(draws.T), np.inf)
    return cells


def losses_of(instance: Instance, losses: FloatArray, chosen: Sequence[int]) -> float:
    """Return the total loss ``[E]`` at which these candidates serve all blocks; infinite if they cannot."""
    if not chosen:
        return np.inf
    least = np.full(instance.n_blocks, np.inf)
    at = instance.losses.cells.of_rows(chosen)
    np.minimum.at(least, instance.losses.cells.columns[at], losses[at])
    return float(least.sum())


def _one_by_one(
    instance: Instance,
    limits: FloatArray,
    draws: FloatArray,
    starts: Sequence[tuple[int, ...]],
    deadline: float | None,
    max_nodes: int | None,
) -> DrawnOptima:
    known = list(dict.fromkeys(starts))
    values, chosen = [], []
    for d, draw in enumerate(draws):
        if d and is_past(deadline):
            break
        engine = _engine_of(instance, draw)
        until = deadline if max_nodes is None else deadline_in(share_s(deadline, len(draws) - d))
        optimum = engine.solve(limits, starts=known[-_MOST_STARTS:], deadline=until, max_nodes=max_nodes)
        if not (optimum.is_proven or max_nodes):
            break
        choice = optimum.chosen or ()
        if choice and choice not in known:
            known.append(choice)
        values.append(losses_of(instance, draw, choice))
        chosen.append(choice)
    return DrawnOptima(np.array(values, dtype=np.float64), tuple(chosen))


def _rough_choices(
    instance: Instance, limits: Sequence[FloatArray], draw: FloatArray
) -> tuple[tuple[int, ...], ...]:
    """Candidates for one draw under each of the limits; columns and choices serve the next larger budget."""
    engine = _engine_of(instance, draw)
    max_nodes = ROUGH_NODES if instance.n_blocks <= ROUGH_BLOCKS else 0
    found: dict[int, tuple[int, ...]] = {}
    for b in sorted(range(len(limits)), key=lambda b: float(limits[b][0])):
        known = list(dict.fromkeys(choice for choice in found.values() if choice))
        found[b] = engine.solve(limits[b], starts=known, max_nodes=max_nodes).chosen or ()
    return tuple(found[b] for b in range(len(limits)))


def _engine_of(instance: Instance, draw: FloatArray) -> ExactSearch:
    """Return a search of the instance with the losses of a draw, ``[E]``, scaled like an instance."""
    losses, _, _ = scaled(BlockLosses(instance.losses.cells, draw))
    # Drawn losses are no multiples of anything, whatever those of the table are.
    return ExactSearch(replace(instance, losses=losses, grain=0.0))
