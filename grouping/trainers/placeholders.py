"""Placeholders of a command: what a training is, put into a command line and into environment variables."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from string import Formatter
from typing import Any

from grouping.domain.trainings.trials import TrialRequest
from grouping.errors import InvalidInputError

PLACEHOLDERS: Mapping[str, str] = {
    "tasks": "names of the tasks of the network, separated by commas",
    "tasks_json": "the same as a JSON list, for names that hold a comma",
    "task_count": "number of tasks of the network",
    "size": "size of the network, such as 0.5",
    "size_name": "name of that size, such as resnet18; its number where it has none",
    "cost": "inference cost of the network, in SNT",
    "epochs": "epochs of this training: its share of those of a full one",
    "seed": "seed of the training",
    "fidelity": "share of a full training, in (0, 1]",
    "purpose": "search or confirmation",
    "measures_affinity": "1 if affinities are wanted, else 0",
    "out": "empty folder for the result; removed after the training",
    "checkpoint": "folder that survives until the training ended, also when it is started again",
    "job": "identifier of the job; empty outside a service",
    "trial": "identifier of the training within the job, the same at each attempt",
    "python": "the Python that runs this program",
}
"""Meaning of each placeholder. ``{parameters.NAME}`` is a declared parameter of the trainer."""

PREFIX = "GROUPING_"
PARAMETERS = "parameters."


@dataclass(frozen=True, slots=True)
class CommandTraining:
    """One training as a command is told of it.

    Attributes:
        request: what to train.
        tasks: names of its tasks, in display order.
        out: empty folder for its result.
        checkpoint: folder that survives it.
        job: identifier of the job.
        trial: identifier of the training.
        parameters: parameters of the trainer, by name: numbers, texts and truth values.
        python: path of the Python that runs this program.
        epochs: epochs of this training.
        size_name: name of the size of the network; empty where it has none.
    """

    request: TrialRequest
    tasks: Sequence[str]
    out: Path
    checkpoint: Path
    job: str = ""
    trial: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    python: str = "python"
    epochs: int = 1
    size_name: str = ""

    def values(self) -> dict[str, str]:
        """Return the text of each placeholder."""
        request = self.request
        size = f"{request.network.size:.12g}"
        found = {
            "tasks": ",".join(self.tasks),
            "tasks_json": json.dumps(list(self.tasks)),
            "task_count": str(len(self.tasks)),
            "size": size,
            "size_name": self.size_name or size,
            "epochs": str(self.epochs),
            "cost": f"{request.network.cost_snt:.12g}",
            "seed": str(request.seed),
            "fidelity": f"{request.fidelity:.12g}",
            "purpose": request.purpose.value,
            "measures_affinity": str(int(request.measures_affinity)),
            "out": str(self.out),
            "checkpoint": str(self.checkpoint),
            "job": self.job,
            "trial": self.trial,
            "python": self.python,
        }
        return found | {PARAMETERS + name: _text(value) for name, value in self.parameters.items()}


def check_placeholders(arguments: Sequence[str], parameters: Sequence[str]) -> None:
    """Refuse a command line with a placeholder that nothing stands behind.

    Args:
        arguments: the program and its arguments.
        parameters: names of the declared parameters.

    Raises:
        InvalidInputError: if there is one, or a brace alone.
    """
    known = {*PLACEHOLDERS, *(PARAMETERS + name for name in parameters)}
    for argument in arguments:
        for _, name in _parts(argument):
            if name is not None and name not in known:
                listed = ", ".join(f"{{{one}}}" for one in sorted(known))
                raise InvalidInputError(
                    f"{argument!r} has the unknown placeholder {{{name}}}. Known: {listed}. For a brace that "
                    "is meant, write it twice."
                )


def fill(arguments: Sequence[str], training: CommandTraining) -> list[str]:
    """Put a training into a command line. Each argument stays one argument, whatever is put into it.

    Raises:
        InvalidInputError: if a text would be read as an option, or hold what cannot be passed on.
    """
    values = training.values()
    uses = {name for argument in arguments for _, name in _parts(argument)}
    if "tasks" in uses and any("," in task for task in training.tasks):
        raise InvalidInputError(
            "A name of a task holds a comma, so {tasks} would be read wrongly: use {tasks_json} instead."
        )
    return [_filled(argument, values) for argument in arguments]


def variables(training: CommandTraining) -> dict[str, str]:
    """Return the environment variables that tell a command of its training, such as ``GROUPING_SEED``."""
    told = {PREFIX + re.sub(r"\W", "_", name).upper(): value for name, value in training.values().items()}
    return told | {PREFIX + "PARAMETERS": json.dumps(dict(training.parameters))}


def _filled(argument: str, values: Mapping[str, str]) -> str:
    text = "".join(literal + ("" if name is None else values[name]) for literal, name in _parts(argument))
    if "\0" in text:
        raise InvalidInputError(f"The argument {argument!r} would hold a character that cannot be passed on.")
    if text.startswith("-") and not argument.startswith("-") and not re.fullmatch(r"-[\d.].*", text):
        raise InvalidInputError(
            f"The argument {argument!r} would become {text[:50]!r}, which a command reads as an option: "
            "choose a name or value that does not begin with a dash."
        )
    return text


def _parts(argument: str) -> Iterator[tuple[str, str | None]]:
    """Split an argument into literal text, each followed by the name of a placeholder or None."""
    try:
        for literal, name, form, conversion in Formatter().parse(argument):
            if form or conversion:
                raise InvalidInputError(
                    f"{argument!r}: {{{name}:...}} is no placeholder. Write placeholders without a format, "
                    "and braces that are the program's own twice: {{ and }}."
                )
            yield literal, name
    except ValueError as error:
        raise InvalidInputError(
            f"{argument!r} is not understood: {error}. For a brace that is meant, write it twice."
        ) from None


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return repr(value) if isinstance(value, float) else str(value)
