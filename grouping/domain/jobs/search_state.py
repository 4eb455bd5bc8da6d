"""Terms of a search, and its state: everything that is known of it at one moment.

The next trainings follow from the two and from nothing else, whether they were read from a database or are
kept in one process.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from grouping.domain.affinities.matrix import AffinityMatrix
from grouping.domain.constraints import Constraints
from grouping.domain.jobs.job import Ledger, Stop
from grouping.domain.jobs.specification import JobSpec, Planning
from grouping.domain.networks import Candidates, Network, NetworkKey
from grouping.domain.scales import awaits_scale, scaled
from grouping.domain.tables.score_table import FloatArray, Score, ScoreTable
from grouping.domain.tasks import Task
from grouping.domain.trainings.allowance import Allowance
from grouping.domain.trainings.splits import split_of
from grouping.domain.trainings.trials import (
    EARLY_FIDELITY,
    PLAIN,
    Purpose,
    Trial,
    TrialKey,
    TrialRequest,
    Variant,
)
from grouping.domain.verdicts.baselines import Baselines
from grouping.domain.verdicts.tuning import TuningTerms


@dataclass(frozen=True, slots=True)
class SearchTerms:
    """Terms of a search: everything that decides which networks are trained, but not how.

    Attributes:
        candidates: networks that may be chosen, at their nominal costs.
        budgets_snt: inference budgets that a grouping is wanted for, ascending.
        search_seeds: seeds of the trials on which choices are made.
        confirmation_seeds: fresh seeds for the chosen networks and the baselines; none of the search seeds.
        training_budget: the most training that may be spent.
        seed: seed of everything random.
        plans_continuously: whether further trainings are planned whenever one could begin; else in steps,
            once all are finished.
        constraints: what a grouping must satisfy beside its budget.
        baselines: what verdicts compare with.
        tuning: how the recommended groupings and the baselines are tuned for the verdict; None if not at all.
        n_together: networks of one kind that the trainer trains about as fast together as one by itself.
        split_seeds: confirmation seeds that are trained on further splits of the data, one on each in order;
            all other seeds are trained on the first split.
    """

    candidates: Candidates
    budgets_snt: tuple[float, ...]
    search_seeds: tuple[int, ...] = (0,)
    confirmation_seeds: tuple[int, ...] = ()
    training_budget: Allowance = field(default_factory=Allowance)
    seed: int = 0
    plans_continuously: bool = False
    constraints: Constraints = field(default_factory=Constraints)
    baselines: Baselines = field(default_factory=Baselines)
    tuning: TuningTerms | None = None
    n_together: int = 1
    split_seeds: tuple[int, ...] = ()

    @classmethod
    def of_job(cls, spec: JobSpec, *, plans_continuously: bool = False, n_together: int = 1) -> SearchTerms:
        """Take the terms from the specification of a job.

        Args:
            spec: what is asked for.
            plans_continuously: how to plan where the job leaves it out; the trainer says it.
            n_together: networks that the trainer trains about as fast together as one by itself.
        """
        return cls(
            spec.candidates,
            spec.budgets_snt,
            spec.search_seeds,
            spec.confirmation_seeds,
            Allowance.of(spec.training_budget),
            spec.seed,
            plans_continuously if spec.planning is None else spec.planning is Planning.CONTINUOUS,
            spec.constraints,
            spec.equal_cost_baselines,
            spec.tuning,
            n_together,
            spec.split_seeds,
        )

    def among(self, measured: Iterable[Network] | None) -> SearchTerms:
        """Leave out the baselines that cannot be built.

        Args:
            measured: networks whose cost was measured; None where costs are not measured.
        """
        tasks, budgets = self.candidates.tasks, self.budgets_snt
        return replace(self, baselines=self.baselines.among(measured or (), tasks, budgets))

    def split_of(self, seed: int) -> int:
        """Return the number of the split that a seed is trained on, from 0."""
        return split_of(seed, self.split_seeds)


@dataclass(frozen=True, eq=False)
class SearchState:
    """Everything that is known of a search at one moment.

    Attributes:
        tasks: the tasks, in display order, with their weights.
        trials: all trials, in the order of the plan.
        networks: networks with their measured cost, in the order in which they were measured; a network
            missing here cannot be built. None where costs are not measured: those of the candidates hold.
        affinities: matrices measured by joint runs, by the name of the method.
        known_elsewhere: trials whose outcome another search knows, and whether it measured affinities.
        spent: charges so far.
        other_costs: further inference costs of networks by name, as far as known.
        stop: what a user who stopped the search wants no more of; None unless it was stopped.
    """

    tasks: tuple[Task, ...]
    trials: tuple[Trial, ...] = ()
    networks: tuple[Network, ...] | None = None
    affinities: Mapping[str, AffinityMatrix] = field(default_factory=dict)
    known_elsewhere: Mapping[TrialKey, bool] = field(default_factory=dict)
    spent: Ledger = field(default_factory=Ledger)
    other_costs: Mapping[str, Mapping[NetworkKey, float]] = field(default_factory=dict)
    stop: Stop | None = None

    @cached_property
    def full(self) -> ScoreTable:
        """Scores of the search's trials at full fidelity, of trained networks only."""
        return scaled(self._table(Purpose.SEARCH, 1.0))

    @cached_property
    def early(self) -> ScoreTable:
        """Scores of the search's short passes."""
        return self.scores(fidelity=EARLY_FIDELITY)

    def scores(
        self, *, purpose: Purpose = Purpose.SEARCH, fidelity: float = 1.0, variant: Variant = PLAIN
    ) -> ScoreTable:
        """Return the scores of one kind of trials; see `table_of_trials`. Scales are those of `full`."""
        table = self._table(purpose, fidelity, variant)
        return scaled(table, self.full) if awaits_scale(self.tasks) else table

    @cached_property
    def _by_kind(self) -> Mapping[tuple[Purpose, float, Variant], Sequence[Trial]]:
        kinds: dict[tuple[Purpose, float, Variant], list[Trial]] = {}
        for trial in self.trials:
            kinds.setdefault((trial.purpose, trial.fidelity, trial.variant), []).append(trial)
        return kinds

    def _table(self, purpose: Purpose, fidelity: float, variant: Variant = PLAIN) -> ScoreTable:
        chosen = self._by_kind.get((purpose, fidelity, variant), ())
        table = table_of_trials(self.tasks, chosen, self.networks)
        costs = {name: _costs_in(table, known) for name, known in self.other_costs.items()}
        found = {name: values for name, values in costs.items() if values is not None}
        return replace(table, other_costs=found) if found else table

    @cached_property
    def running(self) -> tuple[Trial, ...]:
        """Trials that are planned or in training."""
        return tuple(trial for trial in self.trials if not trial.state.is_final)

    @cached_property
    def measured(self) -> Mapping[NetworkKey, Network] | None:
        """Networks with their measured cost; None where costs are not measured."""
        return None if self.networks is None else {network.key: network for network in self.networks}

    def is_free(self, request: TrialRequest) -> bool:
        """Return whether another search knows the outcome of a request, so that it is copied, not trained."""
        has_affinities = self.known_elsewhere.get(request.key)
        return has_affinities is not None and has_affinities >= request.measures_affinity


