"""The store: one object for everything that the service keeps in its database."""

from __future__ import annotations

from sqlalchemy import text

from grouping.store.census import CensusMethods
from grouping.store.database import Database, make_engine, parse_url, shown_url
from grouping.store.deliveries import DeliveryMethods
from grouping.store.dispatchers import DispatcherMethods
from grouping.store.finishes import FinishMethods
from grouping.store.groupings import GroupingMethods
from grouping.store.identifiers import IdentifierMethods
from grouping.store.imports import ImportMethods
from grouping.store.job_progress import ProgressMethods
from grouping.store.job_search import JobSearchMethods
from grouping.store.jobs import JobMethods
from grouping.store.leases import LeaseMethods
from grouping.store.migrations import check_schema
from grouping.store.outcomes import OutcomeMethods
from grouping.store.reports import ReportMethods
from grouping.store.results import ResultMethods
from grouping.store.reuse import ReuseMethods
from grouping.store.score_tables import ScoreTableMethods
from grouping.store.spending import SpendingMethods
from grouping.store.stops import StopMethods
from grouping.store.studies import StudyMethods
from grouping.store.tokens import TokenMethods
from grouping.store.trial_leases import TrialLeaseMethods
from grouping.store.trials import TrialMethods


class Store(
    JobMethods,
    JobSearchMethods,
    IdentifierMethods,
    StopMethods,
    ProgressMethods,
    ScoreTableMethods,
    LeaseMethods,
    TrialMethods,
    OutcomeMethods,
    TrialLeaseMethods,
    ReportMethods,
    ReuseMethods,
    ResultMethods,
    SpendingMethods,
    ImportMethods,
    GroupingMethods,
    StudyMethods,
    TokenMethods,
    DispatcherMethods,
    CensusMethods,
    DeliveryMethods,
    FinishMethods,
):
    """Jobs, score tables, groupings and their history in SQLite or PostgreSQL.

    Safe to share between threads, and several processes may each have their own on one database; it must
    not be carried across a fork. Every call is a transaction of its own: it has happened in full when
    the call returns and not at all when it raises, except that after `StoreUnavailableError` during a write
    it may be either. Results are immutable and do not follow later changes.

    Besides the errors each method names, every call may raise `StoreUnavailableError`, when the database
    is locked, full, read-only or gone, and `SchemaOutdatedError`, when it was not migrated.

    Attributes:
        url_shown: the URL of the database with its password hidden.
    """

    def __init__(self, database: Database, url_shown: str) -> None:
        self._database = database
        self.url_shown = url_shown

    def __repr__(self) -> str:
        return f"Store({self.url_shown!r})"

    def check_schema(self) -> None:
        """Check that the database has the schema this program was written for.

        Raises:
            SchemaOutdatedError: if it is older, newer or missing; says what to do.
            StoreUnavailableError: if the database cannot be reached.
        """
        with self._database.reading() as session:
            check_schema(session.connection())

    def check_writable(self) -> None:
        """Commit a write that changes nothing.

        Raises:
            StoreUnavailableError: if the database cannot be written to now.
            SchemaOutdatedError: if it was never migrated.
        """
        with self._database.writing() as session:
            session.execute(text("UPDATE alembic_version SET version_num = version_num"))

    def close(self) -> None:
        """Close the connections; calls that are under way finish."""
        self._database.close()


def open_store(url: str) -> Store:
    """Connect to a database that `migrate` has set up.

    Args:
        url: ``sqlite:///file.db``, ``postgresql://user:password@host/name``, or the latter as
            ``postgres://``.

    Raises:
        InvalidInputError: if the URL cannot be read or names another kind of database.
        StoreUnavailableError: if the database cannot be reached.
    """
    parsed = parse_url(url)
    database = Database(make_engine(parsed))
    try:
        with database.reading() as session:
            session.execute(text("SELECT 1"))
    except BaseException:
        database.close()
        raise
    return Store(database, shown_url(parsed))
