"""Model card of a bundle: what it answers, how well, what it was trained on, and how to use it."""

from __future__ import annotations

from collections.abc import Iterator

from grouping.bundle.inputs import TableInputs
from grouping.bundle.manifest import BundledTask, Manifest, Spread
from grouping.domain.groupings import Grouping
from grouping.plots import grouping_svg

CARD = "MODEL_CARD.md"
PICTURE = "networks.svg"
MOST_COLUMNS = 40
_CHOSEN = {"train": "chosen by validation losses", "train+validation": "the first"}


def model_card(manifest: Manifest) -> str:
    """Write the model card in Markdown, after Mitchell et al. (2019), Model cards for model reporting."""
    return "\n".join(_lines(manifest)) + "\n"


def picture(manifest: Manifest, grouping: Grouping) -> str:
    """Draw which network serves which task."""
    return grouping_svg(grouping, name=f"bundle-{manifest.job_id[:8]}")


def _lines(manifest: Manifest) -> Iterator[str]:
    yield f"# {manifest.title}"
    yield ""
    n, cost = len(manifest.networks), sum(network.cost_snt for network in manifest.networks)
    yield (
        f"{n} network{'s' * (n != 1)} that together answer{'s' * (n == 1)} {len(manifest.tasks)} tasks "
        f"within an inference budget of {manifest.budget_snt:g} SNT ({cost:.3g} used), as job "
        f"{manifest.job_id} recommends."
    )
    yield ""
    yield f"![Which network serves which task]({PICTURE})"
    yield ""
    yield "## Use it"
    yield ""
    yield '    pip install "mtl-grouping[bundle]"'
    yield ""
    yield "    from grouping.bundle import load"
    yield '    bundle = load("PATH OF THIS FOLDER")'
    yield "    bundle.predict(rows)                        # a column for each task, in its own units"
    yield "    bundle.predict(rows, probabilities=True)    # and the probability of each class"
    yield ""
    yield from _read(manifest)
    yield ""
    yield "## What it answers"
    yield ""
    yield "| task | network | metric | on test rows | over seeds | loss on test rows | over seeds |"
    yield "|---|---|---|---|---|---|---|"
    for bundled in manifest.tasks:
        yield _row(bundled)
    yield ""
    yield (
        "A loss of 1 is that of the best constant prediction, as known from the training rows; lower is "
        f'better. "Over seeds" is the mean of {len(manifest.seeds)} trainings with an interval of 95 %; each '
        f"network of this bundle is one of them, {_CHOSEN[manifest.rows]}."
    )
    if manifest.verdict:
        yield ""
        yield manifest.verdict
    yield ""
    yield "## How it was trained"
    yield ""
    yield f"- Rows: {manifest.rows}; SHA-256 of the data {manifest.data_digest}."
    for network in manifest.networks:
        helpers = [name for name in network.group if name not in network.serves]
        trained = f", trained also on {_code(helpers)}" if helpers else ""
        yield f"- `{network.file}`: serves {_code(network.serves)}{trained}; seed {network.seed}."
    recipe = manifest.recipe
    yield (
        f"- Recipe: widths {' x '.join(map(str, recipe.hidden))}, {recipe.epochs} epochs, encoder "
        f"{recipe.encoder.name}, sharing {recipe.sharing.name}, weighting {recipe.weighting.name}; all of it "
        "is in `manifest.json`."
    )
    yield f"- Versions: {', '.join(f'{name} {version}' for name, version in manifest.versions.items())}."
    yield (
        "- Checked where it was made: the bundle gives the test losses of its networks to the last bit."
        if manifest.is_exact
        else "- Checked where it was made: the bundle gives the test losses of its networks up to rounding."
    )
    yield ""
    yield "## Limits"
    yield ""
    yield (
        "The figures are those of rows like the test rows. Nothing was looked for in the data beyond what "
        "the search reports: neither fairness between groups of people nor harm by wrong answers."
    )
    yield ""
    yield "## Licence"
    yield ""
    yield manifest.licence or (
        "Nobody has told under which licence the data are; whether weights may be passed on depends on it."
    )


def _read(manifest: Manifest) -> Iterator[str]:
    inputs = manifest.inputs
    if not isinstance(inputs, TableInputs):
        yield f"Rows are an array `[rows, {inputs.n_features}]` of numbers, as the problem makes them."
        return
    yield "Rows are a table (pandas, or a list of dictionaries) with these columns, and any others:"
    yield ""
    for number, (name, kind) in enumerate(inputs.kinds.items()):
        if number == MOST_COLUMNS:
            yield f"- and {len(inputs.kinds) - MOST_COLUMNS} more, in `manifest.json`"
            return
        yield f"- `{name}`: {kind}"


def _row(bundled: BundledTask) -> str:
    task, score = bundled.task, bundled.score
    metric = "" if task.metric is None else f"{task.metric.name} {task.metric.unit}".strip()
    numbers = (
        _number(score.test_metric),
        _interval(bundled.test_metrics),
        _number(score.test_loss),
        _interval(bundled.test_losses),
    )
    name = task.name.replace("|", "\\|")
    return f"| {name} | {bundled.network + 1} | {metric} | {' | '.join(numbers)} |"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"


def _interval(spread: Spread | None) -> str:
    if spread is None:
        return ""
    if spread.low is None or spread.high is None:
        return f"{spread.mean:.4g}"
    return f"{spread.mean:.4g} ({spread.low:.4g} to {spread.high:.4g})"


def _code(names: list[str] | tuple[str, ...]) -> str:
    return ", ".join(f"`{name}`" for name in names)
