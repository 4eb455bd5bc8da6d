"""Database engine, its reading and writing transactions, and the translation of driver errors.

A reading transaction sees one snapshot; a writing one takes the write lock at its start on SQLite (a
deferred transaction that reads before it writes fails with BUSY_SNAPSHOT, whatever the timeout), and on
PostgreSQL locks the job's row first, which every writer of a job does, so that writers queue up.

SQLite has no queue of writers: each looks again after a pause, and of many some never have their turn. The
threads of a process therefore queue up here, and only processes meet in SQLite.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, func, literal_column, select
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import (
    ArgumentError,
    DataError,
    DBAPIError,
    IntegrityError,
    NotSupportedError,
    OperationalError,
    ProgrammingError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.orm import Session
from sqlalchemy.sql.elements import ColumnElement

from grouping.errors import (
    InvalidInputError,
    SchemaOutdatedError,
    StoreUnavailableError,
    StoreUnusableError,
)

LOCK_TIMEOUT_S = 10
"""How long a transaction waits for another writer."""
IDLE_TIMEOUT_S = 15
"""After this long PostgreSQL ends a transaction whose program stands still, and frees its locks."""
LOCKED = "The database is locked by another writer; try again."
CHUNK = 5_000
"""Bound parameters of one statement; SQLite takes 32,766."""

_WRITES = "grouping_writes"
_DRIVERS = {
    "sqlite": "sqlite",
    "sqlite+pysqlite": "sqlite",
    "postgres": "postgresql+psycopg",
    "postgresql": "postgresql+psycopg",
    "postgresql+psycopg": "postgresql+psycopg",
}
_DEFECTS = (DataError, IntegrityError, NotSupportedError, ProgrammingError)
_MISSING_SCHEMA = ("no such table", "no such column", "has no column")
_UNDEFINED = frozenset({"42P01", "42703"})  # PostgreSQL: undefined table, undefined column


def parse_url(url: str) -> URL:
    """Check a database URL and name the driver in it.

    Raises:
        InvalidInputError: if it is no URL, or neither of SQLite (a file) nor of PostgreSQL.
    """
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError) as error:
        raise InvalidInputError(
            "The database URL cannot be read; write sqlite:///file.db or postgresql://user@host/name."
        ) from error
    if parsed.drivername not in _DRIVERS:
        raise InvalidInputError(
            f"Databases of kind {parsed.drivername!r} are not supported; use sqlite:// or postgresql://."
        )
    parsed = parsed.set(drivername=_DRIVERS[parsed.drivername])
    if parsed.drivername == "sqlite" and (parsed.database or ":memory:") == ":memory:":
        raise InvalidInputError(
            "SQLite in memory is not supported, since several processes share the database; name a file."
        )
    return parsed


def shown_url(url: URL) -> str:
    """Return the URL with its password hidden, wherever it stands."""
    hidden = {name: "***" for name in url.query if "password" in name.lower()}
    return url.update_query_dict(hidden).render_as_string(hide_password=True)


def make_engine(url: URL) -> Engine:
    """Build an engine; nothing is connected yet.

    Raises:
        StoreUnavailableError: if the driver is not installed.
        InvalidInputError: if the driver refuses the URL.
    """
    is_sqlite = url.get_backend_name() == "sqlite"
    options: dict[str, Any] = {"pool_timeout": LOCK_TIMEOUT_S}
    if is_sqlite:
        options["connect_args"] = {"timeout": LOCK_TIMEOUT_S}
    else:
        options["pool_pre_ping"] = True
        if "connect_timeout" not in url.query:
            options["connect_args"] = {"connect_timeout": LOCK_TIMEOUT_S}
    try:
        engine = create_engine(url, **options)
    except ModuleNotFoundError as error:
        raise StoreUnavailableError(
            "The driver for PostgreSQL is not installed: pip install 'mtl-grouping[postgres]'."
        ) from error
    except ArgumentError as error:
        raise InvalidInputError("The database URL has parts that do not belong there.") from error
    set_up = _set_up_sqlite if is_sqlite else _set_up_postgresql
    driver_error: type[Exception] = engine.dialect.loaded_dbapi.Error

    def connected(connection: Any, _record: object) -> None:
        try:
            set_up(connection)
        except driver_error as error:  # SQLAlchemy wraps the driver's errors everywhere but in listeners
            connection.close()
            raise OperationalError(None, None, error) from error

    event.listen(engine, "connect", connected)
    if is_sqlite:
        event.listen(engine, "begin", _begin_sqlite)
    return engine


def _set_up_sqlite(connection: Any) -> None:
    connection.isolation_level = None  # transactions begin where _begin_sqlite says, not where it guesses
    cursor = connection.cursor()
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.execute("PRAGMA synchronous = FULL")  # in WAL mode NORMAL may lose the last commits at power loss
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get(_WRITES)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _set_up_postgresql(connection: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"SET lock_timeout = '{LOCK_TIMEOUT_S}s'")
        cursor.execute(f"SET idle_in_transaction_session_timeout = '{IDLE_TIMEOUT_S}s'")
    connection.commit()


class _Turns:
    """A lock that threads get in the order in which they ask for it; `threading.Lock` has no order."""

    def __init__(self) -> None:
        self._inside = threading.Lock()
        self._is_taken = False
        self._waiting: deque[threading.Event] = deque()

    def take(self, timeout_s: float) -> bool:
        """Wait for the turn of this thread; return whether it came in time."""
        with self._inside:
            if not self._is_taken:
                self._is_taken = True
                return True
            mine = threading.Event()
            self._waiting.append(mine)
        if mine.wait(timeout_s):
            return True
        with self._inside:
            if mine.is_set():  # it came just now
                return True
            self._waiting.remove(mine)
            return False

    def pass_on(self) -> None:
        """Give the turn to the thread that has waited longest."""
        with self._inside:
            if self._waiting:
                self._waiting.popleft().set()
            else:
                self._is_taken = False


class Database:
    """Transactions on one database; safe to share between threads, not across a fork."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._writer = engine.execution_options(**{_WRITES: True})
        self._reader = engine
        self._turns = _Turns()
        if not self.is_sqlite:
            self._reader = engine.execution_options(isolation_level="REPEATABLE READ")

    @property
    def is_sqlite(self) -> bool:
        """Whether this is SQLite rather than PostgreSQL."""
        return self._engine.dialect.name == "sqlite"

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """Open a transaction that sees one consistent snapshot.

        Raises:
            StoreUnavailableError: if the database cannot be used now.
            SchemaOutdatedError: if a table or column is missing.
        """
        with database_errors(), Session(self._reader) as session:
            yield session

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """Open a transaction that is committed at the end, or leaves nothing behind if anything is raised.

        After `StoreUnavailableError` it is not known whether a commit that was under way took place.

        Raises:
            StoreUnavailableError: if the database cannot be used now.
            SchemaOutdatedError: if a table or column is missing.
        """
        with (
            self._writers_turn(),
            database_errors(),
            Session(self._writer, expire_on_commit=False) as session,
        ):
            yield session
            session.commit()

    @contextmanager
    def _writers_turn(self) -> Iterator[None]:
        """Wait for the turn of this thread, on SQLite.

        Raises:
            StoreUnavailableError: if it does not come in time.
        """
        if not self.is_sqlite:
            yield
            return
        if not self._turns.take(LOCK_TIMEOUT_S):
            raise StoreUnavailableError(LOCKED, is_for_all=True)
        try:
            yield
        finally:
            self._turns.pass_on()

    def now_s(self, session: Session) -> float:
        """Return seconds since 1970 by the clock of the database: now, not when the transaction began."""
        return float(session.scalars(select(self._clock())).one())

    def _clock(self) -> ColumnElement[Any]:
        if self.is_sqlite:
            return literal_column("(julianday('now') - 2440587.5) * 86400.0")
        return func.extract("epoch", func.clock_timestamp())

    def close(self) -> None:
        """Close all connections that are not in use."""
        self._engine.dispose()


