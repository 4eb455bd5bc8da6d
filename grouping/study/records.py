"""Results of a study, as plain frozen data that has a JSON form."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import TypeAdapter, ValidationError

from grouping.domain.jobs.specification import DEFAULT_TRAINER
from grouping.domain.trainings.recipes import Method
from grouping.errors import InvalidInputError

Cells = tuple[tuple[float | None, ...], ...]
"""``[T][T]``, row source, column target; None on the diagonal and where nothing was measured."""
Losses = Literal["test", "validation"]
"""Rows whose losses a study compares."""


@dataclass(frozen=True, slots=True)
class MeanOverSeeds:
    """A mean over seeds.

    Attributes:
        value: the mean; None where nothing was measured.
        standard_error: standard error of the mean; None with fewer than two seeds.
        n_seeds: number of seeds.
    """

    value: float | None
    standard_error: float | None
    n_seeds: int


@dataclass(frozen=True, slots=True)
class Correlation:
    """Correlation of two sets of effects of the same ordered pairs.

    Attributes:
        n: number of ordered pairs.
        pearson: correlation; None where one side does not vary or there are fewer than three pairs.
        pearson_p: p-value, two-sided, as if the pairs were independent, which they are not: they share tasks.
        spearman: correlation of the ranks.
        spearman_p: p-value of it, two-sided, as if the pairs were independent.
        permutation_p: share of relabellings of the tasks on one side that correlate (Pearson, either
            direction) at least as much; does not take the pairs for independent.
        ceiling: about the largest correlation that the noise of the seeds leaves; None where it is unknown.
        within: correlation after the mean of each target is subtracted on both sides: among the sources of
            one target, since some targets are harmed or helped by whatever is beside them.
        within_p: p-value of it, by relabelling.
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
    """Effects of a source on a target for every ordered pair, in one setup. Positive helps.

    Attributes:
        size: size of the networks, pair and alone.
        share: share of the training rows.
        values: mean over seeds of the relative gain of the column's task.
        standard_errors: standard errors over seeds.
        mean: mean of all ordered pairs; its standard error is that of the mean of a seed.
        n_helped: effects above zero by more than the noise of the seeds (95 %).
        n_harmed: effects below zero by more than that noise.
        reliability: share of the variance between pairs that is not noise of the seeds, 0 to 1; None with
            fewer than two seeds.
        agreement: correlation with the effects at full size and on all rows; None for those themselves.
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
    """Comparison of a task in one network with all others and in its own, at equal total cost."""

    task: str
    loss_alone: MeanOverSeeds
    loss_together: MeanOverSeeds
    gain: MeanOverSeeds


@dataclass(frozen=True, slots=True)
class TogetherAgainstAlone:
    """Comparison of all tasks in one network with each in its own small one.

    Attributes:
        size_alone: size of each network of one task.
        cost_alone_snt: measured inference cost of all of them.
        cost_together_snt: measured inference cost of the one network.
        tasks: comparison of each task.
        total_alone: sum of the losses in own networks.
        total_together: sum of the losses in the one network.
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
class StudyFinding:
    """The answer to one question, in a sentence.

    Attributes:
        question: ``pairs``, ``together``, ``size``, ``data`` or ``transfer``.
        sentence: what was found, with its uncertainty.
    """

    question: str
    sentence: str


@dataclass(frozen=True, slots=True)
class StudyReport:
    """The report of a study. Effects are relative gains of losses, from 0; 0.01 is one percent.

    Attributes:
        problem: its name.
        tasks: names of the `T` tasks, in order.
        recipe: recipe of the networks, as JSON; empty if another trainer than the built-in one trained them.
        seeds: seeds of the trainings.
        formula: formula of an effect.
        effects: effects of pairs in every setup: full size and all rows first, other sizes, other shares.
        together: all together against all alone.
        transfer: effects of fine-tuning the target from the source, against training it alone; no values
            where that question is left out.
        transfer_against_pairs: correlation of effects of transfer and of pairs.
        findings: an answer to each question that is not left out.
        n_trainings: number of trainings.
        n_diverged: number of trainings without scores.
        n_epochs: epochs of all trainings.
        seconds: wall time of all trainings.
        data_digest: digest of the data set.
        versions: versions of libraries, by name.
        trainer: what trained the networks, with its parameters as they were in use; without parameters in
            reports that only name a recipe.
        losses: losses that are compared: ``test``, or ``validation`` if the trainer gives no others.
        left_out: questions that the trainer cannot answer, with the reason.
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
    findings: tuple[StudyFinding, ...]
    n_trainings: int
    n_diverged: int
    n_epochs: int
    seconds: float
    data_digest: str
    versions: dict[str, str]
    trainer: Method = field(default_factory=lambda: Method(DEFAULT_TRAINER))
    losses: Losses = "test"
    left_out: tuple[StudyFinding, ...] = ()

    @property
    def pairs(self) -> Effects:
        """Effects of pairs at full size and on all rows."""
        return self.effects[0]

    @property
    def by_size(self) -> tuple[Effects, ...]:
        """Effects of pairs on all rows, from the smallest network to the largest."""
        return tuple(sorted((e for e in self.effects if e.share == 1), key=lambda e: e.size))

    @property
    def by_share(self) -> tuple[Effects, ...]:
        """Effects of pairs at full size, from the fewest rows to all of them."""
        return tuple(sorted((e for e in self.effects if e.size == 1), key=lambda e: e.share))


_ADAPTER = TypeAdapter(StudyReport)


def report_to_json(report: StudyReport) -> dict[str, Any]:
    """Convert a report to plain lists and objects."""
    plain: dict[str, Any] = _ADAPTER.dump_python(report, mode="json")
    return plain


def report_from_json(data: Mapping[str, Any]) -> StudyReport:
    """Read the result of `report_to_json`.

    Raises:
        InvalidInputError: if it is no report.
    """
    try:
        return _ADAPTER.validate_python(dict(data))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = "/".join(str(part) for part in first["loc"])
        raise InvalidInputError(f"This is no report of a study: {where}: {first['msg']}.") from error
