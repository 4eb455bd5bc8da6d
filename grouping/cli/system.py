"""Commands that list what is installed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from grouping.cli.options.data_folder import DataFolderOption, use_data
from grouping.cli.options.home import DEFAULT_HOME, Home
from grouping.cli.options.trainers_file import TrainersFile, use_trainers
from grouping.cli.output.terminal import new_console, print_json

if TYPE_CHECKING:
    from grouping.plug_ins import Unavailable
    from grouping.recipes import LossInfo, MethodInfo, MetricInfo
    from grouping.strategies import StrategyInfo
    from grouping.wire.base_types import Output

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def problems(
    home: Home = DEFAULT_HOME, data_folder: DataFolderOption = None, as_json: AsJson = False
) -> None:
    """List the problems that can be trained: built in, installed, made of stored tables."""
    use_data(data_folder, home)
    from grouping.problems.registry import list_problems, list_unavailable

    found = list_problems()
    if as_json:
        from grouping.wire.catalogue import ProblemItem

        print_json([ProblemItem.read(problem) for problem in found])
        return
    rows = Table("name", "tasks", "description", box=None, pad_edge=False)
    for problem in found:
        tasks = ", ".join(f"{task.name} ({task.kind.value.replace('_', ' ')})" for task in problem.tasks)
        rows.add_row(problem.name, tasks, problem.description)
    new_console().print(rows)
    _tell_unavailable(list_unavailable())


def strategies(as_json: AsJson = False) -> None:
    """List the strategies that decide what is trained."""
    from grouping.strategies import list_strategies, list_unavailable
    from grouping.wire.catalogue import StrategyItem

    _list(list_strategies(), list_unavailable(), StrategyItem, as_json=as_json)


def trainers(file: TrainersFile = None, home: Home = DEFAULT_HOME, as_json: AsJson = False) -> None:
    """List what can train networks: the built-in trainer, installed ones, and those of a file."""
    use_trainers(file, home)
    from grouping.trainers import list_trainers, list_unavailable
    from grouping.wire.catalogue import TrainerItem

    found = list_trainers()
    if as_json:
        print_json([TrainerItem.read(info) for info in found])
        return
    rows = Table("name", "from", "description", box=None, pad_edge=False)
    for info in found:
        rows.add_row(info.name, info.origin, info.description)
    new_console().print(rows)
    _tell_unavailable(list_unavailable())


def _list(
    found: Sequence[StrategyInfo],
    unavailable: Sequence[Unavailable],
    item: type[Output],
    *,
    as_json: bool,
) -> None:
    if as_json:
        print_json([item.read(info) for info in found])
        return
    rows = Table("name", "description", box=None, pad_edge=False)
    for info in found:
        rows.add_row(info.name, info.description)
    new_console().print(rows)
    _tell_unavailable(unavailable)


def recipes(as_json: AsJson = False) -> None:
    """List the methods that a recipe may name, and the losses and metrics that a task may name."""
    from grouping.domain.trainings.recipes import Part
    from grouping.recipes import (
        list_losses,
        list_methods,
        list_metrics,
        list_unavailable,
        list_unavailable_losses,
        list_unavailable_metrics,
    )

    found: dict[str, Sequence[MethodInfo | LossInfo | MetricInfo]] = {
        **{part.value: list_methods(part) for part in Part},
        "loss": list_losses(),
        "metric": list_metrics(),
    }
    if as_json:
        from grouping.wire.catalogue import LossItem, MethodItem, MetricItem

        listed: dict[str, Sequence[object]] = {
            **{part.value: [MethodItem.read(info) for info in list_methods(part)] for part in Part},
            "loss": [LossItem.read(info) for info in list_losses()],
            "metric": [MetricItem.read(info) for info in list_metrics()],
        }
        print_json(listed)
        return
    rows = Table("part", "name", "parameters", "description", box=None, pad_edge=False)
    for part, infos in found.items():
        for info in infos:
            rows.add_row(part, info.name, ", ".join(info.parameters["properties"]), info.description)
    new_console().print(rows)
    for part in Part:
        _tell_unavailable(list_unavailable(part))
    _tell_unavailable(list_unavailable_losses())
    _tell_unavailable(list_unavailable_metrics())


def _tell_unavailable(plug_ins: Sequence[Unavailable]) -> None:
    for broken in plug_ins:
        typer.echo(f"unavailable: {broken.name}: {broken.reason}", err=True)


def openapi() -> None:
    """Print the OpenAPI document of the API."""
    from grouping_api.main import openapi_document

    typer.echo(json.dumps(openapi_document(), indent=2, sort_keys=True))
