"""Command that trains for a service, anywhere: it asks for trainings and runs a command for each."""

from __future__ import annotations

import signal
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any

import typer

from grouping.cli.options.connecting import DEFAULT_SERVER, Server, Token
from grouping.errors import InvalidInputError

if TYPE_CHECKING:
    from grouping.client import Assignment, Train
    from grouping.domain.trainings.resources import Resources
    from grouping.domain.trainings.trials import TrialOutcome
    from grouping.trainers import TrainingReports
    from grouping.trainers.command_process import Command

GRACE_S = 4.0
"""Seconds between SIGTERM and SIGKILL for a command that is ended."""
PARAMETERS = ("data", "epochs")
"""Parameters of the trainer `external` that a placeholder may name."""


def worker(
    command: Annotated[
        list[str] | None,
        typer.Argument(
            help="The command that trains one network, after `--`. Placeholders such as {tasks}, {size}, "
            "{seed}, {fidelity} and {out} say what is to be trained."
        ),
    ] = None,
    trainer: Annotated[
        str | None,
        typer.Option(
            metavar="FILE.py:NAME", help="A Python function or class that trains, in place of a command."
        ),
    ] = None,
    server: Server = DEFAULT_SERVER,
    token: Token = None,
    job: Annotated[
        list[str] | None, typer.Option(help="Job to train for; any unless given. Repeat for several.")
    ] = None,
    resources: Annotated[
        str | None,
        typer.Option(
            help="What each slot has, such as gpu=1,cpu=4,memory=16 (GiB); only trainings that fit are "
            "taken. Processors and memory that are not stated are those of this machine, shared by the slots."
        ),
    ] = None,
    slots: Annotated[int, typer.Option(min=1, max=1000, help="Trainings at the same time.")] = 1,
    name: Annotated[
        str | None, typer.Option(help="Name of the worker, for people; host and process unless given.")
    ] = None,
    once: Annotated[bool, typer.Option("--once", help="End after one training per slot.")] = False,
    idle_exit: Annotated[
        float | None,
        typer.Option(min=0, help="End after so many seconds without a training; wait for ever unless given."),
    ] = None,
    checkpoints: Annotated[
        Path | None,
        typer.Option(
            help="Folder in which a training finds {checkpoint} again when it is started anew.",
            file_okay=False,
        ),
    ] = None,
) -> None:
    """Train for a service: ask it for trainings of jobs with the trainer `external`, and run a command.

    Each training is a process of its own, also with --trainer.
    """
    if bool(command) == bool(trainer):
        raise InvalidInputError("Give either a command, after --, or --trainer FILE.py:NAME.")
    if trainer:
        from grouping.trainers.python_run import own_command

        command = own_command(trainer)
    from grouping.client import Agent, Client
    from grouping.client.assignments import AssignmentsOfJobs

    train = train_by(command or (), checkpoints)
    with Client(server, token=token) as client:
        agent = Agent(
            AssignmentsOfJobs(client, job or None),
            train,
            worker=name,
            slots=slots,
            resources=None if resources is None else read_resources(resources, slots),
            once=once,
            idle_exit_s=idle_exit,
            on_event=lambda sentence: typer.echo(sentence, err=True),
            on_log=lambda text: typer.echo(text, nl=False),
        )

        def stop(number: int, frame: FrameType | None) -> None:
            agent.stop()

        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, stop)
        agent.run()


def read_resources(text: str, slots: int = 1) -> Resources:
    """Read resources such as ``gpu=1,cpu=4,memory=16``; other names are those of custom resources.

    Args:
        text: what each slot has.
        slots: number of slots, which share processors and memory of this machine that are not stated.

    Raises:
        InvalidInputError: if the text is not understood.
    """
    from grouping.cli.machine import memory_bytes, processors
    from grouping.domain.trainings.resources import Resources, StatedResources

    memory = memory_bytes()
    of_machine = Resources(
        max(1, processors() // slots), memory_gib=None if memory is None else memory / 2**30 / slots
    )
    try:
        return StatedResources.parse(text).over(of_machine)
    except InvalidInputError as error:
        raise InvalidInputError(f"--resources: {error}") from None


def train_by(words: Sequence[str], checkpoints: Path | None) -> Train:
    """Return what carries out an assignment by a command.

    Args:
        words: the command, with placeholders.
        checkpoints: folder in which a training finds ``{checkpoint}`` again; None for none.

    Raises:
        InvalidInputError: if there is no such placeholder.
    """
    from grouping.trainers.command_process import run_command

    command = own_command_of(words)

    def train(assignment: Assignment, reports: TrainingReports) -> TrialOutcome:
        return run_command(
            command,
            assignment.request,
            reports,
            tasks=assignment.tasks,
            parameters=parameters_of(assignment.parameters),
            checkpoints=None if checkpoints is None else checkpoints.resolve() / assignment.job_id,
            deadline_s=assignment.deadline_s,
            epochs=assignment.epochs,
            job=assignment.job_id,
            trial=assignment.trial_id,
            size_name=assignment.size_name,
        )

    return train


def own_command_of(words: Sequence[str]) -> Command:
    """Return the command that the user of this machine gives.

    Raises:
        InvalidInputError: if there is no such placeholder.
    """
    from grouping.trainers.command_process import Command

    return Command(tuple(words), parameters=PARAMETERS, grace_s=GRACE_S)


def parameters_of(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters of a job that the placeholders of such a command may name."""
    return {name: parameters.get(name, "") for name in PARAMETERS}
