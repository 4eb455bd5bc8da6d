"""Finished results that are told to a search, and the answer."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated, Any

from pydantic import Field

from grouping.domain.tables.finished_results import (
    MAX_RESULTS,
    FinishedResults,
    FinishedTraining,
    ResultValues,
)
from grouping.domain.tasks import MAX_NAME_LENGTH, MAX_TASKS
from grouping.formats.limits import MAX_LOSS
from grouping.wire.base_types import MAX_SAFE_INTEGER, Input, Output, PlainText

MAX_LABEL = 200

_Name = Annotated[PlainText, Field(min_length=1, max_length=MAX_NAME_LENGTH)]
_Number = Annotated[float, Field(ge=-MAX_LOSS, le=MAX_LOSS)]
_Values = Annotated[dict[_Name, _Number], Field(max_length=MAX_TASKS)]
Label = Annotated[PlainText, Field(max_length=MAX_LABEL)]

SOURCE = "Where the results come from, such as the name of a file; for people."
TOLD_BY = "Who tells them; for people."
VALUES = (
    "Meaning of the numbers: `reported`, what the trainer of the job would report (of a task that the job "
    "defines the value of its metric, else the loss), or `losses`, lower is better, as in an exported score "
    "table. May be left out where both mean the same."
)
DATA = "Digest of the data of the trainings; they are refused if the job has another `data_digest`."

RESULTS_EXAMPLE: dict[str, Any] = {
    "source": "half.csv",
    "trainings": [
        {"tasks": ["depth"], "seed": 0, "validation": {"depth": 0.174}},
        {"tasks": ["depth", "edges"], "seed": 0, "validation": {"depth": 0.175, "edges": 0.0136}},
    ],
}


class FinishedTrainingIn(Input):
    """One training that was carried out elsewhere."""

    tasks: list[_Name] = Field(
        min_length=1, max_length=MAX_TASKS, description="Names of the tasks of the group."
    )
    validation: _Values = Field(description="For each task a value on the validation rows.")
    test: _Values = Field(default_factory=dict, description="The same on the test rows; only reported.")
    size: Annotated[float, Field(gt=0, le=1e6)] | _Name = Field(
        default=1.0, description="Size of the network, by its number or by its name in the job."
    )
    seed: Annotated[int, Field(ge=0, le=MAX_SAFE_INTEGER)] | None = Field(
        default=None,
        description="Seed it was trained with, one of the search; left out for the next without a result.",
    )
    costs: dict[_Name, Annotated[float, Field(ge=0, le=1e300)]] = Field(
        default_factory=dict, max_length=20, description="Further costs of the network, such as `latency_ms`."
    )


class FinishedResultsIn(Input):
    """Trainings that were carried out elsewhere and count as trained; all of them, or none."""

    trainings: list[FinishedTrainingIn] = Field(
        min_length=1, max_length=MAX_RESULTS, description="What was trained."
    )
    source: Label = Field(default="", description=SOURCE)
    told_by: Label = Field(default="", description=TOLD_BY)
    values: Annotated[ResultValues, Field(strict=False)] | None = Field(default=None, description=VALUES)
    data: Label | None = Field(default=None, description=DATA)

    @classmethod
    def of(cls, results: FinishedResults) -> FinishedResultsIn:
        """Return the request that tells results."""
        return cls.model_validate_json(json.dumps(asdict(results)))

    def results(self) -> FinishedResults:
        """Return the results as the domain has them."""
        trainings = tuple(
            FinishedTraining(tuple(told.tasks), told.validation, told.test, told.size, told.seed, told.costs)
            for told in self.trainings
        )
        return FinishedResults(trainings, self.source.strip(), self.told_by.strip(), self.values, self.data)


class ResultsAddedOut(Output):
    """Answer to results that were told."""

    added: int = Field(description="Number of trainings that the search did not know.")
    known: int = Field(description="Number of those that it had already, with the same values.")
    findings: list[str] = Field(
        default=[],
        description="What is worth a look: numbers that may stand for something else, or for the contrary.",
    )
