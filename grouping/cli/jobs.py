"""Commands that submit, watch, pause, stop, cancel and resume jobs."""

from __future__ import annotations

import hashlib
import json
import shlex
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from grouping.cli.data_sets import (
    Folds,
    Inputs,
    Kinds,
    LeastLabels,
    Shares,
    SplitOption,
    SplitSeed,
    Targets,
    TaskColumn,
    Without,
    definition_of,
    problem_here,
    problem_there,
)
from grouping.cli.options.connecting import DEFAULT_SERVER, AsJson, JobId, Server, ServerIfAny, Token
from grouping.cli.options.data_folder import DataFolderOption, use_data
from grouping.cli.options.home import DEFAULT_HOME, Home, expanded
from grouping.cli.options.jobs import with_job_options
from grouping.cli.options.search_files import asked_for
from grouping.cli.options.trainers_file import use_trainers
from grouping.cli.output.estimates import estimate_here, show_estimate, show_ledger
from grouping.cli.output.recommendations import show_artefacts, show_recommendations
from grouping.cli.output.terminal import new_console, print_json
from grouping.cli.results import ResultsOption, ValuesOption, with_results
from grouping.cli.serving import (
    DEFAULT_PORT,
    DatabaseUrl,
    Port,
    Workers,
    database_url,
    running_service,
    wait_for_signal,
)
from grouping.domain.jobs.job import JobState
from grouping.domain.tables.result_values import ResultValues
from grouping.errors import InvalidInputError

if TYPE_CHECKING:
    from grouping.client import RemoteJob
    from grouping.wire.estimates import EstimateOut
    from grouping.wire.jobs import EventOut, ProgressOut

EXIT_FAILED = 1
EXIT_CANCELLED = 3
EXIT_INTERRUPTED = 130

DEMO_BUDGET = 2
DEMO = {"problem": "digits", "name": "demo", "budgets_snt": [1, 2, 3]}
"""The job that `grouping demo` submits; all else is as by default."""


