"""What a job has spent and saved, worked out for the API and the web view."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from grouping.domain.jobs import Job, Ledger
from grouping.domain.ledgers import Rate, Rates, Savings, Shape, Spending, savings
from grouping.domain.networks import CANDIDATE_LIMIT, Candidates
from grouping.recipes import epochs_of
from grouping.store import Store
from grouping.strategies.forecast import count_candidate_shapes


@dataclass(frozen=True, slots=True)
class JobLedger:
    """The ledger of one job.

    Attributes:
        charged: everything that was started, lost attempts included.
        rows: by kind of trials.
        rates: basis of the seconds that an exhaustive search would take.
        savings: the search against the exhaustive one.
    """

    charged: Ledger
    rows: tuple[Spending, ...]
    rates: Rates
    savings: Savings


def read_ledger(store: Store, job: Job) -> JobLedger:
    """What a job has spent and saved so far.

    Raises:
        NotFoundError: if it was deleted.
    """
    rows = store.spending(job.id)
    rates = Rates(_measured(rows))
    made = savings(rows, _candidates(store, job), job.spec.n_seeds, epochs_of(job.recipe), rates)
    return JobLedger(store.ledger(job.id), rows, rates, made)


def _measured(rows: Sequence[Spending]) -> Mapping[Shape, Rate]:
    """Times of this job's networks, wherever they were trained."""
    measured: dict[Shape, Rate] = {}
    for row in rows:
        before = measured.get((row.group_size, row.size), Rate(0, 0, 0.0))
        measured[row.group_size, row.size] = Rate(
            before.trainings + row.finished + row.reused,
            before.epochs + row.epochs + row.reused_epochs,
            before.seconds + row.seconds + row.reused_seconds,
        )
    return measured


def _candidates(store: Store, job: Job) -> Mapping[Shape, int]:
    """Candidates by shape: those that could be built, once that is known."""
    spec = job.spec
    # Described and not listed: pages show this while a job runs.
    described = Candidates.of(
        spec.tasks, max_group_size=spec.max_group_size, single_sizes=spec.single_sizes, limit=0
    )
    nominal = count_candidate_shapes(described)
    if described.count > CANDIDATE_LIMIT:
        return nominal
    built = store.count_networks(job.score_table_id)
    return {shape: min(n, built.get(shape, 0)) for shape, n in nominal.items()} if built else nominal
