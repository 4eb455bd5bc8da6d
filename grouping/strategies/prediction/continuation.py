"""Continuation of short trainings: full ones only for networks that may be the best.

It is optimistic about calibrated early losses. Successive halving and Hyperband (Li et al., JMLR 2018) train
many configurations briefly, rank them by their early losses and go on with the best. Here that ranking would
compare groups whose early losses are not comparable; what is kept of the idea is to begin with cheap
trainings. Which network is trained in full is decided on *predicted full* losses, from a line per task that
is calibrated on networks trained at both lengths (see `grouping.strategies.prediction.early_line`), less
their standard deviation: uncertainty counts in favour of a network, as in upper confidence bounds (Auer
2002). Where early losses tell nothing, the lines are flat and say so. Rounds end when everything that the
solver chooses is measured in full.

The recommendation is made of fully measured networks only.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Annotated, ClassVar

import numpy as np
from numpy.typing import NDArray

from grouping.domain.networks import CANDIDATE_LIMIT, Candidates, Network
from grouping.domain.tables.predicted_losses import PredictedLosses
from grouping.domain.tables.score_table import FloatArray, ScoreTable
from grouping.domain.trainings.trials import EARLY_FIDELITY
from grouping.parameters import Field
from grouping.strategies.evidence import Choose, Evidence, LossEstimate, Proposal
from grouping.strategies.forecast import Forecast
from grouping.strategies.prediction.early_line import fit_early_line
from grouping.strategies.prediction.rank_check import check_ranks
from grouping.strategies.rounds import forecast_of_rounds, next_round
from grouping.strategies.sampling import cover, random_networks


def predict_from_early(
    early: ScoreTable, full: ScoreTable, networks: Sequence[Network]
) -> tuple[PredictedLosses, FloatArray, NDArray[np.bool_]]:
    """Return full losses of networks: measured, or predicted from their early losses.

    Args:
        early: losses of short trainings.
        full: losses of full trainings; the lines are calibrated on the networks of both tables.
        networks: the networks wanted; one with neither a full nor an early loss for each of its tasks, or
            with a task that cannot be calibrated, is left out.

    Returns:
        A table of one layer (seed 0), validation only; standard deviations of its cells ``[N, T]``, NaN where
        a loss was measured with one seed; and whether each network was measured in full ``[N]``.
    """
    starts = _rows(early, networks)
    ends = _rows(full, networks)
    is_measured = ends >= 0
    shape = (len(networks), len(full.tasks))
    losses, deviations = np.full(shape, np.nan), np.full(shape, np.nan)
    losses[is_measured] = full.validation[ends[is_measured]]
    deviations[is_measured] = full.validation_standard_error[ends[is_measured]]
    both = np.flatnonzero(is_measured & (starts >= 0))
    asked = np.flatnonzero(~is_measured & (starts >= 0))
    member = np.zeros(shape, dtype=np.bool_)
    member[is_measured] = full.membership[ends[is_measured]]
    member[asked] = early.membership[starts[asked]]
    for t in range(shape[1]):
        known = both[member[both, t]]
        line = fit_early_line(early.validation[starts[known], t], losses[known, t])
        rows = asked[member[asked, t]]
        if line is not None and len(rows):
            losses[rows, t], deviations[rows, t] = line.predict(early.validation[starts[rows], t])
    is_known = member.any(axis=1) & (~np.isnan(losses) | ~member).all(axis=1)
    kept = np.flatnonzero(is_known).tolist()
    table = PredictedLosses(full.tasks, tuple(networks[n] for n in kept), losses[kept])
    return table, deviations[kept], is_measured[kept]


def _rows(table: ScoreTable, networks: Sequence[Network]) -> np.ndarray:
    """Return the row of each network, -1 where the table does not have it completely."""
    found = (table.find_position(*network.key) for network in networks)
    return np.array([-1 if n is None or not table.is_complete[n] else n for n in found], dtype=np.int64)


@dataclass(frozen=True, slots=True)
class Continuation:
    """Trains short passes, a few networks in full to calibrate, then rounds of what may be the best.

    Attributes:
        short_passes: the most networks that get a short pass: all candidates, or else single tasks, all tasks
            together, and pairs and random groups in turn.
        calibration: networks with each task that are trained in full before anything is predicted.
        rounds: the most rounds of choosing and training in full.
        optimism: standard deviations that a predicted loss is lowered by before it is chosen from.
    """

    short_passes: Annotated[
        int, Field(ge=1, le=CANDIDATE_LIMIT, description="The most networks that get a short pass.")
    ] = 300
    calibration: Annotated[
        int,
        Field(ge=2, le=1000, description="Networks with each task trained in full before predicting."),
    ] = 4
    rounds: Annotated[int, Field(ge=1, le=20, description="The most rounds of full trainings.")] = 5
    optimism: Annotated[
        float, Field(ge=0, le=10, description="Standard deviations by which unknown losses are lowered.")
    ] = 1.0

    name: ClassVar[str] = "continuation"
    title: ClassVar[str] = "Continued short trainings"
    description: ClassVar[str] = (
        "Trains many candidates for a short pass, calibrates per task what early losses tell about final "
        "ones, and trains in full, for a few rounds, the networks that may then be the best."
    )

    lists_candidates: ClassVar[bool] = False

    def ask(self, evidence: Evidence, choose: Choose) -> Proposal:
        """Request short passes, then calibrating networks in full, then rounds of what may be the best."""
        pool = self._pool(evidence)
        requests = evidence.request(pool, EARLY_FIDELITY)
        if requests:
            return Proposal.of(requests, f"Short passes of {len(pool):,} networks.")
        first = self._calibrating(evidence, pool)
        requests = evidence.request(first)
        if requests:
            return Proposal.of(requests, f"Training {len(first)} networks in full to calibrate early losses.")

        def predict(full: ScoreTable) -> PredictedLosses:
            return self._optimistic(*predict_from_early(evidence.early, full, pool))

        requests, number = next_round(evidence, first, predict, choose, self.rounds)
        if requests:
            return Proposal.of(requests, f"Round {number} of at most {self.rounds}: what may be the best.")
        return Proposal.of((), check_ranks(evidence.early, evidence.full).summary())

    def forecast(self, evidence: Evidence) -> Forecast:
        """Forecast short passes and calibration, and at most all groupings in every round."""
        pool = self._pool(evidence)
        first = evidence.request(pool, EARLY_FIDELITY) + evidence.request(self._calibrating(evidence, pool))
        return forecast_of_rounds(evidence, first, pool, self.rounds)

    def estimate(self, evidence: Evidence) -> LossEstimate:
        """Return measured losses, and predictions from early losses with their standard deviations."""
        networks = {n.key: n for n in (*self._pool(evidence), *evidence.full.networks)}
        return LossEstimate(*predict_from_early(evidence.early, evidence.full, tuple(networks.values())))

    def _pool(self, evidence: Evidence) -> tuple[Network, ...]:
        """Return the networks that get a short pass, which are the ones that may be chosen."""
        candidates = evidence.candidates
        if candidates.networks is not None and candidates.count <= self.short_passes:
            return candidates.networks
        found = {n.key: n for n in (*candidates.singles, *cover(candidates))}
        more = _pairs_and_groups(candidates, evidence.seed)
        while len(found) < self.short_passes and (network := next(more, None)) is not None:
            found.setdefault(network.key, network)
        return tuple(found.values())

    def _calibrating(self, evidence: Evidence, pool: Sequence[Network]) -> tuple[Network, ...]:
        """Return a cover of the tasks, then random full-size networks until each task has enough."""
        first = cover(evidence.candidates)
        order = sorted((n for n in pool if n.size == 1), key=lambda network: network.sort_key)
        random.Random(f"calibration {evidence.seed}").shuffle(order)
        found = {network.key: network for network in first}
        counts = Counter(task for network in first for task in network.group)
        for network in order:
            is_needed = any(counts[task] < self.calibration for task in network.group)
            if is_needed and network.key not in found:
                found[network.key] = network
                counts.update(network.group)
        return tuple(found.values())

    def _optimistic(
        self, table: PredictedLosses, deviations: FloatArray, is_measured: np.ndarray
    ) -> PredictedLosses:
        """Lower predicted losses by their deviations, for the table that is chosen from."""
        bonus = np.where(is_measured[:, None], 0.0, self.optimism * deviations)
        return replace(table, losses=table.losses - bonus)


def _pairs_and_groups(candidates: Candidates, seed: int) -> Iterator[Network]:
    """Yield a random pair and a random candidate in turn, until both are used up."""
    pairs = [pair for pair in combinations(candidates.tasks, 2) if candidates.max_group_size > 1]
    random.Random(f"pairs {seed}").shuffle(pairs)
    others = random_networks(candidates, seed)
    for pair in pairs:
        if (network := candidates.find(pair)) is not None:
            yield network
        if (other := next(others, None)) is not None:
            yield other
    yield from others
