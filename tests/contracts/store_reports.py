"""What every store does with what trainings tell: points, logs, costs, and what they keep."""

from __future__ import annotations

from dataclasses import replace

import pytest

from grouping.domain.trainings.faults import LossCause
from grouping.domain.trainings.progress import Progress
from grouping.domain.trainings.trials import Purpose
from grouping.errors import NotFoundError
from grouping.store import Store, TrialLog, TrialReport
from grouping.store.reports import MAX_POINTS
from tests.contracts.scenarios import (
    DEPTH,
    DIVERGED,
    NETWORKS,
    PAIR,
    SMALL_EDGES,
    claim,
    everything,
    finished_source,
    plan,
    prepare,
    requests,
    running_scene,
    submit,
    success,
    train,
)


def points(*steps: float) -> tuple[Progress, ...]:
    return tuple(Progress(step, {"validation.depth": step / 8}) for step in steps)


class ReportContract:
    """Progress, logs, costs and artefacts."""

    # --- while a training runs

    def test_points_and_log_come_back_in_the_order_in_which_they_were_told(self, store: Store) -> None:
        scene = running_scene(store)
        for report in (TrialReport(points(1, 2), "a\n"), TrialReport(points(3)), TrialReport(log="b\n")):
            store.report_progress(scene.claim, {scene.running.id: report})
        assert store.trial_progress(scene.job_id, scene.running.id) == points(1, 2, 3)
        assert store.trial_log(scene.job_id, scene.running.id) == TrialLog("a\nb\n")
        assert store.trial_progress(scene.job_id, scene.planned.id) == ()
        assert store.trial_log(scene.job_id, scene.planned.id).text == ""

    @pytest.mark.parametrize("total", [MAX_POINTS - 1, MAX_POINTS, MAX_POINTS + 1, 1700])
    @pytest.mark.parametrize("part", [97, 2000])
    def test_a_long_training_keeps_points_at_equal_distances(
        self, store: Store, total: int, part: int
    ) -> None:
        scene = running_scene(store)
        told = points(*range(total))
        for start in range(0, total, part):
            report = TrialReport(told[start : start + part])
            store.report_progress(scene.claim, {scene.running.id: report})
        kept = store.trial_progress(scene.job_id, scene.running.id)
        stride = next(stride for stride in (1, 2, 4, 8) if -(-total // stride) <= MAX_POINTS)
        assert kept == told[::stride]

    def test_a_training_that_is_started_again_begins_its_curves_anew_and_goes_on_with_its_log(
        self, store: Store
    ) -> None:
        scene = running_scene(store)
        store.report_progress(scene.claim, {scene.running.id: TrialReport(points(1, 2), "first\n")})
        store.requeue_trial(scene.claim, scene.running.id, "the worker died", LossCause.WITH_WORKER)
        store.start_trial(scene.claim, scene.running.id)
        store.report_progress(scene.claim, {scene.running.id: TrialReport(points(1), "second\n")})
        assert store.trial_progress(scene.job_id, scene.running.id) == points(1)
        assert store.trial_log(scene.job_id, scene.running.id).text == "first\n[attempt 2]\nsecond\n"

    def test_what_is_told_changes_neither_the_table_nor_the_history(self, store: Store) -> None:
        scene = running_scene(store)
        before = everything(store)
        store.report_progress(scene.claim, {scene.running.id: TrialReport(points(1), "a\0b")})
        after = everything(store)
        assert {name for name in after if after[name] != before[name]} == {"trial_reports", "trial_progress"}

    def test_a_report_of_a_trial_of_another_job_keeps_nothing(self, store: Store) -> None:
        scene = running_scene(store)
        other = submit(store, "another")
        held = claim(store)
        assert held.job.id == other.id
        before = everything(store)
        with pytest.raises(NotFoundError):
            store.report_progress(held, {scene.running.id: TrialReport(points(1))})
        with pytest.raises(NotFoundError):
            store.trial_log(other.id, scene.running.id)
        for missing in ("", "x", "0" * 32):
            with pytest.raises(NotFoundError):
                store.trial_progress(scene.job_id, missing)
        assert everything(store) == before

    # --- when it ended

    def test_what_a_training_keeps_is_told_with_its_trial(self, store: Store) -> None:
        scene = running_scene(store)
        outcome = replace(success(scene.running.network), artefact="/kept/weights")
        store.record_outcome(scene.claim, scene.running.id, outcome)
        assert [trial.artefact for trial in store.trials(scene.job_id)][:2] == ["/kept/weights", None]

    def test_a_cost_is_one_of_the_table_once_each_network_with_losses_has_it(self, store: Store) -> None:
        job = submit(store)
        held = claim(store)
        prepare(store, held)
        depth, edges, pair = plan(store, held, requests(*NETWORKS))
        costs = [{"memory_mib": 3.0, "energy": 1.0}, {"memory_mib": 5.0}]
        for trial, said in zip((depth, edges), costs, strict=True):
            train(store, held, trial, replace(success(trial.network), costs=said, cost_snt=0.75))
        train(store, held, pair, DIVERGED)
        table = store.score_table(job.score_table_id)
        assert {name: values.tolist() for name, values in table.other_costs.items()} == {
            "memory_mib": [3.0, 5.0, 5.0],
            "measured_snt": [0.75, 0.75, 0.75],
        }
        assert store.get_table_info(job.score_table_id).cost_names == tuple(table.other_costs)
        assert [info.cost_names for info in store.list_tables()] == [tuple(table.other_costs)]

    def test_a_cost_that_one_network_lacks_is_none_of_the_table(self, store: Store) -> None:
        job = submit(store)
        held = claim(store)
        prepare(store, held)
        depth, edges, _ = plan(store, held, requests(*NETWORKS))
        train(store, held, depth, replace(success(depth.network), costs={"energy": 1.0}))
        train(store, held, edges)
        assert not store.score_table(job.score_table_id).other_costs
        assert store.get_table_info(job.score_table_id).cost_names == ()

    def test_a_cost_stays_as_it_was_reported_first(self, store: Store) -> None:
        job = submit(store)
        held = claim(store)
        prepare(store, held)
        first, second = plan(store, held, requests(DEPTH, seeds=2))
        for trial, cost in ((first, 3.0), (second, 4.0)):
            train(store, held, trial, replace(success(trial.network), costs={"energy": cost}))
        assert store.score_table(job.score_table_id).other_costs["energy"].tolist() == [3.0]

    def test_costs_and_what_is_kept_are_copied_with_an_outcome(self, store: Store) -> None:
        told = replace(success(PAIR.network), costs={"energy": 2.0}, artefact="/kept/weights")
        source = finished_source(store, requests(PAIR, purpose=Purpose.SEARCH), told)
        job = submit(store, "a copy", reuse_jobs=(source.id,))
        held = claim(store)
        prepare(store, held)
        store.plan_reused(held, requests(PAIR), planned_epochs=[10])
        assert store.score_table(job.score_table_id).other_costs["energy"].tolist() == [2.0]
        assert [trial.artefact for trial in store.trials(job.id)] == ["/kept/weights"]
        assert SMALL_EDGES.network.key not in {n.key for n in store.score_table(job.score_table_id).networks}
