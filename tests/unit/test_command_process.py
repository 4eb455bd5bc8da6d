"""A command that trains: what it is told, what becomes of its result, and how it is ended."""

from __future__ import annotations

import ast
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from grouping.domain.networks import Network
from grouping.domain.trainings.progress import Progress
from grouping.domain.trainings.trials import Purpose, TrialOutcome, TrialRequest, TrialState
from grouping.errors import InvalidInputError, RetryTrainingError
from grouping.trainers.command_process import RETRY_STATUS, Command, run_command, training_id
from grouping.trainers.placeholders import PLACEHOLDERS
from tests.patience import wait_for

PAIR = Network.of("b", "a", size=0.5, cost_snt=0.75)
REQUEST = TrialRequest(PAIR, 3, 0.25, Purpose.CONFIRMATION)
SUCCESS = """
import json, os, pathlib
result = {"validation": {"a": 0.5, "b": 2}}
pathlib.Path(os.environ["GROUPING_OUT"], "result.json").write_text(json.dumps(result))
"""


class Reports:
    """Keeps what it is told, and cancels when it is told to."""

    def __init__(self) -> None:
        self.points: list[Progress] = []
        self.text = ""
        self.is_over = False

    def progress(self, request: TrialRequest, progress: Progress) -> None:
        assert request == REQUEST
        self.points.append(progress)

    def log(self, request: TrialRequest, text: str) -> None:
        assert request == REQUEST
        self.text += text

    def is_cancelled(self) -> bool:
        return self.is_over


def command(program: str, *arguments: str, grace_s: float = 5.0, parameters: tuple[str, ...] = ()) -> Command:
    return Command(("{python}", "-c", program, *arguments), parameters=parameters, grace_s=grace_s)


def run(program: str, *arguments: str, reports: Reports | None = None, **options: object) -> TrialOutcome:
    program = program.replace("{", "{{").replace("}", "}}")
    return run_command(command(program, *arguments), REQUEST, reports or Reports(), **options)  # type: ignore[arg-type]


