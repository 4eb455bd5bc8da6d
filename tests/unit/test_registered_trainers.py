"""Trainers registered in a file: what they declare holds, and what is wrong is said with its place."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from grouping.cli import app
from grouping.cli.options.trainers_file import use_trainers
from grouping.domain.jobs.search_state import SearchTerms
from grouping.domain.networks import Candidates, Network
from grouping.domain.tasks import Task
from grouping.domain.trainings.resources import PlacedResources
from grouping.domain.trainings.trials import TrialOutcome, TrialRequest, TrialState
from grouping.errors import InvalidInputError, UnknownNameError
from grouping.search import Search
from grouping.strategies import get_strategy
from grouping.trainers import (
    LocalPool,
    Trainer,
    TrainerJob,
    TrainerRequest,
    discover_trainers,
    get_trainer,
    list_trainers,
    list_unavailable,
)
from grouping.trainers.registered import TRAINERS_VARIABLE


class Files:
    """A folder with a file of trainers, which is in use."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, trainers: str, **modules: str) -> None:
        (self.folder / "trainers.toml").write_text(trainers)
        for name, text in modules.items():
            (self.folder / f"{name}.py").write_text(text)
        discover_trainers.cache_clear()


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Files]:
    monkeypatch.setenv(TRAINERS_VARIABLE, str(tmp_path / "trainers.toml"))
    monkeypatch.setattr("sys.path", list(sys.path))
    yield Files(tmp_path)
    discover_trainers.cache_clear()


def built(name: str, **parameters: Any) -> Trainer:
    tasks = ("b", "a")
    found = get_trainer(name, parameters)
    completed = found.complete(TrainerRequest("any", (Task("b"), Task("a")), 2, parameters))
    return found(TrainerJob("any", tasks, SearchTerms(Candidates.of(tasks), (1.0,), (0,)), completed))


def train(trainer: Trainer, request: TrialRequest | None = None) -> TrialOutcome:
    pool = LocalPool()
    trainer.prepare(pool)
    return pool.worker(trainer.setup()).train([request or TrialRequest(Network.of("a", "b"), 0)])[0]


FULL = """
[trainers.mine]
command = ["true"]
title = "Mine"
description = "Trains mine."
epochs = 30
resources = {cpus = 2, gpus = 0.5, memory_gib = 8, custom = {}}
resources_of = {"0.5" = {gpus = 0.25}}
deadline_s = 21600
max_attempts = 5
measures_affinities = true
data = "v3"
"""


def test_what_is_declared_holds(files: Files) -> None:
    files.write(FULL)
    trainer = built("mine")
    small, full = Network.of("a", size=0.5), Network.of("a")
    assert [trainer.epochs_of(1, fidelity) for fidelity in (1.0, 0.5, 0.001)] == [30, 15, 1]
    assert trainer.resources(full) == PlacedResources(2, 0.5, 8)
    assert trainer.resources(small) == PlacedResources(2, 0.25, 8)
    assert trainer.deadline_s(full, 1.0) == 21600
    assert (trainer.max_attempts, trainer.measures_affinities) == (5, True)
    (info,) = (info for info in list_trainers() if info.name == "mine")
    assert (info.title, info.description, info.origin) == ("Mine", "Trains mine.", "trainers.toml")


def test_what_is_not_declared_is_as_for_any_trainer(files: Files) -> None:
    files.write('[trainers.mine]\ncommand = ["true"]')
    trainer, network = built("mine"), Network.of("a")
    assert trainer.epochs_of(1, 1.0) == 1
    assert trainer.resources(network) is None
    assert trainer.deadline_s(network, 1.0) is None
    assert (trainer.max_attempts, trainer.measures_affinities) == (3, False)


