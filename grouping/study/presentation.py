"""Presentation of a report: pictures as SVG, and all of it as Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from grouping.errors import NotFoundError
from grouping.plots import EffectPoint, PairEffect, SetupColumn, scatter_svg, setups_svg
from grouping.study.records import Cells, Correlation, Effects, MeanOverSeeds, StudyReport
from grouping.study.sentences import gain_text, interval
from grouping.trainers import trainer_class

PICTURES: Mapping[str, str] = {
    "size": "Effects of pairs by the size of the network",
    "data": "Effects of pairs by the share of the training rows",
    "transfer": "Transfer against training together",
}
"""The pictures of a report by name, with their titles."""
QUESTIONS: Mapping[str, str] = {
    "pairs": "Which tasks help which in pairs",
    "together": "All together against all alone, at equal inference cost",
    "size": "Does the size of the network change that",
    "data": "Does the amount of data change that",
    "transfer": "Does transfer tell which tasks do well together",
}
"""The questions by name, in order."""


def pictures_of(report: StudyReport) -> tuple[str, ...]:
    """Name the pictures that a report has: those of the questions that it answers."""
    answered = {finding.question for finding in report.findings}
    return tuple(picture for picture in PICTURES if picture in answered)


def picture_svg(report: StudyReport, picture: str) -> str:
    """Draw one of the `pictures_of` a report; its identifiers begin with ``study-`` and its name.

    Raises:
        NotFoundError: if the report has no such picture.
    """
    if picture not in pictures_of(report):
        raise NotFoundError("picture", picture)
    title, name = PICTURES[picture], f"study-{picture}"
    if picture == "transfer":
        return scatter_svg(
            _points(report),
            title=title,
            x_axis="fine-tuned from the source",
            y_axis="trained together with the source",
            name=name,
        )
    setups = report.by_size if picture == "size" else report.by_share
    names = [f"size {e.size:g}" if picture == "size" else f"{100 * e.share:g} %" for e in setups]
    columns = [_column(report.tasks, e, label) for e, label in zip(setups, names, strict=True)]
    axis = "size of both networks (inference cost)" if picture == "size" else "share of the training rows"
    return setups_svg(columns, title=title, axis=axis, name=name)


def _points(report: StudyReport) -> list[EffectPoint]:
    both = zip(_listed(report.tasks, report.transfer), _listed(report.tasks, report.pairs), strict=True)
    return [
        EffectPoint(x.name, x.value, y.value, x.error, y.error)
        for x, y in both
        if x.value == x.value and y.value == y.value
    ]


def _listed(tasks: Sequence[str], effects: Effects) -> list[PairEffect]:
    """List every ordered pair in percent; NaN where nothing was measured."""
    return [
        PairEffect(
            f"{source} → {target}", _percents(effects.values[i][j], float("nan")), _error(effects, i, j)
        )
        for i, source in enumerate(tasks)
        for j, target in enumerate(tasks)
        if i != j
    ]


def _percents(value: float | None, otherwise: float) -> float:
    return otherwise if value is None else 100.0 * value


def _error(effects: Effects, i: int, j: int) -> float | None:
    error = effects.standard_errors[i][j]
    return None if error is None else 100.0 * error


def _column(tasks: Sequence[str], effects: Effects, name: str) -> SetupColumn:
    known = tuple(e for e in _listed(tasks, effects) if e.value == e.value)
    mean = effects.mean
    if mean.value is None or mean.standard_error is None:
        return SetupColumn(name, known, None if mean.value is None else 100 * mean.value)
    low, high = interval(mean)
    return SetupColumn(name, known, 100 * mean.value, 100 * low, 100 * high)


def as_markdown(report: StudyReport) -> str:
    """Return the whole report as Markdown, with the pictures linked as ``size.svg`` and so on."""
    found = {finding.question: finding.sentence for finding in report.findings}
    parts = [f"# Study of {report.problem}", _about(report)]
    for question, sentence in found.items():
        parts += [f"## {QUESTIONS[question]}", sentence, *_tables(report, question)]
        if question in PICTURES:
            parts.append(f"![{PICTURES[question]}]({question}.svg)")
    if report.left_out:
        parts += ["## Left out", *(f"{QUESTIONS[f.question]}? {f.sentence}" for f in report.left_out)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _about(report: StudyReport) -> str:
    return (
        f"{report.n_trainings} trainings, {len(report.seeds)} seeds, {report.seconds:.0f} s; "
        f"{report.n_diverged} diverged. Trainer: {training_words(report)}. {losses_words(report)}, "
        "mean ± standard error over seeds; positive helps."
    )


def training_words(report: StudyReport) -> str:
    """Describe the trainer and how it trained in a line; a report may have nothing of it but a recipe."""
    parameters = report.trainer.parameters or ({"recipe": report.recipe} if report.recipe else {})
    told = trainer_class(report.trainer.name).in_words(parameters, None)
    return f"{report.trainer.name}, {told}" if told else report.trainer.name


def losses_words(report: StudyReport) -> str:
    """Describe which losses are compared."""
    if report.losses == "test":
        return f"Effects are {report.formula} of test losses"
    return f"Effects are {report.formula} of validation losses, since there are no test losses"


def _tables(report: StudyReport, question: str) -> list[str]:
    if question == "pairs":
        return [_matrix(report.tasks, report.pairs)]
    if question == "transfer":
        return [_matrix(report.tasks, report.transfer), _correlation(report.transfer_against_pairs)]
    if question == "together":
        return [_comparison(report)]
    others = report.by_size if question == "size" else report.by_share
    shown = [e for e in others if (e.size, e.share) != (1, 1)]
    parts = []
    for effects in shown:
        what = f"Size {effects.size:g}" if question == "size" else f"{100 * effects.share:g} % of the rows"
        parts += [f"{what}:", _matrix(report.tasks, effects)]
    return parts


def _matrix(tasks: Sequence[str], effects: Effects) -> str:
    head = ["source ↓ target →", *tasks]
    rows = [
        [task, *(_cell(effects.values, effects.standard_errors, i, j) for j in range(len(tasks)))]
        for i, task in enumerate(tasks)
    ]
    return _markdown(head, rows)


def _cell(values: Cells, errors: Cells, i: int, j: int) -> str:
    value, error = values[i][j], errors[i][j]
    if i == j:
        return ""
    spread = "" if error is None else f" ± {100 * error:.1f}"
    return "not measured" if value is None else f"{100 * value:+.1f}{spread} %"


def _comparison(report: StudyReport) -> str:
    found = report.together
    rows = [
        [row.task, _loss(row.loss_alone), _loss(row.loss_together), gain_text(row.gain.value)]
        for row in found.tasks
    ]
    rows.append(["all", _loss(found.total_alone), _loss(found.total_together), gain_text(found.gain.value)])
    alone = f"alone, size {found.size_alone:.3g} ({found.cost_alone_snt:.3g} SNT)"
    return _markdown(["task", alone, f"together ({found.cost_together_snt:.3g} SNT)", "gain"], rows)


def _loss(found: MeanOverSeeds) -> str:
    if found.value is None:
        return "not measured"
    return f"{found.value:.4f}" + ("" if found.standard_error is None else f" ± {found.standard_error:.4f}")


def _correlation(found: Correlation) -> str:
    rows = [
        ["Pearson", _figure(found.pearson), _small(found.pearson_p)],
        ["Spearman", _figure(found.spearman), _small(found.spearman_p)],
        ["Pearson, p by relabelling tasks", _figure(found.pearson), _small(found.permutation_p)],
        ["Pearson among the sources of a target, likewise", _figure(found.within), _small(found.within_p)],
    ]
    return _markdown(["transfer against pairs", "correlation", "p"], rows)


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _small(p: float | None) -> str:
    return "below 0.001" if p is not None and p < 0.001 else _figure(p)


def _markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(_escaped(cell) for cell in line)} |" for line in lines)


def _escaped(cell: str) -> str:
    return cell.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;")
