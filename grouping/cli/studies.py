"""Command that carries out a study."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from grouping.cli.options.data_folder import DataFolderOption, use_data
from grouping.cli.options.home import DEFAULT_HOME, Home
from grouping.cli.options.jobs import is_own_code
from grouping.cli.options.recipes import parse_method, with_recipe_options
from grouping.cli.options.trainers_file import own_code_registered
from grouping.cli.output.terminal import new_console, print_json
from grouping.cli.serving import DatabaseUrl, database_url
from grouping.domain.jobs.specification import DEFAULT_TRAINER
from grouping.errors import InvalidInputError

if TYPE_CHECKING:
    from grouping.study.plan import StudyOptions
    from grouping.study.records import StudyReport
    from grouping.study.running import StudyPrice

QUICK_SEEDS, QUICK_EPOCHS = 2, 3
"""Seeds of a quick study, and what its epochs are divided by."""


@with_recipe_options
def study(
    problem: Annotated[str, typer.Argument(help="Name of a problem; see: grouping problems")],
    *,
    seeds: Annotated[int | None, typer.Option(min=1, help="Seeds of every network; 3 unless given.")] = None,
    sizes: Annotated[
        str | None,
        typer.Option(help="Sizes of networks at which pairs are compared.", show_default="0.5,1,2"),
    ] = None,
    shares: Annotated[
        str | None,
        typer.Option(
            help="Shares of the training rows at which pairs are compared.", show_default="0.25,0.5,1"
        ),
    ] = None,
    quick: Annotated[
        bool,
        typer.Option(
            "--quick",
            help="Short study: 2 seeds, sizes 0.5,1, shares 0.5,1, a third of the problem's epochs; what is "
            "given stays. Another trainer than the built-in one trains as long as ever.",
        ),
    ] = False,
    trainer: Annotated[
        str,
        typer.Option(
            help="What trains the networks. NAME[:KEY=VALUE,...]; see: grouping trainers. Or code of your "
            "own, as FILE.py:NAME."
        ),
    ] = DEFAULT_TRAINER,
    recipe: dict[str, Any],
    processes: Annotated[int, typer.Option(min=1, help="Number of trainings at the same time.")] = 1,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Folder for report.md, report.json and the pictures."),
    ] = None,
    name: Annotated[str, typer.Option(help="Label, shown in the list of studies.")] = "",
    keep: Annotated[
        bool, typer.Option("--keep/--no-keep", help="Keep the report in the database, for the web view.")
    ] = True,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be trained, and train and keep nothing.")
    ] = False,
    url: DatabaseUrl = None,
    home: Home = DEFAULT_HOME,
    data_folder: DataFolderOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Ask the questions of Standley et al. (2020) about a problem: pairs, sizes, data, transfer.

    Networks are trained by this command, without the service. Questions that the trainer cannot answer are
    left out. Exit status 2 on bad input.
    """
    from grouping.study.records import report_to_json
    from grouping.study.reporting import make_report
    from grouping.study.running import price_study, run_study

    use_data(data_folder, home)
    with ExitStack() as stack:
        if is_own_code(trainer):
            trainer = stack.enter_context(own_code_registered(trainer))
        chosen = parse_method(trainer, "trainer")
        parameters = _parameters(problem, chosen, recipe, quick)
        options = _options(seeds, sizes, shares, quick)
        if dry_run:
            price = price_study(problem, options, trainer=chosen["name"], parameters=parameters)
            _tell_price(price, as_json=as_json)
            return
        store = _open(database_url(url, home)) if keep else None
        if store is not None:
            stack.callback(store.close)
        if output is not None:
            output.mkdir(parents=True, exist_ok=True)
        console = new_console(stderr=as_json)
        run = run_study(
            problem,
            options,
            trainer=chosen["name"],
            parameters=parameters,
            processes=processes,
            on_progress=_progress(console),
        )
        report = make_report(run)
        if output is not None:
            _write(output, report)
        if store is not None:
            info = store.add_study(
                report.problem, report.tasks, len(report.seeds), report_to_json(report), name=name
            )
            console.print(
                f"kept as study {info.id}; see /studies/{info.id} of: grouping serve", soft_wrap=True
            )
    if as_json:
        typer.echo(json.dumps(report_to_json(report), indent=2))
    else:
        _show(console, report)