@contextmanager
def _progress_shown(console: Console) -> Iterator[Callable[[ProgressOut], None]]:
    """Yield a callback for `RemoteJob.wait`: bars on a terminal, a line per tenth elsewhere."""
    if not console.is_terminal:
        shown: dict[str, tuple[int, int]] = {}

        def print_line(progress: ProgressOut) -> None:
            for purpose, done, total in _counts(progress):
                # A search that plans step by step is complete several times, each time with a larger total.
                mark = (10 * done // total, total if done == total else 0)
                if shown.get(purpose) != mark:
                    shown[purpose] = mark
                    console.print(f"{purpose}: {done} of {total} planned trainings", soft_wrap=True)

        yield print_line
        return
    columns = (TextColumn("{task.description:>12}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as bars:
        known: dict[str, TaskID] = {}

        def move_bars(progress: ProgressOut) -> None:
            for purpose, done, total in _counts(progress):
                if purpose not in known:
                    known[purpose] = bars.add_task(purpose, total=total)
                bars.update(known[purpose], completed=done, total=total)

        yield move_bars


def _counts(progress: ProgressOut) -> list[tuple[str, int, int]]:
    counts: dict[str, list[int]] = {}
    for row in progress.rows:
        purpose = counts.setdefault(row.purpose.value, [0, 0])
        done = row.succeeded + row.diverged + row.failed
        purpose[0] += done
        purpose[1] += done + row.planned + row.running
    return [(purpose, done, total) for purpose, (done, total) in counts.items() if total]


def watch(console: Console, job: RemoteJob, *, training: AbstractContextManager[None] | None = None) -> int:
    """Show a job until it is final, then its result; return the exit status.

    Ctrl-C stops watching, and what is trained here, and nothing else.

    Args:
        console: where to show it.
        job: the job.
        training: trains its networks in this process as long as it is entered, so that no other worker is
            missed.
    """
    trains_here = has_told = training is not None
    try:
        with training or nullcontext(), _progress_shown(console) as show_progress:

            def on_progress(progress: ProgressOut) -> None:
                nonlocal has_told
                show_progress(progress)
                if progress.notes and not has_told and not progress.state.is_final:
                    has_told = True
                    show_notes(console, progress.notes)

            job.wait(on_progress=on_progress, on_event=partial(_tell_trouble, console))
    except KeyboardInterrupt:
        left = (
            "No longer training; what is stored is kept. Train on: "
            f"grouping worker --job {job.id} -- COMMAND. Watch it: grouping show {job.id}. "
            if trains_here
            else f"No longer watching; the job is left to itself. Watch it again: grouping show {job.id}. "
        )
        console.print(
            f"{left}End it: grouping cancel {job.id}",
            soft_wrap=True,
        )
        return EXIT_INTERRUPTED
    if job.state is JobState.SUCCEEDED:
        recommendations = job.recommendations()
        show_recommendations(console, recommendations)
        show_artefacts(console, job, recommendations)
        show_ledger(console, job)
        show_notes(console, job.progress().notes)
        return 0 if any(item.solution.grouping for item in recommendations) else EXIT_FAILED
    console.print(f"Job {job.id} {job.state.value}: {job.data.error or ''}".rstrip(": "), soft_wrap=True)
    show_ledger(console, job)
    console.print(f"Continue it: grouping resume {job.id}", soft_wrap=True)
    return EXIT_CANCELLED if job.state is JobState.CANCELLED else EXIT_FAILED


def show_notes(console: Console, notes: Sequence[str]) -> None:
    """Print what is missing in a job, or what it waits for."""
    for note in notes:
        console.print(f"Note: {note}", soft_wrap=True, markup=False)


def _tell_trouble(console: Console, event: EventOut) -> None:
    """Print an event that tells of trouble with the job as such."""
    from grouping.wire.event_texts import OF_WHOLE_JOBS, event_details, event_title

    if event.kind in OF_WHOLE_JOBS:
        console.print(f"{event_title(event)}: {event_details(event)}", soft_wrap=True, markup=False)


@with_job_options
def run(
    problem: Annotated[
        str | None,
        typer.Argument(
            metavar="[PROBLEM|FILE]",
            help="Name of a problem; see: grouping problems. Or a file that describes the search, ending in "
            ".toml, .yaml, .yml or .json; options come before what it says.",
        ),
    ] = None,
    command: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[-- COMMAND...]",
            help="Command that trains one network, run here for each: grouping run search.toml -- python "
            "train.py --tasks {tasks} --seed {seed} --out {out}. A service is started unless one runs.",
        ),
    ] = None,
    *,
    asked: dict[str, Any],
    data: Annotated[
        str | None,
        typer.Option(
            "--data",
            help="Table to search on, in place of PROBLEM: a file (CSV, TSV, Parquet, Arrow, NPZ), which is "
            "stored, or the name of a stored one; see: grouping data. A service is started unless one runs.",
        ),
    ] = None,
    targets: Targets = None,
    task_column: TaskColumn = None,
    least_labels: LeastLabels = None,
    inputs: Inputs = None,
    without: Without = None,
    kinds: Kinds = None,
    split: SplitOption = None,
    shares: Shares = None,
    split_seed: SplitSeed = None,
    folds: Folds = None,
    results: ResultsOption = None,
    values: ValuesOption = None,
    slots: Annotated[
        int, typer.Option(min=1, max=1000, help="Trainings of the command at the same time.")
    ] = 1,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            help="Say what it would cost, and submit nothing. No service is needed unless --server names it: "
            "times are those of the database in --home, if there is one.",
        ),
    ] = False,
    detach: Annotated[bool, typer.Option("--detach", help="Submit and return.")] = False,
    server: ServerIfAny = None,
    token: Token = None,
    home: Home = DEFAULT_HOME,
    url: DatabaseUrl = None,
    data_folder: DataFolderOption = None,
    as_json: AsJson = False,
) -> None:
    """Submit a grouping search, of a problem, a table or as a file describes it, to a service and watch it.

    Exit status 0 when it succeeded, 1 when it failed, 2 when it was refused, 3 when it was cancelled.
    """
    from grouping.cli.options.measured_sizes import are_to_be_measured, with_nominal_costs
    from grouping.cli.own_commands import own_words, with_own_trainer

    use_data(data_folder, home)
    options = (task_column, least_labels, inputs, without, kinds, split, shares, split_seed, folds)

    def known(request: Mapping[str, Any]) -> dict[str, Any]:
        return with_results(request, results, values)

    if data is not None:
        if problem is not None:
            raise InvalidInputError("Name a problem or --data, one of the two.")
        definition = definition_of(targets, *options)
        asked = known(asked)
        _run_on_table(
            data, definition, asked, server, token, home, url, dry_run=dry_run, detach=detach, as_json=as_json
        )
    if problem is None or targets or any(option is not None for option in options):
        missing = "Name a problem, a file that describes a search, or a table: --data FILE."
        raise InvalidInputError(missing if problem is None else "--target and what goes with it need --data.")
    command = own_words(asked, command)
    if command and not dry_run:
        told = (results, values)
        _run_by_command(problem, asked, command, slots, server, token, home, told, as_json=as_json)

    def prepared(request: Mapping[str, Any]) -> dict[str, Any]:
        own = with_own_trainer(known(request)) if command else known(request)
        return with_nominal_costs(own) if command and are_to_be_measured(own) else own

    if dry_run and server is None:
        use_trainers(None, home)
        with asked_for(problem, asked) as request:
            tell_estimate(estimate_here(prepared(request), url, home), as_json=as_json)
        return
    from grouping.client import Client

    with Client(server or DEFAULT_SERVER, token=token) as client:
        with asked_for(problem, asked) as request:
            if dry_run:
                tell_estimate(client.estimate(**prepared(request)), as_json=as_json)
                return
            job = client.submit(**prepared(request))
        raise typer.Exit(report_submitted(job, detach=detach, as_json=as_json))


