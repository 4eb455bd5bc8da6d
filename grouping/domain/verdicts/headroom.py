"""Headroom: how much lower the loss of a recommendation may still get if the search trains on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from grouping.domain.fields import from_plain
from grouping.domain.percentages import fixed_percent

LEVEL = 0.9
"""Share of cases in which no more is meant to be possible than the upper ends say."""
HEADROOM_EVENT = "headroom_estimated"
"""Kind of the events of a job that carry it."""
_LEAST_SAID = 5e-5
"""Shares below it read as 0.00 %."""


@dataclass(frozen=True, slots=True)
class Headroom:
    """How much lower the validation loss at one inference budget may still get, in shares of it.

    The noise of the scores is not in it: it is about networks that are not trained yet.

    Attributes:
        budget_snt: Inference budget.
        n_measured: Networks on whose losses it rests.
        n_more: Further networks that `upper_of_more` speaks of.
        upper: Upper end of the interval, from 0, in which what training every candidate brings lies in 90 %
            of cases.
        upper_of_more: The same of what training `n_more` further networks brings.
    """

    budget_snt: float
    n_measured: int
    n_more: int
    upper: float
    upper_of_more: float

    @property
    def sentence(self) -> str:
        """What may still be missed, in words.

        Such as "After 21 networks, training 15 more may lower the loss by up to 1.23 % (in 9 of 10 cases by
        no more)."
        """
        after = f"After {self.n_measured:,} network{'s' * (self.n_measured != 1)}"
        if self.upper < _LEAST_SAID:
            return f"{after}, it is unlikely that any other network lowers the loss."
        most = fixed_percent(self.upper_of_more, 2)
        said = f"{after}, training {self.n_more:,} more may lower the loss by up to {most} (in 9 of 10 cases "
        said += "by no more)."
        if self.upper > self.upper_of_more + _LEAST_SAID:
            said += f" Training all candidates: by up to {fixed_percent(self.upper, 2)}."
        return said


def may_be_missed(items: Iterable[Headroom]) -> float:
    """Return the largest upper end of what the next networks bring, over the budgets; 0 without any."""
    return max((item.upper_of_more for item in items), default=0.0)


def headroom_note(items: Iterable[Headroom]) -> str:
    """Say what may still be missed at the budget where it is most; empty without any budget."""
    worst = max(items, key=lambda item: item.upper_of_more, default=None)
    return "" if worst is None else f"Budget {worst.budget_snt:g}: {worst.sentence}"


def headroom_to_plain(items: Iterable[Headroom]) -> dict[str, Any]:
    """Return data for JSON: a note for people, and everything."""
    items = tuple(items)
    return {"note": headroom_note(items), "items": [asdict(item) for item in items]}


def headroom_from_plain(data: Mapping[str, Any]) -> tuple[Headroom, ...]:
    """Read what `headroom_to_plain` made."""
    return tuple(from_plain(Headroom, item) for item in data["items"])
