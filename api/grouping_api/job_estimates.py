"""What a job would cost, as data and in words; worked out by `grouping_api.estimating`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from grouping.domain.allowance import Fit
from grouping.domain.jobs import JobSpec, TrainingBudget
from grouping.domain.ledgers import Amount, Rates
from grouping.domain.trials import Purpose
from grouping.store import ReuseSource
from grouping.strategies.forecast import Forecast, Kind
from grouping.wire.amounts import ReuseOut
from grouping.wire.estimates import BasisOut, ExhaustiveOut, KindOut


def reuse_of(reusable: int, of: int, sources: Sequence[ReuseSource]) -> ReuseOut | None:
    """How much of a search other jobs know; None where no job is to be reused."""
    return ReuseOut.read(reusable=reusable, of=of, jobs=sources) if sources else None


@dataclass(frozen=True, slots=True)
class Bounds:
    """Trainings of one purpose and what they cost.

    Attributes:
        forecast: trainings by kind.
        lower: the least they cost.
        upper: the most they cost.
    """

    forecast: Forecast
    lower: Amount
    upper: Amount


@dataclass(frozen=True, slots=True)
class Option:
    """One strategy for the same job, with its confirmation.

    Attributes:
        name: of the strategy.
        lower: the least it costs.
        upper: the most it costs.
        fit: whether that is within the training budget.
    """

    name: str
    lower: Amount
    upper: Amount
    fit: Fit


@dataclass(frozen=True, slots=True)
class JobEstimate:
    """What a job would cost.

    Attributes:
        spec: the job.
        search: trainings on which choices are made.
        confirmation: trainings with fresh seeds.
        exhaustive: the search by training every candidate in full.
        rates: basis of the times.
        n_jobs: jobs that they were measured on.
        kept_back: trainings of the budget that the search leaves to the confirmation; 0 where it is too small
            for that, None without a budget in trainings or epochs.
        option: the strategy that was asked for, confirmation included.
        options: every strategy that can do it, the fewest trainings first.
        reuse: what other jobs know; None where none is to be reused.
        n_workers: trainings at the same time; None where it was not told.
    """

    spec: JobSpec
    search: Bounds
    confirmation: Bounds
    exhaustive: Amount
    rates: Rates
    n_jobs: int
    kept_back: int | None
    option: Option
    options: tuple[Option, ...]
    reuse: ReuseOut | None
    n_workers: int | None = None

    @property
    def largest_that_fits(self) -> Option | None:
        """Of the strategies that surely fit, the one with the most trainings."""
        fitting = [option for option in self.options if option.fit is Fit.YES]
        return fitting[-1] if fitting else None

    @property
    def share_of_exhaustive(self) -> tuple[float, float]:
        """The search's epochs as a share of those of the exhaustive search, at least and at most."""
        whole = self.exhaustive.epochs or 1
        return self.search.lower.epochs / whole, self.search.upper.epochs / whole

    @property
    def unmeasured(self) -> tuple[Kind, ...]:
        """Kinds of trainings that might be needed and whose time is not known."""
        wanted = {**self.search.forecast.costliest(), **self.confirmation.forecast.costliest()}
        return tuple(sorted(kind for kind in wanted if self.rates.find(kind[0], kind[1]) is None))

    @property
    def kinds(self) -> list[KindOut]:
        """Trainings by kind, those of the search first."""
        found = []
        for purpose, bounds in ((Purpose.SEARCH, self.search), (Purpose.CONFIRMATION, self.confirmation)):
            lower, upper = bounds.forecast.lower, bounds.forecast.costliest()
            for kind in sorted({*lower, *upper}):
                rate = self.rates.find(kind[0], kind[1])
                found.append(
                    KindOut(
                        purpose=purpose,
                        group_size=kind[0],
                        size=kind[1],
                        fidelity=kind[2],
                        lower=lower.get(kind, 0),
                        upper=upper.get(kind, 0),
                        epoch_s=None if rate is None else rate.epoch_s,
                    )
                )
        return found

    @property
    def exhaustive_search(self) -> ExhaustiveOut:
        """The exhaustive search, and what the search takes of it."""
        lower, upper = self.share_of_exhaustive
        networks = self.spec.candidates.count
        return ExhaustiveOut.read(self.exhaustive, networks=networks, share_lower=lower, share_upper=upper)

    @property
    def basis(self) -> BasisOut:
        """What the times rest on."""
        missing = sorted({(group_size, size) for group_size, size, _ in self.unmeasured})
        names = [f"{_tasks(group_size)} at size {size:g}" for group_size, size in missing]
        n, said = self.rates.trainings, _time_sentence(self, names)
        return BasisOut(jobs=self.n_jobs, trainings=n, missing=names, sentence=said)

    @property
    def wall_seconds_lower(self) -> float | None:
        """The least seconds of all over the workers; None where either is not known."""
        return self._wall(self.option.lower)

    @property
    def wall_seconds_upper(self) -> float | None:
        """Likewise the most."""
        return self._wall(self.option.upper)

    def _wall(self, amount: Amount) -> float | None:
        if amount.seconds is None or self.n_workers is None:
            return None
        return amount.seconds / self.n_workers

    @property
    def sentence(self) -> str:
        """The estimate in words."""
        total = self.option
        n = _range(total.lower.trainings, total.upper.trainings)
        confirmed = _range(self.confirmation.lower.trainings, self.confirmation.upper.trainings)
        text = f"{self.spec.strategy} takes {n} trainings, {confirmed} of them to confirm"
        low, high = (f"{share:.0%}".replace("%", "") for share in self.share_of_exhaustive)
        share = high if low == high else f"{low} to {high}"
        text += f"; its search takes {share} % of the epochs of an exhaustive one."
        text += _fit_sentence(self)
        if self.spec.tuning_samples:
            text += " Tuning the recipe comes on top."
        return text


