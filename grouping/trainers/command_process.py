"""Training by one command: started, watched, ended in time, and its result read.

A command is told of its training by placeholders and by environment variables; see
`grouping.trainers.placeholders`. It writes `result.json` to its folder; see `grouping.trainers.result_file`.
Its exit status says the rest: 0 with a result is a success, `RETRY_STATUS` asks for another attempt, anything
else is a failure.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import signal
import sys
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from grouping.domain.trainings.faults import Fault
from grouping.domain.trainings.progress import Progress
from grouping.domain.trainings.trials import TrialOutcome, TrialRequest, TrialState
from grouping.errors import GroupingError, InvalidInputError, RetryTrainingError
from grouping.scratch import scratch_folder
from grouping.trainers.guarded import GuardedProcess
from grouping.trainers.placeholders import PREFIX, CommandTraining, check_placeholders, fill, variables
from grouping.trainers.result_file import read_result
from grouping.trainers.workers import TrainingReports

RETRY_STATUS = 75
"""Exit status that asks for another attempt: EX_TEMPFAIL of sysexits.h."""
PROGRESS_FILE = "progress.jsonl"
PROGRESS_KEY = "grouping"
KEPT_LINES = 20
KEPT_CHARACTERS = 2000
"""The most of the last output that stands in an error."""
NOT_INHERITED = ("PYTHONSAFEPATH",)
"""Set by the command line for its own processes; a command finds the modules beside its program."""


@dataclass(frozen=True, slots=True)
class Command:
    """A command that trains one network.

    Attributes:
        arguments: the program and its arguments, with placeholders; no shell reads them.
        directory: folder that it is started in.
        environment: environment variables beside those of this process and those of the training.
        parameters: names of the parameters that its placeholders may name.
        grace_s: seconds between SIGTERM and SIGKILL where it is ended.

    Raises:
        InvalidInputError: if it is empty, or a placeholder is unknown.
    """

    arguments: tuple[str, ...]
    directory: Path = field(default_factory=Path.cwd)
    environment: Mapping[str, str] = field(default_factory=dict)
    parameters: tuple[str, ...] = ()
    grace_s: float = 10.0

    def __post_init__(self) -> None:
        if not self.arguments or not self.arguments[0]:
            raise InvalidInputError('A command needs a program, such as ["python", "train.py"].')
        check_placeholders(self.arguments, self.parameters)


def training_id(request: TrialRequest) -> str:
    """Return an identifier of a training within its job, the same at each attempt: 16 letters and digits."""
    network = request.network
    key = [sorted(network.group), network.size, request.seed, request.fidelity, request.purpose.value]
    return hashlib.sha256(json.dumps(key).encode()).hexdigest()[:16]


def run_command(
    command: Command,
    request: TrialRequest,
    reports: TrainingReports,
    *,
    tasks: Sequence[str] | None = None,
    parameters: Mapping[str, Any] | None = None,
    checkpoints: Path | None = None,
    deadline_s: float | None = None,
    epochs: int = 1,
    size_name: str = "",
    job: str = "",
    trial: str = "",
) -> TrialOutcome:
    """Train a network by a command, and wait for its end.

    Args:
        command: the command.
        request: what to train.
        reports: takes progress and output; the command is ended once it tells that nobody waits.
        tasks: names of tasks in display order, at least those of the network; sorted unless given.
        parameters: values of the declared parameters.
        checkpoints: folder of the job that survives this process; the training has a folder of its own in it.
        deadline_s: seconds after which the command is ended, and failed; None for no end.
        epochs: epochs of the training, which it is told; they count if the result says none.
        size_name: name of the size of the network; empty where it has none.
        job: identifier of the job.
        trial: identifier of the training; `training_id` unless given.

    Returns:
        Its outcome. Whatever the command does wrong is a failed one, with its last lines.

    Raises:
        RetryTrainingError: if the command asks for another attempt.
        InvalidInputError: if `trial` is not of letters, digits, ``_`` and ``-``.
    """
    started = time.perf_counter()
    group = request.network.group
    name = trial or training_id(request)
    if not re.fullmatch(r"[\w-]{1,64}", name):
        raise InvalidInputError(f"{name[:80]!r} is no identifier of a training: it names a folder.")
    with scratch_folder("grouping-training-") as scratch:
        training = CommandTraining(
            request,
            [task for task in tasks if task in group] if tasks is not None else sorted(group),
            scratch / "out",
            scratch / "checkpoint" if checkpoints is None else checkpoints / name,
            job,
            name,
            parameters or {},
            sys.executable,
            epochs,
            size_name,
        )
        for folder in (training.out, training.checkpoint):
            folder.mkdir(parents=True, exist_ok=True)
        try:
            outcome = _Run(command, training, reports, deadline_s, epochs).outcome()
        except RetryTrainingError:
            raise
        except GroupingError as error:
            outcome = TrialOutcome(TrialState.FAILED, error=str(error))
    return replace(outcome, seconds=time.perf_counter() - started)


class _Run:
    """One run of a command, from its start to its end."""

    def __init__(
        self,
        command: Command,
        training: CommandTraining,
        reports: TrainingReports,
        deadline_s: float | None,
        epochs: int,
    ) -> None:
        self._command = command
        self._training = training
        self._reports = reports
        self._deadline_s = deadline_s
        self._epochs = epochs
        self._last: deque[str] = deque(maxlen=KEPT_LINES)
        self._progress_at = 0
        self._started = time.monotonic()

    def outcome(self) -> TrialOutcome:
        """Run the command and return its outcome."""
        command, training = self._command, self._training
        arguments = fill(command.arguments, training)
        ended_for = ""
        with GuardedProcess(
            arguments, command.directory, self._environment(), grace_s=command.grace_s
        ) as process:
            for lines in process.lines():
                self._take(lines)
                self._read_progress_file()
                if not ended_for and (ended_for := self._reason_to_end()):
                    process.end()
            self._read_progress_file(is_over=True)
            status = process.returncode
        if ended_for:
            return self._failed(ended_for, Fault.USER if self._reports.is_cancelled() else Fault.DEADLINE)
        if status == RETRY_STATUS:
            raise RetryTrainingError(
                self._with_last_lines(f"The command asked for another attempt (exit status {status}).")
            )
        if status != 0:
            fault = Fault.RESOURCES if status == -signal.SIGKILL else Fault.USER
            return self._failed(_in_words(status), fault)
        try:
            outcome = read_result(training.out, training.tasks, epochs=self._epochs)
        except GroupingError as error:
            return self._failed(str(error))
        return self._without_lost_artefact(outcome)

    def _environment(self) -> dict[str, str]:
        """Return what the command inherits, without settings of this program such as its token."""
        inherited = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(PREFIX) and name not in NOT_INHERITED
        }
        return inherited | {"PYTHONUNBUFFERED": "1", **self._command.environment, **variables(self._training)}

    def _reason_to_end(self) -> str:
        if self._reports.is_cancelled():
            return "The training was cancelled, and the command ended."
        if self._deadline_s is not None and time.monotonic() - self._started > self._deadline_s:
            return f"The command was ended after its deadline of {self._deadline_s:g} s."
        return ""

    # --- what the command tells

    def _take(self, lines: Sequence[tuple[str, str]]) -> None:
        """Pass on lines: points of progress as such, all else as output."""
        kept = [text for stream, text in lines if not (stream == "stdout" and self._is_progress(text))]
        self._last.extend(text for text in kept if text.strip())
        if kept:
            self._reports.log(self._training.request, "".join(f"{text}\n" for text in kept))

    def _is_progress(self, line: str) -> bool:
        if not line.lstrip().startswith("{") or f'"{PROGRESS_KEY}"' not in line[:40]:
            return False
        try:
            point = json.loads(line)[PROGRESS_KEY]
        except (ValueError, KeyError, RecursionError):
            return False
        return self._report(point)

    def _read_progress_file(self, *, is_over: bool = False) -> None:
        """Report the lines that were added to the file of progress; an unfinished one waits."""
        try:
            with (self._training.out / PROGRESS_FILE).open("rb") as file:
                file.seek(self._progress_at)
                added = file.read()
        except OSError:
            return
        whole = added if is_over else added[: added.rfind(b"\n") + 1]
        self._progress_at += len(whole)
        for line in whole.splitlines():
            try:
                is_understood = self._report(json.loads(line))
            except (ValueError, RecursionError):
                is_understood = False
            if not is_understood:
                told = line[:200].decode(errors="replace")
                self._reports.log(
                    self._training.request, f"{PROGRESS_FILE}: a line is not understood: {told}\n"
                )

    def _report(self, point: Any) -> bool:
        """Report a point; return whether it was one. Values that are not finite are left out."""
        try:
            values = {str(name): float(value) for name, value in point.get("values", {}).items()}
            finite = {name: value for name, value in values.items() if abs(value) < float("inf")}
            progress = Progress(float(point["step"]), finite)
        except (AttributeError, KeyError, TypeError, ValueError, InvalidInputError):
            return False
        self._reports.progress(self._training.request, progress)
        return True

    # --- how it ended

    def _failed(self, reason: str, fault: Fault = Fault.USER) -> TrialOutcome:
        return TrialOutcome(TrialState.FAILED, error=self._with_last_lines(reason), fault=fault)

    def _with_last_lines(self, reason: str) -> str:
        if not self._last:
            return reason
        return f"{reason} Its last lines:\n" + "\n".join(self._last)[-KEPT_CHARACTERS:]

    def _without_lost_artefact(self, outcome: TrialOutcome) -> TrialOutcome:
        """Drop an artefact that is removed with the folder of the result, and say so."""
        if outcome.artefact is None:
            return outcome
        place = (self._command.directory / outcome.artefact).absolute()
        if not place.is_relative_to(self._training.out):
            return outcome
        self._reports.log(
            self._training.request,
            f"The artefact {outcome.artefact} is in {{out}}, which is removed: keep it elsewhere.\n",
        )
        return replace(outcome, artefact=None)


def _in_words(status: int) -> str:
    if status >= 0:
        return f"The command ended with exit status {status}."
    try:
        name = signal.Signals(-status).name
    except ValueError:
        name = "unknown"
    reason = ", as where memory runs out" if -status == signal.SIGKILL else ""
    return f"The command was ended by signal {-status} ({name}){reason}."
