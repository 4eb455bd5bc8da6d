"""Options of the commands that solve: the score table, and the demands on a grouping."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from grouping.cli.options.cost_units import priced
from grouping.cli.options.fields import evaluated, replacing
from grouping.domain.objectives import Objective
from grouping.domain.tables.formats import TableFormat
from grouping.errors import InvalidInputError

if TYPE_CHECKING:
    from grouping.domain.constraints import Constraints
    from grouping.domain.tables.score_table import ScoreTable
    from grouping.formats import ImportedTable
    from grouping.formats.report import Values

TableArgument = Annotated[
    Path, typer.Argument(help="Score table: wide or long CSV, JSON, Parquet, or the paper's results.txt.")
]
TestOption = Annotated[Path | None, typer.Option(help="Test losses in the same form, only reported.")]
GroupsOption = Annotated[
    Path | None,
    typer.Option(
        help="Multi-hot file beside a table of values only: a row per network, 1 for each task in it."
    ),
]
GainsOption = Annotated[bool, typer.Option("--gains", help="The cells are gains: higher is better.")]
FormatOption = Annotated[
    TableFormat | None,
    typer.Option("--format", help="Format of the table; told by its content unless given."),
]
WeightOption = Annotated[
    list[str] | None, typer.Option("--weight", help="Weight of a task, as NAME=NUMBER; repeat.")
]
ObjectiveOption = Annotated[
    Objective, typer.Option(help="Raw sum of the losses, or each relative to the task's loss alone.")
]
TogetherOption = Annotated[
    list[str] | None, typer.Option("--together", help="Tasks A,B that one network must serve; repeat.")
]
ApartOption = Annotated[
    list[str] | None, typer.Option("--apart", help="Tasks A,B that no network may train together; repeat.")
]
MaxNetworksOption = Annotated[int | None, typer.Option(help="The most networks.")]
MaxGroupSizeOption = Annotated[int | None, typer.Option(help="The most tasks in a network.")]
PartitionOption = Annotated[
    bool, typer.Option("--partition", help="Every task is trained in one network only.")
]
CeilingOption = Annotated[
    list[str] | None, typer.Option("--ceiling", help="The most loss of a task, as NAME=NUMBER; repeat.")
]
CeilingAloneOption = Annotated[
    list[str] | None,
    typer.Option(
        "--ceiling-alone",
        help="The most loss of a task as a multiple of its loss alone, as NAME=NUMBER; repeat.",
    ),
]
ForceOption = Annotated[
    list[str] | None, typer.Option("--force", help="A network that must be chosen, as A+B or A@0.5; repeat.")
]
ForbidOption = Annotated[
    list[str] | None, typer.Option("--forbid", help="A network that must not be chosen; repeat.")
]
LimitOption = Annotated[
    list[str] | None,
    typer.Option("--limit", help="The most of a further cost of the table, as NAME=NUMBER; repeat."),
]
CostOption = Annotated[
    str | None,
    typer.Option(
        "--cost",
        help="Count the budget in this further cost of the table, not in SNT; latency is short for "
        "latency_ms.",
    ),
]
BudgetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--budget",
        help="Inference budget in SNT, or in the unit of --cost; 5ms, 200us or 1s is one of a cost in time. "
        "Repeat for several.",
    ),
]
SolverOption = Annotated[
    str, typer.Option(help="HiGHS, CBC (with the extra mtl-grouping[cbc]), or any other that PuLP finds.")
]
TimeLimitOption = Annotated[float | None, typer.Option("--time-limit", min=0.01, help="Seconds per budget.")]


@dataclass(frozen=True, slots=True)
class Demanded:
    """A table with the weights and cost of the options, the constraints, and the budgets.

    Attributes:
        table: the table, priced by the cost that budgets count in.
        constraints: what a grouping must satisfy.
        budgets: inference budgets in the unit of the table's costs; none where none was given.
    """

    table: ScoreTable
    constraints: Constraints
    budgets: tuple[float, ...]


def load(
    path: Path,
    test: Path | None,
    gains: bool,
    table_format: TableFormat | None,
    groups: Path | None = None,
) -> ImportedTable:
    """Read a table from a file, or from one of values and one of groups.

    Raises:
        TableFormatError: if the file holds no score table.
    """
    from grouping.formats import read_table

    values: Values = "gains" if gains else "losses"
    return read_table(path, format=table_format, values=values, test=test, groups=groups)


def findings_of(
    imported: ImportedTable, table: ScoreTable | None = None, objective: Objective = Objective.SUM
) -> list[str]:
    """Return the sentences about what changes the answer of a solve.

    Args:
        imported: the table as it was read, with its report.
        table: the table as it is solved, with other weights perhaps; as it was read unless given.
        objective: with `Objective.RELATIVE` no task can make up most of the sum by the unit of its loss.
    """
    from grouping.domain.tables.dominance import dominance_sentence

    weighed = "" if objective is Objective.RELATIVE else dominance_sentence(table or imported.table)
    return list(imported.report.findings(weighed))


def say(findings: Iterable[str], about: str = "") -> None:
    """Print findings to the standard error, so that they disturb no program that reads the answer."""
    for finding in findings:
        typer.echo(f"Look at{about and f' {about}'}: {finding}", err=True)


def stated_constraints(
    *,
    together: TogetherOption = None,
    apart: ApartOption = None,
    max_networks: MaxNetworksOption = None,
    partition: PartitionOption = False,
    ceiling: CeilingOption = None,
    ceiling_alone: CeilingAloneOption = None,
    force: ForceOption = None,
    forbid: ForbidOption = None,
    limit: LimitOption = None,
) -> dict[str, Any]:
    """Return the constraints that options state, by their names over HTTP; nothing that was not given.

    Raises:
        InvalidInputError: if one is not understood.
    """
    found = {
        "together": _sets(together) or None,
        "apart": _sets(apart) or None,
        "max_networks": max_networks,
        "is_partition": partition or None,
        "ceilings": numbers_by_name("ceiling", ceiling) or None,
        "ceilings_alone": numbers_by_name("ceiling-alone", ceiling_alone) or None,
        "forced": force or None,
        "forbidden": forbid or None,
        "limits": numbers_by_name("limit", limit) or None,
    }
    return {name: value for name, value in found.items() if value is not None}


def demand(
    table: ScoreTable,
    budgets: Sequence[str] = (),
    *,
    weight: WeightOption = None,
    max_group_size: MaxGroupSizeOption = None,
    cost: CostOption = None,
    **stated: Any,
) -> Demanded:
    """Build table and constraints from the options, which `with_demands` adds to a command.

    Args:
        table: the table.
        budgets: inference budgets as they are written; see `grouping.cli.options.cost_units`.
        weight: weights of tasks.
        max_group_size: the most tasks in a network.
        cost: the further cost in which the budget is counted.
        **stated: see `stated_constraints`.

    Raises:
        InvalidInputError: if one is not understood or names what the table does not have.
    """
    from grouping.domain.constraints import Constraints

    table, numbers = priced(table.with_weights(numbers_by_name("weight", weight)), cost, budgets)
    constraints = Constraints(**stated_constraints(**stated), max_group_size=max_group_size)
    constraints.check(table)
    return Demanded(table, constraints, numbers)


def with_demands(command: Callable[..., Any]) -> Callable[..., Any]:
    """Replace the parameter ``demanded`` of a command by the options of `demand`; it takes a table."""
    options = [*evaluated(demand, without={"table", "budgets", "stated"}), *constraint_options()]
    return replacing(command, "demanded", options, lambda **given: functools.partial(demand, **given))


def constraint_options() -> list[inspect.Parameter]:
    """Return the options of `stated_constraints`, as parameters of a command."""
    return evaluated(stated_constraints, without=())


def _sets(items: list[str] | None) -> list[list[str]]:
    return [[name.strip() for name in item.split(",")] for item in items or ()]


def numbers_by_name(option: str, items: list[str] | None) -> dict[str, float]:
    """Parse numbers written as ``NAME=NUMBER``.

    Raises:
        InvalidInputError: if one is written otherwise.
    """
    numbers = {}
    for item in items or ():
        name, separator, number = item.rpartition("=")
        try:
            numbers[name] = float(number)
        except ValueError:
            separator = ""
        if not separator:
            raise InvalidInputError(f"--{option} is given as NAME=NUMBER; got {item!r}.")
    return numbers