def _time_sentence(made: JobEstimate, missing: Sequence[str]) -> str:
    """How long it takes and how that is known, or that it is not."""
    n = made.rates.trainings
    if not n:
        return (
            f"There is no basis for a time yet: no network of {made.spec.problem} with these layers and this "
            "batch size has been trained to its end."
        )
    basis = f"measured on {n:,} finished training{_s(n)} in {made.n_jobs:,} job{_s(made.n_jobs)}"
    lower, upper = made.option.lower.seconds, made.option.upper.seconds
    unknown = f"the time of networks of {', '.join(missing)} is not known: none was trained"
    if lower is None:
        return f"The time cannot be told: {basis}, but {unknown}."
    if upper is None:
        return f"It takes at least {_seconds(lower)} of training, {basis}; {unknown}."
    least, most = _seconds(lower), _seconds(upper)
    time = most if least == most else f"{least} to {most}"
    return f"It takes {time} of training, summed over all workers, {basis}."


def _fit_sentence(made: JobEstimate) -> str:
    if made.spec.training_budget == TrainingBudget():
        return " There is no training budget."
    said = {
        Fit.YES: " It fits into the training budget.",
        Fit.NO: " It does not fit into the training budget, and would be cut off there.",
        Fit.PERHAPS: " It may not fit into the training budget, and would be cut off there.",
        Fit.UNKNOWN: " Whether it fits into the training budget cannot be told without a basis for its time.",
    }
    text = said[made.option.fit]
    largest = made.largest_that_fits
    if made.option.fit is not Fit.YES:
        text += f" The largest that surely fits is {largest.name}." if largest else " None surely fits."
    if made.spec.n_confirmation_seeds and made.kept_back is not None:
        text += (
            f" At first {made.kept_back:,} training{_s(made.kept_back)} are kept back for the confirmation."
            if made.kept_back
            else " The budget is too small to keep anything back for a confirmation."
        )
    return text


def _range(lower: int, upper: int) -> str:
    return f"{lower:,}" if lower == upper else f"{lower:,} to {upper:,}"


def _seconds(number: float) -> str:
    return f"{number:.1f} s" if number < 9.95 else f"{number:,.0f} s"


def _tasks(number: int) -> str:
    return f"{number} task{_s(number)}"


def _s(number: int) -> str:
    return "" if number == 1 else "s"
