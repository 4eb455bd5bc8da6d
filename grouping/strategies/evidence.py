"""Input and output of a strategy: `Evidence` in; `Proposal` and `LossEstimate` out.

A strategy is a pure function of the evidence: the candidates and every score so far. To *tell* it something
is to ask it again with more evidence. A search can therefore be continued from the database by any process at
any time, and the same evidence always leads to the same next trials.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from grouping.domain.affinities.matrix import AffinityMatrix
from grouping.domain.groupings import Solution
from grouping.domain.jobs.job import StopReason
from grouping.domain.networks import Candidates, Network, NetworkKey
from grouping.domain.tables.loss_table import LossTable
from grouping.domain.tables.score_table import FloatArray, ScoreTable
from grouping.domain.trainings.trials import TrialKey, TrialRequest
from grouping.domain.verdicts.headroom import Headroom


class Choose(Protocol):
    """The solver, as strategies see it."""

    def __call__(self, table: LossTable, budgets_snt: Sequence[float], /) -> tuple[Solution, ...]:
        """Find one best grouping for each inference budget."""

    def in_draws(
        self, table: LossTable, draws: FloatArray, budgets_snt: Sequence[float], /
    ) -> tuple[tuple[tuple[int, ...], ...], ...]:
        """Choose rows of the table for each draw ``[D, N, T]`` at each budget, ``[D][B]``."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """State of a search: candidates, scores so far, budgets and seeds.

    Attributes:
        candidates: the networks that may be chosen.
        full: full-fidelity scores so far, of trained networks only.
        early: scores of short passes so far.
        budgets_snt: inference budgets the user asked for, ascending.
        seeds: seeds with which a network is trained.
        attempted: trials that are finished, whatever came out.
        affinities: affinity matrices that joint runs measured, by the name of the method.
        remaining: trainings that the training budget still holds, where it limits them; None otherwise.
        seed: everything random follows from it.
        running: trials that are planned or in training. There are some only where planning is continuous and
            the strategy plans ahead; see `Strategy`.
        n_free: trainings that could begin at once, where planning is continuous; 0 otherwise, and where that
            is not known.
        n_together: networks of one kind that are trained about as fast together as one by itself.
    """

    candidates: Candidates
    full: ScoreTable
    early: ScoreTable
    budgets_snt: tuple[float, ...]
    seeds: tuple[int, ...]
    attempted: frozenset[TrialKey] = frozenset()
    affinities: Mapping[str, AffinityMatrix] = field(default_factory=dict)
    remaining: int | None = None
    seed: int = 0
    running: frozenset[TrialKey] = frozenset()
    n_free: int = 0
    n_together: int = 1

    def request(
        self, networks: Iterable[Network], fidelity: float = 1.0, *, measures_affinity: bool = False
    ) -> tuple[TrialRequest, ...]:
        """Build a trial per seed for each network, first seeds first, without finished and running ones."""
        wanted = tuple(networks)
        requests = (
            TrialRequest(network, seed, fidelity, measures_affinity=measures_affinity)
            for seed in self.seeds
            for network in wanted
        )
        known = self.attempted | self.running
        return tuple(request for request in requests if request.key not in known)

    @property
    def diverged(self) -> frozenset[NetworkKey]:
        """Groups and sizes that were trained in full and have no scores, because they diverged."""
        tried = {key.network for key in self.attempted if key.fidelity == 1}
        return frozenset(
            key
            for key in tried
            if (row := self.full.find_position(*key)) is None or not self.full.is_complete[row]
        )

    def request_chosen(self, estimate: LossTable, choose: Choose) -> tuple[TrialRequest, ...]:
        """Request full trainings of the networks that an estimate recommends for any of the budgets.

        Networks that were trained in full and diverged are not chosen again.
        """
        diverged = self.diverged
        hopeful = [n for n, x in enumerate(estimate.networks) if x.key not in diverged]
        chosen: dict[NetworkKey, Network] = {}
        for solution in choose(estimate.select(hopeful), self.budgets_snt):
            if solution.grouping is not None:
                chosen |= {n.key: n for n in solution.grouping.networks}
        return self.request(chosen.values())


@dataclass(frozen=True, slots=True)
class Proposal:
    """The trials a strategy wants next, or the reason why the search is over.

    Attributes:
        requests: trials to train; empty when it wants none, beyond those that are running.
        reason: why the search is over; None while it goes on. Without effect while trials are running.
        note: a sentence for the user about this step, such as the improvement still expected.
        headroom: how much lower the loss may still get, for each budget that has a grouping; empty where that
            was not looked at in this step.
    """

    requests: tuple[TrialRequest, ...]
    reason: StopReason | None = None
    note: str = ""
    headroom: tuple[Headroom, ...] = ()

    @classmethod
    def of(cls, requests: tuple[TrialRequest, ...], note: str = "") -> Proposal:
        """Propose these trials; without any, the search is complete."""
        return cls(requests, None if requests else StopReason.SEARCH_COMPLETE, note)


@dataclass(frozen=True, eq=False)
class LossEstimate:
    """Losses of candidates, measured or predicted, with their uncertainty.

    Attributes:
        table: the mean losses of `N` networks.
        standard_deviations: ``[N, T]``, of the error of each mean; NaN where it is not known, such as for a
            single measurement without a model of the noise, and outside the groups.
        is_measured: ``[N]``, whether the losses of the network were measured in full.
    """

    table: LossTable
    standard_deviations: FloatArray = field(repr=False)
    is_measured: NDArray[np.bool_] = field(repr=False)

    @classmethod
    def of_measured(cls, table: ScoreTable) -> LossEstimate:
        """Build an estimate of measured losses only; the uncertainty is the standard error over seeds."""
        return cls(table, table.validation_standard_error, np.asarray(table.is_complete))
