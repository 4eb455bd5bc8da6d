"""Data and sentences of an explanation: why a grouping is as it is; made by `explain`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from grouping.domain.groupings import Solution, SolutionStatus
from grouping.domain.networks import Network
from grouping.domain.percentages import fixed_percent
from grouping.domain.verdicts.gains import GainFormula

FORMULA = GainFormula.RELATIVE_TO_ALONE
MOST_SKIPPED = 3
"""Most unanswered questions that the sentences spell out; more are counted."""
_EFFECT = "(without - with) / abs(without)"


@dataclass(frozen=True, slots=True)
class OtherServer:
    """Another network that could serve a task.

    Attributes:
        network: the network.
        loss: mean validation loss of the task in it.
        difference: its loss less that of the serving network; negative if it is better for this task.
    """

    network: Network
    loss: float
    difference: float


@dataclass(frozen=True, slots=True)
class PartnerEffect:
    """The effect of training with a partner on the loss of a task.

    Attributes:
        partner: another task of the serving network's group.
        gain: ``(without - with) / abs(without)`` of the task's loss, mean over pairs of measured networks
            of equal size whose groups differ by the partner only; positive helps, negative harms; None if
            there is no such pair.
        n_pairs: number of pairs.
        gain_here: the same for the serving network and the one without the partner; None if not measured.
    """

    partner: str
    gain: float | None
    n_pairs: int
    gain_here: float | None


@dataclass(frozen=True, slots=True)
class OwnNetwork:
    """The cost of serving a task from a network of its own.

    Some single-task network of the task, of any size, must then serve it, within the same budget and under
    the same demands; the other tasks are grouped anew.

    Attributes:
        difference: change of the total loss; 0 if the task is served so already; None if no grouping does it.
        network: the single-task network that would serve it; None if no grouping does it.
    """

    difference: float | None
    network: Network | None


@dataclass(frozen=True, slots=True)
class TaskExplanation:
    """The reasons why a task is served as it is.

    Attributes:
        task: its name.
        server: the network that serves it.
        loss: its mean validation loss there; lower is better.
        alone: the network of its own that it is compared with, of full size or else of the nearest size
            measured; None if it was never measured alone.
        loss_alone: its mean validation loss in `alone`; None if `alone` is.
        gain: gain of `server` over `alone` by `FORMULA`, mean over seeds; higher is better; None if unknown.
        runner_up: the best other measured network for it; None if there is none.
        runner_up_chosen: the best other chosen network for it; None if no other chosen one is trained on it.
        partners: the other tasks of the server's group, the most helpful first.
        own_network: None if there was no time to find out.
    """

    task: str
    server: Network
    loss: float
    alone: Network | None
    loss_alone: float | None
    gain: float | None
    runner_up: OtherServer | None
    runner_up_chosen: OtherServer | None
    partners: tuple[PartnerEffect, ...]
    own_network: OwnNetwork | None


@dataclass(frozen=True, slots=True)
class OtherBudget:
    """The answer for another inference budget.

    Attributes:
        budget_snt: the other budget.
        difference: its total loss less the present one; negative is better; None if no grouping fits.
        added: networks that come in.
        removed: networks that go.
        is_proven: whether its loss is proven to be the least.
    """

    budget_snt: float
    difference: float | None
    added: tuple[Network, ...] = ()
    removed: tuple[Network, ...] = ()
    is_proven: bool = True


@dataclass(frozen=True, slots=True)
class BindingDemand:
    """A demand without which the loss would be lower.

    Attributes:
        demand: in words.
        improvement: how much lower the total loss would be without it, all others kept; positive.
    """

    demand: str
    improvement: float


@dataclass(frozen=True, slots=True)
class Explanation:
    """The reasons for a solution. Losses are in the unit of the solution's objective, lower is better.

    Attributes:
        solution: what is explained.
        tasks: one per task, in display order; empty without a grouping.
        half_more: the answer for half an SNT more (in another cost, a tenth more); None if not found out.
        half_less: the answer for as much less; None if not found out.
        binding: the demands that cost something, the dearest first; the inference budget among them.
        idle: chosen networks that serve no task; they are forced.
        skipped: what there was no time for, in words.
        unit: unit of costs and budgets.
    """

    solution: Solution
    tasks: tuple[TaskExplanation, ...] = ()
    half_more: OtherBudget | None = None
    half_less: OtherBudget | None = None
    binding: tuple[BindingDemand, ...] = ()
    idle: tuple[Network, ...] = ()
    skipped: tuple[str, ...] = ()
    unit: str = "SNT"

    def sentences(self) -> Iterator[str]:
        """Yield the whole explanation in sentences: the total first, then task by task."""
        solution = self.solution
        if solution.grouping is None or solution.loss is None:
            yield f"No grouping exists within {solution.budget_snt:g} {self.unit}."
            if solution.infeasibility is not None:
                yield solution.infeasibility.reason
            return
        yield self._proof(solution.loss)
        if solution.ties:
            n = len(solution.ties)
            more = "At least " if solution.has_more_ties else ""
            yield f"{more}{n} other {'choice has' if n == 1 else 'choices have'} the same loss."
        for network in self.idle:
            yield f"{self._name(network)} serves no task; it is chosen because it is demanded, and paid for."
        for other in (self.half_more, self.half_less):
            if other is not None:
                yield self._other_budget(other, solution.loss)
        for one in self.binding:
            lower = _part(one.improvement, solution.loss)
            yield f"Without the demand that {one.demand}, the loss would be {lower} lower."
        for task in self.tasks:
            yield from self.task_sentences(task.task)
        if any(effect.gain is not None for task in self.tasks for effect in task.partners):
            yield f"Help and harm are {_EFFECT} of the loss, over networks that differ by the partner only."
        if self.skipped:
            told = self.skipped[:MOST_SKIPPED]
            n_more = len(self.skipped) - len(told)
            and_more = f"; and {n_more} more question{'s' * (n_more > 1)} like these" if n_more else ""
            yield f"There was no time to find out: {'; '.join(told)}{and_more}."

    def task_sentences(self, task: str) -> Iterator[str]:
        """Yield the sentences on one task; none for a name that is not explained."""
        for one in self.tasks:
            if one.task == task:
                yield from self._of_task(one)

    def _of_task(self, one: TaskExplanation) -> Iterator[str]:
        served = f"{one.task} is served by {self._name(one.server)} with a loss of {one.loss:.4g}"
        yield f"{served}: {self._against_alone(one)}."
        if one.runner_up is not None:
            yield self._runner_up(one, one.runner_up)
        if one.runner_up_chosen is not None:
            other = one.runner_up_chosen
            yield (
                f"Of the other chosen networks the best for {one.task} is {self._name(other.network)} with "
                f"{other.loss:.4g} ({other.difference:+.2g})."
            )
        for effect in one.partners:
            yield _partner(one.task, effect)
        own = one.own_network
        if own is None or one.server.group == frozenset({one.task}):
            return
        if own.difference is None:
            yield f"{one.task} cannot have a network of its own within this budget and these demands."
        elif own.network is not None:
            total = self.solution.loss or 0.0
            changed = (
                f"would raise the total loss by {_part(own.difference, total)}"
                if own.difference > 0
                else "would not raise the total loss"
            )
            yield f"Serving {one.task} from a network of its own, {self._name(own.network)}, {changed}."

    def _against_alone(self, one: TaskExplanation) -> str:
        """Compare the server with the task's own network, which may be the server itself."""
        is_own = one.server.group == frozenset({one.task})
        itself = f"a network of its own, of size {one.server.size:g}"
        if one.alone is None:
            return f"no network of {one.task} alone was measured, of any size, so its gain is not known"
        if one.server == one.alone:
            return itself
        other = f"its own network of size {one.alone.size:g}, {one.loss_alone:.4g}"
        if one.gain is None:
            compared = f"no gain can be told over {other}"
        else:
            way = "better" if one.gain >= 0 else "worse"
            compared = f"{fixed_percent(abs(one.gain), 1)} {way} than in {other} ({FORMULA.value})"
        return f"{itself}, {compared}" if is_own else compared

    def _runner_up(self, one: TaskExplanation, other: OtherServer) -> str:
        named = f"{self._name(other.network)} with {other.loss:.4g} ({other.difference:+.2g})"
        if other.difference < 0:
            why = ""
            if self.solution.status is SolutionStatus.OPTIMAL:
                why = ", but no grouping with it has a lower total within the budget and the demands"
            return f"By itself, {one.task} would be better off in {named}{why}."
        return f"Of all other measured networks the best for {one.task} is {named}."

    def _proof(self, loss: float) -> str:
        solution = self.solution
        cost = f"{solution.cost_snt:.4g} of {solution.budget_snt:.4g} {self.unit}"
        if solution.status is SolutionStatus.OPTIMAL:
            return f"The total loss is {loss:.5g} at {cost}; no grouping within the budget has a lower one."
        if solution.bound is None or solution.gap is None:
            return f"The total loss is {loss:.5g} at {cost}; how far it is from the least is not known."
        return (
            f"The total loss is {loss:.5g} at {cost}, the best found in the time allowed; the least is "
            f"{solution.bound:.5g} or more, so it may be {fixed_percent(solution.gap, 2)} too high at most."
        )

    def _other_budget(self, other: OtherBudget, loss: float) -> str:
        more = other.budget_snt > self.solution.budget_snt
        step = "Half an SNT" if self.unit == "SNT" else f"A tenth of the budget ({self.unit})"
        what = f"{step} {'more' if more else 'less'}"
        if other.difference is None:
            return f"{what} is not enough: no grouping fits."
        if abs(other.difference) <= 1e-9 * abs(loss):
            return f"{what} changes nothing: the loss stays {loss:.5g}."
        way = "lowers" if other.difference < 0 else "raises"
        listed = ", ".join(self._name(network) for network in other.added) or "no network"
        gone = ", ".join(self._name(network) for network in other.removed) or "none"
        proven = "" if other.is_proven else " (best found in the time allowed)"
        change = _part(abs(other.difference), loss)
        return f"{what} {way} the loss by {change}{proven}: {listed} in place of {gone}."

    def _name(self, network: Network) -> str:
        order = self.solution.grouping.tasks if self.solution.grouping is not None else None
        return network.name(order)


def _partner(task: str, effect: PartnerEffect) -> str:
    if effect.gain is None:
        why = "no two networks of one size differ by it alone"
        return f"What {effect.partner} does to {task} is not measured: {why}."
    way = "helps" if effect.gain >= 0 else "harms"
    pairs = "one pair" if effect.n_pairs == 1 else f"{effect.n_pairs} pairs"
    here = (
        ""
        if effect.gain_here is None or effect.n_pairs == 1
        else f", by {fixed_percent(effect.gain_here, 1, signed=True)} here"
    )
    gain = fixed_percent(effect.gain, 1, signed=True)
    return f"{effect.partner} {way} {task}: {gain} over {pairs} of networks{here}."


def _part(difference: float, loss: float) -> str:
    return f"{difference:.3g} ({fixed_percent(difference / abs(loss), 2)})" if loss else f"{difference:.3g}"
