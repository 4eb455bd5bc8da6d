"""A study trains by any trainer, and leaves out what the trainer cannot answer."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from grouping.domain.jobs.search_state import SearchTerms
from grouping.domain.networks import Candidates
from grouping.domain.trainings.recipes import Method
from grouping.domain.trainings.trials import TrialRequest
from grouping.errors import InvalidInputError, NotFoundError, TrainingError
from grouping.problems.registry import ENTRY_POINT_GROUP as PROBLEMS
from grouping.problems.registry import discover_problems
from grouping.study.plan import StudyOptions, plan_study
from grouping.study.presentation import as_markdown, picture_svg, pictures_of
from grouping.study.records import StudyReport, report_from_json, report_to_json
from grouping.study.reporting import make_report
from grouping.study.running import run_study
from grouping.trainers import LocalPool, TrainerJob, discover_trainers, get_trainer
from grouping.trainers.registry import ENTRY_POINT_GROUP as TRAINERS
from tests.contracts.test_trainers import OWN
from tests.integration.test_trainers import PROBLEM
from tests.plug_ins import install
from tests.unit.test_study_command import run as run_command

VARIED = '''

@dataclass(frozen=True)
class Variation:
    share: float = 1.0
    source: str = ""


class Varied(Ridge):
    """Its loss tells what it was asked for: the share of the rows, and 10 more with a source."""

    name = "ridge-varied"
    parameters = Variation

    @classmethod
    def on_share(cls, parameters, share):
        return {**parameters, "share": share}

    @classmethod
    def from_source(cls, parameters, source):
        return {**parameters, "source": source}

    def setup(self):
        told = Variation(**self.job.parameters)
        return WorkerSetup(f"{told}", Telling, told)


class Telling(Worker):
    def __init__(self, told, context):
        self.told = told

    def one(self, request):
        loss = self.told.share + 10 * bool(self.told.source)
        assert not self.told.source or self.told.source in request.network.group
        scores = tuple(TaskScore(task, 99.0, loss) for task in sorted(request.network.group))
        return TrialOutcome(TrialState.SUCCEEDED, scores, 1, 0.0)


class Failing(Ridge):
    name = "ridge-failing"

    def setup(self):
        return WorkerSetup("failing", Broken, None)


class Remote(Ridge):
    name = "ridge-remote"
    trains_elsewhere = True


class Refusing(Ridge):
    name = "ridge-refusing"

    def setup(self):
        return WorkerSetup("refusing", Refused, None)


class Refused(Worker):
    def __init__(self, data, context):
        pass

    def one(self, request):
        return TrialOutcome(TrialState.FAILED, error="too large")


class Broken(Worker):
    def __init__(self, data, context):
        pass

    def one(self, request):
        raise OSError("no disk")
'''
POINTS = f"""
[{TRAINERS}]
ridge = ridge:Ridge
tuned = ridge:Tuned
varied = ridge:Varied
failing = ridge:Failing
refusing = ridge:Refusing
remote = ridge:Remote
[{PROBLEMS}]
sines = ridge:SINES
"""
OPTIONS = StudyOptions(n_seeds=2, sizes=(0.5, 1.0), shares=(0.5, 1.0))
TASKS = ("a", "b", "c")


@pytest.fixture(autouse=True)
def _installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A distribution with trainers and the problem that they train, whose data nobody else can load."""
    sys.modules.pop("ridge", None)  # another test may have installed one of its name
    install(monkeypatch, tmp_path, "ridge", OWN + PROBLEM + VARIED, POINTS)
    for found in (discover_trainers, discover_problems):
        found.cache_clear()
    yield
    sys.modules.pop("ridge", None)
    for found in (discover_trainers, discover_problems):
        found.cache_clear()


def study(trainer: str, processes: int = 1) -> StudyReport:
    return make_report(run_study("sines", OPTIONS, trainer=trainer, processes=processes))