def _costs_in(table: ScoreTable, known: Mapping[NetworkKey, float]) -> FloatArray | None:
    """Return a further cost of the networks of a table, ``[N]``; None unless each that has losses has it.

    The others are never chosen; they stand there with the largest cost.
    """
    keys = [network.key for network in table.networks]
    complete = [key for key, is_complete in zip(keys, table.is_complete, strict=True) if is_complete]
    if not complete or any(key not in known for key in complete):
        return None
    largest = max(known[key] for key in complete)
    return np.array([known.get(key, largest) for key in keys], dtype=np.float64)


def table_of_trials(
    tasks: Sequence[Task], trials: Iterable[Trial], order: Sequence[Network] | None = None
) -> ScoreTable:
    """Build the score table of trials of one purpose and fidelity.

    It has the networks with at least one trial in a final state. A network of which any such trial diverged
    or failed keeps its row without a cell: the mean of its succeeded trials would flatter it.

    Args:
        tasks: the tasks, in display order.
        trials: trials of one purpose and fidelity, at most one per network and seed.
        order: networks in the order of the rows, with all that have a trial; the order of the trials unless
            given.
    """
    ended = [trial for trial in trials if trial.state.is_final]
    lost = {trial.network.key for trial in ended if trial.state.is_lost}
    present = {trial.network.key: trial.network for trial in ended}
    networks = [network for network in order or present.values() if network.key in present]
    by_key = {network.key: network for network in networks}
    scores = [
        Score(by_key[trial.network.key], score.task, trial.seed, score.validation_loss, score.test_loss)
        for trial in ended
        if trial.network.key not in lost
        for score in trial.scores
    ]
    return ScoreTable.from_scores(tasks, networks, scores)
