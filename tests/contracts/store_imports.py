"""What every store does with imported score tables and with groupings, and with an older schema."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from alembic import command
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import MetaData, Table, insert

from grouping.domain.jobs.job import JobState
from grouping.domain.networks import Network, list_candidates
from grouping.domain.tables.score_table import ScoreTable
from grouping.domain.tasks import Task
from grouping.domain.trainings.recipes import Method
from grouping.domain.trainings.trials import Purpose
from grouping.errors import IdempotencyConflictError, InvalidInputError, NotFoundError, StateConflictError
from grouping.store import Store, migrate, open_store
from grouping.store.database import Database, make_engine, parse_url
from grouping.store.migrations.running import configured
from tests.contracts.scenarios import at_once, crash_everywhere, everything, running_scene, submit
from tests.contracts.store_jobs import LAWS
from tests.tables import random_table

_losses = st.floats(allow_nan=True, allow_infinity=False)
_costs = st.floats(min_value=0, max_value=1e308)


@st.composite
def _tables(draw: st.DrawFn) -> ScoreTable:
    names = ("depth", "a b", "ünï", "=1+1".replace("+", "-"))[: draw(st.integers(1, 4))]
    listed = list_candidates(names, max_group_size=len(names), single_sizes=(0.5,))
    networks = tuple(
        Network(network.group, network.size, draw(st.floats(min_value=5e-324, max_value=1e308)))
        for network in draw(st.lists(st.sampled_from(listed), unique=True, max_size=6))
    )
    seeds = tuple(draw(st.lists(st.integers(-(10**20), 10**20), unique=True, max_size=3)))
    shape = (len(networks), len(names), len(seeds))
    size = int(np.prod(shape))
    member = np.array([[name in network.group for name in names] for network in networks], dtype=bool)
    cubes = []
    for _ in range(2):
        values = np.array(draw(st.lists(_losses, min_size=size, max_size=size)), dtype=float).reshape(shape)
        cubes.append(np.where(member.reshape(*shape[:2], 1), values, np.nan))
    weights = st.floats(min_value=5e-324, max_value=1e308)
    costs = {
        name: np.array(draw(st.lists(_costs, min_size=len(networks), max_size=len(networks))))
        for name in draw(st.lists(st.sampled_from(("latency_ms", "memory")), unique=True))
    }
    tasks = tuple(Task(name, weight=draw(weights)) for name in names)
    return ScoreTable.from_arrays(tasks, networks, seeds, cubes[0], cubes[1], other_costs=costs)


class ImportContract:
    """Importing, reading and deleting tables; keeping groupings; migrating."""

    # --- imported score tables

    @LAWS
    @given(table=_tables())
    def test_an_imported_table_comes_back_to_the_last_digit(self, store: Store, table: ScoreTable) -> None:
        info, was_stored = store.import_table(table, "a table", report={"sentences": ["Read."]})
        assert was_stored
        assert store.score_table(info.id) == table
        assert store.get_table_info(info.id) == info
        assert (info.name, info.tasks, info.job_id) == ("a table", table.tasks, None)
        assert info.cost_names == tuple(table.other_costs)
        assert info.report == {"sentences": ["Read."]}

    def test_a_network_without_a_cell_and_one_with_half_of_them_come_back(self, store: Store) -> None:
        tasks = (Task("a"), Task("b"))
        networks = (Network.of("a"), Network.of("a", "b"), Network.of("b"))
        losses = np.full((3, 2, 2), np.nan)
        losses[1, 0] = [0.1, np.nan]
        losses[2, 1] = [0.25, 1 / 3]
        table = ScoreTable.from_arrays(tasks, networks, (7, 3), losses, np.full_like(losses, np.nan))
        info, _ = store.import_table(table, "")
        found = store.score_table(info.id)
        assert found == table
        assert list(found.is_complete) == [False, False, True]

    def test_an_imported_table_has_no_confirmation_and_no_shorter_trainings(self, store: Store) -> None:
        info, _ = store.import_table(random_table(1), "")
        for found in (
            store.score_table(info.id, purpose=Purpose.CONFIRMATION),
            store.score_table(info.id, fidelity=0.5),
        ):
            assert (found.networks, found.seeds) == ((), ())

    def test_a_name_and_a_report_may_hold_what_a_database_refuses(self, store: Store) -> None:
        info, _ = store.import_table(
            random_table(1), "NUL \0", report={"a\0": ["lone \ud800", {"b": "\0"}], "n": 1.5}
        )
        assert store.get_table_info(info.id) == info
        assert info.name == "NUL \ufffd"
        assert info.report == {"a\ufffd": ["lone ?", {"b": "\ufffd"}], "n": 1.5}

    def test_a_report_that_is_no_json_is_refused_and_nothing_is_stored(self, store: Store) -> None:
        with pytest.raises(InvalidInputError):
            store.import_table(random_table(1), "", report={"a": float("nan")})
        assert store.list_tables().items == ()

    def test_imported_tables_are_listed_beside_those_of_jobs(self, store: Store) -> None:
        job = submit(store)
        info, _ = store.import_table(random_table(1), "mine")
        assert [(item.id, item.job_id) for item in store.list_tables()] == [
            (info.id, None),
            (job.score_table_id, job.id),
        ]
        assert [item.id for item in store.list_tables(imported_only=True)] == [info.id]
        assert len(store.networks(info.id)) == len(random_table(1).networks)

    def test_the_same_key_imports_once(self, store: Store) -> None:
        results = at_once(
            4,
            lambda _: store.import_table(random_table(1), "", idempotency_key="k", request_digest="d"),
        )
        assert len({info.id for info, _ in results}) == 1
        assert sum(was_stored for _, was_stored in results) == 1
        assert len(store.list_tables()) == 1
        with pytest.raises(IdempotencyConflictError):
            store.import_table(random_table(2), "", idempotency_key="k", request_digest="e")
        with pytest.raises(InvalidInputError):
            store.import_table(random_table(2), "", idempotency_key="")

    def test_deleting_a_table_leaves_nothing_of_it(self, store: Store) -> None:
        submit(store)
        before = everything(store)
        info, _ = store.import_table(random_table(1), "", idempotency_key="k")
        store.add_grouping(info.id, revision=1, request={}, answer={})
        assert crash_everywhere(store, lambda: store.delete_table(info.id)) >= 3
        assert everything(store) == before
        for act in (store.delete_table, store.score_table, store.get_table_info, store.list_groupings):
            with pytest.raises(NotFoundError):
                act(info.id)
        store.import_table(random_table(1), "", idempotency_key="k")

    def test_a_table_of_a_job_is_not_deleted(self, store: Store) -> None:
        job = submit(store)
        store.request_cancel(job.id)
        before = everything(store)
        with pytest.raises(StateConflictError, match="job"):
            store.delete_table(job.score_table_id)
        with pytest.raises(NotFoundError):
            store.delete_table("../nothing")
        assert everything(store) == before

    # --- groupings

    def test_a_grouping_comes_back_as_it_was_stored(self, store: Store) -> None:
        info, _ = store.import_table(random_table(1), "")
        request = {"budget_snt": 1.5, "constraints": {"together": [["a", "b"]]}, "k": None}
        answer = {"status": "optimal", "loss": 0.1 + 0.2, "text": "NUL \0"}
        kept, was_stored = store.add_grouping(info.id, revision=1, request=request, answer=answer)
        assert was_stored
        assert store.get_grouping(kept.id) == kept
        assert (kept.table_id, kept.revision, kept.request) == (info.id, 1, request)
        assert kept.answer == {**answer, "text": "NUL \ufffd"}
        for identifier in ("", "nothing", "0" * 32, info.id):
            with pytest.raises(NotFoundError):
                store.get_grouping(identifier)

    def test_groupings_of_a_table_are_listed_newest_first_in_pages(self, store: Store) -> None:
        info, _ = store.import_table(random_table(1), "")
        other, _ = store.import_table(random_table(2), "")
        store.add_grouping(other.id, revision=1, request={}, answer={})
        made = [store.add_grouping(info.id, revision=1, request={"n": n}, answer={})[0].id for n in range(5)]
        first = store.list_groupings(info.id, limit=3)
        second = store.list_groupings(info.id, limit=3, after=first.next_token)
        assert [item.id for item in (*first, *second)] == made[::-1]
        assert second.next_token is None

    def test_the_same_key_keeps_one_grouping(self, store: Store) -> None:
        info, _ = store.import_table(random_table(1), "")
        assert store.find_grouping_of_key("k", "d") is None
        results = at_once(
            4,
            lambda n: store.add_grouping(
                info.id, revision=1, request={"n": n}, answer={}, idempotency_key="k", request_digest="d"
            ),
        )
        assert len({kept.id for kept, _ in results}) == 1
        assert store.find_grouping_of_key("k", "d") == results[0][0]
        with pytest.raises(IdempotencyConflictError):
            store.find_grouping_of_key("k", "e")
        with pytest.raises(IdempotencyConflictError):
            store.add_grouping(
                info.id, revision=1, request={}, answer={}, idempotency_key="k", request_digest="e"
            )

    def test_a_grouping_needs_its_table(self, store: Store) -> None:
        before = everything(store)
        with pytest.raises(NotFoundError):
            store.add_grouping("0" * 32, revision=1, request={}, answer={})
        assert everything(store) == before

    def test_groupings_of_a_job_go_with_it(self, store: Store) -> None:
        scene = running_scene(store)
        store.enter_state(scene.claim, JobState.FAILED)
        kept, _ = store.add_grouping(scene.table_id, revision=1, request={}, answer={})
        store.delete_job(scene.job_id)
        with pytest.raises(NotFoundError):
            store.get_grouping(kept.id)

    # --- older schemas

    def test_a_database_of_the_first_schema_keeps_what_it_holds(self, empty_url: str) -> None:
        database = Database(make_engine(parse_url(empty_url)))
        with database.writing() as session:
            command.upgrade(configured(session.connection()), "0001")
            for name, rows in FIRST_SCHEMA_ROWS.items():
                session.execute(insert(Table(name, MetaData(), autoload_with=session.connection())), rows)
        database.close()
        migrate(empty_url)
        store = open_store(empty_url)
        store.check_schema()
        job = store.get_job(JOB_ID)
        assert (job.spec.tasks, job.state, job.score_table_id) == (("a", "b"), JobState.RUNNING, TABLE_ID)
        assert job.spec.chosen_trainer == Method("built-in", {"recipe": {"epochs": 7}, "tuning_samples": 2})
        table = store.score_table(TABLE_ID)
        assert table.networks == (Network.of("a", "b"),)
        assert table.validation_losses.tolist() == [[[0.1], [1 / 3]]]
        assert table.test_losses.tolist() == [[[0.2], [2 / 3]]]
        info = store.get_table_info(TABLE_ID)
        assert (info.revision, info.job_id, info.cost_names, info.report) == (5, JOB_ID, (), None)
        assert [event.kind for event in store.events(JOB_ID)] == ["job_submitted"]
        store.import_table(random_table(1), "")
        store.add_grouping(TABLE_ID, revision=5, request={}, answer={})
        store.close()


JOB_ID, TABLE_ID, NETWORK_ID, TRIAL_ID = ("1" * 32, "2" * 32, "3" * 32, "4" * 32)
_TASK = {"kind": "binary", "loss": "binary_cross_entropy", "metric": None, "weight": 1.0, "n_outputs": 1}
FIRST_SCHEMA_ROWS: dict[str, list[dict[str, Any]]] = {
    "score_tables": [
        {
            "id": TABLE_ID,
            "name": "t",
            "tasks": [{"name": name, **_TASK} for name in "ab"],
            "revision": 5,
            "created_s": 1.5,
        }
    ],
    "jobs": [
        {
            "id": JOB_ID,
            "name": "j",
            "spec": {"problem": "p", "tasks": ["a", "b"], "recipe": {"epochs": 7}, "tuning_samples": 2},
            "state": "running",
            "created_s": 1.5,
            "versions": {},
            "recipe": {"hidden": [8]},
            "score_table_id": TABLE_ID,
            "cancel_requested": False,
            "lease_epoch": 1,
            "event_count": 1,
            "idempotency_key": "k",
            "request_digest": "d",
            "charged_trainings": 1,
            "charged_epochs": 5,
            "charged_seconds": 0.5,
        }
    ],
    "networks": [
        {
            "id": NETWORK_ID,
            "score_table_id": TABLE_ID,
            "position": 0,
            "tasks": ["a", "b"],
            "group_key": "g",
            "group_size": 2,
            "size": 1.0,
            "cost_snt": 1.0,
            "multiply_adds": 1000,
            "widths": [8],
        }
    ],
    "events": [{"job_id": JOB_ID, "number": 1, "at_s": 1.5, "kind": "job_submitted", "data": {}}],
    "trials": [
        {
            "id": TRIAL_ID,
            "job_id": JOB_ID,
            "network_id": NETWORK_ID,
            "position": 0,
            "purpose": "search",
            "seed": 0,
            "fidelity": 1.0,
            "state": "succeeded",
            "attempts": 1,
            "planned_epochs": 5,
            "epochs": 5,
            "seconds": 0.5,
        }
    ],
    "scores": [
        {
            "trial_id": TRIAL_ID,
            "task": task,
            "validation_loss": loss,
            "test_loss": 2 * loss,
            "validation_metric": 0.9,
            "test_metric": 0.8,
        }
        for task, loss in (("a", 0.1), ("b", 1 / 3))
    ],
}
"""Rows as the first version of the program wrote them."""
