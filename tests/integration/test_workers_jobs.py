"""Jobs through a real dispatcher and a real Ray: strategies, budgets, tuning, divergence, bad luck."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import pytest

from grouping.domain.jobs.job import JobState, StopReason
from grouping.domain.jobs.specification import JobSpec, TrainingBudget
from grouping.domain.trainings.recipes import Method, Recipe
from grouping.domain.trainings.trials import Purpose, TrialState
from grouping.problems.registry import get_problem
from grouping.recipes import epochs_of
from grouping.solver import recommend, solve
from grouping.store import Store, migrate, open_store
from grouping.trainers.built_in import recipe_of
from tests.integration.test_rank_checks import notes_of
from tests.recipes import by, recipe_in
from tests.services import dispatcher, small_spec, submit, wait_until_final

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A database with a dispatcher working on it."""
    folder = tmp_path_factory.mktemp("jobs")
    url = f"sqlite:///{folder / 'grouping.db'}"
    migrate(url)
    store = open_store(url)
    with dispatcher(url, folder / "log"):
        yield store
    store.close()


def test_an_exhaustive_job_measures_costs_chooses_and_confirms(store: Store) -> None:
    job = wait_until_final(store, submit(store, small_spec()))
    assert (job.state, job.stop_reason, job.error) == (JobState.SUCCEEDED, StopReason.SEARCH_COMPLETE, None)
    assert job.data_digest
    assert job.versions["torch"]
    search = store.score_table(job.score_table_id)
    assert len(search.networks) == 10
    assert search.seeds == (0, 1)
    half = [network for network in search.networks if network.size == 0.5]
    assert all(0.4 < network.cost_snt <= 0.5 for network in half), "costs are measured"
    confirmation = store.score_table(job.score_table_id, purpose=Purpose.CONFIRMATION)
    assert not set(confirmation.seeds) & set(search.seeds)
    for recommendation in recommend(search, confirmation, job.spec.budgets_snt):
        assert recommendation.verdict is not None
        assert recommendation.verdict.is_confirmed
    kinds = [event.kind for event in store.events(job.id, limit=10_000)]
    assert kinds[0] == "job_submitted"
    assert kinds.count("trial_succeeded") == len(store.trials(job.id))


def test_hoa_trains_fewer_networks_and_recommends_only_measured_ones(store: Store) -> None:
    tasks = ("digit", "loop", "rotation", "edges")
    spec = small_spec(tasks=tasks, strategy="hoa", n_seeds=1, n_confirmation_seeds=0, epochs=2)
    job = wait_until_final(store, submit(store, spec))
    table = store.score_table(job.score_table_id)
    assert job.state is JobState.SUCCEEDED
    assert 14 <= len(table.networks) < 19
    for budget in spec.budgets_snt:
        for network in solve(table, budget).require_grouping().networks:
            assert table.find_position(*network.key) is not None


def test_esa_trains_all_briefly_and_goes_on_with_few(store: Store) -> None:
    spec = small_spec(strategy="esa", n_seeds=1, n_confirmation_seeds=0, epochs=10)
    job = wait_until_final(store, submit(store, spec))
    trials = store.trials(job.id)
    early = [trial for trial in trials if trial.fidelity < 1]
    assert job.state is JobState.SUCCEEDED
    assert len(early) == 10
    assert {trial.epochs for trial in early} == {2}
    full = [trial for trial in trials if trial.fidelity == 1]
    assert 1 <= len(full) <= 4
    assert {(trial.planned_epochs, trial.epochs) for trial in full} == {(10, 8)}
    assert store.ledger(job.id).epochs == 2 * len(early) + 8 * len(full)
    whole = wait_until_final(store, submit(store, dataclasses.replace(spec, strategy="exhaustive")))
    alike = {(t.network.group, t.network.size, t.seed): t.scores for t in store.trials(whole.id)}
    assert all(alike[t.network.group, t.network.size, t.seed] == t.scores for t in full)


def test_a_search_tells_its_notes_and_ends_with_the_rank_check(store: Store) -> None:
    spec = small_spec(strategy="continuation", n_seeds=1, n_confirmation_seeds=1, epochs=5)
    job = submit(store, dataclasses.replace(spec, strategy_parameters={"rounds": 2}))
    job = wait_until_final(store, job)
    assert job.state is JobState.SUCCEEDED
    notes = notes_of(store, job)
    assert notes[0] == "Short passes of 10 networks."
    assert notes[1].startswith("Training ")
    assert "trained at both lengths" in notes[-1]
    assert len(set(notes)) == len(notes)
    kinds = [event.kind for event in store.events(job.id, limit=5000)]
    last_note = len(kinds) - 1 - kinds[::-1].index("strategy_note")
    assert last_note < kinds.index("job_confirming")
    trials = store.trials(job.id)
    early = {t.network for t in trials if t.fidelity < 1}
    assert {t.network.group for t in trials if t.fidelity == 1} <= {n.group for n in early}


