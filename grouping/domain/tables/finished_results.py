"""Finished results: trainings that were carried out before a search, or beside it, told from outside.

They count as trained: each becomes a trial of the search with the seed it was trained with, at full length,
and costs nothing. What they say is the word of whoever tells them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from grouping.domain.jobs.search_state import SearchTerms
from grouping.domain.networks import Network, NetworkKey
from grouping.domain.tables.result_values import ResultValues as ResultValues
from grouping.domain.tasks import Direction, Task, check_name
from grouping.domain.trainings.trials import Purpose, TaskScore, Trial, TrialKey, TrialRequest, TrialState
from grouping.errors import InvalidInputError, ResultsRefusedError

MAX_RESULTS = 20_000
"""The most trainings that are told at once."""
MAX_FAULTS = 20
"""The most faults that a refusal names; it counts them all."""

_OPEN = frozenset({TrialState.PLANNED, TrialState.SKIPPED, TrialState.FAILED})
"""States of a trial of the search that a result from outside takes the place of."""


@dataclass(frozen=True, slots=True)
class FinishedTraining:
    """One training that was carried out elsewhere.

    Attributes:
        tasks: names of the tasks of the group.
        validation: for each of them a value on the validation rows, finite.
        test: the same on the test rows, as far as measured.
        size: size of the network, by its number or by its name in the job.
        seed: seed that it was trained with, one of the search; None for the next that has no result.
        costs: further costs of the network by name, such as ``latency_ms``.
    """

    tasks: tuple[str, ...]
    validation: Mapping[str, float]
    test: Mapping[str, float] = field(default_factory=dict)
    size: float | str = 1.0
    seed: int | None = None
    costs: Mapping[str, float] = field(default_factory=dict)

    def name(self) -> str:
        """Return the name of the network and the seed, for messages."""
        shown = self.size if isinstance(self.size, str) else f"{self.size:g}"
        suffix = "" if self.size == 1 else f"@{shown}"
        seed = "" if self.seed is None else f", seed {self.seed}"
        return f"{'+'.join(self.tasks)[:200]}{suffix}{seed}"


@dataclass(frozen=True, slots=True)
class FinishedResults:
    """Trainings told together; either all of them count or none.

    Attributes:
        trainings: what was trained.
        source: where they come from, such as the name of a file; for people.
        told_by: who tells them; for people.
        values: meaning of the numbers; None where a number means the same either way.
        data: digest of the data they were trained on, compared with that of the job; None if not known.
    """

    trainings: tuple[FinishedTraining, ...]
    source: str = ""
    told_by: str = ""
    values: ResultValues | None = None
    data: str | None = None

    def __post_init__(self) -> None:
        if not 1 <= len(self.trainings) <= MAX_RESULTS:
            raise InvalidInputError(
                f"Tell 1 to {MAX_RESULTS:,} finished trainings at once; got {len(self.trainings):,}. "
                "Tell more in several requests."
            )


@dataclass(frozen=True, slots=True)
class FittingResult:
    """A finished training as a trial of the search.

    Attributes:
        request: the trial.
        scores: one score per task of its network.
        costs: further costs of the network by name.
    """

    request: TrialRequest
    scores: tuple[TaskScore, ...]
    costs: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class FittingResults:
    """Finished results as trials of a search.

    Attributes:
        new: those that the search did not know, with different trials each.
        n_known: number of those that it knew, with the same values.
    """

    new: tuple[FittingResult, ...]
    n_known: int


def fit_results(
    results: FinishedResults,
    tasks: Sequence[Task],
    terms: SearchTerms,
    known: Iterable[Trial] = (),
    *,
    size_names: Mapping[float, str] | None = None,
    refused: Mapping[frozenset[str], str] | None = None,
) -> FittingResults:
    """Turn finished results into trials of a search: all of them, or none.

    A result without a seed takes the first seed of the search for which its network has no result. If the
    search has the same values for that network already, it is known.

    Args:
        results: what is told.
        tasks: tasks of the search.
        terms: candidates and seeds of the search.
        known: trials of the search so far.
        size_names: names of the sizes by number, where they have names.
        refused: groups that no result from outside can stand for, and why.

    Raises:
        ResultsRefusedError: if one does not fit; names the results and the reasons.
    """
    fitting = _Fitting(tasks, terms, known, size_names or {}, refused or {}, _values_of(results, tasks))
    # Those with a seed come first, so that none without takes it.
    order = sorted(range(len(results.trainings)), key=lambda i: results.trainings[i].seed is None)
    faults: list[tuple[int, str]] = []
    for position in order:
        try:
            fitting.add(results.trainings[position])
        except InvalidInputError as error:
            faults.append((position, f"{results.trainings[position].name()}: {error}"))
    if faults:
        raise ResultsRefusedError([fault for _, fault in sorted(faults)], limit=MAX_FAULTS)
    return FittingResults(tuple(fitting.new.values()), fitting.n_known)


def _values_of(results: FinishedResults, tasks: Sequence[Task]) -> ResultValues:
    """Return the meaning of the numbers.

    Raises:
        ResultsRefusedError: if they may mean two things.
    """
    if results.values is not None:
        return results.values
    named = {task for training in results.trainings for task in training.tasks}
    for task in tasks:
        is_higher = task.metric is not None and task.metric.direction is Direction.HIGHER_IS_BETTER
        if task.name in named and task.has_values and is_higher:
            metric = "its metric" if task.metric is None else task.metric.name
            raise ResultsRefusedError(
                [
                    f"The values of {task.name!r} may be its {metric}, higher is better, or losses, lower is "
                    "better. Say which: values 'reported' for what the trainer reports, 'losses' for what an "
                    "exported score table holds."
                ],
                limit=MAX_FAULTS,
                pointer="/values",
            )
    return ResultValues.REPORTED


class _Fitting:
    """Fits results one by one; `new` has those that fit, by their trial."""

    def __init__(
        self,
        tasks: Sequence[Task],
        terms: SearchTerms,
        known: Iterable[Trial],
        size_names: Mapping[float, str],
        refused: Mapping[frozenset[str], str],
        values: ResultValues,
    ) -> None:
        self.new: dict[TrialKey, FittingResult] = {}
        self.n_known = 0
        self._tasks = {task.name: task for task in tasks}
        self._terms = terms
        self._known = {
            trial.key: trial for trial in known if trial.purpose is Purpose.SEARCH and trial.fidelity == 1
        }
        self._size_names = size_names
        self._refused = refused
        self._values = values
        listed = terms.candidates.networks
        self._candidates = None if listed is None else {network.key: network for network in listed}

    def add(self, training: FinishedTraining) -> None:
        network = self._network_of(training)
        scores = self._scores_of(training)
        if training.seed is None:
            request = self._next_seed(network, scores)
            if request is None:
                self.n_known += 1
                return
        else:
            request = self._with_seed(network, training.seed)
            if self._is_known(request, scores):
                self.n_known += 1
                return
        for name, cost in training.costs.items():
            check_name(name, "cost")
            if not (math.isfinite(cost) and cost >= 0):
                raise InvalidInputError(f"the cost {name!r} is a number from 0, not {cost}.")
        self.new[request.key] = FittingResult(request, scores, dict(training.costs))

    def _network_of(self, training: FinishedTraining) -> Network:
        unknown = [task for task in training.tasks if task not in self._tasks]
        if unknown:
            names = ", ".join(repr(task[:80]) for task in unknown[:3])
            raise InvalidInputError(
                f"the search has no task {names}. Its tasks: {', '.join(list(self._tasks)[:20])}."
            )
        group = frozenset(training.tasks)
        if not group or len(group) < len(training.tasks):
            raise InvalidInputError("name each task of the group once.")
        size = self._size_of(training.size)
        found = self._find(group, size)
        if found is None:
            raise InvalidInputError(self._why_no_candidate(group, size))
        if group in self._refused:
            raise InvalidInputError(self._refused[group])
        return found

    def _find(self, group: frozenset[str], size: float) -> Network | None:
        if self._candidates is not None:
            return self._candidates.get(NetworkKey(group, size))
        return self._terms.candidates.find(group, size)

    def _size_of(self, size: float | str) -> float:
        if not isinstance(size, str):
            return float(size)
        numbers = {name: number for number, name in self._size_names.items()}
        if size in numbers:
            return numbers[size]
        known = ", ".join(numbers) or "none, they are numbers"
        raise InvalidInputError(f"no size has the name {size[:80]!r}. Names of sizes: {known}.")

    def _why_no_candidate(self, group: frozenset[str], size: float) -> str:
        candidates = self._terms.candidates
        sizes = [1.0, *(other for other in candidates.single_sizes if other != 1)]
        if size not in sizes:
            named = [
                f"{other:g} ({self._size_names[other]})" if other in self._size_names else f"{other:g}"
                for other in sizes
            ]
            return f"the search has no size {size:g}. Its sizes: {', '.join(named)}."
        if len(group) > candidates.max_group_size:
            return f"groups of the search have at most {candidates.max_group_size} tasks."
        if len(group) > 1 and size != 1:
            return "groups of several tasks have the full size in the search."
        return "the constraints of the search rule it out, so it is no candidate."

    def _scores_of(self, training: FinishedTraining) -> tuple[TaskScore, ...]:
        group = set(training.tasks)
        for what, values in (("validation", training.validation), ("test", training.test)):
            if foreign := sorted(set(values) - group):
                raise InvalidInputError(f"it has a {what} value of {foreign[0][:80]!r}, outside its group.")
            missing = [task for task in training.tasks if task not in values]
            if missing and what == "validation":
                raise InvalidInputError(
                    f"the value of {missing[0][:80]!r} is missing or not finite; a training has one for each "
                    "task of its group."
                )
            for task, value in values.items():
                if not math.isfinite(value):
                    raise InvalidInputError(f"the {what} value of {task[:80]!r} is not finite.")
        order = [name for name in self._tasks if name in group]
        return tuple(self._score(name, training.validation[name], training.test.get(name)) for name in order)

    def _score(self, name: str, value: float, tested: float | None) -> TaskScore:
        task = self._tasks[name]
        if not task.has_values:
            return TaskScore(name, value, tested)
        # `Task.loss_of` is its own inverse: it gives the loss of a value, and the value of a loss.
        other, other_tested = task.loss_of(value), None if tested is None else task.loss_of(tested)
        if self._values is ResultValues.LOSSES:
            return TaskScore(name, value, tested, other, other_tested)
        return TaskScore(name, other, other_tested, value, tested)

    def _with_seed(self, network: Network, seed: int) -> TrialRequest:
        seeds = self._terms.search_seeds
        if seed not in seeds:
            shown = ", ".join(map(str, seeds[:8])) + (", ..." if len(seeds) > 8 else "")
            raise InvalidInputError(
                f"the search has no seed {seed}. Its seeds: {shown}. A result without a seed takes the next "
                "of them; a search with more seeds has more."
            )
        return TrialRequest(network, seed)

    def _next_seed(self, network: Network, scores: tuple[TaskScore, ...]) -> TrialRequest | None:
        """Return the trial of the first seed without a result; None if the values are known."""
        requests = [TrialRequest(network, seed) for seed in self._terms.search_seeds]
        if any(self._has(request, scores) for request in requests):
            return None
        for request in requests:
            before = self._known.get(request.key)
            if request.key not in self.new and (before is None or _is_open(before)):
                return request
        raise InvalidInputError(
            f"every one of the {len(requests)} seeds of the search has a result, or is in training."
        )

    def _is_known(self, request: TrialRequest, scores: tuple[TaskScore, ...]) -> bool:
        """Tell whether the search has the same values for a trial.

        Raises:
            InvalidInputError: if it has others, or is about to.
        """
        if self._has(request, scores):
            return True
        if request.key in self.new:
            raise InvalidInputError("it is told twice, with other values.")
        before = self._known.get(request.key)
        if before is None or _is_open(before):
            return False
        raise InvalidInputError(_why_closed(before))

    def _has(self, request: TrialRequest, scores: tuple[TaskScore, ...]) -> bool:
        before, told = self._known.get(request.key), self.new.get(request.key)
        there = told.scores if told is not None else before.scores if before is not None else ()
        return bool(there) and _are_same(there, scores)


def _is_open(trial: Trial) -> bool:
    """Tell whether a result from outside can take the place of a trial."""
    return trial.state in _OPEN and not trial.measures_affinity and trial.told is None


def _why_closed(trial: Trial) -> str:
    if trial.state is TrialState.RUNNING:
        return "it is in training now."
    if trial.measures_affinity and not trial.state.is_final:
        return "the search measures affinities in its training, which no result from outside has."
    if trial.state is TrialState.SUCCEEDED:
        return "the search has other values for it."
    return f"the search has it as {trial.state}: {trial.error or 'no reason was given'}"


def _are_same(there: Sequence[TaskScore], told: Sequence[TaskScore]) -> bool:
    """Compare losses of validation, and of test where both have them."""
    losses = {score.task: score for score in there}
    return len(there) == len(told) and all(
        score.task in losses
        and score.validation_loss == losses[score.task].validation_loss
        and (
            score.test_loss is None
            or losses[score.task].test_loss is None
            or score.test_loss == losses[score.task].test_loss
        )
        for score in told
    )
