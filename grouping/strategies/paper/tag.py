"""Groups chosen by affinities that one joint training measures (TAG and its relatives).

Train all tasks in one network, measure the affinity ``Z[i, j]`` of every task i with every task j on the way,
and estimate what a group G does to its task j by the mean over the others,

    Z(G, j) = mean over i in G, i != j, of Z[i, j],

as Fifty et al. (NeurIPS 2021) do. With the pseudo-loss ``1 - Z(G, j)`` the problem is the one the solver
knows: it chooses groups for every inference budget, exactly and within the budget, where the paper
enumerates groupings of a given number of groups. The chosen networks are trained in full, and the
recommendation is made of measured losses only: a wrong affinity costs trainings and never passes for a score.

A task alone has no others. The papers give it no score; here it is decided by ``reference``:

- ``zero``: affinity 0, pseudo-loss 1. An affinity from a look-ahead is almost always positive, also between
  tasks that harm each other in the end, so that a task is hardly ever advised to train alone.
- ``self``: the mean is over all of G, j itself included, and alone it is ``Z[j, j]``, what a task's own
  gradient does for itself. A source then helps only if it lowers the loss more than the task's own steps do;
  as few do, groups form where the inference budget does not hold a network for every task, and not before.

Affinities are measured at full size and say nothing about networks of other sizes: those are left out of the
estimate. The all-together network is trained also where it is larger than the candidates may be.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from grouping.domain.affinities.matrix import AffinityMatrix
from grouping.domain.affinities.methods import METHODS
from grouping.domain.networks import Network
from grouping.domain.tables.predicted_losses import PredictedLosses
from grouping.domain.tables.score_table import FloatArray
from grouping.strategies.evidence import Choose, Evidence, LossEstimate, Proposal
from grouping.strategies.forecast import Forecast, first_then_chosen

Reference = Literal["zero", "self"]


def group_affinities(
    matrix: AffinityMatrix, networks: tuple[Network, ...], reference: Reference = "zero"
) -> FloatArray:
    """Compute the mean affinity of each group for each of its tasks.

    Args:
        matrix: affinities of `T` tasks, from joint runs.
        networks: `N` groups; their sizes are not read.
        reference: what a task has from itself: nothing, or `AffinityMatrix.self_values`.

    Returns:
        ``[N, T]``, higher is better; NaN outside the group and where a pair of the group was not measured.
    """
    member = np.array([[task in network.group for task in matrix.tasks] for network in networks])
    member = member.reshape(len(networks), len(matrix.tasks))
    effects = matrix.values.copy()
    own = matrix.self_values if reference == "self" else None
    if own is None:
        own = np.full(len(matrix.tasks), np.nan if reference == "self" else 0.0)
    np.fill_diagonal(effects, own)
    is_unknown = np.isnan(effects)
    counts = member.sum(axis=1, keepdims=True) - (0 if reference == "self" else 1)
    means = (member.astype(np.float64) @ np.where(is_unknown, 0.0, effects)) / np.maximum(counts, 1)
    means[~member | ((member.astype(np.int64) @ is_unknown) > 0)] = np.nan
    return np.asarray(means, dtype=np.float64)


@dataclass(frozen=True, slots=True)
class _JointRun:
    """Base of the three strategies; `name` is also the name of the affinity method."""

    reference: Reference = "zero"

    name: ClassVar[str]
    title: ClassVar[str]
    description: ClassVar[str]
    lists_candidates: ClassVar[bool] = True
    needs_affinities: ClassVar[bool] = True

    def ask(self, evidence: Evidence, choose: Choose) -> Proposal:
        """Request the all-together network; once measured, the networks its affinities choose."""
        evidence.candidates.require_listed()  # before anything is trained for nothing
        joint = _joint_network(evidence)
        first = evidence.request([joint], measures_affinity=True)
        title = METHODS[self.name].title.lower()
        if first:
            return Proposal.of(first, f"Training all tasks together to measure affinities ({title}).")
        matrix = evidence.affinities.get(self.name)
        if len(joint.group) > 1 and (matrix is None or not matrix.is_known):
            note = (
                f"The training of {joint} measured no affinities by {self.name}: it diverged or failed, or "
                "its scores come from elsewhere. No group can be chosen; use a strategy that needs scores "
                "only, such as hoa."
            )
            return Proposal.of((), note)
        chosen = evidence.request_chosen(self._estimated(evidence), choose)
        return Proposal.of(
            chosen, f"Training the networks that affinities ({title}) choose." if chosen else ""
        )

    def forecast(self, evidence: Evidence) -> Forecast:
        """Forecast all tasks together, and at most a grouping for each inference budget beside it."""
        evidence.candidates.require_listed()
        first = evidence.request([_joint_network(evidence)], measures_affinity=True)
        return first_then_chosen(evidence, first)

    def estimate(self, evidence: Evidence) -> LossEstimate:
        """Return measured losses only: an affinity orders groups and predicts no loss."""
        return LossEstimate.of_measured(evidence.full)

    def _estimated(self, evidence: Evidence) -> PredictedLosses:
        """Return pseudo-losses of full-size candidates whose pairs were all measured."""
        candidates = tuple(n for n in evidence.candidates.require_listed() if n.size == 1)
        names = evidence.full.task_names
        matrix = evidence.affinities.get(self.name) or _without_pairs(names, self.name)
        order = [names.index(task) for task in matrix.tasks]
        losses = np.full((len(candidates), len(names)), np.nan)
        losses[:, order] = 1.0 - group_affinities(matrix, candidates, self.reference)
        sizes = np.array([len(network.group) for network in candidates])
        known = np.flatnonzero((~np.isnan(losses)).sum(axis=1) == sizes)
        networks = tuple(candidates[n] for n in known)
        return PredictedLosses(evidence.full.tasks, networks, losses[known])


def _joint_network(evidence: Evidence) -> Network:
    """Return all tasks in one full-size network, even if candidates may not be that large."""
    tasks = evidence.candidates.tasks
    return evidence.candidates.find(tasks) or Network(frozenset(tasks))


def _without_pairs(tasks: tuple[str, ...], method: str) -> AffinityMatrix:
    """Return the matrix of a single task, which has no pair."""
    shape = (len(tasks), len(tasks))
    nothing, counts = np.full(shape, np.nan), np.zeros(shape, dtype=np.int64)
    return AffinityMatrix(
        tasks, method, METHODS[method].formula, nothing, nothing, counts, (), np.zeros(len(tasks))
    )


@dataclass(frozen=True, slots=True)
class TaskAffinity(_JointRun):
    """Chooses groups by look-ahead affinities (TAG)."""

    name: ClassVar[str] = "tag"
    title: ClassVar[str] = "Task affinity grouping (TAG)"
    description: ClassVar[str] = (
        "Trains all tasks together once per seed, measures on the way what a gradient step for one task does "
        "to the losses of the others, and trains the groups that this recommends."
    )


@dataclass(frozen=True, slots=True)
class GradientCosine(_JointRun):
    """Chooses groups by cosines of gradients."""

    name: ClassVar[str] = "cosine"
    title: ClassVar[str] = "Gradient cosine"
    description: ClassVar[str] = (
        "Trains all tasks together once per seed, measures on the way how far the gradients of the tasks "
        "agree, and trains the groups that this recommends."
    )


@dataclass(frozen=True, slots=True)
class FirstOrderAffinity(_JointRun):
    """Chooses groups by first-order look-ahead affinities."""

    name: ClassVar[str] = "first-order"
    title: ClassVar[str] = "First-order task affinity"
    description: ClassVar[str] = (
        "Trains all tasks together once per seed, estimates on the way from the gradients alone what the "
        "optimiser's update for one task does to the losses of the others, and trains the groups that this "
        "recommends."
    )