@contextmanager
def database_errors() -> Iterator[None]:
    """Turn errors of the driver into the project's own, but not violated constraints, which are defects.

    Raises:
        StoreUnavailableError: locked, full, read-only, not reachable or not a database.
        SchemaOutdatedError: a table or column is missing.
    """
    try:
        yield
    except PoolTimeoutError as error:
        raise StoreUnavailableError(
            "All connections to the database are in use; try again.", is_for_all=True
        ) from error
    except DBAPIError as error:
        translated = _translate(error)
        if translated is None:
            raise
        raise translated from error


def _translate(error: DBAPIError) -> StoreUnavailableError | SchemaOutdatedError | None:
    text = str(error.orig).lower()
    if getattr(error.orig, "sqlstate", None) in _UNDEFINED or any(part in text for part in _MISSING_SCHEMA):
        return SchemaOutdatedError(
            "The database lacks tables or columns that this program needs; "
            "bring it up to date with `grouping migrate`."
        )
    if isinstance(error, _DEFECTS) and not error.connection_invalidated:
        return None
    if "locked" in text or "lock timeout" in text or "busy" in text:
        return StoreUnavailableError(LOCKED, is_for_all=True)
    if "readonly" in text or "read-only" in text:
        return StoreUnusableError(
            "The database is read-only; give this program the right to write to it.", is_for_all=True
        )
    if "full" in text or "no space" in text:
        return StoreUnavailableError("The disk of the database is full; free some space.", is_for_all=True)
    if "not a database" in text or "malformed" in text:
        return StoreUnusableError(
            "The file is no SQLite database, or is damaged; name another, or restore a backup.",
            is_for_all=True,
        )
    if "unable to open" in text:
        return StoreUnusableError(
            "The file of the database is not there, or closed to this account; `grouping migrate` makes one.",
            is_for_all=True,
        )
    cause = str(error.orig).partition("\n")[0][:300]
    return StoreUnavailableError(f"The database cannot be reached or does not answer ({cause}); try again.")
