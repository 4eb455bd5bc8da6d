"""What may still be missed by stopping: best groupings of draws in which more can happen than the model sees.

The posterior of the losses is too sure of itself where it matters. Its amplitudes are taken as known, and a
search ends where its model sees nothing: what is left to find lies in the cells about which it is wrong. So
in each draw

- the distance of every loss from its mean is up to `WIDTH` times as far;
- any loss may be a *surprise*, far lower than anything foretells. The rate is learned from the measured
  losses that the other networks do not foretell, with a prior by which none seen still leaves some. How far
  is drawn on a logarithmic scale, `LEAST` to `MOST` posterior deviations, at most `LARGEST` of a usual loss.

What `WIDTH` and the prior were chosen on, where the interval holds, and where none can, stands in
`docs/explanation/search.md`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from grouping.domain.tables.loss_table import LossTable
from grouping.domain.tables.score_table import FloatArray
from grouping.domain.verdicts.headroom import LEVEL, Headroom
from grouping.strategies.adaptive.drawn_optima import FEW_TASKS, Optimum, optima_of_draws
from grouping.strategies.adaptive.expected_improvement import improvement
from grouping.strategies.adaptive.loss_model import LossModel
from grouping.strategies.evidence import Choose

NARROW, WIDTH = 1.3, 1.8
"""At first, and from `WIDE_AFTER` networks per task on: at first broad priors of the amplitudes allow more
than tables hold, later the amplitudes are taken as known, which is too sure."""
WIDE_AFTER = 4.0
SEEN_BEFORE, CELLS_BEFORE, OPEN_BEFORE = 0.5, 100, 2.0
"""Prior of the rate of surprises: as if so many had been seen among so many losses, or among twice as many as
are open, so that a large table is not thought full of surprises because nobody can measure it."""
SURPRISING = 4.0
"""Deviations from what the other networks foretell beyond which a measured loss is a surprise."""
LEAST, MOST = 4.0, 50.0
LARGEST = 0.5
N_DRAWS = 64
N_DRAWS_OF_MANY = 8
MORE_NETWORKS = 20
GROWTH = 2.0
"""What may be missed is looked at again when so many times as many networks are measured."""


def is_due(n_measured: int, size: int) -> bool:
    """Return whether what may be missed is to be looked at, with `size` networks more than a step before."""
    before, now = (np.floor(np.log(max(n, 1)) / np.log(GROWTH)) for n in (n_measured - size, n_measured))
    return bool(now > before)


@dataclass(frozen=True, eq=False)
class Missed:
    """What may still be missed.

    Attributes:
        headroom: how much lower the loss may still get, for each budget that has a grouping.
        wanted: rows of networks that could be trained, those first by which the draws' optima gain most.
    """

    headroom: tuple[Headroom, ...]
    wanted: tuple[int, ...]


def wide_draws(model: LossModel, n_draws: int, generator: np.random.Generator) -> FloatArray:
    """Draw losses ``[D, N, T]`` in which more can happen than the model foresees; NaN outside the groups."""
    draws, mean = model.draw(n_draws, generator), model.mean()
    is_seen = np.abs(model.surprises()) > SURPRISING
    n_open = float(model.pool.member.sum()) - len(is_seen)
    rate = (SEEN_BEFORE + float(is_seen.sum())) / (max(CELLS_BEFORE, OPEN_BEFORE * n_open) + len(is_seen))
    per_task = len(np.unique(model.cells.n)) / draws.shape[2]
    width = NARROW + (WIDTH - NARROW) * min(per_task / WIDE_AFTER, 1.0)
    far = np.exp(generator.uniform(np.log(LEAST), np.log(MOST), draws.shape))
    lowest = mean - np.minimum(far * draws.std(axis=0), LARGEST * model.unit)
    wide = mean + width * (draws - mean)
    is_surprise = generator.random(draws.shape) < rate
    found: FloatArray = np.where(is_surprise, np.minimum(wide, lowest), wide)
    return found


def find_missed(
    model: LossModel,
    table: LossTable,
    losses: FloatArray,
    is_open: NDArray[np.bool_],
    budgets: Sequence[float],
    choose: Choose,
    generator: np.random.Generator,
) -> Missed:
    """Estimate how much lower the loss may still get, and what it would take.

    Args:
        model: the posterior of the losses of `N` networks.
        table: these networks, with weights and costs; its losses count only where demands refer to them.
        losses: ``[N, T]`` measured losses; NaN where not measured.
        is_open: ``[N]``, whether a network is not measured and could be trained.
        budgets: inference budgets.
        choose: the solver.
        generator: source of randomness.
    """
    is_known = np.isfinite(losses).any(axis=1)
    draws = wide_draws(model, N_DRAWS if len(table.tasks) <= FEW_TASKS else N_DRAWS_OF_MANY, generator)
    if np.nanmin(losses) >= 0:  # such as shares of errors: no loss is taken to be below what none ever was
        draws = np.maximum(draws, 0.0)
    draws[:, is_known] = losses[is_known]
    weighted = np.where(np.isnan(draws), np.inf, draws * table.weights)

    known = np.flatnonzero(is_known)
    (chosen,) = choose.in_draws(table.select(known.tolist()), draws[:1, known], budgets)
    now = {b: _loss(weighted[0], known[list(one)]) for b, one in enumerate(chosen) if one}

    def best_of(rows: NDArray[np.int64]) -> list[tuple[Optimum, float]]:
        """Return the best groupings of some networks, with the share of the present loss that each saves."""
        found = optima_of_draws(choose, table.select(rows.tolist()), draws[:, rows], budgets)
        found = [o._replace(rows=tuple(rows[list(o.rows)].tolist())) for o in found if o.budget in now]
        return [(o, float(improvement(float(now[o.budget]), _loss(weighted[o.draw], o.rows)))) for o in found]

    optima = best_of(np.flatnonzero(is_known | is_open))
    wanted = _most_used(optima, is_open)
    n_more = min(MORE_NETWORKS, len(wanted))
    within = np.sort(np.concatenate([known, np.array(wanted[:n_more], dtype=np.int64)]))
    soon = best_of(within) if n_more < len(wanted) else optima
    counts = len(known), n_more
    found = (Headroom(budgets[b], *counts, _upper(optima, b), _upper(soon, b)) for b in now)
    return Missed(tuple(found), wanted)


def _loss(weighted: FloatArray, rows: Sequence[int] | NDArray[np.int64]) -> FloatArray:
    """Return the total loss of some networks under a draw ``[N, T]``."""
    total: FloatArray = weighted[list(rows)].min(axis=0, initial=np.inf).sum()
    return total


def _most_used(optima: Sequence[tuple[Optimum, float]], is_open: NDArray[np.bool_]) -> tuple[int, ...]:
    """Return the networks that could be trained, those first whose optima save most."""
    uses = np.zeros(len(is_open))
    for one, saved in optima:
        uses[list(one.rows)] += saved
    order = np.argsort(-np.where(is_open, uses, -1.0), kind="stable")
    return tuple(order[: int(is_open.sum())].tolist())


def _upper(optima: Sequence[tuple[Optimum, float]], budget: int) -> float:
    """Return the upper end of the savings at a budget, or, where that has few draws, at all of them."""
    saved = [share for one, share in optima if one.budget == budget]
    if len(saved) < N_DRAWS:
        saved = [share for _, share in optima]
    return float(np.quantile(saved, LEVEL))
