"""Command that lists the checkpoints of unfinished trainings, and removes them."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.filesize import decimal
from rich.table import Table

from grouping.cli.options.home import DEFAULT_HOME, Home
from grouping.cli.output.terminal import new_console
from grouping.cli.serving import Checkpoints, DatabaseUrl, checkpoint_folder, database_url
from grouping.cli.system import AsJson
from grouping.errors import NotFoundError

if TYPE_CHECKING:
    from grouping.store import Store
    from grouping_workers.checkpoint_folders import JobCheckpoints

IN_USE_S = 3600.0
"""Seconds for which the checkpoints of an unknown job are kept: it may be one of another database."""
UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class _Kept:
    """Checkpoints of one job, with its entry in the database."""

    holding: JobCheckpoints
    state: str
    age_s: float
    may_go: bool


def checkpoints(
    home: Home = DEFAULT_HOME,
    url: DatabaseUrl = None,
    checkpoints: Checkpoints = None,
    remove: Annotated[
        bool, typer.Option("--remove", help="Remove checkpoints of jobs that have ended or are unknown.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """List the checkpoints of unfinished trainings, by job; with --remove, remove those no job needs.

    Checkpoints only save time. A failed or cancelled job without them may still be resumed: its unfinished
    trainings start anew. Checkpoints of an unknown job are removed only if nothing was written to them for an
    hour, since the job may be one of another database.
    """
    from grouping.store import open_store
    from grouping_workers.checkpoint_folders import list_job_checkpoints, remove_folder

    database = database_url(url, home)
    root = checkpoint_folder(checkpoints, database, home)
    store = open_store(database)
    try:
        store.check_schema()
        now_s = time.time()
        looked_up = [_look_up(store, holding, now_s) for holding in list_job_checkpoints(root)]
        found = [kept for kept in looked_up if kept.state != UNKNOWN or kept.holding.is_certain]
    finally:
        store.close()
    going = {kept.holding.job_id for kept in found if kept.may_go}
    removed = {job_id for job_id in going if remove and remove_folder(root, job_id)}
    if as_json:
        typer.echo(json.dumps({"folder": str(root), "jobs": [_as_json(k, removed) for k in found]}, indent=2))
        return
    _print(root, found, removed, is_removing=remove)


def _look_up(store: Store, holding: JobCheckpoints, now_s: float) -> _Kept:
    age_s = max(0.0, now_s - holding.changed_s)
    try:
        state = store.get_job(holding.job_id).state
    except NotFoundError:
        return _Kept(holding, UNKNOWN, age_s, may_go=age_s >= IN_USE_S)
    return _Kept(holding, state.value, age_s, may_go=state.is_final)


def _as_json(kept: _Kept, removed: set[str]) -> dict[str, object]:
    holding = kept.holding
    return {
        "job_id": holding.job_id,
        "state": kept.state,
        "trainings": holding.trainings,
        "bytes": holding.size_bytes,
        "age_s": round(kept.age_s, 1),
        "removable": kept.may_go,
        "removed": holding.job_id in removed,
    }


def _print(root: Path, found: list[_Kept], removed: set[str], *, is_removing: bool) -> None:
    console = new_console()
    if not found:
        console.print(f"No checkpoints in {root}.")
        return
    rows = Table("job", "state", "trainings", "size", "last written", "", box=None, pad_edge=False)
    for kept in found:
        holding = kept.holding
        what = "removed" if holding.job_id in removed else "removable" if kept.may_go else ""
        size, age = decimal(holding.size_bytes), f"{_duration(kept.age_s)} ago"
        rows.add_row(holding.job_id, kept.state, str(holding.trainings), size, age, what)
    console.print(rows)
    total = sum(kept.holding.size_bytes for kept in found)
    freed = sum(
        k.holding.size_bytes for k in found if (k.holding.job_id in removed if is_removing else k.may_go)
    )
    outcome = "freed" if is_removing else "could be freed with --remove"
    console.print(f"{decimal(total)} in {root}.")
    console.print(f"{decimal(freed)} {outcome}.")


def _duration(seconds: float) -> str:
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"
