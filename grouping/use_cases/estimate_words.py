"""Sentences on the estimated cost of a job."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from grouping.domain.jobs.specification import JobSpec, TrainingBudget
from grouping.domain.number_texts import MOST_WRITTEN_OUT, range_text
from grouping.domain.trainings.allowance import Fit
from grouping.domain.trainings.ledgers import Shape
from grouping.wire.estimates import OptionOut

_FITS = {
    Fit.YES: " It fits into the training budget.",
    Fit.NO: " It does not fit into the training budget, and would be cut off there.",
    Fit.PERHAPS: " It may not fit into the training budget, and would be cut off there.",
    Fit.UNKNOWN: " Whether it fits into the training budget cannot be told without a basis for its time.",
}


def estimate_sentence(
    spec: JobSpec,
    chosen: OptionOut,
    confirming: tuple[int, int],
    tuning: tuple[int, int],
    shares: tuple[float, float],
    kept_back: int | None,
    largest: str | None,
    preparation: str,
) -> str:
    """Describe the estimated cost of a job in sentences.

    Args:
        spec: the job.
        chosen: cost of the job with its strategy, confirmation included.
        confirming: lower and upper bound of the number of trainings of the confirmation.
        tuning: the same of the tuning of each, its fresh seeds included.
        shares: epochs of the search as shares of those of an exhaustive search, lower and upper bound.
        kept_back: trainings reserved for the confirmation; None without a budget of trainings or epochs.
        largest: name of the largest strategy that surely fits the budget; None if none does.
        preparation: what the trainer trains before; empty for nothing.
    """
    n = range_text(chosen.lower.trainings, chosen.upper.trainings)
    text = f"{spec.strategy} takes {n} trainings, {range_text(*confirming)} of them to confirm"
    text += f" and {range_text(*tuning)} to tune each" if tuning[1] else ""
    low, high = (f"{100 * share:.0f}" for share in shares)
    share = high if low == high else f"{low} to {high}"
    text += f"; its search takes {share} % of the epochs of an exhaustive one."
    text += _fit_sentence(spec, chosen, kept_back, largest)
    if preparation:
        text += f" {preparation[:1].upper()}{preparation[1:]} comes on top."
    return text


def _fit_sentence(spec: JobSpec, chosen: OptionOut, kept_back: int | None, largest: str | None) -> str:
    if spec.training_budget == TrainingBudget():
        text = " There is no training budget."
        if chosen.upper.trainings >= MOST_WRITTEN_OUT:
            text += (
                " The upper bound is that of every group of tasks: set a training budget, or a smaller "
                "max_group_size, for one that tells more."
            )
        return text
    text = _FITS[chosen.fits]
    if chosen.fits is not Fit.YES:
        text += f" The largest that surely fits is {largest}." if largest else " None surely fits."
    if spec.n_confirmation_seeds and kept_back is not None:
        text += (
            f" At first {kept_back:,} training{_s(kept_back)} are kept back for the confirmation."
            if kept_back
            else " The budget is too small to keep anything back for a confirmation."
        )
    return text


def time_sentence(spec: JobSpec, chosen: OptionOut, n: int, n_jobs: int, missing: Sequence[str]) -> str:
    """Describe how long a job takes and how that is known, or why it is not known.

    Args:
        spec: the job.
        chosen: cost of the job with its strategy, confirmation included.
        n: number of finished trainings on which the times are based.
        n_jobs: number of jobs that these trainings belong to.
        missing: kinds of networks whose time is not known.
    """
    if not n:
        of = f" of {spec.problem}" if spec.problem else ""
        return (
            f"There is no basis for a time yet: no network{of} has been trained to its end like this by the "
            f"trainer {spec.trainer}."
        )
    basis = f"measured on {n:,} finished training{_s(n)} in {n_jobs:,} job{_s(n_jobs)}"
    lower, upper = chosen.lower.seconds, chosen.upper.seconds
    unknown = f"the time of networks of {', '.join(missing)} is not known: none was trained"
    if lower is None:
        return f"The time cannot be told: {basis}, but {unknown}."
    if upper is None:
        return f"It takes at least {_seconds(lower)} of training, {basis}; {unknown}."
    least, most = _seconds(lower), _seconds(upper)
    time = most if least == most else f"{least} to {most}"
    return f"It takes {time} of training, summed over all workers, {basis}."


def kind_names(shapes: Iterable[Shape]) -> list[str]:
    """Name shapes of networks in words, small ones first."""
    return [f"{n_tasks} task{_s(n_tasks)} at size {size:g}" for n_tasks, size in sorted(shapes)]


def _seconds(number: float) -> str:
    return f"{number:.1f} s" if number < 9.95 else f"{number:,.0f} s"


def _s(number: int) -> str:
    return "" if number == 1 else "s"
