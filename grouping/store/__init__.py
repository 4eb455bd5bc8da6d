"""Store: the database of jobs, score tables, groupings, leases and events; the only truth about a job.

    migrate(url)
    store = open_store(url)

Rows and sessions of SQLAlchemy stay inside this package; what goes in and out is the domain's types and
the frozen classes of `grouping.store.records`.
"""

from grouping.store.deliveries import Delivery
from grouping.store.finishes import FinishClaim
from grouping.store.migrations import migrate
from grouping.store.paging import MAX_PAGE_SIZE
from grouping.store.records import (
    AddedResults,
    Claim,
    Page,
    ProgressRow,
    Renewal,
    StoredGrouping,
    StoredNetwork,
    StoredStudy,
    StudyInfo,
    TableInfo,
    TrialLease,
    TrialReport,
    TrialTold,
    TrialWanted,
    WaitingTrials,
)
from grouping.store.reports import TrialLog
from grouping.store.store import Store, open_store

__all__ = [
    "MAX_PAGE_SIZE",
    "AddedResults",
    "Claim",
    "Delivery",
    "FinishClaim",
    "Page",
    "ProgressRow",
    "Renewal",
    "Store",
    "StoredGrouping",
    "StoredNetwork",
    "StoredStudy",
    "StudyInfo",
    "TableInfo",
    "TrialLease",
    "TrialLog",
    "TrialReport",
    "TrialTold",
    "TrialWanted",
    "WaitingTrials",
    "migrate",
    "open_store",
]