def is_alive(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


# --- what it is told


def test_each_placeholder_and_its_variable_hold_the_same_text(tmp_path: Path) -> None:
    reports = Reports()
    names = sorted(PLACEHOLDERS)
    program = """
import os, sys
names = sys.argv[1].split()
print([(n, text, os.environ["GROUPING_" + n.upper()]) for n, text in zip(names, sys.argv[2:])])
"""
    run(
        program + SUCCESS,
        " ".join(names),
        *(f"{{{name}}}" for name in names),
        reports=reports,
        job="j1",
        trial="t1",
        checkpoints=tmp_path,
    )
    told = ast.literal_eval(reports.text)
    assert [name for name, _, _ in told] == names
    assert all(text == variable for _, text, variable in told)
    values = {name: text for name, text, _ in told}
    assert Path(values.pop("checkpoint")) == tmp_path / "t1"
    assert not Path(values.pop("out")).exists(), "removed after the training"
    assert values == {
        "tasks": "a,b",
        "tasks_json": '["a", "b"]',
        "task_count": "2",
        "size": "0.5",
        "size_name": "0.5",
        "cost": "0.75",
        "epochs": "1",
        "seed": "3",
        "fidelity": "0.25",
        "purpose": "confirmation",
        "measures_affinity": "0",
        "job": "j1",
        "trial": "t1",
        "python": sys.executable,
    }


def test_a_command_knows_nothing_of_the_service_that_started_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GROUPING_API_TOKEN", "GROUPING_DATABASE_URL", "GROUPING_LIFELINE", "PYTHONSAFEPATH"):
        monkeypatch.setenv(name, "secret")
    monkeypatch.setenv("KEPT", "kept")
    reports = Reports()
    run("import os; print(*map('='.join, os.environ.items()))", reports=reports)
    assert "secret" not in reports.text
    assert "KEPT=kept" in reports.text


@pytest.mark.parametrize(
    "argument", ["{taks}", "{parameters.rate}", "{tasks:5}", "{tasks!r}", "{", "{}", "x}"]
)
def test_a_placeholder_that_nothing_stands_behind_is_refused_when_declared(argument: str) -> None:
    with pytest.raises(InvalidInputError):
        command("pass", argument)


def test_a_text_from_outside_stays_one_argument_and_becomes_no_option() -> None:
    reports = Reports()
    program = "import sys; print(sys.argv[1:])"
    mean = command(program, "{parameters.name}", "--name={parameters.name}", parameters=("name",))
    run_command(mean, REQUEST, reports, parameters={"name": "$(id); 'a' b"})
    assert ast.literal_eval(reports.text) == ["$(id); 'a' b", "--name=$(id); 'a' b"]
    outcome = run_command(mean, REQUEST, reports, parameters={"name": "--config=/etc/passwd"})
    assert outcome.state is TrialState.FAILED
    assert "reads as an option" in (outcome.error or "")
    number = command(program, "{parameters.name}", parameters=("name",))
    assert "reads as" not in (run_command(number, REQUEST, reports, parameters={"name": -0.5}).error or "")


def test_tasks_with_a_comma_are_told_as_json_only() -> None:
    request = TrialRequest(Network.of("a,b"), 0)
    assert "{tasks_json}" in (run_command(command("pass", "{tasks}"), request, _Any()).error or "")
    reports = _Any()
    run_command(command("import sys; print(sys.argv[1])", "{tasks_json}"), request, reports)
    assert json.loads(reports.text) == ["a,b"]


class _Any(Reports):
    def log(self, request: TrialRequest, text: str) -> None:
        self.text += text


def test_the_folder_of_a_training_survives_its_attempts_and_its_identifier_tells_trainings_apart(
    tmp_path: Path,
) -> None:
    program = """
import os, pathlib
file = pathlib.Path(os.environ["GROUPING_CHECKPOINT"], "state")
print(file.exists())
file.touch()
"""
    reports = Reports()
    for _ in range(2):
        run(program, reports=reports, checkpoints=tmp_path)
    assert reports.text == "False\nTrue\n"
    requests = [
        REQUEST,
        TrialRequest(Network.of("a", size=0.5), 3, 0.25, Purpose.CONFIRMATION),
        TrialRequest(Network.of("a", "b"), 3, 0.25, Purpose.CONFIRMATION),
        TrialRequest(PAIR, 4, 0.25, Purpose.CONFIRMATION),
        TrialRequest(PAIR, 3, 1.0, Purpose.CONFIRMATION),
        TrialRequest(PAIR, 3, 0.25),
    ]
    assert len({training_id(request) for request in requests}) == len(requests)


@pytest.mark.parametrize("trial", ["../elsewhere", "a/b", ".", "a" * 100])
def test_an_identifier_that_could_name_another_folder_is_refused(tmp_path: Path, trial: str) -> None:
    with pytest.raises(InvalidInputError, match="no identifier"):
        run(SUCCESS, checkpoints=tmp_path, trial=trial)
    assert not list(tmp_path.iterdir())


# --- what becomes of its result


def test_a_result_becomes_an_outcome_with_the_planned_epochs() -> None:
    outcome = run(SUCCESS, epochs=30)
    assert outcome.state is TrialState.SUCCEEDED, outcome.error
    assert {score.task: score.validation_loss for score in outcome.scores} == {"a": 0.5, "b": 2.0}
    assert outcome.epochs == 30
    assert outcome.seconds > 0


def test_the_status_that_asks_for_another_attempt_does_so_whatever_else_was_written() -> None:
    with pytest.raises(RetryTrainingError, match="no GPU is free"):
        run(SUCCESS + f"print('no GPU is free'); raise SystemExit({RETRY_STATUS})")


@pytest.mark.parametrize(
    ("program", "said"),
    [
        (SUCCESS + "raise SystemExit(3)", "exit status 3"),
        ("import os; print('last words', flush=True); os.kill(os.getpid(), 9)", "signal 9 (SIGKILL)"),
        ("import os; print('last words', flush=True); os.kill(os.getpid(), 9)", "last words"),
        ("import sys; print('to stderr', file=sys.stderr); sys.exit(1)", "to stderr"),
        ("pass", "left no result.json"),
    ],
)
def test_a_failure_says_how_the_command_ended_and_what_it_said_last(program: str, said: str) -> None:
    outcome = run(program)
    assert outcome.state is TrialState.FAILED
    assert said in (outcome.error or "")


def test_a_command_that_cannot_be_started_fails_with_the_reason(tmp_path: Path) -> None:
    missing = run_command(Command(("no-such-program",)), REQUEST, Reports())
    assert "'no-such-program' could not be started: No such file" in (missing.error or "")
    nowhere = Command(("true",), tmp_path / "gone")
    assert "gone" in (run_command(nowhere, REQUEST, Reports()).error or "")


def test_an_artefact_in_the_folder_that_is_removed_is_dropped_and_said() -> None:
    kept = SUCCESS.replace('"b": 2}', '"b": 2}, "artefact": ARTEFACT')
    reports = Reports()
    lost = kept.replace("ARTEFACT", "os.environ['GROUPING_OUT'] + '/weights.pt'")
    assert run(lost, reports=reports).artefact is None
    assert "keep it elsewhere" in reports.text
    assert run(kept.replace("ARTEFACT", "'s3://bucket/weights'")).artefact == "s3://bucket/weights"


# --- what it tells while it runs


def test_progress_comes_from_lines_and_from_a_file_and_the_rest_is_output() -> None:
    program = """
import json, os, sys
print(json.dumps({"grouping": {"step": 1, "values": {"a": 0.5, "b": float("nan")}}}))
print("epoch 1")
print("bar 10%\\rbar 100%")
print('{"grouping": 1}')
print("warning", file=sys.stderr)
with open(os.environ["GROUPING_OUT"] + "/progress.jsonl", "w") as file:
    file.write('{"step": 2, "values": {"a": 0.25}}\\nnonsense\\n{"step": 3}')
"""
    reports = Reports()
    run(program + SUCCESS, reports=reports)
    assert sorted(reports.points, key=lambda point: point.step) == [
        Progress(1, {"a": 0.5}),
        Progress(2, {"a": 0.25}),
        Progress(3),
    ]
    lines = reports.text.splitlines()
    assert {"epoch 1", "bar 100%", '{"grouping": 1}', "warning"} <= set(lines)
    assert sum("nonsense" in line for line in lines) == 1
    assert len(lines) == 5


def test_output_without_an_end_of_line_and_without_measure_is_taken_in_pieces() -> None:
    reports = Reports()
    outcome = run("print('x' * 1_000_000, end='')\n" + SUCCESS, reports=reports)
    assert outcome.state is TrialState.SUCCEEDED
    assert reports.text.count("x") == 1_000_000


# --- how it is ended

TREE = """
import os, signal, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
own_session = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
# Its parent ends at once: a child of nobody here.
orphan = subprocess.run(
    [sys.executable, "-c",
     "import subprocess, sys; p = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'],"
     " start_new_session=True, stdout=subprocess.DEVNULL); print(p.pid)"],
    stdout=subprocess.PIPE, check=True, text=True)
print("pids", os.getpid(), child.pid, own_session.pid, orphan.stdout.strip(), flush=True)
"""
STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"


def pids(text: str) -> list[int]:
    return [int(word) for line in text.splitlines() if line.startswith("pids") for word in line.split()[1:]]


class CancelsWhenAsked(Reports):
    """Cancels as soon as the command named its processes."""

    def is_cancelled(self) -> bool:
        return bool(pids(self.text))


@pytest.mark.parametrize("stubborn", ["", STUBBORN], ids=["", "it ignores SIGTERM"])
def test_everything_that_a_command_started_ends_when_it_is_cancelled(stubborn: str) -> None:
    reports = CancelsWhenAsked()
    grace_s = 0.5 if stubborn else 60.0
    outcome = run_command(command(stubborn + TREE + "time.sleep(600)", grace_s=grace_s), REQUEST, reports)
    assert "cancelled" in (outcome.error or "")
    found = pids(reports.text)
    assert len(found) == 4
    assert not [process for process in found if is_alive(process)]


def test_everything_that_a_command_started_ends_with_it() -> None:
    reports = Reports()
    assert run(TREE + SUCCESS, reports=reports).state is TrialState.SUCCEEDED
    assert not [process for process in pids(reports.text) if is_alive(process)]


def test_a_command_is_asked_to_end_at_its_deadline_and_may_tidy_up(tmp_path: Path) -> None:
    program = """
import os, pathlib, signal, sys, time
def tidy(*_):
    pathlib.Path(os.environ["GROUPING_CHECKPOINT"], "tidied").touch()
    sys.exit(0)
signal.signal(signal.SIGTERM, tidy)
pathlib.Path(os.environ["GROUPING_CHECKPOINT"], "began").touch()
time.sleep(600)
"""
    for deadline_s in (1, 10, 100):  # on a busy machine it may take that long to begin
        outcome = run(program, deadline_s=float(deadline_s), checkpoints=tmp_path, trial="t")
        assert outcome.state is TrialState.FAILED
        assert f"deadline of {deadline_s} s" in (outcome.error or "")
        if (tmp_path / "t" / "began").exists():
            break
    assert (tmp_path / "t" / "tidied").exists()


PARENT = """
import sys
from tests.unit.test_command_process import REQUEST, Reports, TREE, command
from grouping.trainers.command_process import run_command

class Shown(Reports):
    def log(self, request, text):
        print(text, end="", flush=True)

run_command(command(sys.argv[1]), REQUEST, Shown())
"""


def _parent_of(process: int) -> int:
    try:
        return int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])
    except FileNotFoundError:
        return 0