def _tell_price(price: StudyPrice, *, as_json: bool) -> None:
    if as_json:
        print_json(price)
        return
    typer.echo(
        f"{price.problem}: {price.n_trainings:,} trainings of {price.n_epochs:,.0f} epochs in all, fewer "
        "where they stop early. Nothing was trained: this is a dry run."
    )
    for question in price.left_out:
        typer.echo(question.sentence)


def _options(seeds: int | None, sizes: str | None, shares: str | None, is_quick: bool) -> StudyOptions:
    from grouping.study.plan import StudyOptions

    usual = StudyOptions(QUICK_SEEDS, (0.5, 1.0), (0.5, 1.0)) if is_quick else StudyOptions()
    return StudyOptions(
        seeds or usual.n_seeds,
        usual.sizes if sizes is None else _numbers("--sizes", sizes),
        usual.shares if shares is None else _numbers("--shares", shares),
    )


def _parameters(
    problem: str, chosen: Mapping[str, Any], recipe: dict[str, Any], is_quick: bool
) -> dict[str, Any]:
    """Return the parameters of the trainer, with the recipe that was given beside them.

    Raises:
        InvalidInputError: if a recipe is given to another trainer than the built-in one.
    """
    from grouping.problems.registry import get_problem

    given = dict(chosen["parameters"])
    if chosen["name"] != DEFAULT_TRAINER:
        if recipe:
            raise InvalidInputError(
                f"A recipe is for the trainer {DEFAULT_TRAINER}; parameters of {chosen['name']} are given as "
                f"--trainer {chosen['name']}:KEY=VALUE,..."
            )
        return given
    within = given.get("recipe", {})
    if isinstance(within, Mapping):  # what is none, the trainer refuses
        usual = {"epochs": max(2, get_problem(problem).recipe.epochs // QUICK_EPOCHS)} if is_quick else {}
        given["recipe"] = {**usual, **within, **recipe}
    return given


def _numbers(option: str, text: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in text.split(",") if part.strip())
    except ValueError:
        raise InvalidInputError(f"{option} takes numbers, as 0.5,1,2; got {text!r}.") from None


def _open(url: str) -> Any:
    """Open the store before anything is trained, to fail at once rather than after all trainings."""
    from grouping.store import migrate, open_store

    migrate(url)
    return open_store(url)


def _progress(console: Console) -> Callable[[int, int], None]:
    """Return a callback that prints a line for every tenth of the trainings."""
    shown = -1

    def tell(done: int, total: int) -> None:
        nonlocal shown
        tenth = 10 * done // total
        if tenth != shown:
            shown = tenth
            console.print(f"{done} of {total} trainings", soft_wrap=True)

    return tell


def _write(folder: Path, report: StudyReport) -> None:
    from grouping.study.presentation import as_markdown, picture_svg, pictures_of
    from grouping.study.records import report_to_json

    (folder / "report.md").write_text(as_markdown(report), encoding="utf-8")
    text = json.dumps(report_to_json(report), indent=2) + "\n"
    (folder / "report.json").write_text(text, encoding="utf-8")
    for picture in pictures_of(report):
        (folder / f"{picture}.svg").write_text(picture_svg(report, picture), encoding="utf-8")


def _show(console: Console, report: StudyReport) -> None:
    from grouping.study.presentation import QUESTIONS

    console.print(f"{report.n_trainings} trainings, {report.n_epochs} epochs, {report.seconds:.0f} s")
    for finding in (*report.findings, *report.left_out):
        console.print(f"\n{QUESTIONS[finding.question]}?", soft_wrap=True)
        console.print(finding.sentence, soft_wrap=True)
