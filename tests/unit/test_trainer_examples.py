"""The trainers of examples/trainers train for real, small ones."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from grouping.domain.jobs.search_state import SearchTerms
from grouping.domain.networks import Candidates, Network
from grouping.domain.tasks import Task
from grouping.domain.trainings.progress import Progress
from grouping.domain.trainings.trials import TrialOutcome, TrialRequest, TrialState
from grouping.trainers import (
    LocalPool,
    NoReports,
    TrainerJob,
    TrainerRequest,
    WorkerContext,
    discover_trainers,
    get_trainer,
)
from grouping.trainers.command_process import training_id
from grouping.trainers.registered import TRAINERS_VARIABLE

FOLDER = Path(__file__).parents[2] / "examples" / "trainers"
TASKS = ("progress", "bmi", "pressure", "triglycerides")
PAIR = TrialRequest(Network.of("bmi", "pressure", size=0.5, cost_snt=0.5), 3, 0.5)


FOREIGN = [pytest.mark.slow, pytest.mark.filterwarnings("default")]
"""Their libraries warn of what is no fault of the example."""


class Kept(NoReports):
    """Keeps points."""

    def __init__(self) -> None:
        self.points: list[Progress] = []

    def progress(self, request: TrialRequest, progress: Progress) -> None:
        self.points.append(progress)


@pytest.fixture(autouse=True)
def _registered(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv(TRAINERS_VARIABLE, str(FOLDER / "trainers.toml"))
    monkeypatch.setattr(sys, "path", list(sys.path))
    discover_trainers.cache_clear()
    yield
    sys.modules.pop("diabetes", None)
    discover_trainers.cache_clear()


def train(
    name: str, request: TrialRequest = PAIR, checkpoints: Path | None = None, reports: NoReports | None = None
) -> TrialOutcome:
    found = get_trainer(name)
    parameters = found.complete(TrainerRequest("diabetes", tuple(map(Task.regression, TASKS)), 4))
    terms = SearchTerms(Candidates.of(TASKS), (1.0,), (0,))
    trainer = found(TrainerJob("diabetes", TASKS, terms, parameters))
    pool = LocalPool(WorkerContext(reports=reports or NoReports()))
    trainer.prepare(pool)
    (outcome,) = pool.worker(trainer.setup()).train([request], checkpoints)
    assert outcome.state is TrialState.SUCCEEDED, outcome.error
    return outcome


@pytest.mark.parametrize(
    "name",
    [
        "forest",
        "libmtl-style",
        pytest.param("lightning", marks=FOREIGN),
        pytest.param("huggingface", marks=FOREIGN),
    ],
)
def test_an_example_learns_something_and_the_same_again(name: str) -> None:
    first, again = train(name), train(name)
    assert [score.task for score in first.scores] == ["bmi", "pressure"]
    for score in first.scores:
        assert score.test_loss is not None
        assert score.validation_loss < 1.0, "better than the mean of the task"
        assert math.isfinite(score.test_loss)
    assert again.scores == first.scores


def test_the_command_of_pytorch_tells_its_curves_and_goes_on_from_its_checkpoint(tmp_path: Path) -> None:
    whole, begun, rest = Kept(), Kept(), Kept()
    once = train("pytorch", reports=whole)
    assert once.costs == {"parameters": 434}
    assert all(score.validation_loss < 1.0 for score in once.scores)
    shorter = TrialRequest(PAIR.network, PAIR.seed, 0.25)
    train("pytorch", shorter, tmp_path, begun)
    # As if the longer training had been killed where the shorter one ended.
    (tmp_path / training_id(shorter)).rename(tmp_path / training_id(PAIR))
    continued = train("pytorch", PAIR, tmp_path, rest)
    assert [len(kept.points) for kept in (whole, begun, rest)] == [15, 8, 7]
    assert begun.points + rest.points == whole.points
    assert continued.scores == once.scores
