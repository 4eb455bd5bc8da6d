"""Demands on a grouping, as they are asked for and answered."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from pydantic import Field

from grouping.domain.constraints import Constraints
from grouping.domain.networks import Network
from grouping.domain.tasks import MAX_NAME_LENGTH, MAX_TASKS
from grouping.errors import InvalidInputError
from grouping.wire.base_types import Group, Input, NetworkLabel, Output, PlainText

MAX_DEMANDS = 200

Name = Annotated[PlainText, Field(min_length=1, max_length=MAX_NAME_LENGTH)]
NetworkName = Annotated[PlainText, Field(min_length=1, max_length=MAX_TASKS * (MAX_NAME_LENGTH + 1) + 30)]
TaskSets = Annotated[
    list[Annotated[list[Name], Field(min_length=2, max_length=MAX_TASKS)]], Field(max_length=MAX_DEMANDS)
]
Numbers = Annotated[dict[Name, Annotated[float, Field(ge=0, le=1e300)]], Field(max_length=MAX_TASKS)]
AnyNumbers = Annotated[dict[Name, Annotated[float, Field(ge=-1e300, le=1e300)]], Field(max_length=MAX_TASKS)]
Networks = Annotated[list[NetworkName], Field(max_length=MAX_DEMANDS)]
AtLeastOne = Annotated[int, Field(ge=1, le=1_000_000)]


class ConstraintsIn(Input):
    """Demands on a grouping; all of them hold at once. Networks are named such as `depth+edges@0.5`."""

    together: TaskSets = Field(default_factory=list, description="Sets of tasks served by the same network.")
    apart: TaskSets = Field(
        default_factory=list, description="Sets of tasks of which no chosen network is trained on two."
    )
    max_networks: AtLeastOne | None = Field(default=None, description="The most networks chosen.")
    max_group_size: AtLeastOne | None = Field(
        default=None, description="The most tasks a chosen network is trained on."
    )
    is_partition: bool = Field(
        default=False, description="Whether every task is trained in one network only."
    )
    ceilings: AnyNumbers = Field(
        default_factory=dict, description="Upper bound on the validation loss of a task."
    )
    ceilings_alone: Numbers = Field(
        default_factory=dict,
        description="Upper bound as a multiple of the task's loss alone: 1 is no worse than alone.",
    )
    forced: Networks = Field(default_factory=list, description="Networks that must be chosen.")
    forbidden: Networks = Field(default_factory=list, description="Networks that must not be chosen.")
    limits: Numbers = Field(
        default_factory=dict,
        description="The most that the chosen networks cost together, by the table's further costs.",
    )

    def to_domain(self) -> Constraints:
        """Convert to the constraints of the domain.

        Raises:
            InvalidInputError: if one breaks a rule.
        """
        networks = {name: tuple(_networks(name, getattr(self, name))) for name in ("forced", "forbidden")}
        return Constraints(**{**dict(self), **networks})


def _networks(field: str, names: list[str]) -> Iterator[Network]:
    for position, name in enumerate(names):
        try:
            yield Network.parse(name)
        except InvalidInputError as error:
            error.pointer = f"/{field}/{position}"
            raise


class ConstraintsOut(Output):
    """Demands on a grouping; see the request."""

    together: list[Group]
    apart: list[Group]
    max_networks: int | None
    max_group_size: int | None
    is_partition: bool
    ceilings: dict[str, float]
    ceilings_alone: dict[str, float]
    forced: list[NetworkLabel]
    forbidden: list[NetworkLabel]
    limits: dict[str, float]
