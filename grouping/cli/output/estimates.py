"""Output of the estimated and the actual cost of a job, for the terminal."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console
from rich.table import Table

from grouping.cli.serving import database_file, database_url
from grouping.domain.number_texts import range_text
from grouping.domain.percentages import fixed_percent

if TYPE_CHECKING:
    from grouping.client import RemoteJob
    from grouping.wire.estimates import EstimateOut, KindOut

MOST_GROUP_SIZES = 8
"""Sizes of groups with a row each in an estimate; more of them share one."""


def estimate_here(asked: Mapping[str, Any], url: str | None, home: Path) -> EstimateOut:
    """Estimate the cost of a job in this process, without a server.

    Args:
        asked: fields of the request, as the API takes them.
        url: the database with the times and the jobs to be reused; a file in the home folder unless given.
        home: the home folder; where it has no database, the estimate has no times.

    Raises:
        GroupingError: if the job would be refused.
    """
    from grouping.use_cases.estimate import estimate
    from grouping.use_cases.submit import request_of

    request = request_of(asked)
    if url is None and not database_file(home).exists():
        told = estimate(request, None)
        typer.echo(f"There is no database in {home}: nothing is known of times and other jobs.", err=True)
        return told
    from grouping.store import open_store

    with closing(open_store(database_url(url, home))) as store:
        return estimate(request, store)


def show_estimate(console: Console, told: EstimateOut) -> None:
    """Print trainings by kind, the strategies that could run the job, and the estimate in a sentence."""
    kinds = Table("purpose", "tasks", "size", "epochs", "trainings", "s per epoch", box=None, pad_edge=False)
    for run in _runs(told.kinds):
        first, last = run[0], run[-1]
        rates = sorted(kind.epoch_s for kind in run if kind.epoch_s is not None)
        kinds.add_row(
            first.purpose,
            range_text(first.group_size, last.group_size),
            f"{first.size:.3g}",
            fixed_percent(first.fidelity, 0),
            _range(sum(kind.lower for kind in run), sum(kind.upper for kind in run)),
            " to ".join(dict.fromkeys(f"{rate:.2g}" for rate in rates[:: len(rates) - 1 or 1])) or "-",
        )
    console.print(kinds)
    console.print()
    options = Table(
        "strategy", "trainings", "epochs", "full networks", "seconds", "fits", box=None, pad_edge=False
    )
    for option in told.strategies:
        lower, upper = option.lower, option.upper
        options.add_row(
            option.name + (" *" if option.name == told.strategy else ""),
            _range(lower.trainings, upper.trainings),
            _range(lower.epochs, upper.epochs),
            _range(lower.full_network_equivalents, upper.full_network_equivalents),
            _range(lower.seconds, upper.seconds),
            option.fits,
        )
    console.print(options)
    console.print()
    for sentence in told.stated:
        console.print(sentence, soft_wrap=True)
    console.print(told.sentence, soft_wrap=True)
    console.print(told.basis.sentence, soft_wrap=True)
    if told.told:
        console.print(f"Results from outside, which are not trained again: {told.told:,}.", soft_wrap=True)
    for finding in told.findings:
        console.print(f"Look at: {finding.sentence}", soft_wrap=True)
    if told.reuse is not None:
        reuse = told.reuse
        console.print(f"Reused: {reuse.reusable} of {reuse.of} trainings of candidates.", soft_wrap=True)
        for source in reuse.jobs:
            if source.obstacle:
                console.print(f"Nothing of job {source.job_id}: {source.obstacle}.", soft_wrap=True)


def _runs(kinds: Sequence[KindOut]) -> Iterator[Sequence[KindOut]]:
    """Yield the kinds that share a row: one each, or many that differ in the size of the group alone."""
    for _, same in itertools.groupby(kinds, key=lambda kind: (kind.purpose, kind.size, kind.fidelity)):
        run = tuple(same)
        if len(run) > MOST_GROUP_SIZES:
            yield run
        else:
            yield from ((kind,) for kind in run)


def show_ledger(console: Console, job: RemoteJob) -> None:
    """Print in a line what a job has spent and saved."""
    told = job.ledger()
    spent = told.charged
    limits = told.training_budget
    parts = []
    for unit in ("trainings", "epochs", "seconds"):
        amount = f"{getattr(spent, unit) or 0:,.0f}"
        limit = getattr(limits, unit)
        name = "s" if unit == "seconds" else unit.removesuffix("s") if amount == "1" else unit
        parts.append(f"{amount} {name}" if limit is None else f"{amount} of {limit:,.0f} {name}")
    searching, confirming = told.search.trainings, told.confirmation.trainings
    tuning = told.tuning.trainings
    again = spent.trainings - searching - confirming - tuning
    split = [f"{searching:,} to search", f"{confirming:,} to confirm"]
    split += [f"{tuning:,} to tune each"] if tuning else []
    split += [f"{again:,} cut off or repeated"] if again else []
    parts[0] += f" ({', '.join(split)})" if confirming or again else ""
    console.print(f"{told.sentence} Spent in all: {', '.join(parts)}.", soft_wrap=True)
    if told.reuse is not None:
        reuse = told.reuse
        obstacles = [source for source in reuse.jobs if source.obstacle]
        for source in obstacles:
            console.print(f"Nothing reused of job {source.job_id}: {source.obstacle}.", soft_wrap=True)


def _range(lower: float | None, upper: float | None) -> str:
    if lower is None or upper is None:
        return "-" if lower is None else f"{lower:,.4g} or more"
    return range_text(lower, upper)
