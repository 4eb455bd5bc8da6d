"""Commands that take a recommendation home: train its networks to be kept, and write them as a bundle."""

from __future__ import annotations

import json
import math
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.filesize import decimal
from rich.table import Table

from grouping.artefacts.kept import FinishedGrouping, KeptNetworks, LearnedRows
from grouping.cli.options.connecting import AsJson, JobId
from grouping.cli.options.data_folder import DataFolderOption, use_data
from grouping.cli.options.home import DEFAULT_HOME, Home
from grouping.cli.options.kept_folder import KeptOption, kept_address
from grouping.cli.options.trainers_file import use_trainers
from grouping.cli.output.terminal import new_console
from grouping.cli.serving import DatabaseUrl, database_file, database_url
from grouping.errors import InvalidInputError

if TYPE_CHECKING:
    from rich.console import Console

    from grouping.bundle.writing import Written
    from grouping.store import Store
    from grouping.use_cases.finish import Recommended

Budget = Annotated[
    float | None,
    typer.Option("--budget", help="Inference budget in SNT; that of the job, if it has one only."),
]
On = Annotated[
    LearnedRows,
    typer.Option(
        "--on",
        help="Rows to train on. Those of the search, so that losses may be compared with the job's, or also "
        "the validation rows, now that all is chosen.",
    ),
]
Seeds = Annotated[
    int | None,
    typer.Option("--seeds", help="Trainings of each network; as many as confirmed it unless given."),
]
Again = Annotated[bool, typer.Option("--again", help="Train them again, also where they are kept.")]
Licence = Annotated[
    str,
    typer.Option(help="What is known of the licence of the data and the weights; a note in the bundle."),
]


def finish(
    job_id: JobId,
    budget: Budget = None,
    on: On = LearnedRows.TRAIN,
    seeds: Seeds = None,
    again: Again = False,
    licence: Licence = "",
    home: Home = DEFAULT_HOME,
    url: DatabaseUrl = None,
    data_folder: DataFolderOption = None,
    kept: KeptOption = None,
) -> None:
    """Train the recommended networks of a job once more, as the search did, and keep them as a bundle.

    They are trained in this process, on the data of the job; a service need not run. Every loss is compared
    with the one that the job has for the same network and seed. A service that keeps them in the same place
    then offers the bundle on the page of the job.
    """
    use_data(data_folder, home)
    use_trainers(None, home)
    shelf = KeptNetworks(kept_address(kept, home))
    with closing(_store(url, home)) as store:
        found = _recommended(store, job_id, budget)
        finished = _finished(store, found, shelf, on, seeds, again=again)
    if again or licence or not shelf.bundle_files(finished):
        _write(found, finished, shelf, licence)


def export(
    job_id: JobId,
    out: Annotated[str, typer.Option("--out", help="Folder of the bundle, or an address that fsspec knows.")],
    budget: Budget = None,
    on: On = LearnedRows.TRAIN,
    seeds: Seeds = None,
    again: Again = False,
    licence: Licence = "",
    home: Home = DEFAULT_HOME,
    url: DatabaseUrl = None,
    data_folder: DataFolderOption = None,
    kept: KeptOption = None,
) -> None:
    """Write the recommended networks of a job as a bundle: one folder that answers every task.

    They are trained first, as by `grouping finish`, unless their weights are kept. A bundle is written only
    if it scores on the test rows what its networks scored. Of a job with another trainer the artefacts that
    it told of are copied, one of each network, beside a file that says which network serves which task.
    """
    from grouping.bundle.writing import check_folder
    from grouping.trainers import DEFAULT_TRAINER

    use_data(data_folder, home)
    use_trainers(None, home)
    console, shelf = new_console(), KeptNetworks(kept_address(kept, home))
    with closing(_store(url, home)) as store:
        found = _recommended(store, job_id, budget)
        if found.job.spec.trainer != DEFAULT_TRAINER:
            _copy_artefacts(store, found, Path(out))
            return
        check_folder(out)
        finished = _finished(store, found, shelf, on, seeds, again=again)
    written = _write(found, finished, shelf, licence, out)
    equal = (
        "to the last bit" if written.manifest.is_exact else f"up to {written.difference:.1e} of their values"
    )
    console.print(
        f"{out}: {len(written.manifest.networks)} networks for {len(written.manifest.tasks)} tasks, "
        f"{decimal(written.n_bytes)}. It gives the test losses of its networks {equal}.",
        soft_wrap=True,
    )
    console.print(
        f"Use it: grouping.bundle.load({out!r}).predict(rows); see {out.rstrip('/')}/MODEL_CARD.md."
    )


