"""List of the commands: each is imported when it is called, so that help and completion answer at once."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable, Iterator
from typing import Any

import typer
import typer.core
import typer.main

LISTED = (
    (
        "serve",
        "serving:serve",
        "Run everything on this machine: database, API and web view, dispatcher, Ray.",
    ),
    (
        "run",
        "jobs:run",
        "Submit a grouping search, of a problem, a table or as a file describes it, to a service and watch "
        "it.",
    ),
    (
        "solve",
        "tables:solve",
        "Choose the networks of a score table within a budget; without one, for all budgets.",
    ),
    (
        "curve",
        "tables:curve",
        "Show the least loss over the inference budget, beside choices that need no search.",
    ),
    (
        "table",
        "tables:table",
        "Describe a score table and what is missing in it; convert it to another format.",
    ),
    ("demo", "jobs:demo", "Serve on this machine and run a grouping search on built-in images of digits."),
    (
        "reproduce",
        "tables:reproduce",
        "Print the curves published by Standley et al. (2020) beside the computed ones.",
    ),
    (
        "study",
        "studies:study",
        "Ask the questions of Standley et al. (2020) about a problem: pairs, sizes, data, transfer.",
    ),
    ("jobs", "job_list:jobs", "List jobs, newest first, or find them by state, problem, name, tag or text."),
    ("show", "jobs:show", "Watch a job, or show the result of a finished one."),
    ("logs", "logs:logs", "List the trainings of a job, or show what one has printed so far."),
    (
        "affinity",
        "affinities:affinity",
        "Show which task helps which in the networks of a job, or how far their masks overlap.",
    ),
    (
        "clone",
        "clones:clone",
        "Submit a copy of a job with changes, such as a task more or less, and train only what differs.",
    ),
    (
        "add-results",
        "results:add_results",
        "Add finished results to a job: they count as trained and cost nothing; all of the file, or none.",
    ),
    (
        "stop",
        "jobs:stop",
        "Train no further network of a job to search; it confirms and recommends what is there.",
    ),
    (
        "pause",
        "jobs:pause",
        "Begin no training of a job until it is resumed; those under way are finished first.",
    ),
    (
        "finish",
        "bundles:finish",
        "Train the recommended networks of a job once more, as the search did, and keep them as a bundle.",
    ),
    (
        "export",
        "bundles:export",
        "Write the recommended networks of a job as a bundle: one folder that answers every task.",
    ),
    ("bundle", "bundle_commands:app", "Look at a bundle, measure it, convert it."),
    (
        "serve-bundle",
        "bundle_commands:serve_bundle",
        "Serve a bundle over HTTP: predict, schema, health and metrics; no database and no Ray.",
    ),
    (
        "kept",
        "bundles:kept_networks",
        "List the kept networks of jobs, with their size; with --remove, remove them.",
    ),
    ("cancel", "jobs:cancel", "Cancel a job; its scores are kept."),
    (
        "resume",
        "jobs:resume",
        "Continue a job that is paused or has ended from its stored scores, and try failed trainings again.",
    ),
    ("rename", "job_labels:rename", "Give a job another name."),
    ("tag", "job_labels:tag", "Add tags to a job or remove some; print the tags that it has then."),
    ("note", "job_labels:note", "Print the note of a job, or replace it."),
    (
        "delete",
        "job_labels:delete",
        "Delete jobs that have ended, with their scores; say first what goes with them.",
    ),
    (
        "tables",
        "stored_tables:tables",
        "List the score tables of a service, newest first: those of jobs, and imported ones.",
    ),
    (
        "groupings",
        "stored_tables:groupings",
        "List the stored groupings of a score table, or of that of a job, newest first; at most 100.",
    ),
    (
        "download",
        "downloads:download",
        "Write scores, affinities, their graph, the curve, the networks or a bundle of a job to a file.",
    ),
    (
        "compare",
        "comparisons:compare",
        "Compare two jobs or two stored groupings: every change is the second minus the first.",
    ),
    (
        "problems",
        "system:problems",
        "List the problems that can be trained: built in, installed, made of stored tables.",
    ),
    ("strategies", "system:strategies", "List the strategies that decide what is trained."),
    (
        "trainers",
        "system:trainers",
        "List what can train networks: the built-in trainer, installed ones, and those of a file.",
    ),
    (
        "recipes",
        "system:recipes",
        "List the methods that a recipe may name, and the losses and metrics that a task may name.",
    ),
    ("api", "serving:api", "Run the API and web view alone."),
    (
        "dispatcher",
        "serving:dispatcher",
        "Run one dispatcher: it claims jobs, and each has its networks trained by a process of its own.",
    ),
    (
        "worker",
        "worker:worker",
        "Train for a service: ask it for trainings of jobs with the trainer `external`, and run a command.",
    ),
    ("migrate", "serving:migrate", "Bring the database to the newest schema; create it if there is none."),
    (
        "checkpoints",
        "checkpoints:checkpoints",
        "List the checkpoints of unfinished trainings, by job; with --remove, remove those no job needs.",
    ),
    ("openapi", "system:openapi", "Print the OpenAPI document of the API."),
    ("data", "data_sets:app", "Store tables of your own, from which problems are made."),
    (
        "tokens",
        "tokens:app",
        "Create, list and revoke tokens of a service; needs its own token, or one of the scope admin.",
    ),
    ("bench", "bench:app", "Measure strategies on score tables, without training anything."),
)
"""Name of a command, where it stands in `grouping.cli`, and the first sentence of its help."""
NEEDS = {
    "serve": "service",
    "demo": "service",
    "study": "service",
    "serve-bundle": "bundle-server",
    "finish": "service",
    "export": "service",
    "dispatcher": "service",
    "api": "api",
    "migrate": "api",
    "checkpoints": "api",
    "openapi": "api",
}
"""Extra that a command needs beyond the base, by its name."""


class Commands(typer.core.TyperGroup):
    """Group of the commands. What it lists are names and sentences; what it calls is imported then."""

    def __init__(self, *, commands: Any = None, **settings: Any) -> None:
        listed: Any = {name: typer.core.TyperCommand(name, short_help=said) for name, _, said in LISTED}
        super().__init__(commands=listed, **settings)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Return the command that the arguments name, imported."""
        name, command, rest = super().resolve_command(ctx, args)
        return name, command and load_command(command.name or ""), rest


def load_commands() -> Iterator[tuple[str, Any]]:
    """Import all commands, and yield each with its name."""
    for name, _, _ in LISTED:
        yield name, load_command(name)


def load_command(name: str) -> Any:
    """Import a command, and return it as the parser takes it."""
    (where,) = (where for listed, where, _ in LISTED if listed == name)
    module, _, attribute = where.partition(":")
    found = getattr(importlib.import_module(f"grouping.cli.{module}"), attribute)
    if not isinstance(found, typer.Typer):
        alone = typer.Typer(add_completion=False)
        alone.command(name)(_needing(NEEDS[name], found) if name in NEEDS else found)
        return typer.main.get_command(alone)
    group = typer.main.get_group(found)
    group.name = name
    return group


def _needing(extra: str, command: Callable[..., None]) -> Callable[..., None]:
    """Wrap a command in a check that an extra is installed."""

    @functools.wraps(command)
    def checked(*arguments: Any, **options: Any) -> None:
        from grouping.extras import require

        require(extra)
        command(*arguments, **options)

    return checked