@pytest.mark.parametrize("processes", [1, 2])
def test_questions_that_the_trainer_cannot_answer_are_left_out_with_the_reason(processes: int) -> None:
    report = study("ridge", processes)
    assert [finding.question for finding in report.findings] == ["pairs", "together", "size"]
    assert [finding.question for finding in report.left_out] == ["data", "transfer"]
    assert all("The trainer ridge cannot" in finding.sentence for finding in report.left_out)
    assert (report.trainer, report.recipe) == (Method("ridge"), {})
    assert report.n_trainings == 2 * (2 * (3 + 3) + 1 + 3)  # singles and pairs at two sizes, all, and small
    assert report_from_json(json.loads(json.dumps(report_to_json(report)))) == report


def test_its_scores_are_those_of_the_trainer() -> None:
    run = run_study("sines", OPTIONS, trainer="ridge")
    terms = SearchTerms(Candidates.of(TASKS), (1.0,))
    worker = LocalPool().worker(get_trainer("ridge")(TrainerJob("sines", TASKS, terms)).setup())
    for one in plan_study(TASKS, run.options):
        (outcome,) = worker.train([TrialRequest(one.network, one.seed)])
        found = {score.task: score.loss for score in run.scores if score.training == one}
        assert found == {score.task: score.validation_loss for score in outcome.scores}


def test_validation_losses_are_compared_only_where_there_are_no_test_losses() -> None:
    without, tested = study("ridge"), study("ridge-tuned")
    assert (without.losses, tested.losses) == ("validation", "test")
    assert "validation losses, since there are no test losses" in as_markdown(without)
    assert tested.pairs == without.pairs, "of this trainer both losses are the same"


def test_a_report_shows_what_it_answers_and_says_what_is_left_out() -> None:
    report = study("ridge")
    assert pictures_of(report) == ("size",)
    with pytest.raises(NotFoundError):
        picture_svg(report, "transfer")
    text = as_markdown(report)
    assert text.count("\n## ") == 4
    assert "(size.svg)" in text
    assert "transfer.svg" not in text
    for finding in report.left_out:
        assert finding.sentence in text


def test_a_trainer_that_offers_them_is_asked_for_shares_and_transfers() -> None:
    run = run_study("sines", OPTIONS, trainer="ridge-varied", parameters={})
    assert run.left_out == ()
    assert run.trainer == Method("ridge-varied")
    for score in run.scores:
        assert score.loss == score.training.share + 10 * (score.training.source is not None)
    assert {score.training for score in run.scores} == set(plan_study(TASKS, OPTIONS))


def test_a_trainer_whose_workers_ask_a_service_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="choose another trainer"):
        study("ridge-remote")


@pytest.mark.parametrize("processes", [1, 2])
def test_a_training_that_fails_ends_the_study_with_its_reason(processes: int) -> None:
    with pytest.raises(TrainingError, match=r"training of \S+ failed: OSError: no disk"):
        study("ridge-failing", processes)
    with pytest.raises(TrainingError, match=r"training of \S+ failed: too large"):
        study("ridge-refusing", processes)


def test_the_command_takes_a_trainer_with_its_parameters(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    arguments = ["sines", "--trainer", "ridge-tuned:strength=2", "--quick", "--no-keep", "-o", str(out)]
    assert run_command(monkeypatch, *arguments) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "The trainer ridge-tuned cannot train on a share of the training rows." in " ".join(
        printed.split()
    )
    report = report_from_json(json.loads((out / "report.json").read_text()))
    assert report.trainer == Method("ridge-tuned", {"strength": 2})
    assert "Trainer: ridge-tuned, strength 2." in (out / "report.md").read_text()
    assert {path.name for path in out.glob("*.svg")} == {"size.svg"}
    assert run_command(monkeypatch, "sines", "--trainer", "ridge-tuned:strength=-1", "--no-keep") == 2
    assert "strength" in capsys.readouterr().err
