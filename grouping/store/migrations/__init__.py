"""Migrations of the database schema, run from inside the package without an ``alembic.ini``."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from pathlib import Path

from sqlalchemy import Connection, Engine, inspect, text

from grouping.errors import SchemaOutdatedError, StoreUnavailableError
from grouping.store.database import LOCK_TIMEOUT_S, Database, database_errors, make_engine, parse_url

_LOCK_NUMBER = 0x6D746C67  # any number that other users of the PostgreSQL server do not lock

_ONE_AT_A_TIME = threading.Lock()  # Alembic keeps the environment it runs in a global variable


def migrate(url: str) -> None:
    """Bring a database to the schema of this program, creating it if there is none.

    Safe when several processes call it at once: one migrates, the others wait and find it done. All of
    it is one transaction. For SQLite file and folder are created, for this account alone, and
    write-ahead logging is set.

    Args:
        url: see `grouping.store.open_store`.

    Raises:
        InvalidInputError: if the URL cannot be read or names another kind of database.
        StoreUnavailableError: if the database cannot be reached or written to.
        SchemaOutdatedError: if the database was made by a newer version of this program.
    """
    parsed = parse_url(url)
    engine = make_engine(parsed)
    database = Database(engine)
    try:
        if database.is_sqlite:
            if parsed.database and not parsed.database.startswith((":memory:", "file:")):
                _create_private(Path(parsed.database))
            _use_write_ahead_log(engine)
        with _ONE_AT_A_TIME, database.writing() as session:
            if not database.is_sqlite:
                session.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": _LOCK_NUMBER})
            _upgrade(session.connection())
    finally:
        database.close()


def check_schema(connection: Connection) -> None:
    """Compare the schema of a database with the one this program was written for.

    Raises:
        SchemaOutdatedError: if it is older, newer or missing; says what to do.
    """
    wanted = revisions()[-1]
    found = _revision_of(connection)
    if found is None:
        raise SchemaOutdatedError("The database is empty; set it up with `grouping migrate`.")
    _check_known(found)
    if found != wanted:
        raise SchemaOutdatedError(
            f"The database has schema {found} and this program needs {wanted}; "
            "bring it up to date with `grouping migrate`."
        )


def revisions() -> list[str]:
    """Return the revisions of the schema that this program knows, oldest first, as their files are named."""
    files = (Path(__file__).parent / "versions").glob("v*_*.py")
    return sorted(file.name[1:].partition("_")[0] for file in files)


def _revision_of(connection: Connection) -> str | None:
    """Return the revision that a database has; None for an empty one."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    found: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
    return found


def _check_known(found: str) -> None:
    if found not in revisions():
        raise SchemaOutdatedError(
            f"The database has schema {found}, which a newer version of this program made; "
            "update the program."
        )


def _upgrade(connection: Connection) -> None:
    found = _revision_of(connection)
    if found is not None:
        _check_known(found)
    if found != revisions()[-1]:
        from grouping.store.migrations.running import upgrade  # Alembic is slow to import

        upgrade(connection)


def _create_private(file: Path) -> None:
    """Create a file, and its folder, that this account alone can read; what is there stays as it is."""
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not file.exists():
            file.touch(mode=0o600)
    except OSError as error:
        raise StoreUnavailableError(f"{error.filename} cannot be created: {error.strerror}.") from error
    if not os.access(file, os.W_OK):
        raise StoreUnavailableError(f"{file} is read-only; give this account the right to write to it.")


def _use_write_ahead_log(engine: Engine) -> None:
    """Set the journal mode, which stays with the file; the busy timeout does not cover this change."""
    deadline = time.monotonic() + LOCK_TIMEOUT_S
    try:
        with database_errors():
            connection = engine.raw_connection()  # the mode cannot be changed inside a transaction
    except sqlite3.Error as error:
        raise StoreUnavailableError(f"The file {engine.url.database} cannot be opened: {error}.") from error
    try:
        while True:
            try:
                connection.cursor().execute("PRAGMA journal_mode = WAL")
            except sqlite3.Error as error:
                if "locked" not in str(error) or time.monotonic() > deadline:
                    raise StoreUnavailableError(
                        f"The file {engine.url.database} cannot be written to, or is no database: {error}."
                    ) from error
                time.sleep(0.05)
            else:
                return
    finally:
        connection.close()
