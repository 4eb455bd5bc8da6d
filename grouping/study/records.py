"""What a study found, as plain frozen data that has a JSON form."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter, ValidationError

from grouping.errors import InvalidInputError

Cells = tuple[tuple[float | None, ...], ...]
"""``[T][T]``, row source, column target; None on the diagonal and where nothing was measured."""


@dataclass(frozen=True, slots=True)
class MeanOverSeeds:
    """A mean over seeds.

    Attributes:
        value: the mean; None where nothing was measured.
        standard_error: of it; None with fewer than two seeds.
        n_seeds: seeds behind it.
    """

    value: float | None
    standard_error: float | None
    n_seeds: int


@dataclass(frozen=True, slots=True)
class Correlation:
    """How two sets of effects of the same ordered pairs go together.

    Attributes:
        n: ordered pairs.
        pearson: correlation; None where one side does not vary or there are fewer than three pairs.
        pearson_p: two-sided, as if the pairs were independent, which they are not: they share tasks.
        spearman: correlation of the ranks.
        spearman_p: likewise.
        permutation_p: share of relabellings of the tasks on one side that correlate (Pearson, either
            direction) at least as much; does not take the pairs for independent.
        ceiling: about the largest correlation that the noise of the seeds leaves; None where it is unknown.
        within: correlation after the mean of each target is subtracted on both sides: among the sources of
            one target, since some targets are harmed or helped by whatever is beside them.
        within_p: of it, by relabelling.
    """

    n: int
    pearson: float | None = None
    pearson_p: float | None = None
    spearman: float | None = None
    spearman_p: float | None = None
    permutation_p: float | None = None
    ceiling: float | None = None
    within: float | None = None
    within_p: float | None = None


@dataclass(frozen=True, slots=True)
class Effects:
    """Effect of a source on a target for every ordered pair, in one setup. Positive helps.

    Attributes:
        size: of the networks, pair and alone.
        share: of the training rows.
        values: mean over seeds of the relative gain of the column's task.
        standard_errors: over seeds.
        mean: of all ordered pairs; its standard error is that of the mean of a seed.
        n_helped: effects above zero by more than the noise of the seeds (95 %).
        n_harmed: effects below zero likewise.
        reliability: share of the variance between pairs that is not noise of the seeds, 0 to 1; None with
            fewer than two seeds.
        agreement: with the effects at full size and on all rows; None for those themselves.
    """

    size: float
    share: float
    values: Cells
    standard_errors: Cells
    mean: MeanOverSeeds
    n_helped: int
    n_harmed: int
    reliability: float | None = None
    agreement: Correlation | None = None


@dataclass(frozen=True, slots=True)
class TaskComparison:
    """A task in one network with all others, against in a network of its own at equal total cost."""

    task: str
    loss_alone: MeanOverSeeds
    loss_together: MeanOverSeeds
    gain: MeanOverSeeds


@dataclass(frozen=True, slots=True)
class TogetherAgainstAlone:
    """All tasks in one network against each in its own small one.

    Attributes:
        size_alone: of each network of one task.
        cost_alone_snt: measured inference cost of all of them.
        cost_together_snt: of the one network.
        tasks: task by task.
        total_alone: sum of the losses.
        total_together: likewise.
        gain: (total alone - total together) / total alone; positive where together is better.
    """

    size_alone: float
    cost_alone_snt: float
    cost_together_snt: float
    tasks: tuple[TaskComparison, ...]
    total_alone: MeanOverSeeds
    total_together: MeanOverSeeds
    gain: MeanOverSeeds


@dataclass(frozen=True, slots=True)
class Finding:
    """The answer to one question, in words.

    Attributes:
        question: ``pairs``, ``together``, ``size``, ``data`` or ``transfer``.
        sentence: what was found, with its uncertainty.
    """

    question: str
    sentence: str


@dataclass(frozen=True, slots=True)
class StudyReport:
    """Everything a study found. Effects are relative gains of test losses, from 0; 0.01 is one percent.

    Attributes:
        problem: its name.
        tasks: names of the `T` tasks, in order.
        recipe: how networks were trained, as JSON.
        seeds: of the trainings.
        formula: of an effect.
        effects: of pairs, one for every setup: full size and all rows first, other sizes, other shares.
        together: all together against all alone.
        transfer: fine-tuning the target from the source, against training it alone.
        transfer_against_pairs: whether the one predicts the other.
        findings: an answer to each question.
        n_trainings: how many there were.
        n_diverged: how many of them have no scores.
        n_epochs: of all of them together.
        seconds: wall time of them all.
        data_digest: of the data set.
        versions: of what took part, by name.
    """

    problem: str
    tasks: tuple[str, ...]
    recipe: dict[str, Any]
    seeds: tuple[int, ...]
    formula: str
    effects: tuple[Effects, ...]
    together: TogetherAgainstAlone
    transfer: Effects
    transfer_against_pairs: Correlation
    findings: tuple[Finding, ...]
    n_trainings: int
    n_diverged: int
    n_epochs: int
    seconds: float
    data_digest: str
    versions: dict[str, str]

    @property
    def pairs(self) -> Effects:
        """Those at full size and on all rows."""
        return self.effects[0]

    @property
    def by_size(self) -> tuple[Effects, ...]:
        """On all rows, from the smallest network to the largest."""
        return tuple(sorted((e for e in self.effects if e.share == 1), key=lambda e: e.size))

    @property
    def by_share(self) -> tuple[Effects, ...]:
        """At full size, from the fewest rows to all of them."""
        return tuple(sorted((e for e in self.effects if e.size == 1), key=lambda e: e.share))


_ADAPTER = TypeAdapter(StudyReport)


def report_to_json(report: StudyReport) -> dict[str, Any]:
    """All of it as plain lists and objects."""
    plain: dict[str, Any] = _ADAPTER.dump_python(report, mode="json")
    return plain


def report_from_json(data: Mapping[str, Any]) -> StudyReport:
    """Inverse of `report_to_json`.

    Raises:
        InvalidInputError: if it is none.
    """
    try:
        return _ADAPTER.validate_python(dict(data))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = "/".join(str(part) for part in first["loc"])
        raise InvalidInputError(f"This is no report of a study: {where}: {first['msg']}.") from error
