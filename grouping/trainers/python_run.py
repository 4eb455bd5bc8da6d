"""One training by a Python function or class, as a command of its own: ``python -m`` this, ``file.py:Name``.

So a function that somebody has on her own machine trains like any command: in a process that can be ended,
and whose output is its log. What is to be trained stands in the environment, as for any command; see
`grouping.trainers.placeholders`.
"""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from grouping.domain.networks import Network
from grouping.domain.trainings.progress import Progress
from grouping.domain.trainings.trials import Purpose, TrialRequest, TrialState
from grouping.errors import GroupingError, RetryTrainingError
from grouping.trainers.command_process import PROGRESS_KEY, RETRY_STATUS
from grouping.trainers.loading import CodeReference
from grouping.trainers.placeholders import PREFIX
from grouping.trainers.python_trainer import PythonPlan, worker_class
from grouping.trainers.result_file import RESULT_FILE, document_of
from grouping.trainers.workers import NoReports, WorkerContext

MODULE = "grouping.trainers.python_run"


def own_command(named: str) -> list[str]:
    """Return the command that trains by a function or class, after a look at it.

    Args:
        named: ``file.py:Name``, from the present folder.

    Raises:
        InvalidInputError: if there is none, or it cannot train. Errors of its code pass through.
    """
    reference = CodeReference.parse(named, Path.cwd())
    worker_class(reference, {})
    whole = f"{reference.module}:{reference.name}"
    return ["{python}", "-P", "-m", MODULE, whole.replace("{", "{{").replace("}", "}}")]


def main(arguments: Sequence[str], told: Mapping[str, str]) -> int:
    """Train, and write the result; return the exit status.

    Args:
        arguments: what trains, as ``file.py:Name``.
        told: the environment.
    """
    tasks = tuple(json.loads(told[f"{PREFIX}TASKS_JSON"]))
    parameters = json.loads(told.get(f"{PREFIX}PARAMETERS") or "{}")
    reference = CodeReference.parse(arguments[0], Path.cwd())
    size, size_name = told[f"{PREFIX}SIZE"], told[f"{PREFIX}SIZE_NAME"]
    network = Network(frozenset(tasks), float(size), float(told[f"{PREFIX}COST"]))
    request = TrialRequest(
        network,
        int(told[f"{PREFIX}SEED"]),
        float(told[f"{PREFIX}FIDELITY"]),
        Purpose(told[f"{PREFIX}PURPOSE"]),
        told[f"{PREFIX}MEASURES_AFFINITY"] == "1",
    )
    plan = PythonPlan(
        reference,
        tasks,
        {},
        str(parameters.get("data", "")),
        # Those of a full training, from those of this one.
        round(int(told[f"{PREFIX}EPOCHS"]) / request.fidelity),
        {} if size_name == size else {network.size: size_name},
    )
    try:
        worker = worker_class(reference, {})(plan, WorkerContext(reports=_ToOutput()))
        (outcome,) = worker.train([request], Path(told[f"{PREFIX}CHECKPOINT"]))
    except RetryTrainingError as error:
        print(error, file=sys.stderr)
        return RETRY_STATUS
    except GroupingError as error:
        print(error, file=sys.stderr)
        return 1
    if outcome.state is TrialState.FAILED:
        print(outcome.error, file=sys.stderr)
        return 1
    if outcome.state is TrialState.DIVERGED:
        print(outcome.error, file=sys.stderr)
        document: dict[str, Any] = {"validation": dict.fromkeys(tasks, math.nan), "epochs": outcome.epochs}
    else:
        document = document_of(outcome)
    Path(told[f"{PREFIX}OUT"], RESULT_FILE).write_text(json.dumps(document), encoding="utf-8")
    return 0


class _ToOutput(NoReports):
    """Tells progress and log by standard output, as any command does."""

    def progress(self, request: TrialRequest, progress: Progress) -> None:
        """Print a point of the learning curves."""
        point: dict[str, Any] = {"step": progress.step, "values": dict(progress.values)}
        print(json.dumps({PROGRESS_KEY: point}), flush=True)

    def log(self, request: TrialRequest, text: str) -> None:
        """Print further output."""
        print(text, end="" if text.endswith("\n") else "\n", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