def test_scores_under_another_command_or_another_name_of_the_data_are_never_compared(files: Files) -> None:
    found = set()
    for command in ('["true"]', '["true", "x"]'):
        for data in ("v1", "v2"):
            files.write(f'[trainers.mine]\ncommand = {command}\ndata = "{data}"')
            found.add(built("mine").prepare(LocalPool()).fingerprint)
            assert built("mine").prepare(LocalPool()).fingerprint in found
    assert len(found) == 4


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("nonsense", "is no TOML"),
        ("[trainer.mine]", "only tables such as [trainers.mine]"),
        ("[trainers.mine]", "Give either command"),
        ('[trainers.mine]\ncommand = ["a"]\npython = "b.py:c"', "Give either command"),
        (
            '[trainers.mine]\ncommand = ["a"]\nepoch = 3',
            "does not know epoch: did you mean epochs? Its parameters are command,",
        ),
        ('[trainers.mine]\ncommand = "train.py"', "command"),
        ('[trainers.mine]\ncommand = ["a"]\nepochs = 0', "epochs"),
        ('[trainers.mine]\ncommand = ["a", "{epoch}"]', "unknown placeholder {epoch}"),
        ('[trainers.mine]\ncommand = ["a"]\ndirectory = "gone"', "There is no folder"),
        ('[trainers.mine]\ncommand = ["a"]\nresources = {gpu = 1}', "gpu"),
        ('[trainers.mine]\ncommand = ["a"]\nresources_of = {"0.5" = {gpus = 1.5}}', "GPUs"),
        ('[trainers.mine]\ncommand = ["a"]\nparameters = {"a-b" = 1}', "'a-b' is no name"),
        ('[trainers.mine]\ncommand = ["a"]\nparameters = {seed = 1}', "has its own 'seed'"),
        ('[trainers.Mine]\ncommand = ["a"]', "small letters"),
        ('[trainers.mine]\npython = "gone.py:train"', "There is no file"),
        ('[trainers.mine]\npython = "gone.module:train"', "There is no module 'gone.module'"),
        ('[trainers.mine]\npython = "code.py"', 'write "file.py:Name"'),
        ('[trainers.mine]\npython = "code.py:gone"', "has no 'gone'"),
        ('[trainers.mine]\npython = "code.py:number"', "neither a function, nor a class"),
        ('[trainers.mine]\npython = "code.py:wants"', "wants needs 'rows'"),
        ('[trainers.mine]\npython = "code.py:train"\nparameters = {report = 1}', "is told by the search"),
        ('[trainers.mine]\npython = "code.py:train"\nenvironment = {A = "1"}', "for commands"),
        ('[trainers.mine]\npython = "code.py:Abstract"', "does not implement setup"),
        ('[trainers.mine]\npython = "broken.py:train"', "ZeroDivisionError"),
    ],
)
def test_what_cannot_be_used_is_listed_with_file_table_and_reason(
    files: Files, text: str, words: str
) -> None:
    code = "from grouping import Trainer\nnumber = 3\ndef train(): pass\ndef wants(rows): pass\n"
    files.write(text, code=code + "class Abstract(Trainer): pass\n", broken="1 / 0")
    (broken,) = list_unavailable()
    assert words in broken.reason
    if "[trainers.mine]" in text and "Zero" not in words:
        assert "trainers.toml, [trainers.mine]: " in broken.reason
    assert get_trainer("built-in"), "the others can be used"
    with pytest.raises(InvalidInputError):
        get_trainer(broken.name)
    with pytest.raises(InvalidInputError, match=r"trainers\.toml|Zero"):
        use_trainers(files.folder / "trainers.toml", files.folder, is_strict=True)


def test_a_name_that_is_built_in_is_refused_and_stays_built_in(files: Files) -> None:
    before = get_trainer("built-in")
    files.write('[trainers.built-in]\ncommand = ["true"]')
    assert get_trainer("built-in") is before
    (refused,) = list_unavailable()
    assert "choose another one" in refused.reason


def test_parameters_of_a_job_have_the_types_of_their_defaults(files: Files) -> None:
    files.write(
        '[trainers.mine]\ncommand = ["true"]\n[trainers.mine.parameters]\n'
        'rate = 0.1\ndepth = 2\nflip = false\nloss = "l1"'
    )
    assert built("mine", rate=1).job.parameters == {"rate": 1.0, "depth": 2, "flip": False, "loss": "l1"}
    for wrong in ({"rate": "fast"}, {"depth": 1.5}, {"flip": 3}, {"loss": 1}, {"command": "rm"}):
        with pytest.raises(InvalidInputError):
            built("mine", **wrong)


