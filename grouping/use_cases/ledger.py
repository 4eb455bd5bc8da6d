"""Ledger of a job: training that was spent, reused and saved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from grouping.domain.jobs.job import Job, Ledger
from grouping.domain.jobs.reuse import count_reusable
from grouping.domain.jobs.sentences import JobSentences
from grouping.domain.networks import CANDIDATE_LIMIT, Candidates
from grouping.domain.trainings.ledgers import Amount, Rate, Rates, Savings, Shape, Spending, savings
from grouping.domain.trainings.trials import Purpose
from grouping.store import Store
from grouping.strategies.forecast import count_candidate_shapes
from grouping.trainers import trainer_of
from grouping.wire.amounts import ReuseOut
from grouping.wire.ledgers import JobLedgerOut, SavingsOut


@dataclass(frozen=True, slots=True)
class JobLedger:
    """The ledger of one job.

    Attributes:
        job: the job.
        spent: all training that was started, lost attempts included.
        rows: training spent, by kind of trials.
        rates: measured times, from which the seconds of an exhaustive search follow.
        savings: comparison of the search with an exhaustive one.
    """

    job: Job
    spent: Ledger
    rows: tuple[Spending, ...]
    rates: Rates
    savings: Savings

    @property
    def charged(self) -> Amount:
        """All training that was started, lost attempts included."""
        attempted = sum(row.attempted_equivalents for row in self.rows)
        return Amount(self.spent.trainings, self.spent.epochs, attempted, self.spent.seconds)

    @property
    def search(self) -> Amount:
        """Training that was started for the search."""
        return self._of(Purpose.SEARCH)

    @property
    def confirmation(self) -> Amount:
        """Training that was started for the confirmation."""
        return self._of(Purpose.CONFIRMATION)

    @property
    def tuning(self) -> Amount:
        """Training that was started to tune recipes for the verdict, fresh seeds under them included."""
        return Amount.spent(row for row in self.rows if row.purpose in (Purpose.TUNING, Purpose.TUNED))

    @property
    def reused(self) -> Amount:
        """Training that copied trials took in the jobs that trained them."""
        return Amount(
            sum(row.reused for row in self.rows),
            sum(row.reused_epochs for row in self.rows),
            sum(row.reused * row.size * row.fidelity for row in self.rows),
            sum(row.reused_seconds for row in self.rows),
        )

    @property
    def told(self) -> int:
        """Number of trials whose result was told from outside."""
        return sum(row.told for row in self.rows)

    @property
    def left(self) -> Mapping[str, float | None]:
        """Amount that may still be planned, by limit of the training budget; None without that limit."""
        started = Amount.spent(self.rows).trainings + sum(row.planned for row in self.rows)
        epochs = sum(row.reserved_epochs for row in self.rows)
        used = {"trainings": started, "epochs": epochs, "seconds": self.spent.seconds}
        limits = asdict(self.job.spec.training_budget)
        return {name: None if limit is None else max(0, limit - used[name]) for name, limit in limits.items()}

    @property
    def told_savings(self) -> SavingsOut:
        """Savings with the basis of their times; `saved` is null until the search has ended by itself."""
        n, has_saved = self.rates.trainings, JobSentences.of(self.job).has_searched
        return SavingsOut.read(
            self.savings,
            saved=self.savings.saved if has_saved else None,
            share=self.savings.share if has_saved else None,
            basis=f"measured on {n:,} trainings of these networks" if n else "nothing measured yet",
        )

    @property
    def sentence(self) -> str:
        """Sentence on what the search has trained and saved."""
        return JobSentences.of(self.job).search(self.savings)

    def _of(self, purpose: Purpose) -> Amount:
        return Amount.spent(row for row in self.rows if row.purpose is purpose)


def tell_ledger(store: Store, job_id: str, *, limit: int, after: int | None) -> JobLedgerOut:
    """Read the ledger of a job as an answer, with one page of its networks.

    Args:
        store: store that holds the job.
        job_id: identifier of the job.
        limit: maximum number of networks on the page.
        after: position of the last network of the previous page; None for the first page.

    Raises:
        NotFoundError: if there is no such job.
    """
    job = store.get_job(job_id)
    items, following = store.network_spending(job_id, limit=limit, after=after)
    return JobLedgerOut.read(
        read_ledger(store, job),
        reuse=_reuse(store, job),
        items=items,
        next_page_token=None if following is None else str(following),
    )


def _reuse(store: Store, job: Job) -> ReuseOut | None:
    """Count the trainings of the search that other jobs have finished; None if the job reuses no other."""
    if not job.spec.reuse_jobs:
        return None
    reusable, of = count_reusable(job.spec, store.reusable_trials(job.id))
    return ReuseOut.read(reusable=reusable, of=of, jobs=store.reuse_sources(job.id))


def read_ledger(store: Store, job: Job) -> JobLedger:
    """Read the ledger of a job in its present state.

    Raises:
        NotFoundError: if the job was deleted.
    """
    rows = store.spending(job.id)
    rates = Rates(_measured(rows))
    made = savings(
        rows, _candidates(store, job), job.spec.n_seeds, trainer_of(job).trainings.epochs_of, rates
    )
    return JobLedger(job, store.ledger(job.id), rows, rates, made)


def _measured(rows: Sequence[Spending]) -> Mapping[Shape, Rate]:
    """Sum the measured times of this job's networks by shape, copied trainings included."""
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
    """Count the candidates by shape; once it is known, only those that could be built."""
    spec = job.spec
    # Described and not listed: pages show this while a job runs.
    described = Candidates.of(
        spec.tasks, max_group_size=spec.max_group_size, single_sizes=spec.single_sizes, limit=0
    )
    nominal = count_candidate_shapes(described)
    if described.count > CANDIDATE_LIMIT:
        return nominal
    if spec.constraints.rules_out_networks:
        nominal = count_candidate_shapes(spec.candidates)
    built = store.count_networks(job.score_table_id)
    return {shape: min(n, built.get(shape, 0)) for shape, n in nominal.items()} if built else nominal