def kept_networks(
    job_id: Annotated[
        str | None,
        typer.Argument(help="Identifier of a job, or its first characters; all jobs unless given."),
    ] = None,
    remove: Annotated[bool, typer.Option("--remove", help="Remove what is listed.")] = False,
    older_than: Annotated[
        float, typer.Option("--older-than", min=0, help="Only what was kept more than so many days ago.")
    ] = 0.0,
    home: Home = DEFAULT_HOME,
    kept: KeptOption = None,
    as_json: AsJson = False,
) -> None:
    """List the kept networks of jobs, with their size; with --remove, remove them.

    A bundle kept beside its networks goes with them; exported ones stay. What was removed can be trained
    again while its job is there.
    """
    shelf = KeptNetworks(kept_address(kept, home))
    last = datetime.now(UTC) - timedelta(days=older_than)
    found = shelf.list(None if job_id is None else _kept_job(shelf, job_id))
    listed = [one for one in found if datetime.fromisoformat(one.created_at) <= last]
    for one in listed if remove else ():
        shelf.remove(one)
    total = sum(one.n_bytes for one in listed)
    if as_json:
        entries = [_entry(one) for one in listed]
        typer.echo(json.dumps({"address": shelf.address, "kept": entries, "removed": remove}, indent=2))
        return
    console = new_console()
    rows = Table("job", "budget", "networks", "seeds", "rows", "size", "kept at", box=None, pad_edge=False)
    for one in listed:
        n_networks, size = str(len(one.grouping.networks)), decimal(one.n_bytes)
        cells = (one.job_id, f"{one.budget_snt:g}", n_networks, str(len(one.seeds)), str(one.rows), size)
        rows.add_row(*cells, one.created_at)
    if listed:
        console.print(rows)
    done = "removed from" if remove else "in"
    n = len(listed)
    console.print(f"{n} grouping{'s' * (n != 1)}, {decimal(total)} {done} {shelf.address}.", soft_wrap=True)


def _kept_job(shelf: KeptNetworks, beginning: str) -> str:
    """Return the one job with kept networks whose identifier begins so; the job itself may be deleted."""
    (first, *more) = sorted({one.job_id for one in shelf.list() if one.job_id.startswith(beginning)}) or [""]
    if more:
        raise InvalidInputError(
            f"More than one job with kept networks begins with {beginning!r}. Give more of its characters."
        )
    if not first:
        raise InvalidInputError(
            f"Nothing is kept at {shelf.address} of a job that begins with {beginning!r}. "
            '"grouping kept" lists what is.'
        )
    return first


def _entry(one: FinishedGrouping) -> dict[str, object]:
    return {
        "job_id": one.job_id,
        "budget_snt": one.budget_snt,
        "rows": str(one.rows),
        "networks": [network.name(one.tasks) for network in one.grouping.networks],
        "seeds": list(one.seeds),
        "bytes": one.n_bytes,
        "created_at": one.created_at,
    }


def _store(url: str | None, home: Path) -> Store:
    from grouping.store import open_store

    if url is None and not database_file(home).exists():
        raise InvalidInputError(
            f"There is no database in {home}: name the home folder of the service (--home), or its database "
            "(--database-url)."
        )
    store = open_store(database_url(url, home))
    store.check_schema()
    return store


def _recommended(store: Store, job_id: str, budget: float | None) -> Recommended:
    from grouping.use_cases.finish import recommended

    return recommended(store, store.whole_id("job", job_id), budget)


def _finished(
    store: Store, found: Recommended, shelf: KeptNetworks, on: LearnedRows, seeds: int | None, *, again: bool
) -> FinishedGrouping:
    """Return the kept networks of a recommendation; train them unless they are kept with as many seeds."""
    from grouping.artefacts.finishing import FinishWanted
    from grouping.use_cases.finish import kept_or_trained

    console, told = new_console(stderr=True), 0

    def tell(done: int, total: int) -> None:
        nonlocal told
        if math.floor(10 * done / total) > told:
            told = math.floor(10 * done / total)
            console.print(f"{done} of {total} trainings", soft_wrap=True)

    wanted = FinishWanted(found.budget_snt, on, seeds, again)
    finished, is_new = kept_or_trained(store, found, shelf, wanted, on_trained=tell)
    if is_new:
        _tell(console, finished, shelf)
    else:
        console.print(f"Kept since {finished.created_at} in {shelf.address}.", soft_wrap=True)
    return finished


def _write(
    found: Recommended, finished: FinishedGrouping, shelf: KeptNetworks, licence: str, *outs: str
) -> Written:
    """Write kept networks as a bundle, beside their weights and to further folders."""
    from grouping.bundle.source import source_of
    from grouping.bundle.writing import About, write_kept

    return write_kept(shelf, finished, source_of(found.job), About(found.verdict_sentence, licence), outs)


def _copy_artefacts(store: Store, found: Recommended, out: Path) -> None:
    """Copy what another trainer has kept of the recommended networks."""
    from grouping.use_cases.artefacts import CONTENTS, artefacts_of, copy_artefacts

    artefacts = artefacts_of(store, found.job, found.grouping)
    copy_artefacts(found.job, found.grouping, artefacts, out)
    new_console().print(
        f"{out}: what {found.job.spec.trainer} has kept of {len(artefacts)} networks; {out / CONTENTS} says "
        "which of them serves which task.",
        soft_wrap=True,
    )


def _tell(console: Console, finished: FinishedGrouping, shelf: KeptNetworks) -> None:
    """Print what is kept, and how far the trainings were those of the job."""
    n, compared = len(finished.kept), [one for one in finished.kept if one.is_compared]
    console.print(
        f"{n} trained networks, {decimal(finished.n_bytes)}, kept in {shelf.address}.", soft_wrap=True
    )
    differing = [one for one in compared if one.differs]
    if compared and not differing:
        console.print(f"{len(compared)} of them are in the job too: every loss is equal to the last bit.")
    elif differing:
        first = differing[0]
        console.print(
            f"{len(differing)} of {len(compared)} that are in the job too scored something else, such as "
            f"{first.network.name(finished.tasks)} with seed {first.seed}: {'; '.join(first.differs[:2])}. "
            "Other versions of libraries, or another processor, round differently.",
            soft_wrap=True,
        )
    elif finished.rows is LearnedRows.TRAIN:
        console.print("The job has no trainings with these seeds to compare with.")
