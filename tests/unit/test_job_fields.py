"""A field of a job is declared in one place: request, clone, form, options and checks all follow from it."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace
from typing import Annotated, Any

import pytest
import typer.main
from annotated_types import Interval
from pydantic import ValidationError
from typer.testing import CliRunner

from grouping.cli import app
from grouping.cli.commands import load_command
from grouping.cli.options.fields import option, option_name
from grouping.cli.options.jobs import with_job_options
from grouping.domain.fields import AskedAtMost, Declared, Shown, declared, find
from grouping.domain.jobs.specification import (
    CHOICES,
    DEFINED,
    NOT_CLONED,
    PARAMETERS,
    JobSpec,
    TrainingBudget,
)
from grouping.domain.trainings.recipes import BuiltInParameters, Method, Recipe
from grouping.domain.trainings.resources import StatedResources
from grouping.errors import InvalidInputError
from grouping.wire.base_types import Input
from grouping.wire.constraints import ConstraintsIn
from grouping.wire.derived import requested
from grouping.wire.jobs import SpecOut
from grouping.wire.requests import NESTED, CloneRequest, JobRequest
from grouping_api.web.constraint_fields import FIELDS as CONSTRAINT_FIELDS
from grouping_api.web.constraint_fields import field_of as constraint_field
from grouping_api.web.constraint_fields import read_constraints
from grouping_api.web.job_entries import ASKED_OTHERWISE, ENTRIES

SPEC = JobSpec("digits", ("digit", "loop"))
OF_JOB = tuple(field for field in declared(JobSpec).values() if field.name not in PARAMETERS)
NESTED_FIELDS = (
    *declared(TrainingBudget).values(),
    *declared(StatedResources).values(),
    *declared(BuiltInParameters).values(),
    *declared(Recipe).values(),
)
EVERY = (*OF_JOB, *NESTED_FIELDS)
BOUNDED = tuple(field for field in EVERY if field.bounds != (None, None) and field.item in (int, float))


def name_of(field: Declared) -> str:
    return field.name


def owner_of(field: Declared) -> tuple[Any, str]:
    """A valid object that has the field, and where it stands in a request."""
    if any(field is other for other in declared(TrainingBudget).values()):
        return TrainingBudget(), "/training_budget"
    if any(field is other for other in declared(StatedResources).values()):
        return StatedResources(), ""
    if any(field is other for other in declared(Recipe).values()):
        return Recipe(), "/recipe"
    if any(field is other for other in declared(BuiltInParameters).values()):
        return BuiltInParameters(), ""
    return SPEC, ""


def command(name: str) -> dict[str, Any]:
    """The options of a command, by their names on the command line."""
    return {opt: parameter for parameter in load_command(name).params for opt in parameter.opts}


def beyond(field: Declared) -> list[float]:
    """Values just beyond the bounds of a field."""
    return [limit + step for limit, step in zip(field.bounds, (-1, 1), strict=True) if limit is not None]


def schema_bounds(schema: dict[str, Any]) -> tuple[float | None, float | None]:
    """The bounds in a JSON Schema, of the value or of each of its items."""
    for part in schema.get("anyOf", [schema]):
        inner = part.get("items", part)
        if "minimum" in inner or "maximum" in inner:
            return inner.get("minimum"), inner.get("maximum")
    return None, None


def test_every_field_says_what_it_is() -> None:
    assert [field.name for field in EVERY if not field.doc] == []
    of_fields = {"training_budget", "recipe", "resources"}
    assert {field.name for field in EVERY if field.shown is None} == of_fields | {"constraints", *DEFINED}


def test_every_constraint_has_a_field_in_the_form_and_an_option() -> None:
    of_job = {"max_group_size"}  # which the job itself has
    asked = {name for name in ConstraintsIn.model_fields if name not in of_job}
    assert {constraint_field(name) for name in asked} == set(CONSTRAINT_FIELDS)
    shown = {
        "together": "a",
        "apart": "b",
        "max_networks": "2",
        "is_partition": "on",
        "ceilings": "a: 1\nb: 2 alone",
    }
    shown |= {"forced": "a", "forbidden": "b", "limits": "ms: 3"}
    faults: dict[str, str] = {}
    assert set(read_constraints(shown, ("a", "b"), faults)) == asked
    stated = (
        "--together=a,b",
        "--apart=b,c",
        "--max-networks=2",
        "--partition",
        "--ceiling=a=1",
        "--ceiling-alone=b=2",
    )
    got = asked_by(*stated, "--force=a", "--forbid=b", "--limit=ms=3")["constraints"]
    assert set(got) == asked
    assert (got["together"], got["ceilings_alone"]) == ([["a", "b"]], {"b": 2.0})
    assert asked_by("--max-networks=0") == {"constraints": {"max_networks": 0}}  # refused where it is checked
    ConstraintsIn.model_validate(got)


@pytest.mark.parametrize("field", OF_JOB, ids=name_of)
def test_every_field_of_a_job_can_be_asked_for_and_is_answered(field: Declared) -> None:
    assert field.name in JobRequest.model_fields or field.name == "definitions"  # asked for as `tasks`
    # name and tags change: they stand beside the specification
    assert field.name in {"name", "tags"} or field.name in SpecOut.model_fields
    assert (field.name in CloneRequest.model_fields) is (field.name not in NOT_CLONED)


@pytest.mark.parametrize("field", EVERY, ids=name_of)
def test_every_field_has_an_entry_in_the_form(field: Declared) -> None:
    if field.name in ASKED_OTHERWISE or field.shown is None or field.kind is Method:
        return  # ticks, questions, and what is asked part by part
    (entry,) = (entry for entry in ENTRIES.values() if entry.field is field)
    assert entry.label == field.shown.label
    assert entry.hint.startswith(field.doc)


@pytest.mark.parametrize("field", EVERY, ids=name_of)
def test_every_field_has_an_option_that_keeps_its_bounds_and_has_its_words(field: Declared) -> None:
    if field.shown is None or not field.shown.option or field is declared(Recipe)["epochs"]:
        return  # the epochs of a recipe are those that the job says, by the same option
    is_cloned = field.name not in NOT_CLONED | declared(BuiltInParameters).keys()
    names = ["run", "clone"] if is_cloned else ["run"]
    for name in names:
        found = command(name)[field.shown.option]
        assert found.help.startswith(field.doc)
        for value in beyond(field) if field in BOUNDED and not field.is_mapping else ():
            done = CliRunner().invoke(app, [name, "digits", field.shown.option, str(value)])
            assert done.exit_code == 2, "refused before anything is sent"
            assert field.shown.option in done.output


@pytest.mark.parametrize("field", BOUNDED, ids=name_of)
def test_the_bounds_of_a_request_are_those_that_the_domain_holds_to(field: Declared) -> None:
    owner, _ = owner_of(field)
    model = NESTED.get(type(owner), JobRequest)
    assert schema_bounds(model.model_json_schema()["properties"][field.name]) == field.bounds


@pytest.mark.parametrize("field", BOUNDED, ids=name_of)
def test_a_value_beyond_a_bound_is_refused_and_pointed_at(field: Declared) -> None:
    owner, prefix = owner_of(field)
    is_only_asked = find(field.metadata, AskedAtMost) is not None  # the domain takes more
    wrong = beyond(field) if not is_only_asked else []
    for value in [*wrong, *([math.nan] if field.item is float else [])]:
        with pytest.raises(InvalidInputError) as caught:
            replace(owner, **{field.name: (value,) if field.is_many else value})
        assert caught.value.pointer == (f"{prefix}/{field.name}" if prefix != "/recipe" else f"/{field.name}")


@pytest.mark.parametrize("entry", ENTRIES.values(), ids=lambda entry: entry.name)
def test_what_a_form_shows_as_the_default_means_the_default(entry: Any) -> None:
    field = entry.field
    if not field.default_text or (field.shown is not None and field.shown.left_out):
        return
    meant = entry.meaning(field.default_text)
    assert (tuple(meant) if field.is_many else meant) == field.default


@dataclass(frozen=True, slots=True)
class _Wider(JobSpec):
    """A job with one more field.

    Attributes:
        imaginary: a field that no job has.
    """

    imaginary: Annotated[int, Interval(ge=1, le=9), Shown("Imaginary", "--imaginary")] = 2


def test_a_new_field_is_there_by_its_declaration_alone() -> None:
    @requested(_Wider, nested=NESTED, without=PARAMETERS | {*CHOICES})
    class Request(Input):
        """With one more field."""

    added = next(field for field in declared(_Wider).values() if field.name not in SPEC.__slots__)
    assert Request.model_validate({"problem": "digits"}).model_dump()["imaginary"] == 2
    with pytest.raises(ValidationError, match="less than or equal to 9"):
        Request.model_validate({"problem": "digits", "imaginary": 10})
    with pytest.raises(InvalidInputError, match="Imaginary: at most 9"):
        _Wider("digits", ("digit",), imaginary=10)
    parameter = option(added, has_default=True)
    assert (parameter.name, option_name(added)) == ("imaginary", "imaginary")
    assert {f.name for f in fields(_Wider)} - set(JobRequest.model_fields) >= {"imaginary"}


def asked_by(*options: str) -> dict[str, Any]:
    """What options of `grouping run` ask for."""
    got: list[dict[str, Any]] = []
    own = typer.Typer()

    @own.command()
    @with_job_options
    def ask(problem: str, *, asked: dict[str, Any]) -> None:
        got.append(asked)

    done = CliRunner().invoke(own, ["digits", *options], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return got[0]


def test_the_command_line_sends_what_was_given_and_nothing_else() -> None:
    arguments: tuple[str, ...] = (
        "--seeds",
        "2",
        "--confirm",
        "0",
        "--weight",
        "loop=2",
        "--budget",
        "1.5",
        "--name",
        "",
    )
    arguments += (
        "--strategy",
        "adaptive:tolerance=0.1",
        "--max-epochs",
        "9",
        "--epochs",
        "3",
        "--reuse",
        "a" * 32,
    )
    arguments += ("--gpus", "0.5", "--resource", "a100=1", "--resources-of", "0.5:gpu=0.25,a100=2")
    got = asked_by(*arguments)
    assert got == {
        "n_seeds": 2,
        "n_confirmation_seeds": 0,
        "weights": {"loop": 2.0},
        "budgets_snt": [1.5],
        "name": "",
        "strategy": {"name": "adaptive", "parameters": {"tolerance": 0.1}},
        "training_budget": {"trainings": None, "epochs": 9, "seconds": None},
        "epochs": 3,
        "resources": {"cpus": None, "gpus": 0.5, "memory_gib": None, "custom": {"a100": 1.0}},
        "resources_of": {"0.5": {"gpus": 0.25, "custom": {"a100": 2.0}}},
        "reuse_jobs": ["a" * 32],
    }
    JobRequest.model_validate({"problem": "digits", **got})
    with pytest.raises(InvalidInputError, match="write NAME=AMOUNT"):
        asked_by("--resources-of", "0.5:gpu")
