"""Sentences of a study: an answer to each question, honest about what the noise leaves open."""

from __future__ import annotations

from collections.abc import Sequence

from grouping.domain.percentages import fixed_percent
from grouping.study.analysis import quantile
from grouping.study.records import (
    Correlation,
    Effects,
    MeanOverSeeds,
    StudyFinding,
    StudyReport,
    TogetherAgainstAlone,
)

SMALL_P = 0.05
ALIKE, RELATED = 0.8, 0.5
"""Correlations from which relations are called alike, and related."""
NO_NOISE = "With one seed the noise is unknown: repeat it with more before you trust it."


def findings_of(report: StudyReport) -> tuple[StudyFinding, ...]:
    """Write an answer to each question that is not left out."""
    every = (
        StudyFinding("pairs", _pairs(report.pairs, report.tasks)),
        StudyFinding("together", _together(report.together)),
        StudyFinding("size", _setups(report.by_size, "size", [_size(e) for e in report.by_size])),
        StudyFinding("data", _setups(report.by_share, "data", [_share(e) for e in report.by_share])),
        StudyFinding("transfer", _transfer(report.transfer, report.transfer_against_pairs)),
    )
    left_out = {finding.question for finding in report.left_out}
    return tuple(finding for finding in every if finding.question not in left_out)


def gain_text(value: float | None) -> str:
    """Format a gain in percent with its sign, such as ``+2.1 %``."""
    return "unknown" if value is None else fixed_percent(value, 1, signed=True)


def interval(found: MeanOverSeeds) -> tuple[float, float]:
    """Return the ends of the 95 % interval by Student's t; needs a value and two seeds."""
    assert found.value is not None
    assert found.standard_error is not None
    reach = quantile(found.n_seeds) * found.standard_error
    return found.value - reach, found.value + reach


def is_clear(found: MeanOverSeeds) -> bool:
    """Return whether the interval leaves zero out."""
    if found.value is None or found.standard_error is None:
        return False
    low, high = interval(found)
    return low > 0 or high < 0


def _size(effects: Effects) -> str:
    return f"size {effects.size:g}"


def _share(effects: Effects) -> str:
    return f"{100 * effects.share:g} % of the rows"


def _pairs(effects: Effects, tasks: Sequence[str]) -> str:
    mean = effects.mean
    if mean.value is None:
        return "Trainings are missing in every seed: nothing can be said about pairs."
    said = f"Beside one other task, a task does {_on_average(mean)}."
    if mean.standard_error is None:
        return f"{said} {_extremes(effects, tasks)} {NO_NOISE}"
    n = len(tasks) * (len(tasks) - 1)
    return (
        f"{said} Of the {n} effects {effects.n_helped} are helps and {effects.n_harmed} harms beyond the "
        f"noise of the seeds, where about {_few(0.05 * n)} would seem to be by chance. "
        f"{_extremes(effects, tasks)}"
    )


def _few(number: float) -> str:
    return f"{number:.2g}" if number < 99.5 else f"{number:,.0f}"


def _on_average(found: MeanOverSeeds) -> str:
    """Write such as ``2.1 % better than alone on average (...)``; say where the noise is as large."""
    assert found.value is not None
    way = "better" if found.value > 0 else "worse"
    said = f"{100 * abs(found.value):.1f} % {way} than alone on average"
    if found.standard_error is None:
        return said
    low, high = interval(found)
    noise = "" if is_clear(found) else "; that is within the noise"
    return f"{said} (95 % interval {gain_text(low)} to {gain_text(high)}, {found.n_seeds} seeds{noise})"


def _lower(found: MeanOverSeeds) -> str:
    """Write such as ``2.1 % lower (...)``, with the interval of the gain."""
    assert found.value is not None
    said = f"{100 * abs(found.value):.1f} % {'lower' if found.value > 0 else 'higher'}"
    if found.standard_error is None:
        return said
    low, high = interval(found)
    return f"{said} (95 % interval of the gain {gain_text(low)} to {gain_text(high)}, {found.n_seeds} seeds)"


def _extremes(effects: Effects, tasks: Sequence[str]) -> str:
    cells = [
        (value, source, target)
        for source, row in zip(tasks, effects.values, strict=True)
        for target, value in zip(tasks, row, strict=True)
        if value is not None
    ]
    if not cells:
        return ""
    most, least = max(cells), min(cells)
    parts = []
    if most[0] > 0:
        parts.append(f"{most[1]} helps {most[2]} most ({gain_text(most[0])})")
    if least[0] < 0:
        parts.append(f"{least[1]} harms {least[2]} most ({gain_text(least[0])})")
    said = "; ".join(parts)
    return f"{said[0].upper()}{said[1:]}." if said else ""


