"""The result of a training in a file: what a command leaves, or a function returns, as an outcome."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from annotated_types import Ge, Gt, MaxLen
from pydantic import BaseModel, ConfigDict, FiniteFloat, ValidationError

from grouping.domain.affinities.joint_runs import JointAffinities
from grouping.domain.trainings.trials import TaskScore, TrialOutcome, TrialState
from grouping.errors import InvalidInputError, TrainingError

RESULT_FILE = "result.json"
MAX_RESULT_BYTES = 4 * 2**20
Losses = dict[str, float]


class AffinitiesRead(BaseModel):
    """Affinities that were measured during a training.

    Attributes:
        values: by method, source and target; a missing pair was not measured.
        n_steps: gradient steps at which they were measured.
    """

    model_config = ConfigDict(extra="forbid")

    values: dict[str, dict[str, dict[str, float]]]
    n_steps: Annotated[int, Ge(1)] = 1


class Result(BaseModel):
    """Content of a result file.

    Attributes:
        validation: validation loss of each task, lower is better; one that is not finite is a divergence.
        test: test loss of each task.
        validation_metrics: the metric of tasks on the validation rows; NaN counts as not measured.
        test_metrics: likewise on the test rows.
        epochs: epochs carried out; those planned unless given.
        cost_snt: measured inference cost of the network, in SNT.
        costs: further costs of the network, by name, such as ``latency_ms``.
        artefact: path or address of what the training keeps, as text.
        affinities: affinities between the tasks.
    """

    model_config = ConfigDict(extra="forbid")

    validation: Losses
    test: Losses | None = None
    validation_metrics: Losses | None = None
    test_metrics: Losses | None = None
    epochs: Annotated[int, Ge(0)] | None = None
    cost_snt: Annotated[FiniteFloat, Gt(0)] | None = None
    costs: Annotated[dict[str, Annotated[FiniteFloat, Ge(0)]], MaxLen(20)] = {}
    artefact: Annotated[str, MaxLen(2000)] | None = None
    affinities: AffinitiesRead | None = None


def read_result(folder: Path, tasks: Sequence[str], *, epochs: int = 1) -> TrialOutcome:
    """Read the result that a command left in its folder.

    Args:
        folder: folder of the result.
        tasks: names of the tasks of the network.
        epochs: epochs that count if the result says none.

    Raises:
        TrainingError: if there is none, or it breaks a rule; says what to do.
    """
    file = folder / RESULT_FILE
    try:
        if file.stat().st_size > MAX_RESULT_BYTES:
            raise TrainingError(f"{RESULT_FILE} is larger than {MAX_RESULT_BYTES:,} bytes.")
        return outcome_of(file.read_bytes(), tasks, epochs=epochs)
    except FileNotFoundError:
        raise TrainingError(
            f"The command left no {RESULT_FILE}: write it to the folder that {{out}} and GROUPING_OUT name, "
            'such as {"validation": {"TASK": 0.3}}.'
        ) from None
    except OSError as error:
        raise TrainingError(f"{RESULT_FILE} cannot be read: {error.strerror}.") from error


def outcome_of(
    result: bytes | Mapping[str, Any], tasks: Sequence[str], *, epochs: int = 1, what: str = RESULT_FILE
) -> TrialOutcome:
    """Check a result and return it as an outcome: succeeded, or diverged where a loss is not finite.

    Args:
        result: JSON, or what it stands for.
        tasks: names of the tasks of the network.
        epochs: epochs that count if the result says none.
        what: name of the result in messages.

    Raises:
        TrainingError: if it breaks a rule.
    """
    found = _parse(result, what)
    counted = epochs if found.epochs is None else found.epochs
    for name, losses in (("validation", found.validation), ("test", found.test)):
        if losses is None:
            continue
        _check_tasks(losses, tasks, f"{what}: {name}", is_complete=True)
        if odd := [task for task in tasks if not math.isfinite(losses[task])]:
            error = f"The {name} loss of {odd[0]!r} is {losses[odd[0]]}."
            return TrialOutcome(TrialState.DIVERGED, epochs=counted, error=error)
    for name in ("validation_metrics", "test_metrics"):
        _check_tasks(getattr(found, name) or {}, tasks, f"{what}: {name}", is_complete=False)
    scores = tuple(
        TaskScore(
            task,
            found.validation[task],
            None if found.test is None else found.test[task],
            _finite(found.validation_metrics, task),
            _finite(found.test_metrics, task),
        )
        for task in tasks
    )
    affinities = None if found.affinities is None else _affinities(found.affinities, tasks, what)
    return TrialOutcome(
        TrialState.SUCCEEDED,
        scores,
        counted,
        affinities=affinities,
        cost_snt=found.cost_snt,
        costs=found.costs,
        artefact=found.artefact,
    )


def document_of(outcome: TrialOutcome) -> dict[str, Any]:
    """Return the content of the result file of a successful training; `outcome_of` reads it."""
    scores = outcome.scores
    columns: dict[str, dict[str, float | None]] = {
        "validation": {score.task: score.validation_loss for score in scores},
        "test": {score.task: score.test_loss for score in scores},
        "validation_metrics": {score.task: score.validation_metric for score in scores},
        "test_metrics": {score.task: score.test_metric for score in scores},
    }
    result: dict[str, Any] = {"epochs": outcome.epochs}
    for name, values in columns.items():
        known = {task: value for task, value in values.items() if value is not None}
        if known:
            result[name] = known
    if outcome.cost_snt is not None:
        result["cost_snt"] = outcome.cost_snt
    if outcome.costs:
        result["costs"] = dict(outcome.costs)
    if outcome.artefact is not None:
        result["artefact"] = outcome.artefact
    if outcome.affinities is not None:
        result["affinities"] = _document_of_affinities(outcome.affinities)
    return result


def _document_of_affinities(measured: JointAffinities) -> dict[str, Any]:
    values = {
        method: {
            source: {
                target: float(value)
                for target, value in zip(measured.tasks, row, strict=True)
                if not math.isnan(value)
            }
            for source, row in zip(measured.tasks, matrix, strict=True)
        }
        for method, matrix in measured.values.items()
    }
    return {"values": values, "n_steps": measured.n_steps}


def _parse(result: bytes | Mapping[str, Any], what: str) -> Result:
    try:
        if isinstance(result, bytes):
            return Result.model_validate_json(result)
        return Result.model_validate(dict(result))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        if first["type"] == "extra_forbidden":
            known = ", ".join(Result.model_fields if len(first["loc"]) == 1 else AffinitiesRead.model_fields)
            raise TrainingError(f"{what} has the unknown key {where!r}. Known: {known}.") from error
        raise TrainingError(f"{what}{f': {where}' if where else ''}: {first['msg']}.") from error


def _check_tasks(given: Mapping[str, float], tasks: Sequence[str], where: str, *, is_complete: bool) -> None:
    if unknown := sorted(set(given) - set(tasks)):
        raise TrainingError(
            f"{where} names {', '.join(map(repr, unknown[:5]))}; the tasks of this network are "
            f"{', '.join(map(repr, tasks))}."
        )
    if is_complete and (missing := [task for task in tasks if task not in given]):
        raise TrainingError(
            f"{where} has no loss of {', '.join(map(repr, missing))}: give one for each task of the network."
        )


def _finite(values: Mapping[str, float] | None, task: str) -> float | None:
    value = (values or {}).get(task)
    return value if value is not None and math.isfinite(value) else None


def _affinities(read: AffinitiesRead, tasks: Sequence[str], what: str) -> JointAffinities:
    places = {task: place for place, task in enumerate(tasks)}
    matrices = {}
    for method, rows in read.values.items():
        matrix = np.full((len(tasks), len(tasks)), np.nan)
        for source, row in rows.items():
            _check_tasks({source: 0.0, **row}, tasks, f"{what}: affinities", is_complete=False)
            for target, value in row.items():
                matrix[places[source], places[target]] = value
        matrices[method] = matrix
    try:
        return JointAffinities(tuple(tasks), matrices, read.n_steps, np.ones((len(tasks), len(tasks))))
    except InvalidInputError as error:
        raise TrainingError(f"{what}: {error}") from error
