"""Commands that measure strategies on score tables, without training."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from grouping.cli.options import demands
from grouping.cli.output.terminal import new_console
from grouping.errors import InvalidInputError

if TYPE_CHECKING:
    from grouping.domain.tables.score_table import ScoreTable
    from grouping.formats import Values

app = typer.Typer(help="Measure strategies on score tables, without training anything.", no_args_is_help=True)


class ModeName(StrEnum):
    """Names of `grouping.replay.Mode`, which is imported only when it is needed."""

    EACH = "each"
    ALL = "all"


class AnswersName(StrEnum):
    """Names of `grouping.replay.RevealedLosses`, which is imported only when it is needed."""

    MEAN = "mean"
    ONE_SEED = "one_seed"


@app.callback()
def _bench() -> None:
    """Measure strategies on score tables, without training anything."""


@app.command()
def replay(
    tables: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="TABLE...",
            help="Score tables: files in any format that is read, or names of the tables that come with the "
            "project; all of these unless given.",
        ),
    ] = None,
    test: Annotated[
        list[Path] | None,
        typer.Option(help="Test losses in the same form, only reported; repeat, one for each file."),
    ] = None,
    early: Annotated[
        list[Path] | None,
        typer.Option(help="Scores of the short passes, for strategies that ask; repeat, one for each file."),
    ] = None,
    gains: demands.GainsOption = False,
    strategy: Annotated[
        list[str] | None, typer.Option(help="Strategy to replay; repeat; all of them unless given.")
    ] = None,
    parameters: Annotated[
        str, typer.Option(help='Parameters as JSON, by strategy: {"NAME": {…}}; {…} for a single one.')
    ] = "{}",
    seeds: Annotated[
        int, typer.Option(min=1, help="Number of searches of each strategy that is random.")
    ] = 5,
    budgets: Annotated[
        str, typer.Option(help="Inference budgets in SNT, as 1,1.5,2; those of the curve unless given.")
    ] = "",
    mode: Annotated[
        ModeName, typer.Option(help="A search for each inference budget, or one for all of them.")
    ] = ModeName.EACH,
    answers: Annotated[
        AnswersName, typer.Option(help="What a training reveals: the mean over the table's seeds, or one.")
    ] = AnswersName.MEAN,
    max_charge: Annotated[
        float | None, typer.Option(help="The most a search may spend, in full trainings.")
    ] = None,
    early_charge: Annotated[
        float, typer.Option(help="Charge of a short pass, in full trainings of the same size.")
    ] = 0.05,
    workers: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Trainings at a time, of drawn durations on a simulated clock, planned continuously; in "
            "steps unless given.",
        ),
    ] = None,
    free: Annotated[
        str, typer.Option(help="Networks that are not charged: singles, pairs, together or names, as A,B.")
    ] = "",
    at: Annotated[str, typer.Option(help="Charges to show, as 10,20,30; spread evenly unless given.")] = "",
    processes: Annotated[int, typer.Option(min=1, help="Number of searches at the same time.")] = 1,
    log: Annotated[bool, typer.Option("--log", help="Logarithmic axis in the picture.")] = False,
    svg: Annotated[Path | None, typer.Option(help="Write the picture to this file; for one table.")] = None,
    csv: Annotated[Path | None, typer.Option(help="Write every measurement to this file.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Replay strategies on score tables: regret of their recommendations against trainings charged.

    A table replaces training: a strategy that trains a network is given its row. A full training is charged
    the size of the network (1 or 0.5), a short pass a twentieth of it. Exit status 2 on bad input.
    """
    from grouping.cli.output import replays
    from grouping.replay.oracle import RevealedLosses
    from grouping.replay.replaying import Mode, Setup
    from grouping.replay.replaying import replay as replay_table

    sources = _sources(tables or [], test or [], early or [], gains)
    if svg is not None and len(sources) > 1:
        raise InvalidInputError("--svg draws one table: name a single one.")
    shown = _numbers("--at", at)
    setup = Setup(
        budgets_snt=_numbers("--budgets", budgets) or None,
        mode=Mode(mode.value),
        n_seeds=seeds,
        answers=RevealedLosses(answers.value),
        free=tuple(name.strip() for name in free.split(",") if name.strip()),
        max_charge=max_charge,
        early_charge=early_charge,
        n_workers=workers,
        extra_checkpoints=shown,
    )
    strategies = _strategies(strategy or [], parameters)
    results = [
        replays.ReplayResult(
            source.name,
            source.values,
            source.table,
            replay_table(source.table, strategies, setup, early=source.early, processes=processes),
        )
        for source in sources
    ]
    if csv is not None:
        csv.write_text(replays.as_csv(results), encoding="utf-8")
    if svg is not None:
        svg.write_text(replays.as_svg(results[0], is_log=log), encoding="utf-8")
    if as_json:
        typer.echo(json.dumps(replays.as_json(results, setup), indent=2))
        return
    console = new_console()
    for result in results:
        replays.show(console, result, setup, shown)


@dataclass(frozen=True, eq=False)
class _Source:
    name: str
    values: Values
    table: ScoreTable
    early: ScoreTable | None


def _sources(names: Sequence[str], test: Sequence[Path], early: Sequence[Path], gains: bool) -> list[_Source]:
    """Find tables by name, or read them from files with the files that belong to them."""
    from grouping.formats import read_table
    from grouping.replay.tables import list_tables, open_table

    shipped = list_tables()
    wanted = list(names) or list(shipped)
    paths = [name for name in wanted if name not in shipped]
    for option, given in (("--test", test), ("--early", early)):
        if given and len(given) != len(paths):
            raise InvalidInputError(
                f"{option} is given once for each file: {len(paths)} of the tables are files, and it is "
                f"given {len(given)} times. The tables that come with the project have their own."
            )
    found = []
    for name in wanted:
        if name in shipped:
            own = open_table(name)
            found.append(_Source(name, "losses", own.full, own.early))
            continue
        path, n = Path(name), paths.index(name)
        if not path.is_file():
            raise InvalidInputError(
                f"There is no file {name}, and no table of that name comes with the project "
                f"({', '.join(shipped) or 'none do'})."
            )
        values: Values = "gains" if gains else "losses"
        imported = demands.load(path, test[n] if test else None, gains, None)
        demands.say(demands.findings_of(imported), name)
        full = imported.table
        short = read_table(early[n], values=values).table if early else None
        found.append(_Source(path.stem, values, full, short))
    return found


def _strategies(names: Sequence[str], parameters: str) -> list[Any]:
    from grouping.strategies import get_strategy, list_strategies

    wanted = list(names) or [info.name for info in list_strategies()]
    given = _parameters(wanted, parameters)
    return [get_strategy(name, given.get(name)) for name in wanted]


def _parameters(names: Sequence[str], text: str) -> Mapping[str, Mapping[str, Any]]:
    try:
        given = json.loads(text)
    except json.JSONDecodeError as error:
        raise InvalidInputError(f"--parameters is no JSON: {error}.") from error
    if not isinstance(given, dict):
        raise InvalidInputError("--parameters is a JSON object.")
    if set(given) <= set(names) and all(isinstance(value, dict) for value in given.values()):
        return given
    if len(names) == 1:
        return {names[0]: given}
    raise InvalidInputError(
        '--parameters names the strategies that they are for, as {"hoa": {…}}, unless there is a single one.'
    )


def _numbers(option: str, text: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in text.split(",") if part.strip())
    except ValueError:
        raise InvalidInputError(f"{option} takes numbers, as 1,1.5,2; got {text!r}.") from None
