"""Preparation of a study: its trainer, what that can answer, and what networks cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from grouping.domain.jobs.search_state import SearchTerms
from grouping.domain.networks import Candidates, Network
from grouping.errors import InvalidInputError
from grouping.problems.problem import Problem
from grouping.study.plan import PlannedTraining, StudyOptions, size_alone
from grouping.study.records import StudyFinding
from grouping.trainers import LocalPool, PreparedTrainer, TrainerJob, TrainerRequest, get_trainer

Planned = tuple[PlannedTraining, ...]


class StudyTrainer:
    """The trainer of a study, prepared as it was asked for; others of its kind follow from it.

    Args:
        problem: the problem.
        name: name of the trainer.
        asked: parameters of the trainer; those left out are its own or those of the problem.

    Attributes:
        base: trains on all rows, without a source.
        parameters: parameters in use, after what the trainer tried first.

    Raises:
        UnknownNameError, InvalidInputError: if there is no such trainer, or it refuses the parameters.
        GroupingError: if it cannot be prepared.
    """

    def __init__(self, problem: Problem, name: str, asked: Mapping[str, Any]) -> None:
        self._trainer = get_trainer(name, asked)
        if self._trainer.trains_elsewhere:
            raise InvalidInputError(
                f"The trainer {name} has workers that ask a service for trainings. A study trains on this "
                "machine without one: choose another trainer.",
                pointer="/trainer/name",
            )
        self._names = tuple(task.name for task in problem.tasks)
        request = TrainerRequest(problem.name, problem.tasks, len(problem.tasks), asked)
        # Told of one seed, it settles nothing that makes the scores of a seed depend on other seeds.
        terms = SearchTerms(Candidates.of(self._names, max_group_size=2), (1.0,))
        self._job = TrainerJob(problem.name, self._names, terms, self._trainer.complete(request))
        self.base = PreparedTrainer.of(self._trainer, self._job)
        self.parameters = self._trainer.in_use(self._job.parameters, self.base.prepared.settled)

    def answerable(self, options: StudyOptions) -> tuple[StudyOptions, tuple[StudyFinding, ...]]:
        """Return the options without what the trainer cannot do, and the questions left out, with the reason.

        Raises:
            InvalidInputError: if the trainer could, but not with these parameters or shares.
        """
        left_out = []
        shares = [share for share in options.shares if share != 1]
        if None in [self._trainer.on_share(self.parameters, share) for share in shares]:
            reason = f"The trainer {self._trainer.name} cannot train on a share of the training rows."
            options = replace(options, shares=(1.0,))
            left_out.append(StudyFinding("data", reason))
        if None in [self._trainer.from_source(self.parameters, source) for source in self._names]:
            reason = (
                f"The trainer {self._trainer.name} cannot train a task from what another one has learned."
            )
            options = replace(options, has_transfers=False)
            left_out.append(StudyFinding("transfer", reason))
        return options, tuple(left_out)

    def costs_snt(self, plan: Sequence[PlannedTraining]) -> tuple[float, float]:
        """Measure the cost of all small networks of one task, and of the one of all.

        Raises:
            InvalidInputError: if a network of the plan cannot be built.
        """
        small = [Network.of(name, size=size_alone(len(self._names))) for name in self._names]
        every = list(dict.fromkeys([*small, Network.of(*self._names), *(one.network for one in plan)]))
        costs = {}
        for network, measured in zip(every, self.base.trainer.measure(every, LocalPool()), strict=True):
            if measured is None:
                raise InvalidInputError(
                    f"The trainer {self._trainer.name} cannot build the network {network}, which the study "
                    "needs. Choose other sizes, or a wider full-size network."
                )
            costs[network] = measured.network.cost_snt
        return sum(costs[network] for network in small), costs[Network.of(*self._names)]

    def variants(self, plan: Sequence[PlannedTraining]) -> list[tuple[PreparedTrainer, Planned]]:
        """Divide the plan by the rows and the source that trainings have, each part with its trainer.

        What takes most epochs in all comes first.
        """
        kinds: dict[tuple[float, str | None], list[PlannedTraining]] = {}
        for one in plan:
            kinds.setdefault((one.share, one.source), []).append(one)
        found: list[tuple[float, PreparedTrainer, Planned]] = []
        for (share, source), trainings in kinds.items():
            trainer = self._variant(share, source)
            n_epochs = sum(trainer.planner.epochs_of(len(one.network.group), 1.0) for one in trainings)
            found.append((share * n_epochs, trainer, tuple(trainings)))
        return [(trainer, trainings) for _, trainer, trainings in sorted(found, key=lambda each: -each[0])]

    def _variant(self, share: float, source: str | None) -> PreparedTrainer:
        """Prepare the trainer for a share of the rows or a transfer; no training of a plan is both."""
        if source is not None:
            parameters = self._trainer.from_source(self.parameters, source)
        elif share != 1:
            parameters = self._trainer.on_share(self.parameters, share)
        else:
            return self.base
        assert parameters is not None, "the plan has only what is answerable"
        return PreparedTrainer.of(self._trainer, replace(self._job, parameters=parameters))
