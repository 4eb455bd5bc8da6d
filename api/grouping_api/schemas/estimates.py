"""What a job would cost, as it is answered."""

from __future__ import annotations

from typing import Self

from pydantic import Field

from grouping.domain.jobs import TrainingBudget
from grouping.domain.trials import Purpose
from grouping_api.estimating import Bounds, Fit, JobEstimate, Option
from grouping_api.schemas.amounts import AmountOut, ReuseOut
from grouping_api.schemas.common import Output
from grouping_api.schemas.jobs import TrainingBudgetOut


class KindOut(Output):
    """Trainings of one kind that a job would need, beside what is reused."""

    purpose: Purpose
    group_size: int
    size: float
    fidelity: float = Field(description="Share of the full number of epochs.")
    lower: int = Field(description="At least so many trainings.")
    upper: int = Field(description="At most so many, in the costliest case.")
    epoch_s: float | None = Field(description="Measured seconds of an epoch of one; null without a basis.")


class BoundsOut(Output):
    """The least and the most; equal where the count is known beforehand."""

    is_exact: bool
    lower: AmountOut
    upper: AmountOut

    @classmethod
    def of(cls, bounds: Bounds) -> Self:
        """From the estimate."""
        return cls(
            is_exact=bounds.forecast.is_exact,
            lower=AmountOut.of(bounds.lower),
            upper=AmountOut.of(bounds.upper),
        )


class OptionOut(Output):
    """A strategy for the same job, confirmation included."""

    name: str
    lower: AmountOut
    upper: AmountOut
    fits: Fit = Field(description="Whether it fits into the training budget; `yes` without one.")

    @classmethod
    def of(cls, option: Option) -> Self:
        """From the estimate."""
        return cls(
            name=option.name,
            lower=AmountOut.of(option.lower),
            upper=AmountOut.of(option.upper),
            fits=option.fit,
        )


class BasisOut(Output):
    """What the times rest on."""

    jobs: int = Field(description="Jobs on the problem with the same layers and batch size.")
    trainings: int = Field(description="Their finished trainings.")
    missing: list[str] = Field(description="Kinds of networks whose time is not known.")
    sentence: str


class ExhaustiveOut(AmountOut):
    """Training every candidate in full with every search seed."""

    networks: int
    share_lower: float = Field(description="Of its epochs, what the search takes at least.")
    share_upper: float = Field(description="Likewise, at most.")

    @classmethod
    def of_estimate(cls, made: JobEstimate) -> Self:
        """From the estimate."""
        lower, upper = made.share_of_exhaustive
        plain = AmountOut.of(made.exhaustive).model_dump()
        return cls(**plain, networks=made.spec.candidates.count, share_lower=lower, share_upper=upper)


class EstimateOut(Output):
    """What a job would cost; nothing is stored."""

    strategy: str
    search: BoundsOut
    confirmation: BoundsOut
    total: OptionOut
    kinds: list[KindOut]
    wall_seconds_lower: float | None = Field(description="`seconds` over the workers named, start-up apart.")
    wall_seconds_upper: float | None
    basis: BasisOut
    exhaustive: ExhaustiveOut
    training_budget: TrainingBudgetOut
    kept_back: int | None = Field(
        description="Trainings that the search leaves to the confirmation; 0 if the budget is too small to "
        "confirm anything, null without a budget in trainings or epochs."
    )
    largest_that_fits: str | None = Field(
        description="Of the strategies that surely fit, the one with the most trainings; null if none does."
    )
    strategies: list[OptionOut] = Field(description="All that can do it, the fewest trainings first.")
    reuse: ReuseOut | None
    sentence: str

    @classmethod
    def of(cls, made: JobEstimate, n_workers: int | None = None) -> Self:
        """From the estimate, for so many workers."""
        limits = made.spec.training_budget
        largest = made.largest_that_fits
        total = made.option

        def wall(seconds: float | None) -> float | None:
            return None if seconds is None or n_workers is None else seconds / n_workers

        n_search = made.spec.candidates.count * made.spec.n_seeds
        return cls(
            strategy=made.spec.strategy,
            search=BoundsOut.of(made.search),
            confirmation=BoundsOut.of(made.confirmation),
            total=OptionOut.of(total),
            kinds=_kinds(made),
            wall_seconds_lower=wall(total.lower.seconds),
            wall_seconds_upper=wall(total.upper.seconds),
            basis=_basis(made),
            exhaustive=ExhaustiveOut.of_estimate(made),
            training_budget=TrainingBudgetOut(
                trainings=limits.trainings, epochs=limits.epochs, seconds=limits.seconds
            ),
            kept_back=made.kept_back,
            largest_that_fits=None if largest is None else largest.name,
            strategies=[OptionOut.of(option) for option in made.options],
            reuse=ReuseOut.made(made.reusable, n_search, made.sources),
            sentence=sentence_of(made),
        )


def _kinds(made: JobEstimate) -> list[KindOut]:
    kinds = []
    for purpose, bounds in ((Purpose.SEARCH, made.search), (Purpose.CONFIRMATION, made.confirmation)):
        told = bounds.forecast
        upper = told.costliest()
        for kind in sorted({*told.lower, *upper}):
            rate = made.rates.find(kind[0], kind[1])
            kinds.append(
                KindOut(
                    purpose=purpose,
                    group_size=kind[0],
                    size=kind[1],
                    fidelity=kind[2],
                    lower=told.lower.get(kind, 0),
                    upper=upper.get(kind, 0),
                    epoch_s=None if rate is None else rate.epoch_s,
                )
            )
    return kinds


def _basis(made: JobEstimate) -> BasisOut:
    missing = sorted({(group_size, size) for group_size, size, _ in made.unmeasured})
    names = [f"{_tasks(group_size)} at size {size:g}" for group_size, size in missing]
    return BasisOut(
        jobs=made.n_jobs, trainings=made.rates.trainings, missing=names, sentence=_time_sentence(made, names)
    )


def _time_sentence(made: JobEstimate, missing: list[str]) -> str:
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


def sentence_of(made: JobEstimate) -> str:
    """The estimate in words."""
    total = made.option
    n = _range(total.lower.trainings, total.upper.trainings)
    confirmed = _range(made.confirmation.lower.trainings, made.confirmation.upper.trainings)
    text = f"{made.spec.strategy} takes {n} trainings, {confirmed} of them to confirm"
    low, high = (f"{share:.0%}".replace("%", "") for share in made.share_of_exhaustive)
    share = high if low == high else f"{low} to {high}"
    text += f"; its search takes {share} % of the epochs of an exhaustive one."
    text += _fit_sentence(made)
    if made.spec.tuning_samples:
        text += " Tuning the recipe comes on top."
    return text


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
