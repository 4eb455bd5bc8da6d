"""Confidence in a recommendation, as data and in sentences; computed by `assess_confidence`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from grouping.domain.groupings import Grouping, Solution
from grouping.domain.networks import Network
from grouping.domain.percentages import fixed_percent, percent


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
    """The value of one more trial of a network.

    Attributes:
        network: the network.
        value: how much lower the expected loss of the choice becomes, in units of the loss.
        part: that value as a part of the mean regret.
    """

    network: Network
    value: float
    part: float


@dataclass(frozen=True, slots=True)
class Confidence:
    """Confidence in a recommendation: how often and by how much it holds under the noise of the scores.

    The recommendation as it stands is its networks together with which of them serves which task. Each draw
    is one of three kinds: it stays the best as it stands; its networks do, with another of them for some
    task; or other networks are better. Regret is that of the recommendation as it stands, so it is 0 in the
    first kind and above 0 in the others.

    Attributes:
        solution: the recommendation, chosen on the observed means.
        n_resamples: number of draws that were solved.
        n_requested: number of draws that were asked for.
        noise: how the noise was obtained.
        tolerance: relative to the draw's least loss.
        frequency_unchanged: part of the draws of the first kind.
        frequency_optimal: part of the draws of the first and second kind.
        frequency_within_tolerance: part of the draws in which the regret is within the tolerance.
        mean_regret: mean of the recommendation's loss less the draw's least, in units of the loss.
        regret_95: 95th percentile of the regret over the draws, in units of the loss.
        mean_regret_part: mean regret as a part of the draw's least loss; None if that is 0 in a draw.
        regret_95_part: 95th percentile of that part; None in the same case.
        loss_interval: 2.5th and 97.5th percentile of the recommendation's loss, raised by the optimism.
        optimism: how far its observed loss is expected to lie below that on fresh seeds.
        alternatives: networks that win in the draws of the third kind, most frequent first.
        server_changes: for each task, part of the draws in which another network than recommended serves it;
            none of the first kind.
        ceilings_broken: part of the draws in which the recommendation breaks a demanded ceiling; None
            without one.
        doubt: where one more trial reduces the mean regret most, the most useful first; networks whose
            trial would change no choice are left out.
        is_exact: whether the draws were solved exactly. Of more tasks than relaxations take they are solved
            by local search: regrets are then at least what is told, and frequencies at most.
    """

    solution: Solution
    n_resamples: int
    n_requested: int
    noise: str
    tolerance: float
    frequency_unchanged: float
    frequency_optimal: float
    frequency_within_tolerance: float
    mean_regret: float
    regret_95: float
    mean_regret_part: float | None
    regret_95_part: float | None
    loss_interval: tuple[float, float]
    optimism: float
    alternatives: tuple[Alternative, ...]
    server_changes: Mapping[str, float]
    ceilings_broken: float | None
    doubt: tuple[TrialValue, ...]
    is_exact: bool = True

    @property
    def expected_loss(self) -> float:
        """Loss that the recommendation is expected to have on fresh seeds."""
        return (self.solution.loss or 0.0) + self.optimism

    def sentences(self) -> Iterator[str]:
        """Yield the whole assessment in sentences."""
        loss = self.solution.loss or 0.0
        tasks = self.solution.require_grouping().tasks
        yield self.noise
        if self.n_resamples < self.n_requested:
            yield f"Time or memory allowed {self.n_resamples} of {self.n_requested} draws."
        if not self.is_exact:
            yield (
                "Of so many tasks the draws are solved by local search: the recommendation is the best at "
                "most as often as told here, and its regret at least what is told."
            )
        yield self._kinds()
        mean, most = (
            f"{value:.3g}" + ("" if part is None else f" ({fixed_percent(part, 2)})")
            for value, part in (
                (self.mean_regret, self.mean_regret_part),
                (self.regret_95, self.regret_95_part),
            )
        )
        yield (
            f"Served as recommended, the loss is within {100 * self.tolerance:.3g} % of the least loss of "
            f"the draw in {_share(self.frequency_within_tolerance)} of the draws. It is {mean} above the "
            f"least on average, and {most} or less above it in 95 % of the draws."
        )
        low, high = self.loss_interval
        yield (
            f"Its loss is {loss:.5g} in the table. As it was chosen for being low, fresh seeds are expected "
            f"to give {self.expected_loss:.5g}, and from {low:.5g} to {high:.5g} in 95 % of cases."
        )
        for alternative in self.alternatives:
            named = ", ".join(network.name(tasks) for network in alternative.grouping.networks)
            yield (
                f"In {_share(alternative.frequency)} of the draws the best is {named}: its observed loss is "
                f"{alternative.loss_difference:.3g} higher, and where it wins it is {alternative.margin:.3g} "
                "lower."
            )
        changed = {task: part for task, part in self.server_changes.items() if part > 0}
        if changed:
            listed = ", ".join(f"{task} in {_share(part)}" for task, part in changed.items())
            yield f"Of all draws, another network than recommended should serve {listed}."
        if self.ceilings_broken is not None:
            broken = _share(self.ceilings_broken)
            yield f"In {broken} of the draws the recommendation breaks a demanded ceiling."
        for trial in self.doubt:
            yield (
                f"One more trial of {trial.network.name(tasks)} is expected to lower the loss of the choice "
                f"by {trial.value:.2g}, {_share(trial.part)} of the {self.mean_regret:.3g} above the least "
                "on average."
            )
        if not self.doubt:
            yield "No single further trial is expected to change the choice."

    def _kinds(self) -> str:
        """Return the sentence on the three kinds of draws, as parts of all draws."""
        same, best = self.frequency_unchanged, self.frequency_optimal
        text = (
            f"In {_share(same)} of {self.n_resamples} draws of the losses the recommendation stays the best "
            "as it stands"
        )
        if best > same:
            text += f", in {_share(best - same)} its networks stay the best but should serve tasks otherwise"
        if best < 1:
            text += f", in {_share(1 - best)} other networks are better"
        return f"{text}."


def _share(part: float) -> str:
    return percent(part, 1)