def _run_on_table(
    data: str,
    definition: dict[str, Any],
    asked: dict[str, Any],
    server: str | None,
    token: str | None,
    home: Path,
    url: str | None,
    *,
    dry_run: bool,
    detach: bool,
    as_json: bool,
) -> NoReturn:
    """Store a table, make a problem of it, and search on it."""
    if dry_run and server is None:
        use_trainers(None, home)
        named = problem_here(data, definition, has_findings=False)  # the estimate tells them
        tell_estimate(estimate_here({**asked, "problem": named}, url, home), as_json=as_json)
        raise typer.Exit
    from grouping.cli.own_commands import service_at
    from grouping.client import Client

    service = service_at(server, home, default=DEFAULT_SERVER, workers=None)
    with service as address, Client(address, token=token) as client:
        request = {**asked, "problem": problem_there(client, data, definition, has_findings=not dry_run)}
        if dry_run:
            tell_estimate(client.estimate(**request), as_json=as_json)
            raise typer.Exit
        raise typer.Exit(report_submitted(client.submit(**request), detach=detach, as_json=as_json))


def _run_by_command(
    named: str,
    asked: dict[str, Any],
    command: list[str],
    slots: int,
    server: str | None,
    token: str | None,
    home: Path,
    told: tuple[Sequence[Path] | None, ResultValues | None],
    *,
    as_json: bool,
) -> NoReturn:
    """Submit a search and train its networks here with a command, until it is over."""
    from grouping.cli.options.measured_sizes import are_to_be_measured, with_measured_costs
    from grouping.cli.own_commands import service_at, trained_here, with_own_trainer
    from grouping.client import Client

    with service_at(server, home, default=DEFAULT_SERVER) as address, Client(address, token=token) as client:
        with asked_for(named, asked) as request:
            known = with_results(request, *told)
            own = with_own_trainer(known)
            if are_to_be_measured(own):
                own = with_measured_costs(own, command, lambda sentence: typer.echo(sentence, err=True))
            job = client.submit(**own)
        training = trained_here(job, command, slots, expanded(home) / "checkpoints")
        status = _watch_and_report(job, as_json=as_json, training=training)
        if status == EXIT_INTERRUPTED and address not in (server, DEFAULT_SERVER):
            typer.echo(f"The service ends too; start it again first: grouping serve --home {home}", err=True)
    raise typer.Exit(status)


def tell_estimate(estimate: EstimateOut, *, as_json: bool) -> None:
    """Print what a job would cost."""
    if as_json:
        print_json(estimate)
    else:
        show_estimate(new_console(), estimate)


def report_submitted(job: RemoteJob, *, detach: bool, as_json: bool) -> int:
    """Watch a job that was just submitted, or only name it; return the exit status."""
    if detach:
        if as_json:
            print_json(job.data)
        else:
            typer.echo(job.id)
        return 0
    return _watch_and_report(job, as_json=as_json)


