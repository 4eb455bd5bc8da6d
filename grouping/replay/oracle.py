"""Oracle: a score table in place of training; it answers a request with the network's row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np

from grouping.domain.networks import Candidates, Network, NetworkKey
from grouping.domain.tables.score_table import FloatArray, ScoreTable
from grouping.domain.trainings.trials import EARLY_FIDELITY, TrialRequest
from grouping.errors import InvalidInputError

EARLY_CHARGE = 0.05
"""Charge of a short pass, in full trainings of the same size: the twentieth of Standley et al. (2020)."""


class Unanswerable(Exception):  # noqa: N818 - a finding about the table, told to nobody as an error
    """Error: the table cannot answer what a strategy asked; the message says what it would take."""


class RevealedLosses(StrEnum):
    """Kind of losses that a training reveals where the table has several seeds."""

    MEAN = "mean"
    """The mean over the seeds."""
    ONE_SEED = "one_seed"
    """One seed: a search of seed k sees the table's k-th, counted round. Regret stays that of the mean."""


@dataclass(frozen=True, eq=False)
class Oracle:
    """Answers requests for trainings from a table.

    Attributes:
        truth: complete networks of the table, losses of all seeds, which judge recommendations.
        early: scores of short passes, where there are any.
    """

    truth: ScoreTable
    early: ScoreTable | None = None
    _early_rows: Mapping[int, int] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, table: ScoreTable, early: ScoreTable | None = None) -> Oracle:
        """Build an oracle of the completely measured networks; the others are no candidates.

        Raises:
            InvalidInputError: if no network is measured, or the early table has other tasks.
        """
        truth = table.select(np.flatnonzero(table.is_complete)).on_common_seeds()
        if not truth.networks:
            raise InvalidInputError("The table has no network with a loss for each of its tasks.")
        rows: dict[int, int] = {}
        if early is not None:
            if early.task_names != truth.task_names:
                raise InvalidInputError(
                    "The table of the short pass has other tasks than the table, or another order: "
                    f"{', '.join(early.task_names)} instead of {', '.join(truth.task_names)}."
                )
            for n, network in enumerate(truth.networks):
                row = early.find_position(*network.key)
                if row is not None and early.is_complete[row]:
                    rows[n] = row
        return cls(truth, early, rows)

    @property
    def candidates(self) -> Candidates:
        """The networks of the table."""
        return Candidates.listed(self.truth.task_names, self.truth.networks)

    def losses(self, answers: RevealedLosses, seed: int) -> FloatArray:
        """Return ``[N, T]`` validation losses that the trainings of a search of this seed reveal."""
        return _revealed(self.truth, answers, seed)

    def early_losses(self, answers: RevealedLosses, seed: int) -> FloatArray:
        """Return ``[N, T]`` validation losses that short passes reveal; NaN where there is none."""
        found = np.full((len(self.truth.networks), len(self.truth.tasks)), np.nan)
        if self.early is not None and self._early_rows:
            ours, theirs = list(self._early_rows), list(self._early_rows.values())
            found[ours] = _revealed(self.early, answers, seed)[theirs]
        return found

    def row(self, request: TrialRequest) -> int:
        """Return the row of the network that a strategy wants trained.

        Raises:
            Unanswerable: if the table does not have the outcome.
        """
        if request.measures_affinity:
            raise Unanswerable("it measures affinities in a joint run, which needs gradients and not scores")
        row = self.truth.find_position(*request.network.key)
        if row is None:
            name = request.network.name(self.truth.task_names)
            raise Unanswerable(f"it asked for {name}, which the table does not have")
        if request.fidelity not in (1.0, EARLY_FIDELITY):
            raise Unanswerable(f"it asked for a training at {request.fidelity:g} of the epochs")
        if request.fidelity != 1 and self.early is None:
            raise Unanswerable("it asks for short passes, and no table of their scores was given")
        if request.fidelity != 1 and row not in self._early_rows:
            name = request.network.name(self.truth.task_names)
            raise Unanswerable(f"the table of short passes has no scores of {name}")
        return row


def share_charged(fidelity: float, early_charge: float = EARLY_CHARGE) -> float:
    """Return the charged share of a full training of the same size: `early_charge` for a short pass."""
    return 1.0 if fidelity == 1 else early_charge


def free_networks(names: Sequence[str], table: ScoreTable) -> tuple[Network, ...]:
    """Return networks that are known at no charge before a search starts.

    Args:
        names: ``singles`` (full size), ``pairs``, ``together`` (all tasks in one), or names of networks.
        table: the table that has them.

    Raises:
        InvalidInputError: if the table has none of that name.
    """
    n_tasks = len(table.tasks)
    sizes = {"singles": 1, "pairs": 2, "together": n_tasks}
    found: dict[NetworkKey, Network] = {}
    for name in names:
        if name in sizes:
            wanted = [n for n in table.networks if len(n.group) == sizes[name] and n.size == 1]
        else:
            parsed = Network.parse(name)
            wanted = [n for n in table.networks if n.key == parsed.key]
        if not wanted:
            raise InvalidInputError(
                f"The table has no {name}: free can be singles, pairs, together or names of its networks."
            )
        found |= {network.key: network for network in wanted}
    return tuple(found.values())


def _revealed(table: ScoreTable, answers: RevealedLosses, seed: int) -> FloatArray:
    if answers is RevealedLosses.MEAN or len(table.seeds) < 2:
        return table.validation
    layer: FloatArray = table.validation_losses[:, :, seed % len(table.seeds)]
    return layer
