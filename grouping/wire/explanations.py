"""Answers that explain a grouping. Losses are in the unit of the objective, lower is better."""

from __future__ import annotations

from pydantic import AliasPath, Field

from grouping.wire.base_types import Finite, NetworkLabel, Output


class OtherServerOut(Output):
    """Another network that could serve a task."""

    network: NetworkLabel
    loss: Finite
    difference: Finite = Field(description="Loss in this network minus that in the serving network.")


class PartnerEffectOut(Output):
    """Effect of training with a partner on a task."""

    partner: str
    gain: Finite = Field(description="(without - with) / abs(without); positive helps, negative harms.")
    n_pairs: int = Field(description="Pairs of measured networks that differ by the partner only.")
    gain_here: Finite = Field(
        description="Gain for the serving network and its counterpart without the partner."
    )


class TaskExplanationOut(Output):
    """Reasons why a task is served as it is."""

    task: str
    server: NetworkLabel
    loss: Finite
    alone: NetworkLabel | None = Field(
        default=None,
        description="The network of its own that it is compared with, of full size or else of the nearest "
        "size measured; null if there is none, and in answers that were kept before this was told.",
    )
    loss_alone: Finite = Field(description="Its loss in the network `alone`.")
    gain: Finite = Field(description="(alone - together) / abs(alone).")
    runner_up: OtherServerOut | None = Field(description="The best other measured network for it.")
    runner_up_chosen: OtherServerOut | None = Field(description="The best other chosen network for it.")
    partners: list[PartnerEffectOut]
    own_network: NetworkLabel | None = Field(
        default=None,
        validation_alias=AliasPath("own_network", "network"),
        description="The single-task network that would serve it by itself.",
    )
    own_network_difference: Finite = Field(
        default=None,
        validation_alias=AliasPath("own_network", "difference"),
        description="Change of the total loss by that; null if no grouping does it, or it is unknown.",
    )


class OtherBudgetOut(Output):
    """The answer for another inference budget."""

    budget_snt: float
    difference: Finite = Field(
        description="Loss of that answer minus the present loss; null if nothing fits."
    )
    added: list[NetworkLabel]
    removed: list[NetworkLabel]
    is_proven: bool


class BindingDemandOut(Output):
    """A demand without which the loss would be lower."""

    demand: str
    improvement: Finite


class ExplanationData(Output):
    """Explanation of a grouping, as data."""

    tasks: list[TaskExplanationOut]
    other_budgets: list[OtherBudgetOut] = Field(
        description="Answers for half a unit less and half a unit more."
    )
    binding: list[BindingDemandOut] = Field(
        description="Demands that increase the loss, the one with the largest increase first."
    )
    idle: list[NetworkLabel] = Field(description="Chosen networks that serve no task; they are forced.")
    skipped: list[str] = Field(description="Questions for which there was no time.")
