"""Making of the whole report of a study, sentences included."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from grouping.domain.jobs.specification import DEFAULT_TRAINER
from grouping.domain.tables.score_table import mean_and_standard_error
from grouping.domain.trainings.recipes import Method
from grouping.study.analysis import (
    FORMULA,
    StudyScore,
    StudyScores,
    compare_together,
    correlate,
    effects_of,
    with_ceiling,
)
from grouping.study.plan import StudyOptions
from grouping.study.records import Losses, StudyFinding, StudyReport
from grouping.study.sentences import findings_of


@dataclass(frozen=True, slots=True)
class StudyRun:
    """Trainings of a study, with their scores.

    Attributes:
        problem: its name.
        tasks: names of the tasks, in order.
        trainer: what trained the networks, with its parameters in use.
        options: extent of the study.
        scores: scores of every task in every training that has scores.
        cost_alone_snt: measured inference cost of a small network for each task, all together.
        cost_together_snt: measured inference cost of one network of full size for all tasks.
        n_trainings: number of trainings.
        n_diverged: number of trainings without scores.
        n_epochs: epochs of all trainings.
        seconds: wall time of all trainings.
        data_digest: digest of the data set.
        versions: versions of libraries, by name.
        losses: rows whose losses the scores are.
        left_out: questions that the trainer cannot answer, with the reason.
    """

    problem: str
    tasks: tuple[str, ...]
    trainer: Method
    options: StudyOptions
    scores: Sequence[StudyScore]
    cost_alone_snt: float
    cost_together_snt: float
    n_trainings: int
    n_diverged: int
    n_epochs: int
    seconds: float
    data_digest: str
    versions: Mapping[str, str]
    losses: Losses = "test"
    left_out: tuple[StudyFinding, ...] = ()


def make_report(run: StudyRun) -> StudyReport:
    """Build the report from the scores of a study."""
    scores = StudyScores(run.tasks, run.options, run.scores)
    gains = {setup: scores.pair_gains(*setup) for setup in run.options.setups}
    base = (gains[1.0, 1.0], effects_of(gains[1.0, 1.0], 1.0, 1.0))
    others = [effects_of(found, *setup, base=base) for setup, found in gains.items() if setup != (1.0, 1.0)]
    transfers = scores.transfer_gains()
    transfer = effects_of(transfers, 1.0, 1.0)
    relation = correlate(mean_and_standard_error(transfers)[0], mean_and_standard_error(base[0])[0])
    parameters = _plain(run.trainer.parameters)
    report = StudyReport(
        problem=run.problem,
        tasks=run.tasks,
        recipe=parameters["recipe"] if run.trainer.name == DEFAULT_TRAINER else {},
        seeds=tuple(range(run.options.n_seeds)),
        formula=FORMULA.value,
        effects=(base[1], *others),
        together=compare_together(scores, run.cost_alone_snt, run.cost_together_snt),
        transfer=transfer,
        transfer_against_pairs=with_ceiling(relation, transfer.reliability, base[1].reliability),
        findings=(),
        n_trainings=run.n_trainings,
        n_diverged=run.n_diverged,
        n_epochs=run.n_epochs,
        seconds=run.seconds,
        data_digest=run.data_digest,
        versions=dict(run.versions),
        trainer=Method(run.trainer.name, parameters),
        losses=run.losses,
        left_out=run.left_out,
    )
    return replace(report, findings=findings_of(report))


def _plain(value: Any) -> Any:
    """Convert tuples to lists, so that a report equals itself after a round trip through JSON."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, (list, tuple)) else value