def _children_of(process: int) -> list[int]:
    everyone = (int(folder.name) for folder in Path("/proc").glob("[0-9]*"))
    return [child for child in everyone if _parent_of(child) == process]


@pytest.mark.parametrize("who", ["the parent", "the parent and its children", "its guard", "the command"])
def test_the_tree_is_gone_within_ten_seconds_after_a_kill(who: str) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, TREE + "time.sleep(600)"],
        cwd=Path(__file__).parents[2],
        stdout=subprocess.PIPE,
        text=True,
    ) as parent:
        assert parent.stdout is not None
        found = pids(parent.stdout.readline())
        assert len(found) == 4
        assert all(is_alive(process) for process in found)
        killed = {
            "the parent": [parent.pid],
            # As Ray does it where a worker ends.
            "the parent and its children": [*_children_of(parent.pid), parent.pid],
            "its guard": [_parent_of(found[0])],
            "the command": [found[0]],
        }[who]
        for process in killed:
            os.kill(process, signal.SIGKILL)
        # What has left the session of the command is out of reach once its guard is killed.
        reached = found[:2] if who == "its guard" else found
        wait_for(lambda: not any(map(is_alive, reached)), "the end of the tree", idle_s=10)
        parent.wait(60)
    for process in found:
        if is_alive(process):
            os.kill(process, signal.SIGKILL)
