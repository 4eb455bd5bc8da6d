"""Linear surrogate (Li et al., TMLR 2023): a task's loss as a sum of effects of the other tasks.

Train random groups, and fit for each task i the relative loss beside the others in group G,

    L(G, i) / L({i}, i) - 1  =  a_i + sum over j in G, j != i, of b_ij,

by ridge regression; negative is a gain. What differs from the paper, which fits subsets for one target
task:

- all tasks are fitted from the same random groups, each of which observes all of its tasks;
- the group of the task alone is an observation too, and the strength of the ridge is chosen per task;
- predictions go to the solver of the grouping, what it chooses is trained and fitted, round by round;
- with ``pairwise`` a line holds products of two memberships as well: how two others act together.

The recommendation is made of measured networks only.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import Annotated, ClassVar

import numpy as np

from grouping.domain.networks import CANDIDATE_LIMIT, Network
from grouping.domain.tables.predicted_losses import PredictedLosses
from grouping.domain.tables.score_table import FloatArray, ScoreTable
from grouping.parameters import Field
from grouping.strategies.evidence import Choose, Evidence, LossEstimate, Proposal
from grouping.strategies.forecast import Forecast
from grouping.strategies.prediction.ridge import Ridge, fit_ridge
from grouping.strategies.rounds import forecast_of_rounds, next_round
from grouping.strategies.sampling import cover, random_networks


def predict_linearly(
    table: ScoreTable, candidates: Sequence[Network], *, pairwise: bool = False
) -> tuple[PredictedLosses, FloatArray]:
    """Complete a table by a linear prediction per task.

    Args:
        table: measured networks; full-size ones are fitted.
        candidates: the networks wanted. A full-size one that is not measured is predicted; one of another
            size is left out, as is one with a task that was never measured.
        pairwise: whether products of two memberships are features too.

    Returns:
        A table of one layer (seed 0), validation only, of the measured and predicted candidates, and standard
        deviations of the predictions ``[N, T]``: NaN where a loss was measured with one seed.
    """
    wanted, rows = _rows_of(table, candidates)
    member = np.array([[name in n.group for name in table.task_names] for n in wanted], dtype=np.bool_)
    member = member.reshape(len(wanted), len(table.tasks))
    losses = np.full(member.shape, np.nan)
    deviations = losses.copy()
    is_new = rows < 0
    losses[~is_new] = table.validation[rows[~is_new]]
    deviations[~is_new] = table.validation_standard_error[rows[~is_new]]
    for t in range(len(table.tasks)):
        fitted = _fit(table, t, pairwise)
        asked = np.flatnonzero(is_new & member[:, t])
        if fitted is not None and len(asked):
            line, scale = fitted
            means, spread = line.predict(_features(member[asked], t, pairwise))
            losses[asked, t], deviations[asked, t] = scale * (1 + means), scale * spread
    known = np.flatnonzero((~np.isnan(losses) | ~member).all(axis=1))
    networks = tuple(wanted[n] for n in known)
    return PredictedLosses(table.tasks, networks, losses[known]), deviations[known]


def _rows_of(table: ScoreTable, candidates: Sequence[Network]) -> tuple[list[Network], np.ndarray]:
    """Return candidates that are measured or predictable, and their rows in the table; -1 for the latter."""
    wanted, rows = [], []
    for network in candidates:
        row = table.find_position(*network.key)
        is_known = row is not None and bool(table.is_complete[row])
        if is_known or network.size == 1:
            wanted.append(network)
            rows.append(row if row is not None and is_known else -1)
    return wanted, np.array(rows, dtype=np.int64)


def _fit(table: ScoreTable, t: int, pairwise: bool) -> tuple[Ridge, float] | None:
    """Fit the line of a task; also return the loss it is relative to: alone, else the mean."""
    is_full = np.array([network.size == 1 for network in table.networks], dtype=np.bool_)
    rows = np.flatnonzero(is_full & table.is_complete & table.membership[:, t])
    if not len(rows):
        return None
    losses = table.validation[rows, t]
    alone = table.find_position(frozenset({table.task_names[t]}))
    has_alone = alone is not None and bool(table.is_complete[alone])
    scale = float(table.validation[alone, t] if has_alone else losses.mean())
    if not abs(scale) > 0:
        return None
    line = fit_ridge(_features(table.membership[rows], t, pairwise), losses / scale - 1)
    return line, scale


def _features(member: np.ndarray, t: int, pairwise: bool) -> FloatArray:
    """Return membership of the other tasks ``[N, T - 1]``, and its products of two."""
    others = np.delete(member, t, axis=1).astype(np.float64)
    if not pairwise:
        return others
    first, second = np.triu_indices(others.shape[1], 1)
    return np.hstack([others, others[:, first] * others[:, second]])


@dataclass(frozen=True, slots=True)
class Surrogate:
    """Trains random groups, fits a line per task, and trains what the lines recommend.

    Attributes:
        trainings: random groups that are trained first; None for two per task.
        rounds: the most times that the lines are fitted and their choice is trained.
        pairwise: whether lines hold products of two memberships.
    """

    trainings: Annotated[
        int | None,
        Field(
            ge=0,
            le=CANDIDATE_LIMIT,
            description="Random groups to train first, beside single tasks and all together; null for two "
            "per task.",
        ),
    ] = None
    rounds: Annotated[
        int, Field(ge=1, le=20, description="The most rounds of predicting and training what is chosen.")
    ] = 3
    pairwise: Annotated[
        bool, Field(description="Whether the effect of two tasks together may differ from the sum of both.")
    ] = False

    name: ClassVar[str] = "surrogate"
    title: ClassVar[str] = "Linear surrogate"
    description: ClassVar[str] = (
        "Trains single tasks, all tasks together and random groups, predicts every other group by a linear "
        "regression on its members, and trains what that recommends, for a few rounds."
    )

    lists_candidates: ClassVar[bool] = True

    def ask(self, evidence: Evidence, choose: Choose) -> Proposal:
        """Request singles, all together and random groups; then, by rounds, chosen unmeasured networks."""
        first = self._first(evidence)
        requests = evidence.request(first)
        if requests:
            note = f"Training {len(first):,} networks to predict the others from."
            return Proposal.of(requests, note)
        candidates = evidence.candidates.require_listed()

        def predict(table: ScoreTable) -> PredictedLosses:
            return predict_linearly(table, candidates, pairwise=self.pairwise)[0]

        requests, number = next_round(evidence, first, predict, choose, self.rounds)
        note = f"Round {number} of at most {self.rounds}: training what the surrogate recommends."
        return Proposal.of(requests, note if requests else "The surrogate recommends nothing new.")

    def forecast(self, evidence: Evidence) -> Forecast:
        """Forecast the first networks, and at most a grouping for each budget in every round."""
        requests = evidence.request(self._first(evidence))
        full_size = (n for n in evidence.candidates.require_listed() if n.size == 1)
        return forecast_of_rounds(evidence, requests, full_size, self.rounds)

    def estimate(self, evidence: Evidence) -> LossEstimate:
        """Return measured losses, and predictions with standard deviations for other full-size groups."""
        table, deviations = predict_linearly(
            evidence.full, evidence.candidates.require_listed(), pairwise=self.pairwise
        )
        is_measured = [
            (row := evidence.full.find_position(*n.key)) is not None and bool(evidence.full.is_complete[row])
            for n in table.networks
        ]
        return LossEstimate(table, deviations, np.array(is_measured, dtype=np.bool_))

    def _first(self, evidence: Evidence) -> tuple[Network, ...]:
        """Return the networks trained before the first fit."""
        candidates = evidence.candidates
        candidates.require_listed()
        most = 2 * len(candidates.tasks) if self.trainings is None else self.trainings
        base = _once((*candidates.singles, *cover(candidates)))
        known = {network.key for network in base}
        groups = (
            n
            for n in random_networks(candidates, evidence.seed)
            if len(n.group) > 1 and n.size == 1 and n.key not in known
        )
        return tuple(chain(base, islice(groups, most)))


def _once(networks: Iterable[Network]) -> tuple[Network, ...]:
    return tuple({network.key: network for network in networks}.values())
