"""``grouping run FILE -- COMMAND``: a search whose networks are trained here, by a command of one's own."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from grouping.cli.options.jobs import is_own_code
from grouping.cli.worker import train_by
from grouping.errors import InvalidInputError

if TYPE_CHECKING:
    from grouping.client import RemoteJob

TRAINER = "external"
STOP_S = 15.0
"""Seconds that trainings are given to end once nobody waits for them."""


def own_words(asked: dict[str, Any], command: list[str] | None) -> list[str] | None:
    """Return the command that trains here; None if the service trains.

    Args:
        asked: options of the job; code that ``--trainer path.py:Name`` names is taken out.
        command: the command after ``--``.

    Raises:
        InvalidInputError: if the code cannot train, or a command is given too.
    """
    name = str((asked.get("trainer") or {}).get("name", ""))
    if not is_own_code(name):
        return command
    if command:
        raise InvalidInputError(f"Give either --trainer {name} or a command.", pointer="/trainer/name")
    from grouping.trainers.python_run import own_command

    del asked["trainer"]
    return own_command(name)


def with_own_trainer(request: Mapping[str, Any]) -> dict[str, Any]:
    """Return a request whose trainings wait for whoever asks, which is this command.

    Raises:
        InvalidInputError: if it names another trainer.
    """
    named = request.get("trainer") or {}
    name, parameters = named.get("name", TRAINER), named.get("parameters", {})
    if name != TRAINER:
        raise InvalidInputError(
            f"The search names the trainer {name!r} and the command line a command: leave out one of them.",
            pointer="/trainer/name",
        )
    data = request.get("name") or "own"
    return {**request, "trainer": {"name": TRAINER, "parameters": {"data": data, **parameters}}}


@contextmanager
def service_at(server: str | None, home: Path, *, default: str, workers: int | None = 1) -> Iterator[str]:
    """Yield the address of a service: the one named, one that runs at the default address, or one of its own.

    Args:
        server: address of a service; None if none was named.
        home: folder of the service that is started.
        default: address at which a service may run.
        workers: the most trainings at the same time in a service that is started.

    Raises:
        MissingExtraError: if there is none, and what starts one is not installed.
    """
    from grouping.client.http import answers

    if server is not None:
        yield server
        return
    if answers(default):
        yield default
        return
    from grouping.cli.options.home import expanded
    from grouping.cli.serving import database_url, running_service
    from grouping.extras import require

    require("service")
    typer.echo(f"No service answers at {default}: one runs for this search, in {expanded(home)}.", err=True)
    database = database_url(None, home)
    with running_service(
        host="127.0.0.1", port=0, home=home, database=database, workers=workers, ray_address=None
    ) as service:
        yield service.url


@contextmanager
def trained_here(job: RemoteJob, command: list[str], slots: int, checkpoints: Path) -> Iterator[None]:
    """Train the networks of a job with a command meanwhile, in some slots at the same time."""
    from grouping.client import Agent

    agent = Agent(
        job,
        train_by(command, checkpoints),
        slots=slots,
        on_event=lambda sentence: None,
    )
    errors: list[BaseException] = []

    def work() -> None:
        try:
            agent.run()
        except Exception as error:  # noqa: BLE001 - raised below
            errors.append(error)

    thread = threading.Thread(target=work, name="agent", daemon=True)
    thread.start()
    try:
        yield
    finally:
        agent.stop()
        thread.join(STOP_S)
    if errors:
        raise errors[0]
