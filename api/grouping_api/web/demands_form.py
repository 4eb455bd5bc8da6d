"""Form of demands on the pages that solve: conversion of its text to a checked request and to links."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated
from urllib.parse import urlencode

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from grouping.domain.constraints import Objective
from grouping.domain.jobs.specification import MAX_BUDGET_SNT
from grouping.errors import InvalidInputError
from grouping.wire.base_types import sentence_of
from grouping.wire.solving import (
    MAX_ALTERNATIVES,
    MAX_BUDGET_IN_ANY_UNIT,
    MAX_NOISE,
    ConfidenceIn,
    Demands,
)
from grouping_api.web.constraint_fields import field_of, number, numbers, read_constraints, whole

_Line = Annotated[str, Field(max_length=200)]
_Text = Annotated[str, Field(max_length=4000)]


class DemandFields(BaseModel):
    """Fields of the form, as text from the address; empty where nothing is demanded."""

    model_config = ConfigDict(frozen=True)

    budget_snt: _Line = ""
    cost: _Line = ""
    together: _Text = ""
    apart: _Text = ""
    max_networks: _Line = ""
    max_group_size: _Line = ""
    is_partition: _Line = ""
    without_standing: _Line = ""
    ceilings: _Text = ""
    forced: _Text = ""
    forbidden: _Text = ""
    limits: _Text = ""
    weights: _Text = ""
    objective: _Line = ""
    k: _Line = ""
    confidence: _Line = ""
    noise: _Line = ""

    def query(self, **changes: str) -> str:
        """Write the fields as the query of an address, with some of them changed."""
        fields = {**self.model_dump(), **changes}
        return urlencode({name: value for name, value in fields.items() if value})


DemandsQuery = Annotated[DemandFields, Query()]


@dataclass(frozen=True)
class FormReading:
    """Parsed form of demands.

    Attributes:
        fields: fields as they were sent.
        demands: the demands; None if a field cannot be understood.
        budget: inference budget in `unit`; None if none is given, or it cannot be understood.
        n_alternatives: number of best groupings to list; 1 for the best alone.
        confidence: how to test the grouping against noise; None if it is not to be tested.
        faults: messages on what is wrong, by the name of the field.
    """

    fields: DemandFields
    demands: Demands | None
    budget: float | None
    n_alternatives: int = 1
    confidence: ConfidenceIn | None = None
    faults: Mapping[str, str] = field(default_factory=dict)

    @property
    def n_set(self) -> int:
        """Number of demands that are set, besides the budget."""
        outside = {"budget_snt", "k", "confidence", "noise"}
        return sum(bool(value.strip()) for name, value in self.fields if name not in outside)

    @property
    def unit(self) -> str:
        """Unit of the budget."""
        return (self.demands.cost if self.demands else None) or "SNT"

    def with_fault(self, error: InvalidInputError) -> FormReading:
        """Copy the reading, with an error of the table or the solver at the field it concerns."""
        place = [part for part in error.pointer.split("/") if part not in {"", "constraints"}]
        name = field_of(place[0]) or place[0] if place else "budget_snt"
        if name not in DemandFields.model_fields:
            name = "budget_snt"
        faults = {**self.faults, name: str(error)}
        return replace(self, demands=None, faults=faults)

    def with_note(self, name: str, message: str) -> FormReading:
        """Copy the reading, with a message at a field on which the demands do not depend."""
        return replace(self, faults={**self.faults, name: message})

    def sentences(self) -> Iterator[str]:
        """Describe the demands, a phrase for each."""
        if self.demands is None:
            return
        yield from self.demands.to_constraints().sentences()
        for task, weight in self.demands.weights.items():
            yield f"{task} has the weight {weight:g}"
        if not self.demands.standing_demands:
            yield "what the job demands is left out"
        if self.demands.objective is Objective.RELATIVE:
            yield "losses count relative to each task alone"


def read_form(fields: DemandFields, tasks: Sequence[str]) -> FormReading:
    """Parse the fields of the form.

    Args:
        fields: fields as they were sent.
        tasks: names of the tasks of the table.
    """
    faults: dict[str, str] = {}
    constraints = read_constraints(fields.model_dump(), tasks, faults)
    constraints["max_group_size"] = whole(fields.max_group_size, "max_group_size", faults)
    said = {
        "cost": fields.cost or None,
        "constraints": constraints,
        "weights": numbers(fields.weights, "weights", faults),
        "objective": fields.objective or "sum",
        "standing_demands": not fields.without_standing,
    }
    demands = None
    try:
        demands = Demands.model_validate(said)
        demands.to_constraints()
    except ValidationError as error:
        for fault in error.errors():
            place = [str(part) for part in fault["loc"] if part != "constraints"]
            faults.setdefault(field_of(place[0]) or place[0], sentence_of(str(fault["msg"])))
    except InvalidInputError as error:
        return FormReading(fields, None, None, faults=faults).with_fault(error)
    budget = _budget(fields.budget_snt, bool(fields.cost), faults)
    n_alternatives = whole(fields.k, "k", faults) or 1
    confidence = ConfidenceIn(noise=_noise(fields.noise, faults)) if fields.confidence else None
    has_demand_fault = set(faults) - {"budget_snt", "noise", "k"}
    return FormReading(
        fields,
        None if has_demand_fault else demands,
        budget,
        min(max(1, n_alternatives), MAX_ALTERNATIVES),
        confidence,
        faults,
    )


def _noise(text: str, faults: dict[str, str]) -> float | None:
    if not text.strip():
        return None
    found = number(text)
    if found is None or not 0 < found <= MAX_NOISE:
        faults["noise"] = f"The noise is a number above 0 and at most {MAX_NOISE:g}, such as 0.01."
        return None
    return found


def _budget(text: str, is_other_cost: bool, faults: dict[str, str]) -> float | None:
    if not text.strip():
        return None
    found = number(text)
    most = MAX_BUDGET_IN_ANY_UNIT if is_other_cost else MAX_BUDGET_SNT
    if found is None or not 0 < found <= most:
        unit = "" if is_other_cost else " of SNT"
        faults["budget_snt"] = f"An inference budget is a number{unit} above 0 and at most {most:g}."
        return None
    return found
