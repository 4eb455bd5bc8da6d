"""Groupings by clustering of affinities alone, compared with the exact grouping.

Clustering tasks by their affinities is the obvious alternative to choosing networks from a score table. It
sees pairs only, gives every task to one network, and knows neither the losses of larger groups nor what a
task gains from a network it is not served by. Where a table holds the networks that a clustering proposes,
the difference in loss can be computed without training.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from grouping.domain.affinities.matrix import AffinityMatrix
from grouping.domain.groupings import Grouping, Solution
from grouping.domain.networks import Network
from grouping.domain.percentages import two_digit_percent
from grouping.domain.tables.score_table import ScoreTable
from grouping.strategies.clustering.matching import Matching, matching_groups
from grouping.strategies.clustering.modularity import Modularity, modularity_groups
from grouping.strategies.clustering.partitions import Clustering, partition_within
from grouping.strategies.clustering.spectral import Spectral, spectral_groups

CLUSTERINGS: Mapping[str, tuple[str, Clustering]] = {
    Modularity.name: (Modularity.title, modularity_groups),
    Spectral.name: (Spectral.title, spectral_groups),
    Matching.name: (Matching.title, matching_groups),
}
"""Methods by name, each with its title."""

MAX_CLUSTERED_TASKS = 100
"""Tables with more tasks are not clustered: matching them takes seconds for every number of groups."""

SAME = 1e-9
"""Losses that differ by less than this, relative to the exact one, are the same."""


@dataclass(frozen=True, slots=True)
class ClusteringOutcome:
    """Grouping that one clustering method recommends within an inference budget.

    Attributes:
        method: name of the method.
        title: name of the method for people.
        networks: a full-size network for each of its groups, largest first; empty if no partition fits the
            budget. Those that the table lacks have the nominal cost of 1 SNT.
        missing: networks of these that are not measured completely.
        cost_snt: inference cost of all networks; None without networks.
        loss: weighted total validation loss, lower is better; None unless all networks are measured.
        difference: `loss` less the loss of the exact grouping; positive when clustering is worse. None where
            one of the two is unknown.
        relative_difference: `difference` as a share of the exact loss; None also where that loss is 0.
    """

    method: str
    title: str
    networks: tuple[Network, ...]
    missing: tuple[Network, ...] = ()
    cost_snt: float | None = None
    loss: float | None = None
    difference: float | None = None
    relative_difference: float | None = None

    @property
    def groups(self) -> tuple[frozenset[str], ...]:
        """Its groups, largest first: a partition of the tasks; empty if none fits the budget."""
        return tuple(network.group for network in self.networks)

    @property
    def is_measured(self) -> bool:
        """Whether there are groups, and all of them are measured."""
        return self.loss is not None


@dataclass(frozen=True, slots=True)
class ClusteringComparison:
    """Clusterings of one affinity matrix beside the exact grouping for the same inference budget.

    Attributes:
        exact: the solver's answer.
        outcomes: one for each of `CLUSTERINGS`; empty where no effect is known, and for a table of more than
            `MAX_CLUSTERED_TASKS` tasks.
        why_none: reason why there are no outcomes, in a sentence; empty if there are.
    """

    exact: Solution
    outcomes: tuple[ClusteringOutcome, ...]
    why_none: str = ""

    @property
    def best(self) -> ClusteringOutcome | None:
        """The clustering of the least loss; None if none is measured."""
        measured = [outcome for outcome in self.outcomes if outcome.loss is not None]
        return min(measured, key=lambda outcome: outcome.loss or 0.0, default=None)

    def sentence(self) -> str:
        """Say how the loss by clustering compares with the exact grouping."""
        if not self.outcomes:
            return self.why_none
        if self.exact.loss is None:
            return f"No grouping of the measured networks fits {self.exact.budget_snt:g} SNT."
        best = self.best
        if best is None:
            if not any(outcome.networks for outcome in self.outcomes):
                return f"No partition into full-size networks fits {self.exact.budget_snt:g} SNT."
            return "What clustering alone proposes has not been measured completely, so its loss is unknown."
        difference, method = best.difference or 0.0, best.title.lower()
        if abs(difference) <= SAME * abs(self.exact.loss):
            return f"Clustering alone ({method}) finds a grouping as good as the exact one at this budget."
        if difference < 0:
            return (
                f"Clustering alone ({method}) finds a better grouping than the solver did before its "
                "time limit."
            )
        relative = best.relative_difference
        much = f"{difference:.4g}" if relative is None else two_digit_percent(relative)
        if any(outcome.missing for outcome in self.outcomes):
            return (
                f"{best.title} alone would cost {much} more loss at the same budget; not everything that the "
                "other methods propose has been measured."
            )
        return f"Clustering alone would cost at least {much} more loss at the same budget."


def compare_clusterings(table: ScoreTable, matrix: AffinityMatrix, exact: Solution) -> ClusteringComparison:
    """Cluster the tasks by every method, and look up the proposed networks in the table.

    The losses are compared as the solver does: where networks have been trained with different seeds, on
    the seeds that all of them have.

    Args:
        table: the score table.
        matrix: affinities of its tasks, by any method.
        exact: the solver's answer for the table; its inference budget holds for the clusterings too.
    """
    if not matrix.is_known:
        nothing = f"There is nothing to cluster: no effect of a task on another is known by {matrix.method}."
        return ClusteringComparison(exact, (), nothing)
    if len(table.tasks) > MAX_CLUSTERED_TASKS:
        too_many = f"Tables of more than {MAX_CLUSTERED_TASKS} tasks are not clustered."
        return ClusteringComparison(exact, (), too_many)
    common = table.on_common_seeds()
    outcomes = tuple(
        _outcome(name, title, cluster, common, matrix, exact)
        for name, (title, cluster) in CLUSTERINGS.items()
    )
    return ClusteringComparison(exact, outcomes)


def _outcome(
    name: str, title: str, cluster: Clustering, table: ScoreTable, matrix: AffinityMatrix, exact: Solution
) -> ClusteringOutcome:
    full_size = [network.cost_snt for network in table.networks if network.size == 1]
    groups = partition_within(
        cluster,
        matrix,
        exact.budget_snt,
        cost_of=lambda group: _network(table, group).cost_snt,
        cheapest_snt=min((1.0, *full_size)),
    )
    if groups is None:
        return ClusteringOutcome(name, title, ())
    networks = tuple(_network(table, group) for group in groups)
    missing = tuple(network for network in networks if not _is_measured(table, network))
    cost = float(sum(network.cost_snt for network in networks))
    if missing:
        return ClusteringOutcome(name, title, networks, missing, cost)
    loss = _loss(table, networks)
    difference = relative = None
    if exact.loss is not None:
        difference = loss - exact.loss
        relative = difference / abs(exact.loss) if exact.loss else None
    return ClusteringOutcome(name, title, networks, (), cost, loss, difference, relative)


def _network(table: ScoreTable, group: frozenset[str]) -> Network:
    row = table.find_position(group)
    return Network(group) if row is None else table.networks[row]


def _is_measured(table: ScoreTable, network: Network) -> bool:
    row = table.find_position(*network.key)
    return row is not None and bool(table.is_complete[row])


def _loss(table: ScoreTable, networks: tuple[Network, ...]) -> float:
    rows = [table.position(network) for network in networks]
    return Grouping.from_rows(table, rows).total_loss(table, table.cell_losses)
