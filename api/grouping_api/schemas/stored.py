"""Stored groupings: what was asked, what was answered, and how two of them differ."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Self

from pydantic import Field

from grouping.domain.groupings import Grouping, SolutionStatus
from grouping.domain.networks import Network
from grouping.domain.scores import ScoreTable
from grouping.solver import Confidence, is_same_cost, plain_number
from grouping_api.schemas.common import Output, finite, moment_of
from grouping_api.schemas.explanations import ExplanationData
from grouping_api.schemas.groupings import BaselineOut, GroupingOut, SolutionOut
from grouping_api.schemas.solving import GroupingRequest

if TYPE_CHECKING:  # what is printed by a base without a database has these forms, too
    from grouping.store import StoredGrouping


class TaskLossOut(Output):
    """The losses of a task in the network that serves it; lower is better."""

    task: str
    network: str
    validation_loss: float | None
    standard_error: float | None = Field(
        description="Of the validation loss; null with fewer than two seeds."
    )
    test_loss: float | None = Field(description="Reported, never decided on.")

    @classmethod
    def list_of(cls, grouping: Grouping, table: ScoreTable) -> list[Self]:
        """One per task, in display order."""
        rows = []
        for t, task in enumerate(grouping.tasks):
            network = grouping.networks[grouping.serving[t]]
            cell = (table.position(network), table.task_names.index(task))
            rows.append(
                cls(
                    task=task,
                    network=network.name(grouping.tasks),
                    validation_loss=finite(float(table.validation[cell])),
                    standard_error=finite(float(table.validation_standard_error[cell])),
                    test_loss=finite(float(table.test[cell])),
                )
            )
        return rows


class ChangeOut(BaselineOut):
    """A choice that needs no search, and what the grouping changes against it."""

    change: float | None = Field(
        description="(loss - baseline) / abs(baseline); below 0 the grouping is better, at its own cost."
    )
    is_equal_cost: bool | None = Field(
        default=None,
        description="Whether the grouping costs as much as the baseline; null in answers that were kept "
        "before this was told.",
    )


class AlternativeOut(Output):
    """One of the best groupings."""

    rank: int = Field(description="1 is the best.")
    loss: float | None
    excess: float | None = Field(description="(loss - best) / abs(best).")
    grouping: GroupingOut


class RivalOut(Output):
    """Networks that are the best in some draws."""

    networks: list[str]
    frequency: float = Field(description="Part of the draws.")


class ConfidenceOut(Output):
    """How often the grouping stays the best when the scores are drawn again with their noise."""

    n_resamples: int = Field(description="How often the scores were drawn and solved.")
    tolerance: float
    noise: str = Field(description="How the noise was obtained.")
    frequency_unchanged: float | None = Field(
        default=None,
        description="Part of the draws in which the grouping stays the best as it stands, each task served "
        "as recommended; null in answers that were kept before this was told.",
    )
    frequency_optimal: float = Field(
        description="Part of the draws in which its networks are the best, if each task may be served by "
        "another of them."
    )
    frequency_within_tolerance: float = Field(
        description="Part of the draws in which the grouping as it stands is within the tolerance of the "
        "least loss."
    )
    mean_regret: float | None = Field(
        description="Loss of the grouping as it stands less the least of the draw, on average."
    )
    regret_95: float | None = Field(description="What that does not pass in 95 % of the draws.")
    mean_regret_part: float | None = Field(
        default=None,
        description="The same as `mean_regret`, as a part of the least loss of the draw; null if that is 0 "
        "in a draw, and in answers that were kept before this was told.",
    )
    regret_95_part: float | None = Field(
        default=None, description="What that part does not pass in 95 % of the draws; null likewise."
    )
    loss_interval: tuple[float | None, float | None] = Field(description="Of its loss, 95 % of the draws.")
    optimism: float | None = Field(description="How far fresh seeds are expected to be above its loss.")
    alternatives: list[RivalOut] = Field(description="What is the best in other draws, most frequent first.")
    sentences: list[str]

    @classmethod
    def of(cls, confidence: Confidence) -> Self:
        """From the solver."""
        low, high = confidence.loss_interval
        return cls(
            n_resamples=confidence.n_resamples,
            tolerance=confidence.tolerance,
            noise=confidence.noise,
            frequency_unchanged=confidence.frequency_unchanged,
            frequency_optimal=confidence.frequency_optimal,
            frequency_within_tolerance=confidence.frequency_within_tolerance,
            mean_regret=finite(confidence.mean_regret),
            regret_95=finite(confidence.regret_95),
            mean_regret_part=finite(confidence.mean_regret_part),
            regret_95_part=finite(confidence.regret_95_part),
            loss_interval=(finite(low), finite(high)),
            optimism=finite(confidence.optimism),
            alternatives=[
                RivalOut(
                    networks=[n.name(rival.grouping.tasks) for n in rival.grouping.networks],
                    frequency=rival.frequency,
                )
                for rival in confidence.alternatives
            ],
            sentences=list(confidence.sentences()),
        )


class GroupingAnswerBody(SolutionOut):
    """The answer of a stored grouping, as it was when it was solved."""

    task_losses: list[TaskLossOut]
    baselines: list[ChangeOut]
    alternatives: list[AlternativeOut] = Field(description="The k best groupings, this one first.")
    has_proven_alternatives: bool = Field(
        description="Whether no other grouping is better than the last of them."
    )
    explanation: list[str] = Field(description="Why these networks, in sentences.")
    explanation_data: ExplanationData = Field(description="The same as data.")
    confidence: ConfidenceOut | None = Field(description="Null where it was not asked for.")


class StoredGroupingOut(GroupingAnswerBody):
    """A solve that was kept."""

    id: str
    score_table_id: str
    revision: int = Field(description="Of the score table, when it was solved.")
    created_at: datetime
    request: GroupingRequest

    @classmethod
    def of_stored(cls, stored: StoredGrouping) -> Self:
        """From the store."""
        return cls(
            **dict(stored.answer),
            id=stored.id,
            score_table_id=stored.table_id,
            revision=stored.revision,
            created_at=moment_of(stored.created_s),
            request=GroupingRequest.model_validate(stored.request),
        )

    def to_grouping(self) -> Grouping | None:
        """The grouping of the domain; None where it is infeasible."""
        if self.grouping is None:
            return None
        networks = tuple(
            Network(frozenset(item.group), item.size, item.cost_snt) for item in self.grouping.networks
        )
        position = {item.name: n for n, item in enumerate(self.grouping.networks)}
        serving = self.grouping.serving
        return Grouping(tuple(serving), networks, tuple(position[name] for name in serving.values()))


class GroupingSummary(Output):
    """A stored grouping in short."""

    id: str
    score_table_id: str
    revision: int
    created_at: datetime
    request: GroupingRequest
    status: SolutionStatus
    loss: float | None
    gap: float | None
    cost_snt: float | None
    networks: list[str]

    @classmethod
    def of(cls, stored: StoredGrouping) -> Self:
        """From the store."""
        answer: dict[str, Any] = dict(stored.answer)
        grouping = answer["grouping"]
        return cls(
            id=stored.id,
            score_table_id=stored.table_id,
            revision=stored.revision,
            created_at=moment_of(stored.created_s),
            request=GroupingRequest.model_validate(stored.request),
            **{name: answer[name] for name in ("status", "loss", "gap", "cost_snt")},
            networks=[] if grouping is None else [network["name"] for network in grouping["networks"]],
        )


class GroupingPage(Output):
    """Stored groupings of a table, newest first."""

    items: list[GroupingSummary]
    next_page_token: str | None = Field(description="Give it back as `page_token`; null on the last page.")


class ExplanationOut(Output):
    """Why these networks."""

    grouping_id: str
    sentences: list[str]
    data: ExplanationData


class TaskChangeOut(Output):
    """A task in both groupings."""

    task: str
    a_network: str | None
    b_network: str | None
    a_loss: float | None
    b_loss: float | None
    change: float | None = Field(description="b - a; below 0 the second is better.")


class GroupingComparison(Output):
    """What the second grouping changes against the first."""

    a: GroupingSummary
    b: GroupingSummary
    loss_change: float | None = Field(description="b - a; null where the losses are not comparable.")
    cost_change: float | None = Field(description="b - a; null where the costs are not comparable.")
    in_both: list[str]
    only_a: list[str]
    only_b: list[str]
    tasks: list[TaskChangeOut]
    notes: list[str] = Field(description="What to keep in mind, such as that the tables differ.")

    @classmethod
    def of(cls, first: StoredGrouping, second: StoredGrouping) -> Self:
        """Of two groupings of the same table, or of two."""
        a, b = StoredGroupingOut.of_stored(first), StoredGroupingOut.of_stored(second)
        short_a, short_b = GroupingSummary.of(first), GroupingSummary.of(second)
        notes = list(_notes(a, b))
        same_loss = (a.request.weights, a.request.objective) == (b.request.weights, b.request.objective)
        losses_a = {row.task: row for row in a.task_losses}
        losses_b = {row.task: row for row in b.task_losses}
        tasks = []
        for task in dict.fromkeys((*losses_a, *losses_b)):
            row_a, row_b = losses_a.get(task), losses_b.get(task)
            loss_a = None if row_a is None else row_a.validation_loss
            loss_b = None if row_b is None else row_b.validation_loss
            tasks.append(
                TaskChangeOut(
                    task=task,
                    a_network=None if row_a is None else row_a.network,
                    b_network=None if row_b is None else row_b.network,
                    a_loss=loss_a,
                    b_loss=loss_b,
                    change=_difference(loss_a, loss_b),
                )
            )
        return cls(
            a=short_a,
            b=short_b,
            loss_change=_difference(a.loss, b.loss) if same_loss and set(losses_a) == set(losses_b) else None,
            cost_change=_difference(a.cost_snt, b.cost_snt) if a.request.cost == b.request.cost else None,
            in_both=[name for name in short_a.networks if name in short_b.networks],
            only_a=[name for name in short_a.networks if name not in short_b.networks],
            only_b=[name for name in short_b.networks if name not in short_a.networks],
            tasks=tasks,
            notes=notes,
        )


def _notes(a: StoredGroupingOut, b: StoredGroupingOut) -> list[str]:
    notes = []
    if a.score_table_id != b.score_table_id:
        notes.append(
            "The groupings are of two score tables: losses compare only if they were measured alike."
        )
    elif a.revision != b.revision:
        notes.append("The score table changed between the two solves.")
    if (a.request.weights, a.request.objective) != (b.request.weights, b.request.objective):
        notes.append("Weights or objective differ, so the total losses are different things.")
    if a.request.cost != b.request.cost:
        notes.append("The costs are in different units.")
    elif a.cost_snt is not None and b.cost_snt is not None and not is_same_cost(a.cost_snt, b.cost_snt):
        unit = a.request.cost or "SNT"
        notes.append(
            f"Not at equal cost: the first costs {plain_number(a.cost_snt)} {unit}, the second "
            f"{plain_number(b.cost_snt)} {unit}."
        )
    notes += [
        f"There is no {name} grouping: it is infeasible."
        for name, item in (("first", a), ("second", b))
        if item.grouping is None
    ]
    return notes


def _difference(a: float | None, b: float | None) -> float | None:
    return None if a is None or b is None else finite(b - a)