def test_a_job_with_a_parameter_that_would_become_an_option_is_refused(files: Files) -> None:
    files.write('[trainers.mine]\ncommand = ["true", "{parameters.loss}"]\nparameters = {loss = "l1"}')
    assert built("mine", loss="l2")
    with pytest.raises(InvalidInputError, match="reads as an option"):
        built("mine", loss="--help")


def test_a_command_runs_in_the_folder_of_its_file_with_its_environment(files: Files) -> None:
    files.write(
        '[trainers.mine]\ncommand = ["{python}", "beside.py"]\nenvironment = {SPEED = "slow"}',
        beside='import os, json\nassert os.environ["SPEED"] == "slow"\n'
        'out = open(os.environ["GROUPING_OUT"] + "/result.json", "w")\n'
        'json.dump({"validation": dict.fromkeys(json.loads(os.environ["GROUPING_TASKS_JSON"]), 0.5)}, out)',
    )
    outcome = train(built("mine"))
    assert outcome.state is TrialState.SUCCEEDED, outcome.error
    assert [score.task for score in outcome.scores] == ["b", "a"], "in the order of the job"


def test_a_training_that_asks_for_another_attempt_gets_as_many_as_are_declared(
    files: Files, tmp_path: Path
) -> None:
    files.write(
        f'[trainers.mine]\nmax_attempts = 2\ncommand = ["sh", "-c", "echo >> {tmp_path}/attempts; exit 75"]'
    )
    search = Search(get_strategy("exhaustive"), [Task("a")], Candidates.of(["a"]), budgets_snt=(1,))
    search.run(built("mine"))
    (trial,) = search.state.trials
    assert trial.state.is_lost
    assert (tmp_path / "attempts").read_text() == "\n\n"


FUNCTION = """
def train(tasks, seed, fidelity, log, checkpoint=None, rate=0.5):
    log(f"{tasks} {seed} {fidelity} {checkpoint} {rate}")
    return {"validation": dict.fromkeys(tasks, rate)}

def everything(**told):
    return {"validation": dict.fromkeys(told["tasks"], len(told))}

def wrong(tasks):
    return 3
"""


def test_a_function_is_told_what_it_takes(files: Files) -> None:
    files.write(
        '[trainers.mine]\npython = "code.py:train"\nparameters = {rate = 0.25}\n'
        '[trainers.all]\npython = "code.py:everything"\n[trainers.wrong]\npython = "code.py:wrong"',
        code=FUNCTION,
    )
    assert [score.validation_loss for score in train(built("mine")).scores] == [0.25, 0.25]
    assert train(built("all")).scores[0].validation_loss >= 10
    with pytest.raises(Exception, match="must return a dict"):
        train(built("wrong"))


WHOLE = """
from grouping import TaskScore, Trainer, TrainingWorker, TrialOutcome, TrialState, WorkerSetup

class Worker(TrainingWorker):
    def __init__(self, data, context):
        self.loss = data.loss

    def train(self, requests, checkpoints=None):
        scores = [tuple(TaskScore(task, self.loss) for task in r.network.group) for r in requests]
        return [TrialOutcome(TrialState.SUCCEEDED, each) for each in scores]

class Data:
    loss = 0.5

class Whole(Trainer):
    title = "Whole"
    description = "A whole trainer."

    def setup(self):
        return WorkerSetup("whole", Worker, Data())
"""
READ = """
import pickle, sys
from grouping import TrialRequest
from grouping.domain.networks import Network
from grouping.trainers import LocalPool
setup = pickle.load(open(sys.argv[1], "rb"))
(outcome,) = LocalPool().worker(setup).train([TrialRequest(Network.of("a"), 0)])
print(outcome.scores[0].validation_loss)
"""


