"""The store's contract on jobs that define their tasks and sizes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from grouping.domain.jobs.job import Job, JobState
from grouping.domain.jobs.specification import JobSpec
from grouping.domain.jobs.task_definitions import Better, SizeVariant, TaskDefinition
from grouping.domain.networks import MeasuredNetwork, Network
from grouping.domain.tasks import Scale
from grouping.domain.trainings.trials import Purpose, TaskScore, TrialOutcome, TrialState
from grouping.store import Store
from tests.contracts.scenarios import claim, plan, requests

WEAR = TaskDefinition("wear", metric="accuracy", unit="%", direction=Better.HIGHER, best=100.0)
HEAT = TaskDefinition("heat", scale=2.5, reference=0.25, must_not_worsen=True)
FULL, SMALL = SizeVariant("big", 1.0, costs={"memory": 8.0}), SizeVariant("small", 0.5, costs={"memory": 3.0})
DEFINED = JobSpec("", ("wear", "heat"), trainer="mine", definitions=(WEAR, HEAT), sizes=(FULL, SMALL))
ALONE, PAIR = (MeasuredNetwork(Network.of(*group)) for group in (("wear",), ("heat", "wear")))
SMALLER = MeasuredNetwork(Network.of("heat", size=0.5))
VALUES = {"wear": 80.0, "heat": 0.5}


def trained(store: Store, *networks: MeasuredNetwork) -> Job:
    """A job of which these networks are trained with one seed, each to the values above."""
    job, _ = store.create_job(DEFINED, [WEAR.task(), HEAT.task()])
    held = claim(store)
    store.enter_state(held, JobState.PREPARING)
    store.record_preparation(held, data_digest="0f", versions={})
    store.add_networks(held, (ALONE, PAIR, SMALLER))
    store.enter_state(held, JobState.RUNNING)
    for trial in plan(store, held, requests(*networks)):
        store.start_trial(held, trial.id)
        scores = tuple(TaskScore(task, VALUES[task], VALUES[task]) for task in sorted(trial.network.group))
        store.record_outcome(held, trial.id, TrialOutcome(TrialState.SUCCEEDED, scores))
    return job


class DefinedContract:
    """Jobs that define their tasks: stored as asked for, with losses in place of reported values."""

    def test_a_job_comes_back_with_its_definitions_and_so_do_its_tasks(self, store: Store) -> None:
        job, _ = store.create_job(DEFINED, [WEAR.task(), HEAT.task()])
        assert store.get_job(job.id).spec == DEFINED
        info = store.get_table_info(job.score_table_id)
        assert info.tasks == (WEAR.task(), HEAT.task())
        assert info.cost_names == ("memory",)
        assert store.list_tables().items == (info,)

    def test_reported_values_are_losses_in_the_table_and_stay_as_metrics(self, store: Store) -> None:
        job = trained(store, PAIR)
        table = store.score_table(job.score_table_id)
        assert table.validation.tolist() == table.test.tolist() == [[20.0, 0.5]]
        (trial,) = store.trials(job.id)
        assert trial.scores == (TaskScore("wear", 20, 20, 80, 80), TaskScore("heat", 0.5, 0.5, 0.5, 0.5))

    def test_scales_are_measured_in_the_search_and_used_for_the_confirmation_too(self, store: Store) -> None:
        job = trained(store, ALONE, PAIR)
        assert [task.scale for task in store.score_table(job.score_table_id).tasks] == [20.0, 2.5]
        fresh = store.score_table(job.score_table_id, purpose=Purpose.CONFIRMATION)
        assert [task.scale for task in fresh.tasks] == [20.0, 2.5]
        assert store.get_table_info(job.score_table_id).tasks[0].scale is Scale.SINGLE

    def test_further_costs_are_those_of_the_sizes(self, store: Store) -> None:
        job = trained(store, PAIR, SMALLER)
        costs = store.score_table(job.score_table_id).other_costs
        assert {name: values.tolist() for name, values in costs.items()} == {"memory": [8.0, 3.0]}
        priced = store.score_table(job.score_table_id).priced_by("memory")
        assert np.allclose(priced.costs_snt, [8.0, 3.0])

    @pytest.mark.parametrize(
        ("change", "is_reused"),
        [
            ({}, True),
            ({"weight": 3.0, "scale": Scale.NONE, "reference": 1.0, "must_not_worsen": True}, True),
            ({"best": 99.0}, False),
            ({"direction": Better.LOWER}, False),
        ],
    )
    def test_outcomes_are_copied_where_tasks_are_defined_alike_but_for_what_they_count(
        self, store: Store, change: dict[str, object], is_reused: bool
    ) -> None:
        source = trained(store, ALONE)
        tasks = (replace(WEAR, **change), HEAT)  # type: ignore[arg-type]
        wanted = replace(DEFINED, definitions=tasks, reuse_jobs=(source.id,))
        _, known = store.reusable_for(wanted, [definition.task() for definition in tasks])
        assert (len(known) == 1) is is_reused

    def test_nothing_is_copied_between_sizes_of_other_names(self, store: Store) -> None:
        source = trained(store, ALONE)
        wanted = replace(DEFINED, sizes=(FULL, replace(SMALL, name="tiny")), reuse_jobs=(source.id,))
        ((found,), known) = store.reusable_for(wanted, [WEAR.task(), HEAT.task()])
        assert (found.obstacle, known) == ("its sizes are not those of this job", {})
