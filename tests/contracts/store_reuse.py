"""Outcomes copied from other jobs, and what was spent, on any database."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

import numpy as np
import pytest

from grouping.domain.affinities.joint_runs import MASK_OVERLAP
from grouping.domain.jobs.job import Job, JobState, Ledger
from grouping.domain.jobs.reuse import count_reusable
from grouping.domain.trainings.recipes import Method
from grouping.domain.trainings.trials import Purpose, TrialRequest, TrialState
from grouping.store import Claim, Store
from tests.contracts.scenarios import (
    DEPTH,
    DIVERGED,
    PAIR,
    SMALL_EDGES,
    SPEC,
    TASKS,
    claim,
    crash_everywhere,
    everything,
    finished_source,
    prepare,
    requests,
    submit,
    train,
)
from tests.contracts.store_affinities import JOINT, joint_outcome
from tests.recipes import by, recipe_in

SEARCH = requests(DEPTH, PAIR, seeds=2)
CONFIRM = [TrialRequest(DEPTH.network, 500, purpose=Purpose.CONFIRMATION)]


def reuser(store: Store, *sources: Job) -> Claim:
    """A prepared job that may copy from others."""
    job = submit(store, reuse_jobs=tuple(source.id for source in sources))
    held = claim(store)
    assert held.job.id == job.id
    prepare(store, held)
    store.enter_state(held, JobState.RUNNING)
    return held


def copy(store: Store, held: Claim, wanted: list[TrialRequest]) -> int:
    return store.plan_reused(held, wanted, planned_epochs=[10] * len(wanted))


def joint_job(store: Store, *sources: str) -> Claim:
    """A prepared job with the network of all tasks."""
    submit(store, reuse_jobs=sources)
    held = claim(store)
    prepare(store, held)
    store.add_networks(held, [JOINT])
    store.enter_state(held, JobState.RUNNING)
    return held


class ReuseContract:
    """What every store does with outcomes that another job knows."""

    def test_a_copied_outcome_is_that_of_the_other_job_and_costs_nothing(self, store: Store) -> None:
        source = finished_source(store, SEARCH)
        held = reuser(store, source)
        assert copy(store, held, SEARCH) == len(SEARCH)
        theirs, ours = store.trials(source.id), store.trials(held.job.id)
        assert [t.scores for t in ours] == [t.scores for t in theirs]
        assert [(t.epochs, t.seconds) for t in ours] == [(t.epochs, t.seconds) for t in theirs]
        assert [t.reused_from for t in ours] == [(source.id, t.id) for t in theirs]
        assert {(t.state, t.attempts) for t in ours} == {(TrialState.SUCCEEDED, 0)}
        assert store.ledger(held.job.id) == Ledger(0, 0, 0.0)
        tables = [store.score_table(job.score_table_id) for job in (held.job, source)]
        np.testing.assert_array_equal(tables[0].validation_losses, tables[1].validation_losses)

    def test_a_copy_outlives_its_original(self, store: Store) -> None:
        source = finished_source(store, SEARCH)
        held = reuser(store, source)
        copy(store, held, SEARCH)
        before = store.trials(held.job.id)
        store.delete_job(source.id)
        assert store.trials(held.job.id) == before
        assert [s.obstacle for s in store.reuse_sources(held.job.id)] == ["it was deleted"]
        assert copy(store, held, CONFIRM) == 0

    def test_a_copy_of_a_copy_names_where_it_was_trained(self, store: Store) -> None:
        source = finished_source(store, SEARCH)
        held = reuser(store, source)
        copy(store, held, SEARCH)
        store.enter_state(held, JobState.SUCCEEDED)
        again = reuser(store, store.get_job(held.job.id))
        copy(store, again, SEARCH)
        assert {t.reused_from[0] for t in store.trials(again.job.id) if t.reused_from} == {source.id}

    def test_affinities_are_copied_where_they_are_wanted(self, store: Store) -> None:
        wanted = [TrialRequest(JOINT.network, 0, measures_affinity=True)]
        held = joint_job(store)
        store.plan_trials(held, wanted, planned_epochs=[10])
        (trial,) = store.trials(held.job.id)
        train(store, held, trial, joint_outcome(1))
        source = store.get_job(held.job.id)
        theirs = store.affinities(source.score_table_id)
        assert theirs
        store.enter_state(held, JobState.SUCCEEDED)
        for requested, is_wanted in ((wanted, True), ([TrialRequest(JOINT.network, 0)], False)):
            copier = joint_job(store, source.id)
            assert copy(store, copier, requested) == 1
            ours = store.affinities(copier.job.score_table_id)
            assert set(ours) == (set(theirs) if is_wanted else {MASK_OVERLAP}), "masks ask for nothing"
            for method, matrix in ours.items():
                np.testing.assert_array_equal(matrix.values, theirs[method].values)
            store.enter_state(copier, JobState.SUCCEEDED)

    def test_a_diverged_training_is_not_tried_again(self, store: Store) -> None:
        source = finished_source(store, SEARCH[:1], DIVERGED)
        held = reuser(store, source)
        assert copy(store, held, SEARCH) == 1
        (trial,) = store.trials(held.job.id)
        assert (trial.state, trial.error, trial.scores) == (TrialState.DIVERGED, DIVERGED.error, ())

    def test_a_search_seed_never_becomes_a_confirmation_and_back(self, store: Store) -> None:
        source = finished_source(store, [*SEARCH, *CONFIRM])
        held = reuser(store, source)
        swapped = [replace(r, purpose=Purpose.CONFIRMATION) for r in SEARCH]
        swapped += [replace(r, purpose=Purpose.SEARCH) for r in CONFIRM]
        assert copy(store, held, swapped) == 0
        assert copy(store, held, [*SEARCH, *CONFIRM]) == len(SEARCH) + 1

    def test_only_what_is_the_same_in_every_respect_is_copied(self, store: Store) -> None:
        source = finished_source(store, SEARCH)
        held = reuser(store, source)
        others = [
            TrialRequest(SMALL_EDGES.network, 0),
            TrialRequest(DEPTH.network, 2),
            TrialRequest(DEPTH.network, 0, fidelity=0.5),
            TrialRequest(PAIR.network, 0, measures_affinity=True),
        ]
        assert copy(store, held, others) == 0
        assert store.trials(held.job.id) == ()

    def test_copying_again_adds_nothing(self, store: Store) -> None:
        source = finished_source(store, SEARCH)
        held = reuser(store, source)
        copy(store, held, SEARCH)
        before = everything(store)
        assert copy(store, held, SEARCH) == 0
        assert everything(store) == before

    def test_a_crash_while_copying_leaves_nothing_or_all(self, store: Store) -> None:
        source = finished_source(store, SEARCH)
        held = reuser(store, source)
        assert crash_everywhere(store, lambda: copy(store, held, SEARCH)) > 3

    @pytest.mark.parametrize(
        ("spec", "digest", "recipe", "obstacle"),
        [
            ({"problem": "another"}, "0f", {}, "another problem"),
            ({}, "1e", {}, "data changed"),
            ({}, "0f", {"epochs": 3}, "epochs 25 there and 3 here"),
            ({}, "0f", {"hidden": (8, 8)}, "hidden 32x32 there and 8x8 here"),
            ({}, "0f", {"sharing": Method("soft", {"strength": 1})}, "hard there and soft (strength 1) here"),
            ({"seed": 4}, "0f", {}, "its seed is 0 and this job's is 4"),
        ],
    )
    def test_nothing_is_copied_where_training_would_differ_and_the_reason_is_said(
        self,
        store: Store,
        spec: dict[str, object],
        digest: str,
        recipe: dict[str, object],
        obstacle: str,
    ) -> None:
        source = finished_source(store, SEARCH)
        wanted = replace(SPEC, reuse_jobs=(source.id,), **spec)  # type: ignore[arg-type]
        store.create_job(wanted, TASKS)
        held = claim(store)
        changed = replace(recipe_in(SPEC), **recipe)  # type: ignore[arg-type]
        store.record_preparation(held, data_digest=digest, versions={}, settled={"recipe": asdict(changed)})
        store.add_networks(held, [DEPTH, PAIR])
        assert copy(store, held, SEARCH) == 0
        assert not store.reusable_trials(held.job.id)
        (found,) = store.reuse_sources(held.job.id)
        assert found.obstacle is not None
        assert obstacle in found.obstacle

    def test_what_saw_the_same_data_is_copied_between_versions_of_a_data_set(self, store: Store) -> None:
        def data(targets: str, inputs: str = "i", split: str = "s", n_rows: int = 9) -> dict[str, Any]:
            found = {"depth": targets[0], "edges": targets[1], "scene": targets[2]}
            return {"data": {"inputs": inputs, "split": split, "targets": found, "n_rows": n_rows}}

        def prepared(problem: str, digest: str, settled: dict[str, Any], *reuse: str) -> Claim:
            store.create_job(replace(SPEC, problem=problem, reuse_jobs=reuse), TASKS)
            held = claim(store)
            store.enter_state(held, JobState.PREPARING)
            store.record_preparation(held, data_digest=digest, versions={}, settled=settled)
            store.add_networks(held, [DEPTH, PAIR])
            store.enter_state(held, JobState.RUNNING)
            return held

        first = prepared("rooms:1", "0f", data("abc"))
        store.plan_trials(first, SEARCH, planned_epochs=[10] * len(SEARCH))
        for trial in store.trials(first.job.id):
            train(store, first, trial)
        store.enter_state(first, JobState.SUCCEEDED)
        source = first.job.id

        added = prepared("rooms:2", "1e", data("abx"), source)
        assert copy(store, added, SEARCH) == len(SEARCH)
        relabelled = prepared("rooms:3", "2d", data("axc"), source)
        assert copy(store, relabelled, SEARCH) == 2, "of depth alone"
        for problem, settled, obstacle in (
            ("rooms:4", data("abc", n_rows=12), "9 rows then and 12 now"),
            ("rooms:5", data("abc", inputs="j"), "its inputs are others"),
            ("rooms:6", data("abc", split="t"), "divided"),
            ("rooms:7", {}, "the data changed since"),
            ("halls:8", data("abc"), "another problem"),
        ):
            held = prepared(problem, "3c", settled, source)
            assert copy(store, held, SEARCH) == 0
            (found,) = store.reuse_sources(held.job.id)
            assert found.obstacle is not None
            assert obstacle in found.obstacle

    def test_a_task_of_another_definition_is_trained_again(self, store: Store) -> None:
        source = finished_source(store, SEARCH)
        tasks = (TASKS[0], replace(TASKS[1], metric=None), TASKS[2].with_weight(5.0))
        store.create_job(replace(SPEC, reuse_jobs=(source.id,)), tasks)
        held = claim(store)
        prepare(store, held)
        assert copy(store, held, SEARCH) == 2
        assert {t.network.group for t in store.trials(held.job.id)} == {frozenset({"depth"})}

    def test_what_is_known_of_the_search_is_counted(self, store: Store) -> None:
        source = finished_source(store, [*SEARCH, *CONFIRM])
        held = reuser(store, source)
        known = store.reusable_trials(held.job.id)
        assert len(known) == len(SEARCH) + 1
        assert count_reusable(held.job.spec, known) == (4, 10 * 3)

    def test_spending_tells_what_was_trained_from_what_was_copied(self, store: Store) -> None:
        source = finished_source(store, requests(DEPTH))
        held = reuser(store, source)
        copy(store, held, requests(DEPTH))
        store.plan_trials(held, SEARCH, planned_epochs=[10] * 4)
        own = store.trials(held.job.id, states={TrialState.PLANNED})
        train(store, held, own[-1])
        single, pair = store.spending(held.job.id)
        assert (single.group_size, pair.group_size) == (1, 2)
        assert (single.trainings, single.reused, single.reused_epochs, single.planned) == (0, 1, 10, 1)
        assert (pair.trainings, pair.attempts, pair.epochs, pair.seconds) == (1, 1, 10, 1.5)
        assert (pair.networks, pair.planned) == (1, 1)
        assert (single.reserved_epochs, pair.reserved_epochs) == (10, 20), "a copy costs nothing"
        rows, after = store.network_spending(held.job.id, limit=1)
        assert ([row.network for row in rows], after) == (["depth"], 0)
        rows, after = store.network_spending(held.job.id, limit=1, after=after)
        assert ([row.network for row in rows], after) == (["depth+edges"], None)

    def test_training_times_are_measured_on_what_was_trained_alike(self, store: Store) -> None:
        source = finished_source(store, SEARCH)
        held = reuser(store, source)
        copy(store, held, SEARCH)
        rates, n_jobs = store.training_rates(SPEC)
        assert n_jobs == 1, "a job that only copied has measured nothing"
        assert (rates[1, 1.0].trainings, rates[1, 1.0].epochs, rates[1, 1.0].seconds) == (2, 20, 3.0)
        others = [
            replace(SPEC, problem="another"),
            replace(SPEC, trainer_parameters=by(replace(recipe_in(SPEC), hidden=(4,)))),
            replace(SPEC, trainer_parameters=by(replace(recipe_in(SPEC), sharing=Method("soft")))),
            replace(SPEC, trainer="ridge"),
        ]
        assert [store.training_rates(other) for other in others] == [({}, 0)] * 4
        longer = replace(recipe_in(SPEC), epochs=99, learning_rate=0.1)
        assert store.training_rates(replace(SPEC, trainer_parameters=by(longer)))[1] == 1

    def test_what_another_trainer_or_the_same_with_other_parameters_scored_is_not_copied(
        self, store: Store
    ) -> None:
        ridge: dict[str, Any] = {"trainer": "ridge", "trainer_parameters": {"n_hidden": 8}}
        source = finished_source(store, SEARCH, **ridge)
        assert store.get_job(source.id).spec.trainer_parameters == {"n_hidden": 8}

        def obstacle(**fields: object) -> str | None:
            spec = replace(SPEC, reuse_jobs=(source.id,), **fields)  # type: ignore[arg-type]
            (found,), known = store.reusable_for(spec, TASKS)
            assert bool(known) is (found.obstacle is None)
            return found.obstacle

        assert obstacle(**ridge) is None
        assert obstacle() == "its trainer is ridge and this job's is built-in"
        other = {"trainer": "ridge", "trainer_parameters": {"n_hidden": 9}}
        assert obstacle(**other) == "it was trained otherwise: n hidden 8 there and 9 here"

    def test_what_a_trainer_settled_otherwise_is_trained_again(self, store: Store) -> None:
        ridge: dict[str, Any] = {"trainer": "ridge", "trainer_parameters": {"n_hidden": 8}}
        source = finished_source(store, SEARCH, **ridge)
        store.create_job(replace(SPEC, reuse_jobs=(source.id,), **ridge), TASKS)
        held = claim(store)
        assert store.reusable_trials(held.job.id), "before it is prepared it may settle the same"
        store.record_preparation(held, data_digest="0f", versions={}, settled={"solver": "cg"})
        assert not store.reusable_trials(held.job.id)
        (found,) = store.reuse_sources(held.job.id)
        assert found.obstacle == "it was trained otherwise: solver none there and cg here"
