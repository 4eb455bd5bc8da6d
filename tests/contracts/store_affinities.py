"""What every store does with affinities that joint runs measured."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from alembic import command
from sqlalchemy import select

from grouping.domain.affinities.joint_runs import (
    GRADIENT_METHODS,
    JOINT_METHODS,
    MASK_OVERLAP,
    JointAffinities,
)
from grouping.domain.jobs.job import JobState
from grouping.domain.networks import MeasuredNetwork, Network
from grouping.domain.trainings.faults import LossCause
from grouping.domain.trainings.trials import Purpose, TrialOutcome, TrialRequest
from grouping.errors import InvalidInputError, NotFoundError, SchemaOutdatedError
from grouping.store import Claim, Store, migrate
from grouping.store.migrations.running import configured
from grouping.store.rows import JointAffinityRow
from tests.contracts.scenarios import (
    DIVERGED,
    NAMES,
    PAIR,
    Scene,
    claim,
    crash_everywhere,
    everything,
    plan,
    running_scene,
    submit,
    success,
    train,
)
from tests.tables import random_table

JOINT = MeasuredNetwork(Network.of(*NAMES, cost_snt=1.0), 1000, (32, 32))


def measured(seed: int, tasks: tuple[str, ...] = NAMES) -> JointAffinities:
    """Random affinities of a joint run; the tasks in the order given."""
    generator = np.random.default_rng(seed)
    shape = (len(tasks), len(tasks))
    values = {method: generator.normal(size=shape) for method in GRADIENT_METHODS}
    values[MASK_OVERLAP] = generator.uniform(size=shape)
    return JointAffinities(tasks, values, 7 + seed, np.ones(shape))


def joint_outcome(seed: int) -> TrialOutcome:
    """A success that brings affinities, in an order of tasks that is not the table's."""
    return replace(success(JOINT.network), affinities=measured(seed, tuple(reversed(NAMES))))


def running(store: Store) -> Claim:
    """A claimed job with the joint network and a pair."""
    submit(store)
    held = claim(store)
    store.enter_state(held, JobState.PREPARING)
    store.add_networks(held, [JOINT, PAIR])
    store.enter_state(held, JobState.RUNNING)
    return held


