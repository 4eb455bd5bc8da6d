"""Whole searches on score tables, and what every search keeps to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from grouping.domain.networks import Candidates, Network
from grouping.domain.tables.score_table import ScoreTable
from grouping.domain.trainings.trials import TrialRequest
from grouping.search import Search
from grouping.strategies import Strategy


@dataclass(frozen=True)
class Searched:
    """What a search asked for, batch by batch, and where it ended."""

    search: Search
    batches: tuple[tuple[TrialRequest, ...], ...]
    notes: tuple[str, ...]

    @property
    def requests(self) -> tuple[TrialRequest, ...]:
        return tuple(request for batch in self.batches for request in batch)

    @property
    def networks(self) -> frozenset[Network]:
        return frozenset(request.network for request in self.requests)

    @property
    def full(self) -> frozenset[Network]:
        return frozenset(request.network for request in self.requests if request.fidelity == 1)


def losses_of(request: TrialRequest, table: ScoreTable) -> dict[str, float]:
    """What a training would come to."""
    row, layer = table.position(request.network), table.seeds.index(request.seed)
    return {
        task: float(table.validation_losses[row, t, layer])
        for t, task in enumerate(table.task_names)
        if task in request.network.group
    }


def run_to_the_end(
    strategy: Strategy,
    truth: ScoreTable,
    early: ScoreTable | None = None,
    *,
    candidates: Candidates | None = None,
    budgets_snt: tuple[float, ...] = (1.0, 2.0),
    seed: int = 0,
    diverges: Callable[[TrialRequest], bool] = lambda _: False,
    stops_inside: bool = False,
) -> Searched:
    """Ask and tell until the search is over.

    With `stops_inside` each batch is forgotten after its first half is told, and asked for anew from what is
    known then: the way a search goes on after a crash.
    """
    space = candidates or Candidates.listed(truth.task_names, truth.networks)
    search = Search(strategy, truth.tasks, space, budgets_snt=budgets_snt, seeds=truth.seeds, seed=seed)
    batches: list[tuple[TrialRequest, ...]] = []
    notes: list[str] = []
    seen = set[TrialRequest]()
    while requests := search.ask():
        assert len(batches) < 200, "the search does not end"
        assert search.evidence.attempted.isdisjoint(r.key for r in requests)
        half = requests[: max(1, len(requests) // 2)] if stops_inside else requests
        assert seen.isdisjoint(half), "a training was asked for twice"
        seen |= set(half)
        batches.append(half)
        notes.append(search.note)
        for request in half:
            known = truth if request.fidelity == 1 or early is None else early
            search.tell(request, None if diverges(request) else losses_of(request, known))
        if stops_inside:
            search._record._open.clear()
            search._record._handed_out.clear()
    assert search.stop_reason is not None
    return Searched(search, tuple(batches), (*notes, search.note))
