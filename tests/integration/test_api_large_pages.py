"""Pages of hundreds of tasks with the longest names stay short."""

from __future__ import annotations

import numpy as np
import pytest

from grouping.domain.networks import Network
from grouping.domain.tables.score_table import ScoreTable
from grouping.domain.tasks import MAX_NAME_LENGTH, Task
from grouping.store import Store
from tests.integration.conftest import Api
from tests.integration.test_api_web import page
from tests.tables import make_table

MOST_BYTES = 300_000
PAGES = ("", "/networks?budget_snt=100", "/networks?budget_snt=320", "/affinity", "/graph")


def long_named(n_tasks: int) -> ScoreTable:
    """All tasks alone, with their neighbours, and in groups of eight; names are as long as they may be."""
    names = [
        f"{t:04d} {'of a task with a long name ' * 4}"[:MAX_NAME_LENGTH].strip("_ ") for t in range(n_tasks)
    ]
    groups = [[t] for t in range(n_tasks)] + [[t, t + 1] for t in range(n_tasks - 1)]
    groups += [list(range(t, min(n_tasks, t + 8))) for t in range(0, n_tasks, 4)]
    networks = tuple(Network(frozenset(names[t] for t in group)) for group in groups)
    losses = np.random.default_rng(0).uniform(0.5, 1.0, (len(networks), n_tasks))
    return make_table(networks, tuple(map(Task, names)), losses)


@pytest.fixture(scope="module")
def table() -> ScoreTable:
    return long_named(320)


@pytest.mark.parametrize("path", PAGES)
def test_a_page_of_hundreds_of_tasks_with_long_names_is_short(
    api: Api, store: Store, table: ScoreTable, path: str
) -> None:
    table_id = store.import_table(table, "long names")[0].id
    assert len(page(api, f"/score-tables/{table_id}{path}").encode()) <= MOST_BYTES