def _together(found: TogetherAgainstAlone) -> str:
    gain = found.gain
    if gain.value is None:
        return "Trainings are missing in every seed: together and alone cannot be compared."
    costs = (
        f"One network for all {len(found.tasks)} tasks (inference cost {found.cost_together_snt:.3g} SNT) "
        f"against {len(found.tasks)} networks of one task at size {found.size_alone:.3g} (together "
        f"{found.cost_alone_snt:.3g} SNT)"
    )
    said = f"{costs}: the total loss together is {_lower(gain)}."
    if gain.standard_error is None:
        return f"{said} {NO_NOISE}"
    verdict = (
        f"{'Together' if gain.value > 0 else 'Alone'} is better"
        if is_clear(gain)
        else "That is within the noise of the seeds: neither is shown to be better"
    )
    won = [t.task for t in found.tasks if t.gain.value is not None and t.gain.value > 0 and is_clear(t.gain)]
    lost = [t.task for t in found.tasks if t.gain.value is not None and t.gain.value < 0 and is_clear(t.gain)]
    tasks = [f"{', '.join(won)} gain{'s' if len(won) == 1 else ''}"] if won else []
    tasks += [f"{', '.join(lost)} lose{'s' if len(lost) == 1 else ''}"] if lost else []
    detail = f"; task by task, {' and '.join(tasks)} beyond the noise" if tasks else ""
    return f"{said} {verdict}{detail}."


def _setups(setups: Sequence[Effects], what: str, names: Sequence[str]) -> str:
    if len(setups) < 2:
        other = "size of networks" if what == "size" else "share of the rows"
        return f"Only one {other} was trained."
    means = ", ".join(f"{_short(e.mean)} at {name}" for e, name in zip(setups, names, strict=True))
    parts = [f"The mean effect of a partner (95 % interval) is {means}."]
    for effects, name in zip(setups, names, strict=True):
        if effects.agreement is not None:
            base = "size 1" if what == "size" else "all rows"
            parts.append(f"Effects at {name} and {base} {_agreement(effects.agreement)}.")
    if any(effects.mean.standard_error is None for effects in setups):
        parts.append(NO_NOISE)
    return " ".join(parts)


def _short(found: MeanOverSeeds) -> str:
    """Format a gain with its interval in brackets, where there is one."""
    if found.value is None or found.standard_error is None:
        return gain_text(found.value)
    low, high = interval(found)
    return f"{gain_text(found.value)} ({gain_text(low)} to {gain_text(high)})"


def _agreement(found: Correlation) -> str:
    if found.pearson is None:
        return "cannot be correlated"
    r = found.pearson
    kind = "are alike" if r >= ALIKE else "are related" if r >= RELATED else "are hardly related"
    limit = _limit(found.ceiling)
    return f"{kind} (r = {r:.2f} over {found.n} ordered pairs{'; ' + limit if limit else ''})"


def _limit(ceiling: float | None) -> str:
    """Describe how much of a correlation the noise of the seeds leaves."""
    if ceiling is None:
        return ""
    if ceiling < RELATED:
        return "noise of the seeds is most of what differs between pairs, so this says little"
    return f"noise alone would leave at most about {ceiling:.2f}"


def _transfer(effects: Effects, found: Correlation) -> str:
    if effects.mean.value is None:
        return "Trainings are missing in every seed: nothing can be said about transfer."
    said = (
        "Fine-tuned from another task, with as many epochs of its own, a task does "
        f"{_on_average(effects.mean)}."
    )
    if found.pearson is None or found.spearman is None:
        return f"{said} There are too few pairs to correlate this with training together."
    figures = (
        f"r = {found.pearson:.2f}, p {_p(found.pearson_p)}; Spearman {found.spearman:.2f}, "
        f"p {_p(found.spearman_p)}; by relabelling the tasks p {_p(found.permutation_p)}"
    )
    limit = _limit(found.ceiling)
    within = ""
    if found.within is not None:
        within = (
            " Among the sources of one target, what partners do to it on average left aside, r = "
            f"{found.within:.2f} (by relabelling p {_p(found.within_p)})."
        )
    verdict = _verdict(found)
    return f"{said} {verdict} ({figures}; {found.n} ordered pairs{'; ' + limit if limit else ''}).{within}"


def _verdict(found: Correlation) -> str:
    """Describe what a correlation of transfer with pairs shows."""
    p = found.permutation_p if found.permutation_p is not None else found.pearson_p
    if p is None or p >= SMALL_P:
        return (
            "There is no evidence here that transfer tells what tasks do to each other in one network, "
            "which does not show that there is no relation"
        )
    sign = "goes with" if (found.pearson or 0.0) > 0 else "goes against"
    verdict = f"Transfer {sign} what tasks do to each other in one network"
    if found.within_p is None or found.within_p < SMALL_P:
        return verdict
    return (
        f"{verdict}; but that may be a matter of which targets lose, and of the noise of their losses alone, "
        "with which both are compared, since among the sources of one target there is no evidence of it"
    )


def _p(value: float | None) -> str:
    if value is None:
        return "unknown"
    return "< 0.001" if value < 0.001 else f"= {value:.2g}"
