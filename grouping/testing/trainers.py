"""Test contract of trainers: inherit `TrainerContract`, and name the trainer."""

from __future__ import annotations

import json
import math
import pickle
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

from grouping.domain.jobs.search_state import SearchTerms
from grouping.domain.networks import Candidates, Network
from grouping.domain.tasks import Task
from grouping.domain.trainings.trials import TaskScore, Trial, TrialOutcome, TrialRequest, TrialState
from grouping.trainers import LocalPool, PreparedTrainer, Trainer, TrainerJob, TrainerRequest


class PlannedTrainerContract:
    """Tests of what a trainer says where jobs are planned and prepared: all there is if it trains elsewhere.

    Attributes:
        trainer: the class of the trainer.
        problem: name of a problem that it can train.
        tasks: at least two tasks of the problem.
        parameters: parameters of the trainer, such that a training is short.
        is_repeatable: whether it promises the same scores for the same request.
        fidelities: fidelities that it can be asked for.
    """

    trainer: ClassVar[type[Trainer]]
    problem: ClassVar[str] = "any"
    tasks: ClassVar[tuple[str, ...]] = ("a", "b")
    parameters: ClassVar[Mapping[str, Any]] = {}
    is_repeatable: ClassVar[bool] = True
    fidelities: ClassVar[tuple[float, ...]] = (1.0,)

    def new_trainer(self, settled: Mapping[str, Any] | None = None) -> Trainer:
        """Build the trainer as it is before the job is prepared, or after."""
        terms = SearchTerms(Candidates.of(self.tasks), (1.0, 2.0), (0, 1))
        return self.trainer(TrainerJob(self.problem, self.tasks, terms, self.parameters, settled=settled))

    def completed(self, parameters: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return parameters as the trainer completes them for a job; the tasks are those of the problem."""
        tasks = tuple(self.task(name) for name in self.tasks)
        return self.trainer.complete(TrainerRequest(self.problem, tasks, len(tasks), parameters))

    def task(self, name: str) -> Task:
        """Return the definition of a task; write your own where your trainer asks for more than its name."""
        return Task.regression(name)

    def requests(self) -> list[TrialRequest]:
        """Request a network of each task, and one of all tasks, at each fidelity."""
        networks = [*(Network.of(task) for task in self.tasks), Network.of(*self.tasks)]
        return [TrialRequest(n, 0, fidelity) for fidelity in self.fidelities for n in networks]

    # --- where a job is submitted, or others are compared with it

    def test_parameters_that_were_completed_are_json_and_complete(self) -> None:
        once = self.completed(self.parameters)
        assert json.loads(json.dumps(self.completed(once))) == json.loads(json.dumps(once))

    def test_the_parameters_in_use_give_what_scores_depend_on(self) -> None:
        parameters = self.completed(self.parameters)
        settled = self.new_trainer().prepare(LocalPool()).settled
        used = self.completed(self.trainer.in_use(parameters, settled))
        assert json.loads(json.dumps(self.trainer.in_use(used, None))) == json.loads(json.dumps(used))
        told = self.trainer.scores_depend_on(parameters, settled)
        known = self.trainer.scores_depend_on(used, None)
        assert told is not None, "a prepared job knows"
        assert known is not None, "nothing is settled anew with the parameters in use"
        assert known.items() <= told.items()
        assert isinstance(self.trainer.in_words(parameters, settled), str)
        json.dumps([told, self.trainer.durations_depend_on(parameters, settled)])

    # --- where the job is planned

    def test_it_has_a_name_for_jobs_and_one_for_people(self) -> None:
        assert self.trainer.name == self.trainer.name.strip().lower() != ""
        assert self.trainer.title
        assert self.trainer.description.endswith(".")

    def test_epochs_are_counted_and_a_shorter_training_counts_no_more(self) -> None:
        trainer = self.new_trainer()
        for n_tasks in range(1, len(self.tasks) + 1):
            counts = [trainer.epochs_of(n_tasks, fidelity) for fidelity in (0.2, 0.5, 1.0)]
            assert all(isinstance(count, int) and count >= 1 for count in counts)
            assert counts == sorted(counts)

    def test_every_planned_trial_is_in_one_stack(self) -> None:
        planned = [Trial.planned(n, request) for n, request in enumerate(self.requests())]
        for n_workers in (1, 3):
            stacks = self.new_trainer().stacks(planned, n_workers)
            assert all(stack.trials for stack in stacks)
            found = [trial.id for stack in stacks for trial in stack.trials]
            assert sorted(found, key=int) == [trial.id for trial in planned]
        assert self.new_trainer().stacks([], 1) == []

    # --- where it is prepared

    def test_what_it_settles_is_json_and_stays_when_the_job_is_prepared_again(self) -> None:
        first = self.new_trainer().prepare(LocalPool())
        assert first.fingerprint
        settled = json.loads(json.dumps(first.settled))
        again = self.new_trainer(settled).prepare(LocalPool())
        assert again.fingerprint == first.fingerprint
        assert json.loads(json.dumps(again.settled)) == settled
        assert json.loads(json.dumps([dict(data) for _, data in first.events])) is not None

    def test_a_network_is_measured_with_its_identity_and_a_positive_cost(self) -> None:
        trainer = self.prepared()
        networks = [request.network for request in self.requests()[: len(self.tasks) + 1]]
        measured = trainer.measure(networks, LocalPool())
        assert len(measured) == len(networks)
        assert any(found is not None for found in measured)
        for network, found in zip(networks, measured, strict=True):
            if found is not None:
                assert found.network.key == network.key
                assert found.network.cost_snt > 0
        again = trainer.measure(networks, LocalPool())
        assert [found and found.network for found in measured] == [found and found.network for found in again]

    def prepared(self) -> Trainer:
        """Return the trainer of the job, prepared."""
        settled = self.new_trainer().prepare(LocalPool()).settled
        trainer = self.new_trainer(settled)
        trainer.prepare(LocalPool())
        return trainer


class TrainerContract(PlannedTrainerContract):
    """Tests of one trainer that trains, on a small job that takes seconds; see `PlannedTrainerContract`."""

    def test_what_workers_are_built_from_travels_to_other_processes(self) -> None:
        setup = self.prepared().setup()
        copy = pickle.loads(pickle.dumps(setup))  # nosec B301 # of our own process
        assert copy.key == setup.key
        request = self.requests()[0]
        self.check(LocalPool().worker(copy).train([request]), [request])

    # --- what a study asks beyond networks and seeds

    def test_what_it_varies_for_a_study_is_trained_by_other_workers(self) -> None:
        parameters = self.trainer.in_use(
            self.completed(self.parameters), self.new_trainer().prepare(LocalPool()).settled
        )
        varied = [self.trainer.on_share(parameters, 0.5), self.trainer.from_source(parameters, self.tasks[0])]
        keys = {self.prepared().setup().key}
        for other in varied:
            if other is not None:
                assert json.loads(json.dumps(self.completed(other))) == json.loads(json.dumps(other))
                job = replace(self.new_trainer().job, parameters=other)
                found = PreparedTrainer.of(self.trainer, job)
                assert found.trainer.setup().key not in keys
                keys.add(found.trainer.setup().key)
                request = TrialRequest(Network.of(*self.tasks[:2]), 0)
                self.check(LocalPool().worker(found.trainer.setup()).train([request]), [request])

    # --- where it is trained

    def test_each_request_has_an_outcome_with_a_score_for_each_task(self, tmp_path: Path) -> None:
        requests = self.requests()
        trainer = self.prepared()
        worker = LocalPool().worker(trainer.setup())
        keys = {str(n): request for n, request in enumerate(requests)}
        planned = [Trial.planned(int(n), request) for n, request in keys.items()]
        for stack in trainer.stacks(planned, 1):
            part = [keys[trial.id] for trial in stack.trials]
            self.check(worker.train(part, tmp_path), part)
        assert all(isinstance(v, str) for v in {**worker.environment(), **worker.remarks(requests)}.values())

    def test_the_same_request_scores_the_same_again_in_a_new_worker_and_in_other_company(self) -> None:
        requests = self.requests()[: len(self.tasks) + 1]
        trainer = self.prepared()
        alone = [LocalPool().worker(trainer.setup()).train([request])[0] for request in requests]
        self.check(alone, requests)
        if self.is_repeatable:
            stacks = trainer.stacks([Trial.planned(n, request) for n, request in enumerate(requests)], 1)
            worker = LocalPool().worker(trainer.setup())
            for stack in stacks:
                places = [int(trial.id) for trial in stack.trials]
                together = worker.train([requests[n] for n in places])
                assert [_scores(outcome) for outcome in together] == [_scores(alone[n]) for n in places]

    def test_a_training_that_is_repeated_in_its_folder_scores_the_same(self, tmp_path: Path) -> None:
        request = self.requests()[-1]
        trainer = self.prepared()
        first, again = (
            LocalPool().worker(trainer.setup()).train([request], tmp_path / "folder")[0] for _ in range(2)
        )
        self.check([first, again], [request, request])
        if self.is_repeatable:
            assert _scores(first) == _scores(again)

    # --- what the tests have in common

    def check(self, outcomes: Sequence[TrialOutcome], requests: Sequence[TrialRequest]) -> None:
        """Assert that every request succeeded, with a finite loss for each task of its group."""
        assert len(outcomes) == len(requests)
        for outcome, request in zip(outcomes, requests, strict=True):
            assert outcome.state is TrialState.SUCCEEDED, outcome.error
            assert {score.task for score in outcome.scores} == request.network.group
            assert all(math.isfinite(score.validation_loss) for score in outcome.scores)
            assert outcome.epochs >= 0
            assert outcome.seconds >= 0


def _scores(outcome: TrialOutcome) -> dict[str, TaskScore]:
    return {score.task: score for score in outcome.scores}