class AffinityContract:
    """Planning joint runs, and reading what they measured."""

    def test_a_trial_comes_back_with_the_wish_to_measure(self, store: Store) -> None:
        held = running(store)
        wanted = [TrialRequest(JOINT.network, 0, measures_affinity=True), TrialRequest(PAIR.network, 0)]
        trials = plan(store, held, wanted)
        assert [trial.measures_affinity for trial in trials] == [True, False]
        store.start_trial(held, trials[0].id)
        store.requeue_trial(held, trials[0].id, "the worker died", LossCause.WITH_WORKER)
        assert [trial.measures_affinity for trial in store.trials(held.job.id)] == [True, False]

    def test_affinities_are_averaged_over_seeds_in_the_order_of_the_table(self, store: Store) -> None:
        held = running(store)
        for trial in plan(
            store, held, [TrialRequest(JOINT.network, s, measures_affinity=True) for s in (0, 1)]
        ):
            train(store, held, trial, joint_outcome(trial.seed))
        found = store.affinities(held.job.score_table_id)
        assert tuple(found) == JOINT_METHODS
        order = [tuple(reversed(NAMES)).index(name) for name in NAMES]
        for method, matrix in found.items():
            both = np.stack([measured(s).values[method][np.ix_(order, order)] for s in (0, 1)])
            off = ~np.eye(len(NAMES), dtype=bool)
            assert matrix.tasks == NAMES
            assert matrix.values[off].tolist() == both.mean(axis=0)[off].tolist()
            assert matrix.standard_errors[off] == pytest.approx(
                both.std(axis=0, ddof=1)[off] / np.sqrt(2), rel=1e-12
            )
            assert np.isnan(np.diag(matrix.values)).all()
            assert matrix.self_values is not None
            assert matrix.self_values.tolist() == np.diag(both.mean(axis=0)).tolist()
            assert matrix.n_networks[off].tolist() == [1] * 6

    def test_what_was_not_measured_comes_back_absent_and_not_as_zero(self, store: Store) -> None:
        held = running(store)
        affinities = measured(0)
        cells = affinities.values["tag"].copy()
        cells[0, 1] = np.nan
        affinities = JointAffinities(NAMES, {"tag": cells}, 3, affinities.sample_overlap)
        (trial,) = plan(store, held, [TrialRequest(JOINT.network, 0, measures_affinity=True)])
        train(store, held, trial, replace(success(JOINT.network), affinities=affinities))
        found = store.affinities(held.job.score_table_id)
        assert np.isnan(found["tag"].values[0, 1])
        assert found["tag"].values[1, 0] == cells[1, 0]
        assert "cosine" not in found

    def test_masks_are_kept_of_trials_that_were_not_asked_to_measure(self, store: Store) -> None:
        held = running(store)
        masks = measured(0).without_gradients()
        (trial,) = plan(store, held, [TrialRequest(JOINT.network, 0)])
        train(store, held, trial, replace(success(JOINT.network), affinities=masks))
        found = store.affinities(held.job.score_table_id)
        assert tuple(found) == (MASK_OVERLAP,)
        assert found[MASK_OVERLAP].values[0, 1] == measured(0).values[MASK_OVERLAP][0, 1]
        assert not store.trials(held.job.id)[0].measures_affinity

    def test_a_row_from_before_overlaps_were_measured_still_reads(self, store: Store) -> None:
        held = running(store)
        (trial,) = plan(store, held, [TrialRequest(JOINT.network, 0, measures_affinity=True)])
        train(store, held, trial, joint_outcome(0))
        with store._database.writing() as session:
            row = session.scalars(select(JointAffinityRow)).one()
            row.affinities = {name: row.affinities[name] for name in ("tag", "cosine", "first-order")}
        assert tuple(store.affinities(held.job.score_table_id)) == GRADIENT_METHODS

    def test_only_trials_of_the_kind_asked_for_count(self, store: Store) -> None:
        held = running(store)
        confirming = TrialRequest(JOINT.network, 5, purpose=Purpose.CONFIRMATION, measures_affinity=True)
        brief = TrialRequest(JOINT.network, 0, fidelity=0.2, measures_affinity=True)
        for trial in plan(store, held, [confirming, brief]):
            train(store, held, trial, joint_outcome(trial.seed))
        table_id = held.job.score_table_id
        assert store.affinities(table_id) == {}
        assert store.affinities(table_id, purpose=Purpose.CONFIRMATION)["tag"].is_known
        assert store.affinities(table_id, fidelity=0.2)["tag"].is_known

    def test_a_table_without_a_joint_run_has_no_affinities(self, store: Store) -> None:
        held = running(store)
        (trial,) = plan(store, held, [TrialRequest(JOINT.network, 0, measures_affinity=True)])
        train(store, held, trial, DIVERGED)
        assert store.affinities(held.job.score_table_id) == {}
        imported, _ = store.import_table(random_table(1), "a table")
        assert store.affinities(imported.id) == {}
        with pytest.raises(NotFoundError):
            store.affinities("0" * 32)

    def test_affinities_of_other_tasks_are_refused_and_nothing_is_kept(self, store: Store) -> None:
        with pytest.raises(InvalidInputError, match="tasks that were scored"):
            replace(success(PAIR.network), affinities=measured(0))
        held = running(store)
        (trial,) = plan(store, held, [TrialRequest(JOINT.network, 0, measures_affinity=True)])
        store.start_trial(held, trial.id)
        before = everything(store)
        pair = replace(success(PAIR.network), affinities=measured(0, ("depth", "edges")))
        with pytest.raises(InvalidInputError):
            store.record_outcome(held, trial.id, pair)
        assert everything(store) == before

    def test_scores_and_affinities_are_kept_together_or_not_at_all(self, store: Store) -> None:
        scene: Scene = running_scene(store)
        tasks = tuple(sorted(scene.running.network.group))
        outcome = replace(success(scene.running.network), affinities=measured(0, tasks))
        before = everything(store)
        crash_everywhere(store, lambda: store.record_outcome(scene.claim, scene.running.id, outcome))
        after = everything(store)
        assert len(after["scores"]) == len(before["scores"]) + len(tasks)
        assert len(after["joint_affinities"]) == len(before["joint_affinities"]) + 1

    def test_trials_of_the_schema_before_joint_runs_are_kept_and_measure_nothing(
        self, store: Store, url: str
    ) -> None:
        held = running(store)
        trials = plan(store, held, [TrialRequest(n.network, 0) for n in (JOINT, PAIR)])
        train(store, held, trials[0])
        with store._database.writing() as session:
            command.downgrade(configured(session.connection()), "0002")
        with pytest.raises(SchemaOutdatedError):
            store.check_schema()
        migrate(url)
        store.check_schema()
        found = store.trials(held.job.id)
        assert [(t.id, t.measures_affinity) for t in found] == [(t.id, False) for t in trials]
        assert found[0].scores == success(JOINT.network).scores
        assert store.affinities(held.job.score_table_id) == {}

    def test_affinities_go_with_their_job(self, store: Store) -> None:
        held = running(store)
        (trial,) = plan(store, held, [TrialRequest(JOINT.network, 0, measures_affinity=True)])
        train(store, held, trial, joint_outcome(0))
        store.enter_state(held, JobState.SUCCEEDED)
        store.delete_job(held.job.id)
        assert everything(store)["joint_affinities"] == []