@pytest.mark.parametrize(
    ("budget", "most_trials", "most_epochs"),
    [(TrainingBudget(trainings=13), 13, 10_000), (TrainingBudget(epochs=20), 10_000, 20)],
)
def test_a_training_budget_is_never_passed(
    store: Store, budget: TrainingBudget, most_trials: int, most_epochs: int
) -> None:
    spec = small_spec(training_budget=budget, epochs=2)
    job = wait_until_final(store, submit(store, spec))
    assert (job.state, job.stop_reason) == (JobState.SUCCEEDED, StopReason.TRAINING_BUDGET_SPENT)
    trials = store.trials(job.id)
    assert len(trials) <= most_trials
    assert sum(trial.epochs for trial in trials) <= most_epochs
    assert len(store.score_table(job.score_table_id).networks) == 10, "one seed of every network came first"


def test_what_prepares_a_network_is_charged_once_and_within_the_budget(store: Store) -> None:
    sparse = Method("sparse", {"rounds": 1, "round_epochs": 0.2})
    budget = TrainingBudget(epochs=120)
    spec = small_spec(strategy="esa", n_seeds=1, n_confirmation_seeds=0, training_budget=budget)
    spec = dataclasses.replace(spec, trainer_parameters=by(Recipe(epochs=10, sharing=sparse)))
    job = wait_until_final(store, submit(store, spec))
    assert job.state is JobState.SUCCEEDED
    trials = store.trials(job.id)
    for trial in trials:
        n_tasks = len(trial.network.group)
        prepared = 2 * 2 * n_tasks if n_tasks > 1 else 0
        assert trial.planned_epochs == epochs_of(recipe_in(spec))(n_tasks, trial.fidelity)
        assert trial.epochs == (8 if trial.fidelity == 1 else 2 + prepared), "the full one is prepared"
    assert any(trial.fidelity == 1 and len(trial.network.group) > 1 for trial in trials)
    assert store.ledger(job.id).epochs == sum(trial.epochs for trial in trials) <= 120


def test_a_budget_in_seconds_ends_the_job_on_what_is_there(store: Store) -> None:
    spec = small_spec(training_budget=TrainingBudget(seconds=0.2), epochs=8)
    job = wait_until_final(store, submit(store, spec))
    assert (job.state, job.stop_reason) == (JobState.SUCCEEDED, StopReason.TRAINING_BUDGET_SPENT)
    states = {trial.state for trial in store.trials(job.id)}
    assert states == {TrialState.SUCCEEDED, TrialState.SKIPPED}


def test_a_diverged_training_is_recorded_and_never_chosen(store: Store) -> None:
    spec = dataclasses.replace(
        small_spec(tasks=("rotation", "edges")), trainer_parameters=by(Recipe(epochs=2, learning_rate=1e30))
    )
    job = wait_until_final(store, submit(store, spec))
    assert job.state is JobState.FAILED
    assert job.error is not None
    assert "learning rate" in job.error
    assert {trial.state for trial in store.trials(job.id)} == {TrialState.DIVERGED}
    assert not store.score_table(job.score_table_id).is_complete.any()


def test_tuning_changes_the_recipe_before_the_search_the_same_way_each_time(store: Store) -> None:
    spec = small_spec(tasks=("digit", "loop"), epochs=9, n_seeds=1, n_confirmation_seeds=0, tuning_samples=3)
    jobs = [wait_until_final(store, submit(store, spec)) for _ in range(2)]
    assert [job.state for job in jobs] == [JobState.SUCCEEDED] * 2
    assert recipe_of(jobs[0]) == recipe_of(jobs[1])
    assert recipe_of(jobs[0]).hidden == recipe_in(spec).hidden
    tuned = [event.data for event in store.events(jobs[0].id) if event.kind == "recipe_tuned"]
    assert len(tuned) == 1
    assert tuned[0]["loss"] <= tuned[0]["first_loss"]


def test_an_encoder_that_cannot_read_the_rows_fails_the_job_and_says_why(store: Store) -> None:
    image = Method("convolutional", {"height": 5, "width": 5})
    job = wait_until_final(
        store, submit(store, dataclasses.replace(small_spec(), trainer_parameters=by(Recipe(encoder=image))))
    )
    assert job.state is JobState.FAILED
    assert job.error is not None
    assert "height 5" in job.error
    assert not store.trials(job.id)


def test_a_problem_that_is_gone_fails_the_job_with_its_name(store: Store) -> None:
    spec = small_spec()
    gone = JobSpec("uninstalled", spec.tasks, trainer_parameters=by(recipe_in(spec)))
    tasks = tuple(task for task in get_problem("digits").tasks if task.name in spec.tasks)
    job = wait_until_final(store, store.create_job(gone, tasks)[0])
    assert job.state is JobState.FAILED
    assert job.error is not None
    assert "uninstalled" in job.error