def _watch_and_report(
    job: RemoteJob, *, as_json: bool, training: AbstractContextManager[None] | None = None
) -> int:
    console = new_console(stderr=as_json)
    console.print(f"Job {job.id}: {job.url}", soft_wrap=True)
    status = watch(console, job, training=training)
    if as_json:
        answer = {"job": job.data, "recommendations": job.recommendations(), "ledger": job.ledger()}
        print_json(answer)
    return status


def show(
    job_id: JobId, server: Server = DEFAULT_SERVER, token: Token = None, as_json: AsJson = False
) -> None:
    """Watch a job, or show the result of a finished one."""
    from grouping.client import Client

    with Client(server, token=token) as client:
        raise typer.Exit(_watch_and_report(client.job(job_id), as_json=as_json))


def stop(
    job_id: JobId,
    confirm: Annotated[
        bool,
        typer.Option(
            "--confirm/--no-confirm",
            help="Whether what is chosen is still trained with fresh seeds; else nothing is trained at all.",
        ),
    ] = True,
    server: Server = DEFAULT_SERVER,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Train no further network of a job to search; it confirms and recommends what is there."""
    from grouping.client import Client

    with Client(server, token=token) as client:
        _tell_state(client.job(job_id).stop(confirm=confirm), as_json=as_json)


def pause(
    job_id: JobId, server: Server = DEFAULT_SERVER, token: Token = None, as_json: AsJson = False
) -> None:
    """Begin no training of a job until it is resumed; those under way are finished first."""
    from grouping.client import Client

    with Client(server, token=token) as client:
        _tell_state(client.job(job_id).pause(), as_json=as_json)


def _tell_state(job: RemoteJob, *, as_json: bool) -> None:
    if as_json:
        print_json(job.data)
    else:
        typer.echo(job.state.value)


def cancel(
    job_id: JobId, server: Server = DEFAULT_SERVER, token: Token = None, as_json: AsJson = False
) -> None:
    """Cancel a job; its scores are kept."""
    from grouping.client import Client

    with Client(server, token=token) as client:
        _tell_state(client.job(job_id).cancel(), as_json=as_json)


def resume(
    job_id: JobId, server: Server = DEFAULT_SERVER, token: Token = None, as_json: AsJson = False
) -> None:
    """Continue a job that is paused or has ended from its stored scores, and try failed trainings again.

    A job that has succeeded can be resumed if some of its trainings failed.
    """
    from grouping.client import Client

    with Client(server, token=token) as client:
        _tell_state(client.job(job_id).resume(), as_json=as_json)


def _digest(request: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(request, sort_keys=True).encode()).hexdigest()[:16]


def _export_line(job_id: str, home: Path) -> str:
    """Return the command that makes a bundle of the demonstration."""
    program = "grouping" if shutil.which("grouping") else sys.argv[0]
    where = "" if home == DEFAULT_HOME else f" --home {shlex.quote(str(home))}"
    return f"{program} export {job_id} --budget {DEMO_BUDGET}{where} --out bundle"


def demo(
    port: Port = DEFAULT_PORT,
    home: Home = DEFAULT_HOME,
    url: DatabaseUrl = None,
    workers: Workers = None,
    exit_when_done: Annotated[
        bool, typer.Option("--exit", help="End when the job is finished, instead of serving on.")
    ] = False,
) -> None:
    """Serve on this machine and run a grouping search on built-in images of digits.

    Running it again shows the finished job instead of training it again.
    """
    from grouping.client import Client

    console = new_console()
    service = running_service(
        host="127.0.0.1",
        port=port,
        home=home,
        database=database_url(url, home),
        workers=workers,
        ray_address=None,
    )
    with service as running, Client(running.url) as client:
        job = client.submit(idempotency_key=f"demo-{_digest(DEMO)}", **DEMO)
        console.print(f"Web page of the job: {job.url}", soft_wrap=True)
        status = watch(console, job)
        console.print(f"\nMatrix, curve and networks: {job.url}", soft_wrap=True)
        if status == 0:
            console.print(f"Take the networks home: {_export_line(job.id, home)}", soft_wrap=True)
        if not exit_when_done:
            console.print("Serving until Ctrl-C.")
            wait_for_signal()
    raise typer.Exit(status)
