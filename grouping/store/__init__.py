"""Store: the database of jobs, score tables, groupings, leases and events; the only truth about a job.

    migrate(url)
    store = open_store(url)

Rows and sessions of SQLAlchemy stay inside this package; what goes in and out is the domain's types and
the frozen classes of `grouping.store.records`.
"""

from grouping.store.locked_jobs import MAX_ATTEMPTS
from grouping.store.migrations import migrate
from grouping.store.records import (
    Claim,
    Page,
    ProgressRow,
    StoredGrouping,
    StoredNetwork,
    StoredStudy,
    StudyInfo,
    TableInfo,
)
from grouping.store.reuse_sources import Reusable, ReuseSource, count_reusable
from grouping.store.store import Store, open_store

__all__ = [
    "MAX_ATTEMPTS",
    "Claim",
    "Page",
    "ProgressRow",
    "Reusable",
    "ReuseSource",
    "Store",
    "StoredGrouping",
    "StoredNetwork",
    "StoredStudy",
    "StudyInfo",
    "TableInfo",
    "count_reusable",
    "migrate",
    "open_store",
]
