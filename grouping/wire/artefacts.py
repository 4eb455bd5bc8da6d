"""Answers about what other trainers have kept of their trainings."""

from __future__ import annotations

from pydantic import AliasPath, Field

from grouping.domain.trainings.trials import Purpose
from grouping.wire.base_types import Group, NetworkLabel, Output


class ArtefactOut(Output):
    """What one training has kept, as it told."""

    trial: str = Field(validation_alias="id")
    seed: int
    purpose: Purpose
    artefact: str = Field(description="A path or an address, as the trainer told.")


class NetworkArtefactsOut(Output):
    """What trainings of a recommended network have kept."""

    network: NetworkLabel
    group: Group = Field(validation_alias=AliasPath("network", "group"))
    size: float = Field(validation_alias=AliasPath("network", "size"))
    serves: list[str]
    trainings: list[ArtefactOut] = Field(
        validation_alias="trials",
        description="Those that confirmed it, else those of the search; none where its trainer told nothing.",
    )


class ArtefactList(Output):
    """What trainings of the recommended networks have kept, by network."""

    budget_snt: float
    items: list[NetworkArtefactsOut]
