"""What `grouping.solver.assessment` finds: how far a recommendation can be trusted, as data and in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from grouping.domain.groupings import Grouping, Solution
from grouping.domain.networks import Network


@dataclass(frozen=True, slots=True)
class Alternative:
    """Networks that are better than the recommended ones in some draws.

    Attributes:
        grouping: the networks, each task served as the observed means say.
        frequency: part of the draws in which these networks are the best.
        loss_difference: its observed loss less that of the recommendation; positive is worse.
        margin: what it saves where it is the best, mean over those draws.
    """

    grouping: Grouping
    frequency: float
    loss_difference: float
    margin: float


@dataclass(frozen=True, slots=True)
class TrialValue:
    """What one more trial of a network is worth.

    Attributes:
        network: the network.
        value: how much lower the expected loss of the choice becomes, in units of the loss.
        part: the same as a part of the mean regret.
    """

    network: Network
    value: float
    part: float


@dataclass(frozen=True, slots=True)
class Confidence:
    """How often and by how much the recommendation holds under the noise of the scores.

    Attributes:
        solution: the recommendation, chosen on the observed means.
        n_resamples: how many draws were solved.
        n_requested: how many were asked for.
        noise: how the noise was obtained.
        tolerance: relative to the draw's least loss.
        frequency_optimal: part of the draws in which the recommended networks are the best.
        frequency_within_tolerance: part in which they are within the tolerance of the best.
        mean_regret: mean of the recommendation's loss less the draw's least, in units of the loss.
        regret_95: its 95th percentile.
        loss_interval: 2.5th and 97.5th percentile of the recommendation's loss, raised by the optimism.
        optimism: how far its observed loss is expected to lie below that on fresh seeds.
        alternatives: what wins otherwise, most frequent first.
        server_changes: for each task, part of the draws in which another network than recommended serves it.
        ceilings_broken: part of the draws in which the recommendation breaks a demanded ceiling; None
            without one.
        doubt: where one more trial reduces the mean regret most, the most useful first; networks whose
            trial would change no choice are left out.
    """

    solution: Solution
    n_resamples: int
    n_requested: int
    noise: str
    tolerance: float
    frequency_optimal: float
    frequency_within_tolerance: float
    mean_regret: float
    regret_95: float
    loss_interval: tuple[float, float]
    optimism: float
    alternatives: tuple[Alternative, ...]
    server_changes: Mapping[str, float]
    ceilings_broken: float | None
    doubt: tuple[TrialValue, ...]

    @property
    def expected_loss(self) -> float:
        """Loss of the recommendation that fresh seeds are expected to give."""
        return (self.solution.loss or 0.0) + self.optimism

    def sentences(self) -> Iterator[str]:
        """All of it in words."""
        loss = self.solution.loss or 0.0
        tasks = self.solution.require_grouping().tasks
        yield self.noise
        if self.n_resamples < self.n_requested:
            yield f"Time or memory allowed {self.n_resamples} of {self.n_requested} draws."
        yield (
            f"In {self.frequency_optimal:.0%} of {self.n_resamples} draws of the losses the recommended "
            f"networks stay the best; in {self.frequency_within_tolerance:.0%} they are within "
            f"{100 * self.tolerance:.3g}% of the least loss."
        )
        yield (
            f"On average the recommendation is {_with_part(self.mean_regret, loss)} above the least loss of "
            f"the draw; in 95% of the draws at most {_with_part(self.regret_95, loss)}."
        )
        low, high = self.loss_interval
        yield (
            f"Its loss is {loss:.5g} in the table. As it was chosen for being low, fresh seeds are expected "
            f"to give {self.expected_loss:.5g}, and from {low:.5g} to {high:.5g} in 95% of cases."
        )
        for alternative in self.alternatives:
            named = ", ".join(network.name(tasks) for network in alternative.grouping.networks)
            yield (
                f"In {alternative.frequency:.1%} of the draws the best is {named}: its observed loss is "
                f"{alternative.loss_difference:.3g} higher, and where it wins it is {alternative.margin:.3g} "
                "lower."
            )
        changed = {task: part for task, part in self.server_changes.items() if part > 0}
        if changed:
            listed = ", ".join(f"{task} {part:.0%}" for task, part in changed.items())
            yield f"Draws in which another network than the recommended one serves a task: {listed}."
        if self.ceilings_broken is not None:
            yield f"In {self.ceilings_broken:.0%} of the draws the recommendation breaks a demanded ceiling."
        for trial in self.doubt:
            yield (
                f"One more trial of {trial.network.name(tasks)} is expected to lower the loss of the choice "
                f"by {trial.value:.2g}, {trial.part:.1%} of what is lost on average."
            )
        if not self.doubt:
            yield "No single further trial is expected to change the choice."


def _with_part(difference: float, loss: float) -> str:
    """A difference of losses, with its part of the loss where that says something."""
    if not loss:
        return f"{difference:.3g}"
    return f"{difference:.3g} ({difference / abs(loss):.2%})"
