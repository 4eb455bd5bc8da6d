"""What every store does with networks, trials and score tables."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from grouping.domain.jobs.job import JobState, Ledger
from grouping.domain.networks import MeasuredNetwork, Network
from grouping.domain.tables.score_table import Score, ScoreTable
from grouping.domain.trainings.faults import Fault, LossCause
from grouping.domain.trainings.progress import Progress
from grouping.domain.trainings.trials import (
    Purpose,
    TaskScore,
    TrialOutcome,
    TrialRequest,
    TrialState,
    Variant,
)
from grouping.errors import InvalidInputError, NotFoundError, StateConflictError
from grouping.store import ProgressRow, Store, TrialReport
from tests.contracts.scenarios import (
    DEPTH,
    DIVERGED,
    FAILED,
    LOSSES_UNTIL_GIVEN_UP,
    NETWORKS,
    PAIR,
    SMALL_EDGES,
    TASKS,
    claim,
    everything,
    plan,
    requests,
    running_scene,
    submit,
    success,
    train,
)
from tests.contracts.store_jobs import LAWS

_floats = st.floats(allow_nan=False, allow_infinity=False)


class TrialContract:
    """Planning, training and reading scores."""

    # --- variants

    def test_a_network_is_planned_once_with_each_seed_under_each_recipe(self, store: Store) -> None:
        held = running_scene(store).claim
        n_before = len(store.trials(held.job.id))
        wanted = [
            TrialRequest(PAIR.network, 0, purpose=purpose, variant=variant)
            for purpose in (Purpose.TUNING, Purpose.TUNED)
            for variant in (Variant(), Variant(1), Variant(1, 2))
        ]
        assert store.plan_trials(held, wanted, planned_epochs=[3] * 6) == 6
        assert store.plan_trials(held, wanted, planned_epochs=[3] * 6) == 0
        found = store.trials(held.job.id)[n_before:]
        assert [(t.purpose, t.variant) for t in found] == [(r.purpose, r.variant) for r in wanted]
        assert [t.key for t in found] == [r.key for r in wanted]
        assert [t.position for t in found] == list(range(n_before, n_before + 6))
        train(store, held, found[1])
        assert store.trials(held.job.id)[n_before + 1].scores == success(PAIR.network).scores
        table = store.score_table(held.job.score_table_id, purpose=Purpose.TUNING)
        assert table.networks == (), "what is trained under another recipe is in no table"

    # --- networks

    def test_networks_come_back_as_they_were_measured_in_order(self, store: Store) -> None:
        job = submit(store)
        store.add_networks(claim(store), NETWORKS)
        stored = store.networks(job.score_table_id)
        assert [MeasuredNetwork(n.network, n.multiply_adds, n.widths) for n in stored] == list(NETWORKS)
        assert len({network.id for network in stored}) == 3

    def test_networks_that_are_there_keep_their_cost_and_place(self, store: Store) -> None:
        job = submit(store)
        held = claim(store)
        store.add_networks(held, [DEPTH])
        dearer = MeasuredNetwork(Network.of("depth", cost_snt=9.0), 9, (9,))
        store.add_networks(held, [PAIR, dearer, PAIR])
        assert [n.network for n in store.networks(job.score_table_id)] == [DEPTH.network, PAIR.network]
        before = everything(store)
        store.add_networks(held, [dearer])
        assert everything(store) == before

    def test_latencies_are_a_further_cost_once_every_network_has_one(self, store: Store) -> None:
        job = submit(store)
        held = claim(store)
        networks = [replace(DEPTH, latency_ms=0.125), replace(PAIR, latency_ms=0.5)]
        store.add_networks(held, networks)
        assert [n.latency_ms for n in store.networks(job.score_table_id)] == [0.125, 0.5]
        for trial in plan(store, held, requests(*networks)):
            train(store, held, trial)
        assert store.get_table_info(job.score_table_id).cost_names == ("latency_ms",)
        assert [info.cost_names for info in store.list_tables()] == [("latency_ms",)]
        costs = store.score_table(job.score_table_id).other_costs
        assert {name: values.tolist() for name, values in costs.items()} == {"latency_ms": [0.125, 0.5]}
        store.add_networks(held, [SMALL_EDGES])
        train(store, held, plan(store, held, requests(SMALL_EDGES))[2])
        assert store.get_table_info(job.score_table_id).cost_names == ()
        assert not store.score_table(job.score_table_id).other_costs

    def test_a_network_with_a_task_outside_the_job_is_refused(self, store: Store) -> None:
        job = submit(store)
        with pytest.raises(InvalidInputError):
            store.add_networks(claim(store), [DEPTH, MeasuredNetwork(Network.of("depth", "other"), 1, (1,))])
        assert store.networks(job.score_table_id) == ()

    def test_a_group_of_sixty_long_names_is_stored(self, store: Store) -> None:
        from grouping.domain.jobs.specification import JobSpec
        from grouping.domain.tasks import Task

        tasks = tuple(Task(f"{'ä' * 97}{i}") for i in range(60))
        names = tuple(task.name for task in tasks)
        job, _ = store.create_job(JobSpec("p", names), tasks)
        store.add_networks(claim(store), [MeasuredNetwork(Network.of(*names), 2**60, (4096,))])
        (stored,) = store.networks(job.score_table_id)
        assert (stored.network, stored.multiply_adds) == (Network.of(*names), 2**60)

    # --- the plan

    def test_trials_are_planned_in_the_order_they_were_asked_for(self, store: Store) -> None:
        job = submit(store)
        held = claim(store)
        store.add_networks(held, NETWORKS)
        wanted = requests(PAIR, DEPTH, seeds=2) + requests(PAIR, purpose=Purpose.CONFIRMATION, fidelity=0.2)
        assert store.plan_trials(held, wanted, planned_epochs=[10, 11, 12, 13, 3]) == 5
        trials = store.trials(job.id)
        assert [TrialRequest(t.network, t.seed, t.fidelity, t.purpose) for t in trials] == wanted
        assert [t.position for t in trials] == [0, 1, 2, 3, 4]
        assert [t.planned_epochs for t in trials] == [10, 11, 12, 13, 3]
        assert {(t.state, t.attempts, t.epochs, t.seconds, t.error, t.scores) for t in trials} == {
            (TrialState.PLANNED, 0, 0, 0.0, None, ())
        }

    def test_planning_again_adds_only_what_is_new(self, store: Store) -> None:
        job = submit(store)
        held = claim(store)
        store.add_networks(held, NETWORKS)
        plan(store, held, requests(PAIR, DEPTH))
        before = everything(store)
        assert store.plan_trials(held, requests(DEPTH, PAIR), planned_epochs=[99, 99]) == 0
        assert everything(store) == before
        more = requests(SMALL_EDGES) * 2 + requests(DEPTH, PAIR)
        assert store.plan_trials(held, more, planned_epochs=[1, 2, 3, 4]) == 1
        assert [t.network for t in store.trials(job.id)] == [
            PAIR.network,
            DEPTH.network,
            SMALL_EDGES.network,
        ]

    def test_the_network_of_a_request_is_found_by_group_and_size(self, store: Store) -> None:
        submit(store)
        held = claim(store)
        store.add_networks(held, NETWORKS)
        nominal = TrialRequest(Network.of("edges", size=0.5), seed=0)
        assert plan(store, held, [nominal])[0].network == SMALL_EDGES.network
        with pytest.raises(InvalidInputError):
            plan(store, held, [TrialRequest(Network.of("edges"), seed=0)])

    def test_each_request_needs_its_epochs(self, store: Store) -> None:
        scene = running_scene(store)
        with pytest.raises(InvalidInputError):
            store.plan_trials(scene.claim, requests(*NETWORKS), planned_epochs=[1])

    def test_skipped_trials_are_final_and_only_planned_ones_can_be(self, store: Store) -> None:
        scene = running_scene(store)
        store.skip_trials(scene.claim, [scene.planned.id])
        store.skip_trials(scene.claim, [scene.planned.id, scene.planned.id])
        assert [t.id for t in store.trials(scene.job_id, states=[TrialState.SKIPPED])] == [scene.planned.id]
        third = store.trials(scene.job_id)[2]
        before = everything(store)
        for wrong in (scene.running.id, "0" * 32):
            with pytest.raises(StateConflictError):
                store.skip_trials(scene.claim, [third.id, wrong])
        assert everything(store) == before

    def test_thousands_of_networks_and_trials_are_planned_and_skipped(self, store: Store) -> None:
        submit(store)
        held = claim(store)
        sizes = [1 + i / 1000 for i in range(700)]
        networks = [MeasuredNetwork(Network.of("depth", size=size), 1, (1,)) for size in sizes]
        store.add_networks(held, networks)
        trials = plan(store, held, requests(*networks, seeds=10))
        store.skip_trials(held, [trial.id for trial in trials])
        assert store.progress(held.job.id)[0] == ProgressRow(Purpose.SEARCH, 1, 1.0, 1.0, skipped=10)
        assert len(store.trials(held.job.id, states=[TrialState.SKIPPED])) == 7000

    # --- training

    def test_starting_counts_the_attempt_before_anything_runs(self, store: Store) -> None:
        scene = running_scene(store)
        store.start_trial(scene.claim, scene.planned.id)
        trial = store.trials(scene.job_id)[1]
        assert (trial.state, trial.attempts) == (TrialState.RUNNING, 1)
        last = store.events(scene.job_id)[-1]
        assert (last.kind, last.at_s) == ("trial_started", trial.started_s)
        assert store.ledger(scene.job_id) == Ledger(2, 0, 0.0)
        with pytest.raises(StateConflictError):
            store.start_trial(scene.claim, scene.planned.id)

    @pytest.mark.parametrize("outcome", [success(DEPTH.network), DIVERGED, FAILED])
    def test_an_outcome_is_recorded_whole(self, store: Store, outcome: TrialOutcome) -> None:
        scene = running_scene(store)
        revision = store.get_table_info(scene.table_id).revision
        store.record_outcome(scene.claim, scene.running.id, outcome)
        trial = store.trials(scene.job_id)[0]
        assert TrialOutcome(trial.state, trial.scores, trial.epochs, trial.seconds, trial.error) == outcome
        assert store.get_table_info(scene.table_id).revision == revision + 1
        assert store.ledger(scene.job_id) == Ledger(1, outcome.epochs, outcome.seconds)
        last = store.events(scene.job_id)[-1]
        assert (last.kind, last.at_s) == (f"trial_{outcome.state}", trial.finished_s)
        assert last.data == {
            "trial": trial.id,
            "network": "depth",
            "purpose": "search",
            "seed": 0,
            "fidelity": 1.0,
            "attempt": 1,
            "epochs": outcome.epochs,
            "seconds": outcome.seconds,
            "losses": {score.task: score.validation_loss for score in outcome.scores},
            "error": outcome.error,
        } | ({} if outcome.fault is None else {"fault": outcome.fault})

    def test_metrics_are_read_as_a_table_of_the_same_networks(self, store: Store) -> None:
        scene = running_scene(store)
        none = TrialOutcome(TrialState.SUCCEEDED, (TaskScore("edges", 0.25),), epochs=10, seconds=1.5)
        store.record_outcome(scene.claim, scene.running.id, success(scene.running.network))
        train(store, scene.claim, scene.planned, none)
        losses, metrics = store.score_table(scene.table_id), store.metric_table(scene.table_id)
        assert metrics.networks == losses.networks
        at = metrics.position(scene.running.network), metrics.task_names.index("depth")
        assert (metrics.validation[at], metrics.test[at]) == (0.75, 0.5)
        assert np.count_nonzero(~np.isnan(metrics.validation)) == 1
        assert np.count_nonzero(~np.isnan(losses.validation)) == 2
        imported, _ = store.import_table(losses, "imported")
        assert store.metric_table(imported.id).seeds == ()
        with pytest.raises(NotFoundError):
            store.metric_table("0" * 32)

    def test_an_outcome_is_recorded_once_and_only_of_a_running_trial(self, store: Store) -> None:
        scene = running_scene(store)
        store.record_outcome(scene.claim, scene.running.id, success(DEPTH.network))
        before = everything(store)
        for trial in (scene.running, scene.planned):
            with pytest.raises(StateConflictError):
                store.record_outcome(scene.claim, trial.id, success(trial.network, 0.5))
        assert everything(store) == before

    def test_scores_must_be_those_of_the_network(self, store: Store) -> None:
        scene = running_scene(store)
        twice = (*success(DEPTH.network).scores, *success(DEPTH.network).scores)
        before = everything(store)
        for outcome in (success(PAIR.network), TrialOutcome(TrialState.SUCCEEDED, twice)):
            with pytest.raises(InvalidInputError):
                store.record_outcome(scene.claim, scene.running.id, outcome)
        assert everything(store) == before

    @pytest.mark.parametrize(
        "outcome",
        [
            TrialOutcome(TrialState.SKIPPED),
            TrialOutcome(TrialState.FAILED, seconds=float("nan")),
            TrialOutcome(TrialState.FAILED, seconds=-1.0),
            TrialOutcome(TrialState.FAILED, epochs=-1),
        ],
    )
    def test_an_impossible_outcome_is_refused(self, store: Store, outcome: TrialOutcome) -> None:
        scene = running_scene(store)
        with pytest.raises(InvalidInputError):
            store.record_outcome(scene.claim, scene.running.id, outcome)

    def test_trials_of_another_job_are_out_of_reach(self, store: Store) -> None:
        scene = running_scene(store)
        submit(store)
        held = claim(store, "two")
        for trial_id in (scene.planned.id, "0" * 32, "a\0b"):
            with pytest.raises(NotFoundError):
                store.start_trial(held, trial_id)

    def test_many_trials_are_started_and_recorded_as_one_by_one(self, store: Store) -> None:
        stories = []
        for together in (True, False):
            job = submit(store)
            held = claim(store)
            store.add_networks(held, NETWORKS)
            trials = plan(store, held, requests(*NETWORKS, seeds=2))
            outcomes = {t.id: success(t.network, 0.1 + t.position) for t in trials[:4]}
            outcomes |= {trials[4].id: DIVERGED, trials[5].id: FAILED}
            if together:
                store.start_trials(held, [trial.id for trial in trials])
                store.record_outcomes(held, outcomes)
            else:
                for trial in trials:
                    store.start_trial(held, trial.id)
                for trial in trials:
                    store.record_outcome(held, trial.id, outcomes[trial.id])
            table = store.score_table(job.score_table_id)
            ends = [
                (t.state, t.attempts, t.epochs, t.seconds, t.error, t.scores) for t in store.trials(job.id)
            ]
            told = [(e.number, e.kind, {**e.data, "trial": None}) for e in store.events(job.id)][4:]
            stories.append((table, ends, told, store.ledger(job.id)))
        assert stories[0] == stories[1]
        assert stories[0][3] == Ledger(6, 45, 6.75)

    def test_of_many_trials_none_is_started_recorded_or_requeued_if_one_cannot_be(self, store: Store) -> None:
        scene = running_scene(store)
        fine = success(scene.running.network)
        before = everything(store)
        for wrong, error in (
            (scene.running.id, StateConflictError),
            (scene.planned.id, StateConflictError),  # twice
            ("0" * 32, NotFoundError),
            ("a\0b", NotFoundError),
        ):
            with pytest.raises(error):
                store.start_trials(scene.claim, [scene.planned.id, scene.last.id, wrong])
        for wrong, outcome, error in (
            (scene.planned.id, success(scene.planned.network), StateConflictError),
            ("0" * 32, fine, NotFoundError),
        ):
            with pytest.raises(error):
                store.record_outcomes(scene.claim, {scene.running.id: fine, wrong: outcome})
            with pytest.raises(error):
                store.requeue_trials(scene.claim, [scene.running.id, wrong], "killed", LossCause.WITH_WORKER)
        assert everything(store) == before

    @pytest.mark.parametrize("loss", LOSSES_UNTIL_GIVEN_UP)
    def test_a_lost_trial_is_planned_again_until_its_losses_tell_against_it(
        self, store: Store, loss: LossCause
    ) -> None:
        scene = running_scene(store)
        running, n = scene.running.id, LOSSES_UNTIL_GIVEN_UP[loss]
        for _ in range(n - 1):
            assert store.requeue_trial(scene.claim, running, "killed", loss) is TrialState.PLANNED
            store.start_trial(scene.claim, running)
        assert store.requeue_trial(scene.claim, running, "killed\0", loss) is TrialState.FAILED
        trial = store.trials(scene.job_id)[0]
        assert (trial.state, trial.attempts) == (TrialState.FAILED, n)
        assert trial.error is not None
        assert "killed\ufffd" in trial.error
        wanted = Fault.RESOURCES if loss is LossCause.OUT_OF_MEMORY else Fault.USER
        assert trial.fault is wanted
        last = store.events(scene.job_id)[-1]
        assert (last.kind, last.data["fault"]) == ("trial_lost", wanted)
        with pytest.raises(StateConflictError):
            store.requeue_trial(scene.claim, scene.running.id, "killed", LossCause.WITH_WORKER)

    @pytest.mark.parametrize("tells", [True, False])
    def test_a_trial_that_gets_further_each_time_is_never_given_up(self, store: Store, tells: bool) -> None:
        """It tells so itself, or its checkpoint does."""
        scene = running_scene(store)
        trial_id = scene.running.id
        for step in range(1, 30):
            if tells:
                point = Progress(step, {"depth": 0.5})
                store.report_progress(scene.claim, {trial_id: TrialReport((point,))})
            store.requeue_trials(
                scene.claim,
                [trial_id],
                "killed",
                LossCause.WITH_WORKER,
                progressed=() if tells else [trial_id],
            )
            assert store.trials(scene.job_id)[0].standing.losses == 0
            store.start_trial(scene.claim, trial_id)

    def test_a_trial_that_dies_at_the_same_step_each_time_is_given_up(self, store: Store) -> None:
        scene = running_scene(store)
        trial_id, n = scene.running.id, 0
        while store.trials(scene.job_id)[0].state is TrialState.RUNNING:
            report = TrialReport((Progress(7, {"depth": 0.5}),))
            store.report_progress(scene.claim, {trial_id: report})
            n += 1
            if (
                store.requeue_trial(scene.claim, trial_id, "died", LossCause.WITH_WORKER)
                is TrialState.PLANNED
            ):
                store.start_trial(scene.claim, trial_id)
        assert n == LOSSES_UNTIL_GIVEN_UP[LossCause.WITH_WORKER] + 1, (
            "the first time it got as far as never before"
        )

    # --- reading

    def test_progress_counts_trials_by_kind_and_state(self, store: Store) -> None:
        job = submit(store)
        held = claim(store)
        store.add_networks(held, NETWORKS)
        wanted = requests(PAIR, DEPTH, SMALL_EDGES, seeds=3) + requests(DEPTH, fidelity=0.2)
        trials = plan(store, held, wanted + requests(PAIR, purpose=Purpose.CONFIRMATION))
        for trial, outcome in zip(trials, (None, DIVERGED, FAILED), strict=False):
            train(store, held, trial, outcome)
        store.start_trial(held, trials[3].id)
        store.skip_trials(held, [trials[4].id])
        assert store.progress(job.id) == (
            ProgressRow(Purpose.SEARCH, 1, 1.0, 0.2, planned=1),
            ProgressRow(Purpose.SEARCH, 1, 0.5, 1.0, planned=3),
            ProgressRow(Purpose.SEARCH, 1, 1.0, 1.0, planned=1, running=1, skipped=1),
            ProgressRow(Purpose.SEARCH, 2, 1.0, 1.0, succeeded=1, diverged=1, failed=1),
            ProgressRow(Purpose.CONFIRMATION, 2, 1.0, 1.0, planned=1),
        )

    def test_trials_are_chosen_by_state(self, store: Store) -> None:
        scene = running_scene(store)
        assert [t.id for t in store.trials(scene.job_id, states={TrialState.RUNNING})] == [scene.running.id]
        assert len(store.trials(scene.job_id, states=[TrialState.RUNNING, TrialState.PLANNED])) == 3
        assert store.trials(scene.job_id, states=()) == ()

    @LAWS
    @given(values=st.lists(_floats, min_size=8, max_size=8), seconds=st.floats(0, 1e300))
    @example(
        values=[5e-324, -0.0, 1.7976931348623157e308, 0.1 + 0.2, 1e22, -1e-310, 2.0**53, 1 / 3], seconds=0.1
    )
    @example(values=[-0.0] * 8, seconds=0.0)
    def test_floats_come_back_to_the_last_bit(
        self, store: Store, values: list[float], seconds: float
    ) -> None:
        job = submit(store)
        held = claim(store)
        cost = abs(values[0]) or 1.0
        store.add_networks(held, [MeasuredNetwork(Network.of("depth", "edges", size=cost), 1, (1,))])
        (trial,) = plan(store, held, [TrialRequest(Network.of("depth", "edges", size=cost), 0)])
        assert trial.network.cost_snt.hex() == cost.hex()
        scores = (TaskScore("depth", *values[:4]), TaskScore("edges", *values[4:]))
        train(store, held, trial, TrialOutcome(TrialState.SUCCEEDED, scores, 1, seconds))
        (stored,) = store.trials(job.id)
        assert stored.seconds.hex() == seconds.hex()
        assert [_bits(score) for score in stored.scores] == [_bits(score) for score in scores]
        table = store.score_table(job.score_table_id)
        for losses, expected in ((table.validation_losses, values[0::4]), (table.test_losses, values[1::4])):
            assert [float(x).hex() for x in losses[0, :2, 0]] == [(x + 0.0).hex() for x in expected]

    def test_a_score_table_is_what_was_recorded(self, store: Store) -> None:
        job = submit(store)
        held = claim(store)
        store.add_networks(held, NETWORKS)
        wanted = requests(PAIR, SMALL_EDGES, seeds=2)
        noise = requests(DEPTH, fidelity=0.2) + requests(PAIR, purpose=Purpose.CONFIRMATION)
        trials = plan(store, held, wanted + noise)
        expected = []
        for i, trial in enumerate(trials):
            train(store, held, trial, success(trial.network, 0.1 * (i + 1)))
            if i < len(wanted):
                loss = 0.1 * (i + 1)
                expected += [
                    Score(trial.network, t, trial.seed, loss, loss + 0.125) for t in trial.network.group
                ]
        networks = [SMALL_EDGES.network, PAIR.network]
        assert store.score_table(job.score_table_id) == ScoreTable.from_scores(TASKS, networks, expected)
        short = store.score_table(job.score_table_id, fidelity=0.2)
        assert short.networks == (DEPTH.network,)
        fresh = store.score_table(job.score_table_id, purpose=Purpose.CONFIRMATION)
        assert fresh.networks == (PAIR.network,)
        assert fresh.validation[0, 1] == 0.1 * 6

    def test_an_empty_table_has_no_networks(self, store: Store) -> None:
        job = submit(store)
        assert store.score_table(job.score_table_id) == ScoreTable.from_scores(TASKS, (), ())
        store.add_networks(claim(store), NETWORKS)
        assert store.score_table(job.score_table_id).networks == ()

    def test_a_network_that_diverged_once_keeps_its_row_without_cells(self, store: Store) -> None:
        job = submit(store)
        held = claim(store)
        store.add_networks(held, NETWORKS)
        trials = plan(store, held, requests(DEPTH, PAIR, seeds=2))
        for trial, outcome in zip(trials, (None, DIVERGED, None, None), strict=True):
            train(store, held, trial, outcome)
        table = store.score_table(job.score_table_id)
        assert table.networks == (DEPTH.network, PAIR.network)
        assert list(table.is_complete) == [False, True]
        assert np.isnan(table.validation_losses[0]).all()
        assert table.seeds == (0, 1)

    def test_a_network_of_which_a_trial_failed_keeps_its_row_without_cells(self, store: Store) -> None:
        job = submit(store)
        held = claim(store)
        store.add_networks(held, NETWORKS)
        trials = plan(store, held, requests(DEPTH, seeds=2) + requests(PAIR))
        train(store, held, trials[0])
        train(store, held, trials[1], FAILED)
        train(store, held, trials[2], FAILED)
        table = store.score_table(job.score_table_id)
        assert table.networks == (DEPTH.network, PAIR.network)
        assert list(table.is_complete) == [False, False]

    def test_tables_of_two_jobs_do_not_mix(self, store: Store) -> None:
        first, second = running_scene(store), running_scene(store)
        store.record_outcome(second.claim, second.running.id, success(DEPTH.network, 0.75))
        assert store.score_table(first.table_id).networks == ()
        assert store.score_table(second.table_id).validation[0, 0] == 0.75
        store.enter_state(second.claim, JobState.SUCCEEDED)
        assert store.get_job(first.job_id).state is JobState.RUNNING

    def test_a_network_has_an_outcome_when_a_training_of_it_has_and_not_before(self, store: Store) -> None:
        scene = running_scene(store)

        def counted() -> list[tuple[int, int, int]]:
            rows = [row for row in store.spending(scene.job_id) if (row.group_size, row.size) == (1, 1.0)]
            return [(row.trainings, row.finished, row.networks) for row in rows]

        assert counted() == [(1, 0, 0)], "under way"
        store.record_outcome(scene.claim, scene.running.id, FAILED)
        assert counted() == [(1, 1, 0)], "it ended without an outcome"
        plan(store, scene.claim, requests(DEPTH, seeds=3))
        again, last = (t for t in store.trials(scene.job_id) if t.network == DEPTH.network and t.seed > 0)
        train(store, scene.claim, again, DIVERGED)
        assert counted() == [(2, 2, 1)]
        train(store, scene.claim, last)
        assert counted() == [(3, 3, 1)]


def _bits(score: TaskScore) -> tuple[str, ...]:
    values = (score.validation_loss, score.test_loss, score.validation_metric, score.test_metric)
    return (
        score.task,
        *("" if value is None else (value + 0.0).hex() for value in values),
    )  # a negative zero is stored as zero
