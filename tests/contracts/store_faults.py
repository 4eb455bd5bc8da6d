"""What every store does when things go wrong: crashes, locks, missing servers, foreign schemas."""

from __future__ import annotations

import contextlib
import subprocess
import sys

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import select, text

from grouping.domain.jobs.job import JobState
from grouping.errors import SchemaOutdatedError, StoreUnavailableError
from grouping.store import Store, database, migrate, open_store
from grouping.store.rows import JobRow, StoredRow
from tests.contracts.scenarios import FENCED, UNFENCED, crash_everywhere, everything, running_scene, submit

MIGRATE = "import sys; from grouping.store import migrate; migrate(sys.argv[1])"


class FaultContract:
    """Errors are the project's own, and nothing is ever half done."""

    @pytest.mark.parametrize("name", FENCED | UNFENCED)
    def test_a_crash_at_any_statement_of_a_write_leaves_nothing(self, store: Store, name: str) -> None:
        scene = running_scene(store, lease_s=0 if name == "claim_job" else 30)
        places = crash_everywhere(store, lambda: (FENCED | UNFENCED)[name](scene))
        assert places >= 3

    @pytest.mark.parametrize("name", ["resume", "delete_job"])
    def test_a_crash_while_a_job_is_resumed_or_deleted_leaves_it(self, store: Store, name: str) -> None:
        scene = running_scene(store)
        store.enter_state(scene.claim, JobState.FAILED)
        assert crash_everywhere(store, lambda: getattr(store, name)(scene.job_id)) >= 3

    def test_an_error_inside_a_write_leaves_nothing(self, store: Store) -> None:
        job = submit(store)
        before = everything(store)
        with contextlib.suppress(ZeroDivisionError), store._database.writing() as session:
            row = session.scalars(select(JobRow).where(JobRow.id == job.id)).one()
            row.state = JobState.FAILED
            session.flush()
            raise ZeroDivisionError
        assert everything(store) == before

    def test_a_reader_sees_one_snapshot(self, store: Store) -> None:
        job = submit(store)
        with store._database.reading() as session:
            query = select(JobRow.state).where(JobRow.id == job.id)
            assert session.scalars(query).one() == JobState.QUEUED
            store.request_cancel(job.id)
            assert session.scalars(query).one() == JobState.QUEUED
        assert store.get_job(job.id).state is JobState.CANCELLED

    # --- the schema

    def test_a_migrated_database_has_the_schema_of_the_rows(self, store: Store) -> None:
        store.check_schema()
        with store._database._engine.connect() as connection:
            context = MigrationContext.configure(connection, opts={"compare_type": True})
            assert compare_metadata(context, StoredRow.metadata) == []

    def test_an_empty_database_says_how_to_set_it_up(self, empty_url: str) -> None:
        store = open_store(empty_url)
        with pytest.raises(SchemaOutdatedError, match="grouping migrate"):
            store.check_schema()
        with pytest.raises(SchemaOutdatedError, match="grouping migrate"):
            store.list_jobs()
        with pytest.raises(SchemaOutdatedError, match="grouping migrate"):
            store.check_writable()
        store.close()

    def test_migrating_twice_changes_nothing(self, store: Store, url: str) -> None:
        submit(store)
        before = everything(store)
        migrate(url)
        assert everything(store) == before

    def test_three_processes_may_migrate_at_once(self, empty_url: str) -> None:
        command = [sys.executable, "-W", "error", "-c", MIGRATE, empty_url]
        processes = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(3)]
        results = [(process.communicate()[1], process.returncode) for process in processes]
        assert results == [("", 0)] * 3
        store = open_store(empty_url)
        store.check_schema()
        submit(store)
        store.close()

    def test_a_schema_of_a_newer_program_is_left_alone(self, store: Store, url: str) -> None:
        with store._database.writing() as session:
            session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
        with pytest.raises(SchemaOutdatedError, match="newer"):
            store.check_schema()
        with pytest.raises(SchemaOutdatedError, match="newer"):
            migrate(url)

    # --- the database as a whole

    def test_a_store_that_can_be_written_says_so(self, store: Store) -> None:
        before = everything(store)
        store.check_writable()
        assert everything(store) == before

    def test_a_database_that_is_not_there_is_unavailable(self, unreachable_url: str) -> None:
        with pytest.raises(StoreUnavailableError, match=r"cannot be reached|is not there"):
            open_store(unreachable_url)

    def test_a_read_only_database_can_be_read_and_says_why_it_is_not_written(
        self, store: Store, read_only_url: str
    ) -> None:
        job = submit(store)
        read_only = open_store(read_only_url)
        read_only.check_schema()
        assert read_only.get_job(job.id) == job
        for act in (read_only.check_writable, lambda: submit(read_only), lambda: read_only.claim_job("one")):
            with pytest.raises(StoreUnavailableError, match="read-only"):
                act()
        read_only.close()

    def test_a_writer_that_holds_the_lock_too_long_makes_others_unavailable(
        self, store: Store, url: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        job = submit(store)
        monkeypatch.setattr(database, "LOCK_TIMEOUT_S", 1)
        impatient = open_store(url)
        with store._database.writing() as session:
            session.execute(select(JobRow).where(JobRow.id == job.id).with_for_update())
            with pytest.raises(StoreUnavailableError, match="locked"):
                impatient.request_cancel(job.id)
            assert impatient.get_job(job.id) == job
        assert impatient.request_cancel(job.id).state is JobState.CANCELLED
        impatient.close()

    def test_a_closed_store_holds_no_connection(self, store: Store, url: str) -> None:
        other = open_store(url)
        submit(other)
        other.close()
        assert other._database._engine.pool.status().startswith("Pool size: 5  Connections in pool: 0")