@pytest.mark.parametrize("name", ["train", "Whole"])
def test_a_setup_is_read_in_a_process_that_knows_no_file_of_trainers(files: Files, name: str) -> None:
    files.write(f'[trainers.mine]\npython = "code.py:{name}"', code=FUNCTION + WHOLE)
    trainer = built("mine")
    trainer.prepare(LocalPool())
    setup = files.folder / "setup"
    setup.write_bytes(pickle.dumps(trainer.setup()))
    environment = {name: value for name, value in os.environ.items() if name != TRAINERS_VARIABLE}
    command = [sys.executable, "-c", READ, str(setup)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.stdout.strip() == "0.5", done.stderr


def test_the_command_line_lists_trainers_with_where_they_come_from(
    files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(TRAINERS_VARIABLE)
    files.write(FULL)
    for arguments in (["--trainers", str(files.folder / "trainers.toml")], ["--home", str(files.folder)]):
        monkeypatch.delenv(TRAINERS_VARIABLE, raising=False)
        discover_trainers.cache_clear()
        told = CliRunner().invoke(app, ["trainers", *arguments])
        assert "mine" in told.stdout
        assert "trainers.toml" in told.stdout
        assert "built in" in told.stdout
    monkeypatch.delenv(TRAINERS_VARIABLE, raising=False)
    discover_trainers.cache_clear()
    with pytest.raises(UnknownNameError):
        get_trainer("mine")


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ('{working_dirr = "."}', "did you mean working_dir? Its parameters are working_dir, py_modules,"),
        ('{working_dir = "gone"}', "There is no "),
        ('{working_dir = "code.py"}', "is no folder"),
        ('{working_dir = "s3://bucket/code.zip"}', "an archive at an address goes to py_modules"),
        ('{py_modules = ["gone"]}', "There is no "),
        ('{py_modules = ["trainers.toml"]}', "is no folder, Python file or wheel"),
        ('{pip = "numpy"}', "pip"),
        ("{env_vars = {A = 1}}", "env_vars"),
        ('{image_uri = "me/image", pip = ["numpy"]}', "give image_uri with env_vars alone"),
        ('{working_dir = "inner"}', "is not in the working_dir"),
    ],
)
def test_a_runtime_env_that_nobody_could_ship_is_refused(files: Files, table: str, words: str) -> None:
    (files.folder / "inner").mkdir()
    files.write(
        f'[trainers.mine]\npython = "{files.folder}/code.py:train"\nruntime_env = {table}', code=FUNCTION
    )
    (broken,) = list_unavailable()
    assert words in broken.reason


def test_a_runtime_env_is_found_from_the_file_and_its_modules_are_imported_here_too(files: Files) -> None:
    for folder in ("project", "lib/helpers"):
        (files.folder / folder).mkdir(parents=True)
    (files.folder / "project" / "own.py").write_text(
        "from helpers import rate\n\ndef train(tasks): return {'validation': dict.fromkeys(tasks, rate)}"
    )
    (files.folder / "lib" / "helpers" / "__init__.py").write_text("rate = 0.125")
    files.write(
        '[trainers.mine]\npython = "own.py:train"\n[trainers.mine.runtime_env]\nworking_dir = "project"\n'
        'py_modules = ["lib/helpers", "https://example.org/more.zip"]\nenv_vars = {A = "1"}'
    )
    trainer = built("mine")
    assert train(trainer).scores[0].validation_loss == 0.125
    shipped = trainer.runtime_env()
    assert shipped is not None
    assert shipped.working_dir == str(files.folder / "project")
    assert shipped.py_modules == (str(files.folder / "lib" / "helpers"), "https://example.org/more.zip")


def test_a_setup_finds_its_code_in_a_copy_of_the_folder(files: Files, tmp_path: Path) -> None:
    original, copy = tmp_path / "original", tmp_path / "copy"
    original.mkdir()
    (original / "code.py").write_text(FUNCTION + WHOLE)
    files.write('[trainers.mine]\npython = "code.py:Whole"\nruntime_env = {working_dir = "original"}')
    trainer = built("mine")
    trainer.prepare(LocalPool())
    setup = files.folder / "setup"
    setup.write_bytes(pickle.dumps(trainer.setup()))
    original.rename(copy)
    moved = (
        "from pathlib import Path\nfrom grouping.trainers.runtime_env import use_copy\n"
        f"use_copy(Path({str(original)!r}), Path({str(copy)!r}))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", moved + READ, str(setup)], capture_output=True, text=True, check=False
    )
    assert done.stdout.strip() == "0.5", done.stderr
