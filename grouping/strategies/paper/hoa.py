"""Higher order approximation (HOA) of Standley et al. (2020), section 4.2.

Train singles and pairs. For a larger group G predict the loss of task i as the mean over its pairs,

    L^(G, i) = mean over j in G, j != i, of L({i, j}, i),

solve on measured and predicted losses, and train what was chosen. The recommendation itself is made of
measured networks only, so a wrong prediction costs trainings and never passes for a score.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from grouping.domain.networks import Network
from grouping.domain.tables.predicted_losses import PredictedLosses
from grouping.domain.tables.score_table import ScoreTable
from grouping.strategies.evidence import Choose, Evidence, LossEstimate, Proposal
from grouping.strategies.forecast import Forecast, first_then_chosen


def predict_higher_orders(table: ScoreTable, candidates: tuple[Network, ...]) -> PredictedLosses:
    """Predict the losses of larger groups by the means over their pairs.

    Args:
        table: measured losses; those of groups above two tasks are kept as they are.
        candidates: the networks wanted. A full-size group of three or more that is not measured gets
            predicted mean losses; one whose pairs are not all measured is left out, as is any other
            network that is not measured.

    Returns:
        A table of one layer (seed 0): mean measured and predicted losses, validation and test apart.
    """
    names = table.task_names
    column = {name: t for t, name in enumerate(names)}
    networks: list[Network] = []
    layers: list[tuple[list[float], list[float]]] = []
    for network in candidates:
        row = table.find_position(*network.key)
        if row is not None and table.is_complete[row]:
            networks.append(table.networks[row])
            layers.append((list(table.validation[row]), list(table.test[row])))
        elif len(network.group) > 2 and network.size == 1:
            validation = _pair_means(table, network, column, table.validation)
            if validation is not None:
                test = _pair_means(table, network, column, table.test)
                networks.append(network)
                layers.append((validation, test if test is not None else [np.nan] * len(names)))
    losses = np.array(layers, dtype=np.float64).reshape(len(networks), 2, len(names))
    return PredictedLosses(table.tasks, tuple(networks), losses[:, 0], losses[:, 1])


def _pair_means(
    table: ScoreTable, network: Network, column: dict[str, int], losses: np.ndarray
) -> list[float] | None:
    predicted = [np.nan] * len(column)
    for task in network.group:
        pairs = []
        for other in sorted(network.group - {task}):
            row = table.find_position(frozenset({task, other}))
            if row is None or not table.is_complete[row]:
                return None
            pairs.append(losses[row, column[task]])
        predicted[column[task]] = float(np.mean(pairs))
    return None if any(np.isnan(predicted[column[task]]) for task in network.group) else predicted


@dataclass(frozen=True, slots=True)
class HigherOrder:
    """Trains singles and pairs first, then what the prediction recommends."""

    name: ClassVar[str] = "hoa"
    title: ClassVar[str] = "Higher order approximation"
    description: ClassVar[str] = (
        "Trains singles and pairs, predicts larger groups as the mean of their pairs, then trains the "
        "groups that the prediction recommends."
    )

    lists_candidates: ClassVar[bool] = True

    def ask(self, evidence: Evidence, choose: Choose) -> Proposal:
        """Request singles and pairs; once they are measured, the chosen networks not yet measured."""
        candidates = evidence.candidates.require_listed()
        first = evidence.request(n for n in candidates if len(n.group) <= 2)
        if first:
            return Proposal.of(first)
        return Proposal.of(evidence.request_chosen(_from_pairs(evidence), choose))

    def forecast(self, evidence: Evidence) -> Forecast:
        """Forecast singles and pairs, and at most a grouping for each inference budget beside them."""
        candidates = evidence.candidates.require_listed()
        return first_then_chosen(evidence, evidence.request(n for n in candidates if len(n.group) <= 2))

    def estimate(self, evidence: Evidence) -> LossEstimate:
        """Return measured losses, and pair means for the other groups; the error of those is not known."""
        table = predict_higher_orders(evidence.full, evidence.candidates.require_listed())
        deviations = np.full(table.validation.shape, np.nan)
        is_measured = np.zeros(len(table.networks), dtype=np.bool_)
        for n, network in enumerate(table.networks):
            row = evidence.full.find_position(*network.key)
            if row is not None and evidence.full.is_complete[row]:
                deviations[n] = evidence.full.validation_standard_error[row]
                is_measured[n] = True
        return LossEstimate(table, deviations, is_measured)


def _from_pairs(evidence: Evidence) -> PredictedLosses:
    """Predict from singles and pairs only, as in the paper: the choice stays once it is trained."""
    pairs = [n for n, network in enumerate(evidence.full.networks) if len(network.group) <= 2]
    return predict_higher_orders(evidence.full.select(pairs), evidence.candidates.require_listed())
