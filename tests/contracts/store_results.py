"""Results told from outside, on any database."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from grouping.domain.jobs.job import JobState, Ledger
from grouping.domain.networks import MeasuredNetwork, Network
from grouping.domain.tables.finished_results import FinishedResults, FinishedTraining
from grouping.domain.trainings.trials import TrialRequest, TrialState
from grouping.errors import InvalidInputError, ResultsRefusedError, StateConflictError
from grouping.store import AddedResults, Store
from tests.contracts.scenarios import (
    NAMES,
    NETWORKS,
    PAIR,
    SMALL_EDGES,
    SPEC,
    TASKS,
    TOLD,
    claim,
    crash_everywhere,
    everything,
    prepare,
    requests,
    submit,
    train,
)

BOTH = FinishedResults(
    (
        FinishedTraining(("edges",), {"edges": 0.5}, {"edges": 0.75}, 0.5, 1, {"latency_ms": 3.0}),
        FinishedTraining(("depth", "edges"), {"depth": 0.25, "edges": 0.125}, seed=0),
    ),
    "half.csv",
    "ada",
)


class ResultsContract:
    """What every store does with results that are told from outside."""

    def test_told_before_a_job_is_prepared_a_network_gets_its_measured_cost_then(self, store: Store) -> None:
        job = submit(store)
        assert store.add_results(job.id, BOTH, dry_run=True) == AddedResults(2, 0)
        assert store.add_results(job.id, BOTH) == AddedResults(2, 0)
        assert store.count_networks(job.score_table_id) == {}
        waiting = store.unmeasured_networks(job.id)
        assert [(str(network), network.cost_snt) for network in waiting] == [
            ("edges@0.5", 0.5),
            ("depth+edges", 1.0),
        ]
        held = claim(store)
        prepare(store, held)
        assert store.unmeasured_networks(job.id) == ()
        networks = {stored.network for stored in store.networks(job.score_table_id)}
        assert networks == {measured.network for measured in NETWORKS}
        assert sum(store.count_networks(job.score_table_id).values()) == len(NETWORKS)
        first, second = store.trials(job.id)
        assert (first.network, second.network) == (SMALL_EDGES.network, PAIR.network)
        assert (first.state, first.attempts, first.epochs) == (TrialState.SUCCEEDED, 0, 0)
        assert first.told is not None
        assert (first.told.source, first.told.told_by, first.told.at_s) == (
            "half.csv",
            "ada",
            first.finished_s,
        )
        assert (first.scores[0].validation_loss, first.scores[0].test_loss) == (0.5, 0.75)
        assert store.ledger(job.id) == Ledger(0, 0, 0.0)
        rows = store.spending(job.id)
        assert [(row.told, row.reused, row.trainings, row.reserved_epochs) for row in rows] == [
            (1, 0, 0, 0)
        ] * 2
        assert store.count_told(job.id) == 2
        assert store.training_rates(SPEC) == ({}, 0)

    def test_planned_trials_are_told_and_running_and_finished_ones_are_not(self, store: Store) -> None:
        job = submit(store)
        held = claim(store)
        prepare(store, held)
        wanted = requests(PAIR, seeds=3)
        store.plan_trials(held, wanted, planned_epochs=[10] * 3)
        first, second, _ = store.trials(job.id)
        train(store, held, first)
        store.start_trial(held, second.id)
        before = everything(store)
        for seed, words in ((0, "has other values"), (1, "in training now")):
            told = FinishedTraining(("depth", "edges"), {"depth": 0.5, "edges": 0.5}, seed=seed)
            with pytest.raises(ResultsRefusedError, match=words):
                store.add_results(job.id, FinishedResults((BOTH.trainings[0], told)))
        assert everything(store) == before
        third = FinishedTraining(("depth", "edges"), {"depth": 0.5, "edges": 0.5}, seed=2)
        assert store.add_results(job.id, FinishedResults((third,))) == AddedResults(1, 0)
        trial = store.trials(job.id)[2]
        assert (trial.state, trial.planned_epochs, trial.told is not None) == (TrialState.SUCCEEDED, 0, True)
        with pytest.raises(StateConflictError):
            store.start_trial(held, trial.id)
        again = everything(store)
        assert store.add_results(job.id, FinishedResults((third,))) == AddedResults(0, 1)
        assert everything(store) == again

    def test_a_job_does_not_succeed_without_results_that_it_was_not_planned_with(self, store: Store) -> None:
        job = submit(store)
        held = claim(store)
        prepare(store, held)
        store.enter_state(held, JobState.RUNNING)
        store.add_results(job.id, BOTH)
        with pytest.raises(StateConflictError, match="Results were added"):
            store.enter_state(held, JobState.SUCCEEDED, n_told=0)
        store.enter_state(held, JobState.SUCCEEDED, n_told=2)
        with pytest.raises(StateConflictError, match="clone it"):
            store.add_results(job.id, TOLD)

    def test_results_of_a_network_that_cannot_be_built_are_left_out_for_good(self, store: Store) -> None:
        job = submit(store)
        store.add_results(job.id, BOTH)
        held = claim(store)
        store.enter_state(held, JobState.PREPARING)
        store.record_preparation(held, data_digest="0f", versions={})
        (missing, _) = store.unmeasured_networks(job.id)
        store.leave_out_results(held, {missing: "too small"})
        assert [str(network) for network in store.unmeasured_networks(job.id)] == ["depth+edges"]
        trial = store.trials(job.id)[0]
        assert (trial.state, trial.error, trial.scores) == (TrialState.FAILED, "too small", ())
        table = store.score_table(job.score_table_id)
        assert not np.isfinite(table.validation_losses[0]).any()
        assert "results_left_out" in [event.kind for event in store.events(job.id)]
        store.enter_state(held, JobState.FAILED, error="no")
        store.resume(job.id)
        assert store.trials(job.id)[0].state is TrialState.FAILED
        with pytest.raises(ResultsRefusedError, match="too small"):
            store.add_results(job.id, BOTH)

    def test_a_job_comes_with_its_results_or_not_at_all(self, store: Store) -> None:
        job, _ = store.create_job(SPEC, TASKS, results=[BOTH, TOLD])
        assert [str(trial.network) for trial in store.trials(job.id)] == ["edges@0.5", "depth+edges", "scene"]
        before = everything(store)
        bad = replace(BOTH, trainings=(*BOTH.trainings, FinishedTraining(("speed",), {"speed": 1.0})))
        with pytest.raises(ResultsRefusedError, match="no task 'speed'") as caught:
            store.create_job(SPEC, TASKS, results=[TOLD, bad])
        assert caught.value.pointer == "/results/1"
        assert everything(store) == before
        assert (
            crash_everywhere(
                store,
                lambda: store.add_results(
                    job.id, replace(TOLD, trainings=(FinishedTraining(("scene",), {"scene": 0.75}, seed=2),))
                ),
            )
            > 2
        )

    def test_a_copy_of_a_result_keeps_where_it_comes_from_and_costs_nothing(self, store: Store) -> None:
        source = submit(store)
        store.add_results(source.id, BOTH)
        held = claim(store)
        prepare(store, held)
        store.enter_state(held, JobState.RUNNING)
        store.enter_state(held, JobState.SUCCEEDED)
        job = submit(store, "another", reuse_jobs=(source.id,))
        ours = claim(store)
        prepare(store, ours)
        assert store.plan_reused(ours, [TrialRequest(PAIR.network, 0)], planned_epochs=[10]) == 1
        (trial,) = store.trials(job.id)
        assert trial.told == store.trials(source.id)[1].told
        assert trial.reused_from is not None
        assert [(row.told, row.reused) for row in store.spending(job.id)] == [(1, 0)]

    def test_results_of_other_data_are_refused(self, store: Store) -> None:
        job = submit(store)
        with pytest.raises(InvalidInputError, match="not known before it is prepared"):
            store.add_results(job.id, replace(TOLD, data="0f"))
        prepare(store, claim(store))
        with pytest.raises(InvalidInputError, match="are of other data"):
            store.add_results(job.id, replace(TOLD, data="ff"))
        assert store.add_results(job.id, replace(TOLD, data="0f")) == AddedResults(1, 0)

    def test_a_group_that_no_result_can_stand_for_is_refused_with_the_reason(self, store: Store) -> None:
        job = submit(store)
        whole = FinishedTraining(NAMES, dict.fromkeys(NAMES, 0.5))
        with pytest.raises(ResultsRefusedError, match="depth\\+edges\\+scene: it measures"):
            store.add_results(
                job.id, FinishedResults((whole,)), refused={frozenset(NAMES): "it measures more."}
            )

    def test_a_measured_network_stays_as_it_is(self, store: Store) -> None:
        job = submit(store)
        held = claim(store)
        prepare(store, held)
        store.add_results(job.id, BOTH)
        assert store.unmeasured_networks(job.id) == ()
        other = MeasuredNetwork(Network(PAIR.network.group, 1.0, 0.875), 5, (1,))
        store.add_networks(held, [other])
        assert PAIR.network in {stored.network for stored in store.networks(job.score_table_id)}
