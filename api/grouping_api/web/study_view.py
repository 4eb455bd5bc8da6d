"""View of a study: a section for each question, matrices with colours, pictures."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from grouping.study.presentation import QUESTIONS, losses_words, picture_svg, pictures_of, training_words
from grouping.study.records import Effects, MeanOverSeeds, StudyFinding, StudyReport
from grouping.study.sentences import gain_text
from grouping_api.web.affinity_view import LEAST_SCALE, Cell, shade
from grouping_api.web.rendering import MINUS


@dataclass(frozen=True, slots=True)
class MatrixView:
    """Matrix of effects as it is shown.

    Attributes:
        caption: text that says what the cells are.
        rows: a row for each source, with a cell for each target.
    """

    caption: str
    rows: tuple[tuple[Cell, ...], ...]


@dataclass(frozen=True, slots=True)
class Section:
    """Section of the page: a question with its answer.

    Attributes:
        name: name of the question, which identifies the section.
        title: the question.
        sentence: the answer.
        matrices: matrices that are shown at once.
        further: matrices that are shown when unfolded.
        picture: picture as SVG; None without one.
    """

    name: str
    title: str
    sentence: str
    matrices: tuple[MatrixView, ...] = ()
    further: tuple[MatrixView, ...] = ()
    picture: Markup | None = None


@dataclass(frozen=True, slots=True)
class StudyView:
    """Content of the page of a study.

    Attributes:
        report: report as it was stored.
        training: how the networks were trained, and which losses are compared.
        pictures: names of the pictures of the report.
        sections: sections of the questions that are answered, in order.
        left_out: the other questions, each with the reason.
        comparison: rows of task, loss alone, loss together and gain, as text.
        scale_text: effect that has the strongest colour, as text.
        shades: CSS classes from the strongest harm to the strongest help.
    """

    report: StudyReport
    training: str
    pictures: tuple[str, ...]
    sections: tuple[Section, ...]
    left_out: tuple[tuple[str, str], ...]
    comparison: tuple[tuple[str, str, str, str], ...]
    scale_text: str
    shades: tuple[str, ...]


def view_study(report: StudyReport) -> StudyView:
    """Build the view of a report; all matrices share one colour scale, so that they can be compared."""
    values = [
        abs(value)
        for effects in (*report.effects, report.transfer)
        for row in effects.values
        for value in row
        if value is not None
    ]
    scale = max([LEAST_SCALE, *values])
    pictures = pictures_of(report)
    return StudyView(
        report=report,
        training=f"Trainer: {training_words(report)}. {losses_words(report)}.",
        pictures=pictures,
        sections=tuple(_section(report, finding, pictures, scale) for finding in report.findings),
        left_out=tuple((QUESTIONS[finding.question], finding.sentence) for finding in report.left_out),
        comparison=_comparison(report),
        scale_text=f"{100 * scale:.1f} %",
        shades=tuple(shade(k / 6, 1.0) for k in range(-6, 7)),
    )


def _section(report: StudyReport, finding: StudyFinding, pictures: Collection[str], scale: float) -> Section:
    name = finding.question
    picture = Markup(picture_svg(report, name)) if name in pictures else None  # nosec B704 # SVG of our own, its texts escaped
    return Section(name, QUESTIONS[name], finding.sentence, *_matrices(report, name, scale), picture)


def _matrices(
    report: StudyReport, name: str, scale: float
) -> tuple[tuple[MatrixView, ...], tuple[MatrixView, ...]]:
    if name == "pairs":
        return (_matrix(report.tasks, report.pairs, "Full size, all rows", scale),), ()
    if name == "transfer":
        caption = "The target fine-tuned from the source, against alone"
        return (_matrix(report.tasks, report.transfer, caption, scale),), ()
    if name == "size":
        shown = [(effects, f"Networks of size {effects.size:g}") for effects in report.by_size]
    elif name == "data":
        shown = [(e, f"{100 * e.share:g} % of the training rows") for e in report.by_share]
    else:
        shown = []
    further = tuple(
        _matrix(report.tasks, effects, caption, scale)
        for effects, caption in shown
        if (effects.size, effects.share) != (1, 1)
    )
    return (), further


def _matrix(tasks: Sequence[str], effects: Effects, caption: str, scale: float) -> MatrixView:
    rows = tuple(
        tuple(_cell(tasks, effects, i, j, scale) for j in range(len(tasks))) for i in range(len(tasks))
    )
    return MatrixView(caption, rows)


def _cell(tasks: Sequence[str], effects: Effects, i: int, j: int, scale: float) -> Cell:
    source, target = tasks[i], tasks[j]
    value, error = effects.values[i][j], effects.standard_errors[i][j]
    if i == j:
        return Cell("self", "", "", source)
    if value is None:
        return Cell("missing", "", "", f"{source} with {target}: not measured")
    text = f"{100 * value:+.1f}".replace("-", MINUS)
    verb = "helps" if value > 0 else "harms" if value < 0 else "does not change"
    spread = "" if error is None else f", standard error {100 * error:.1f} points"
    noise = "" if error is None else f"±{100 * error:.1f}"
    return Cell(shade(value, scale), text, noise, f"{source} {verb} {target}: {text} %{spread}")


def _comparison(report: StudyReport) -> tuple[tuple[str, str, str, str], ...]:
    found = report.together
    rows = [(row.task, row.loss_alone, row.loss_together, row.gain) for row in found.tasks]
    rows.append(("all tasks", found.total_alone, found.total_together, found.gain))
    return tuple((task, _loss(a), _loss(b), _gain(gain)) for task, a, b, gain in rows)


def _loss(found: MeanOverSeeds) -> str:
    if found.value is None:
        return "–"
    return f"{found.value:.4f}" + ("" if found.standard_error is None else f" ±{found.standard_error:.4f}")


def _gain(found: MeanOverSeeds) -> str:
    if found.value is None:
        return "–"
    spread = "" if found.standard_error is None else f" ±{100 * found.standard_error:.1f}"
    return gain_text(found.value).replace("-", MINUS) + spread
