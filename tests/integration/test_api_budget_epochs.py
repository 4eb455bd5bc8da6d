"""What a budget in epochs counts over HTTP: preparations before, and what comes back during a job."""

from __future__ import annotations

import pytest

from grouping.domain.jobs.specification import TrainingBudget
from grouping.domain.trainings.trials import TaskScore, TrialOutcome, TrialState
from grouping.store import Store
from tests.integration.conftest import Api, Scenes
from tests.integration.test_api_budgets import DIGITS, estimated
from tests.integration.test_planner import epochs_left

SPARSE = {"name": "sparse", "parameters": {"rounds": 4, "round_epochs": 0.25}}


@pytest.mark.parametrize(("epochs", "fits"), [(84, "no"), (85, "yes")])
def test_what_prepares_a_network_is_part_of_what_it_costs(api: Api, epochs: int, fits: str) -> None:
    body = {"tasks": list(DIGITS[:3]), "n_seeds": 1, "n_confirmation_seeds": 0}
    recipe = {"epochs": 4, "sharing": SPARSE}
    told = estimated(api, {**body, "recipe": recipe, "training_budget": {"epochs": epochs}})
    # Six single networks are not prepared; of three pairs and a triple every task is trained five times.
    assert told["total"]["upper"]["epochs"] == 6 * 4 + 3 * (4 + 2 * 5) + (4 + 3 * 5) == 85
    assert told["total"]["upper"]["trainings"] == 10, "with its preparation it is one training"
    assert told["exhaustive"]["share_upper"] == 1.0
    assert told["total"]["fits"] == fits


def test_what_is_left_of_a_budget_is_what_may_still_be_planned(
    api: Api, scenes: Scenes, store: Store
) -> None:
    job = scenes.running(DIGITS[:3], n_seeds=1, training_budget=TrainingBudget(epochs=1000))
    claim, planned = scenes.claims[job.id], store.trials(job.id)

    def left() -> int:
        told = api.get(f"/v1/jobs/{job.id}/ledger").json()["left"]["epochs"]
        assert told == epochs_left(store, job)
        return int(told)

    assert left() == 1000 - 10 * 25, "ten trainings are planned for 25 epochs each"
    scenes.train(job, 1)
    assert left() == 1000 - 10 * 25
    scores = tuple(TaskScore(task, 0.5, 0.5, 0.5, 0.5) for task in sorted(planned[1].network.group))
    store.start_trials(claim, [planned[1].id, planned[2].id])
    store.record_outcomes(
        claim,
        {
            planned[1].id: TrialOutcome(TrialState.SUCCEEDED, scores, epochs=20, seconds=1.0),
            planned[2].id: TrialOutcome(TrialState.DIVERGED, epochs=3, seconds=1.0, error="diverged"),
        },
    )
    assert left() == 1000 - 9 * 25 - 20, "what a training did not need comes back once it has succeeded"
    store.skip_trials(claim, [planned[3].id])
    assert left() == 1000 - 8 * 25 - 20
