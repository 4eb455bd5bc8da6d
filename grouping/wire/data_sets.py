"""Stored tables, and the problems that are made of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field

from grouping.data_sets.columns import ColumnKind, TargetKind
from grouping.data_sets.definitions import ProblemDefinition, Split, Target
from grouping.data_sets.folder import MAX_NAME
from grouping.wire.base_types import Input, Output, PlainText
from grouping.wire.catalogue import FindingOut
from grouping.wire.derived import Derived, answered, requested
from grouping.wire.jobs import RecipeOut
from grouping.wire.scores import TaskOut

DataSetName = Annotated[
    PlainText,
    Field(
        max_length=MAX_NAME,
        description="Letters, digits, - and _; made of the name of the file if left out.",
    ),
]


class ColumnOut(Output):
    """A column of a stored table."""

    name: str
    kind: ColumnKind
    n_missing: int = Field(description="Rows without a value.")
    n_distinct: int = Field(description="Different values.")
    examples: list[str]
    as_target: TargetKind | None = Field(
        description="Kind that it has as a target unless another is named; null where it can be none."
    )


class DataSetOut(Output):
    """A stored table."""

    name: str = Field(description="Several tables of one name are its versions.")
    version: str = Field(description="Name of this table and no other: the name with part of the digest.")
    digest: str = Field(description="SHA-256 of the stored table.")
    source: str = Field(description="Name of the file it came from.")
    created_at: str
    n_rows: int
    n_bytes: int
    columns: list[ColumnOut]


class DataSetDetail(DataSetOut):
    """A stored table with its first rows, and the problems made of it."""

    preview: list[list[str | None]] = Field(description="First rows as text; null where a value is missing.")
    problems: list[str] = Field(description="Names of the problems made of it, newest first.")


class DataSetList(Output):
    """All stored tables, newest first."""

    items: list[DataSetOut]


class TableOnServer(Input):
    """A file where the service runs, in a folder that its operator allows."""

    path: Annotated[PlainText, Field(min_length=1, max_length=4_096)]
    name: DataSetName = ""


@requested(Split, nested={})
class SplitIn(Input, Derived):
    """How the rows are divided into training, validation and test."""


@requested(Target, nested={})
class TargetIn(Input, Derived):
    """What is predicted; a row without a value has no label."""


@requested(ProblemDefinition, nested={Target: TargetIn, Split: SplitIn})
class ProblemDefinitionIn(Input, Derived):
    """A problem on a stored table."""

    def definition(self) -> ProblemDefinition:
        """Return it as the domain knows it.

        Raises:
            InvalidInputError: if a value breaks a rule.
        """
        return ProblemDefinition.from_mapping(self.model_dump())


@answered(Split, nested={})
class SplitOut(Output, Derived):
    """How the rows are divided."""


@answered(Target, nested={})
class TargetOut(Output, Derived):
    """What is predicted."""


@answered(ProblemDefinition, nested={Target: TargetOut, Split: SplitOut})
class ProblemDefinitionOut(Output, Derived):
    """A problem on a stored table."""


class MadeProblemOut(Output):
    """A problem that was made of a stored table; jobs ask for it by its name."""

    name: str
    data_set: DataSetOut
    created_at: str
    definition: ProblemDefinitionOut
    tasks: list[TaskOut]
    classes: Mapping[str, list[str]] = Field(
        description="Values of each target of classes, in the order of their numbers."
    )
    inputs: list[str] = Field(description="Name of each input of the networks.")
    labels: Mapping[str, Mapping[str, int]] = Field(
        description="Labelled rows of each task in `train`, `validation` and `test`."
    )
    recipe: RecipeOut
    findings: list[FindingOut]


class FittedInputsOut(Output):
    """How columns become inputs, fitted to training rows; in Python `FittedInputs.from_mapping` takes it."""

    columns: list[Mapping[str, Any]] = Field(
        description="Scaled numbers, parts of dates and categories, in the order of the inputs."
    )
    texts: Mapping[str, Any] | None = Field(description="Columns of text and their tokenizer.")
    images: Mapping[str, Any] | None = Field(description="Scaling of the channels of images.")


class MadeProblemList(Output):
    """Problems made of a stored table, newest first."""

    items: list[MadeProblemOut]
