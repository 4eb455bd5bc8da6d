"""The explanation of a grouping as data. Losses in the unit of the objective, lower is better."""

from __future__ import annotations

from typing import Self

from pydantic import Field

from grouping.domain.networks import Network
from grouping.solver import Explanation, TaskExplanation
from grouping_api.schemas.common import Output, finite


class OtherServerOut(Output):
    """Another network that could serve a task."""

    network: str
    loss: float | None
    difference: float | None = Field(description="Its loss less that of the serving network.")


class PartnerEffectOut(Output):
    """What training with a partner does to a task."""

    partner: str
    gain: float | None = Field(description="(without - with) / abs(without); positive helps, negative harms.")
    n_pairs: int = Field(description="Pairs of measured networks that differ by the partner only.")
    gain_here: float | None = Field(description="The same for the serving network.")


class TaskExplanationOut(Output):
    """Why a task is served as it is."""

    task: str
    server: str
    loss: float | None
    alone: str | None = Field(
        default=None,
        description="The network of its own that it is compared with, of full size or else of the nearest "
        "size measured; null if there is none, and in answers that were kept before this was told.",
    )
    loss_alone: float | None = Field(description="Its loss there.")
    gain: float | None = Field(description="(alone - together) / abs(alone).")
    runner_up: OtherServerOut | None = Field(description="The best other measured network for it.")
    runner_up_chosen: OtherServerOut | None = Field(description="The best other chosen network for it.")
    partners: list[PartnerEffectOut]
    own_network: str | None = Field(description="The single-task network that would serve it by itself.")
    own_network_difference: float | None = Field(
        description="What that would change the total loss by; null if nothing does it, or it is not known."
    )

    @classmethod
    def of(cls, one: TaskExplanation, order: tuple[str, ...]) -> Self:
        """From the solver."""
        others = [
            None
            if other is None
            else OtherServerOut(
                network=other.network.name(order),
                loss=finite(other.loss),
                difference=finite(other.difference),
            )
            for other in (one.runner_up, one.runner_up_chosen)
        ]
        own = one.own_network
        return cls(
            task=one.task,
            server=one.server.name(order),
            loss=finite(one.loss),
            alone=None if one.alone is None else one.alone.name(order),
            loss_alone=finite(one.loss_alone),
            gain=finite(one.gain),
            runner_up=others[0],
            runner_up_chosen=others[1],
            partners=[
                PartnerEffectOut(
                    partner=effect.partner,
                    gain=finite(effect.gain),
                    n_pairs=effect.n_pairs,
                    gain_here=finite(effect.gain_here),
                )
                for effect in one.partners
            ],
            own_network=None if own is None or own.network is None else own.network.name(order),
            own_network_difference=None if own is None else finite(own.difference),
        )


class OtherBudgetOut(Output):
    """The answer for another inference budget."""

    budget_snt: float
    difference: float | None = Field(description="Its loss less the present one; null if nothing fits.")
    added: list[str]
    removed: list[str]
    is_proven: bool


class BindingDemandOut(Output):
    """A demand without which the loss would be lower."""

    demand: str
    improvement: float | None


class ExplanationData(Output):
    """Why these networks, as data."""

    tasks: list[TaskExplanationOut]
    other_budgets: list[OtherBudgetOut] = Field(description="Half a unit less and half a unit more.")
    binding: list[BindingDemandOut] = Field(description="Demands that cost something, the dearest first.")
    idle: list[str] = Field(description="Chosen networks that serve no task; they are forced.")
    skipped: list[str] = Field(description="What there was no time for.")

    @classmethod
    def of(cls, explanation: Explanation) -> Self:
        """From the solver."""
        grouping = explanation.solution.grouping
        order = () if grouping is None else grouping.tasks

        def names(networks: tuple[Network, ...]) -> list[str]:
            return [network.name(order) for network in networks]

        return cls(
            tasks=[TaskExplanationOut.of(one, order) for one in explanation.tasks],
            other_budgets=[
                OtherBudgetOut(
                    budget_snt=other.budget_snt,
                    difference=finite(other.difference),
                    added=names(other.added),
                    removed=names(other.removed),
                    is_proven=other.is_proven,
                )
                for other in (explanation.half_less, explanation.half_more)
                if other is not None
            ],
            binding=[
                BindingDemandOut(demand=one.demand, improvement=finite(one.improvement))
                for one in explanation.binding
            ],
            idle=names(explanation.idle),
            skipped=list(explanation.skipped),
        )
