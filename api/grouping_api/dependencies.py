"""Dependencies of the routes: store, queries of score tables, settings and checked parameters."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Header, Path, Query, Request, Response

from grouping.domain.jobs.query import JobQuery
from grouping.domain.jobs.specification import MAX_BUDGET_SNT, MAX_BUDGETS
from grouping.domain.trainings.trials import TrialState
from grouping.errors import InvalidInputError
from grouping.store import MAX_PAGE_SIZE, Store, TableInfo, TrialTold
from grouping.use_cases.table_queries import TableQueries
from grouping.wire.job_labels import JobQueryIn
from grouping_api.errors import InvalidParameterError, NotModifiedError
from grouping_api.gathering import Gathering
from grouping_api.lease_desk import LeaseDesk
from grouping_api.metrics import Metrics
from grouping_api.receiving import Receiving
from grouping_api.settings import Settings
from grouping_api.uploads import Importer
from grouping_api.version import program_version


def of_app(name: str) -> Any:
    """Make a dependency on the object that the application keeps in its state under a name."""

    def kept(request: Request) -> Any:
        return getattr(request.app.state, name)

    return Depends(kept)


def page_size(
    page_size: Annotated[
        int, Query(ge=1, le=2**31 - 1, description=f"Coerced down to {MAX_PAGE_SIZE}.")
    ] = 20,
) -> int:
    """Return the number of items per page; a request for more than `MAX_PAGE_SIZE` is reduced to it."""
    return min(page_size, MAX_PAGE_SIZE)


def budget_of(parameter: str, text: str) -> float:
    """Parse an inference budget from a query parameter.

    Raises:
        InvalidParameterError: if it is not a positive number up to `MAX_BUDGET_SNT`.
    """
    try:
        budget = float(text) if len(text) <= 40 else math.nan
    except ValueError:
        budget = math.nan
    if not 0 < budget <= MAX_BUDGET_SNT:
        raise InvalidParameterError(
            parameter, f"An inference budget is a number of SNT above 0 and at most {MAX_BUDGET_SNT:g}."
        )
    return budget


def budgets_of(parameter: str, text: str | None) -> tuple[float, ...] | None:
    """Parse inference budgets from a query parameter such as ``1,2.5``; None if it is not given.

    Raises:
        InvalidParameterError: if one is not a positive number up to `MAX_BUDGET_SNT`, or there are too many.
    """
    if not text:
        return None
    parts = text.split(",")
    if len(parts) > MAX_BUDGETS:
        raise InvalidParameterError(parameter, f"Ask for at most {MAX_BUDGETS} budgets at once.")
    return tuple(sorted({budget_of(parameter, part.strip()) for part in parts}))


MetricsDep = Annotated[Metrics, of_app("metrics")]
StoreDep = Annotated[Store, of_app("store")]
SettingsDep = Annotated[Settings, of_app("settings")]
TableQueriesDep = Annotated[TableQueries, of_app("queries")]
LeaseDeskDep = Annotated[LeaseDesk, of_app("lease_desk")]
ResultDeskDep = Annotated[Gathering[TrialTold, TrialState], of_app("result_desk")]
ImporterDep = Annotated[Importer, of_app("importer")]
ReceivingDep = Annotated[Receiving, of_app("receiving")]
PageSize = Annotated[int, Depends(page_size)]
PageToken = Annotated[
    str | None, Query(pattern=r"^[!-~]{1,500}$", description="`next_page_token` of the previous page.")
]
IdempotencyKey = Annotated[
    str | None,
    Header(
        pattern=r"^[!-~]{1,200}$",
        description="Sending the same request twice with the same key creates one object.",
    ),
]
IfNoneMatch = Annotated[str | None, Header(description="ETag of an answer seen before.", max_length=1000)]


def _id_in_path(kind: str) -> Any:
    return Path(description=f"Identifier of the {kind}, or its first characters.")


def _job_id(job_id: Annotated[str, _id_in_path("job")], store: StoreDep) -> str:
    return store.whole_id("job", job_id)


def _table_id(table_id: Annotated[str, _id_in_path("score table")], store: StoreDep) -> str:
    return store.whole_id("score table", table_id)


def _grouping_id(grouping_id: Annotated[str, _id_in_path("grouping")], store: StoreDep) -> str:
    return store.whole_id("grouping", grouping_id)


def _study_id(study_id: Annotated[str, _id_in_path("study")], store: StoreDep) -> str:
    return store.whole_id("study", study_id)


def _token_id(token_id: Annotated[str, _id_in_path("token")], store: StoreDep) -> str:
    return store.whole_id("token", token_id)


def _trial_id(trial_id: Annotated[str, _id_in_path("trial")], store: StoreDep) -> str:
    return store.whole_id("trial", trial_id)


def _finish_id(finish_id: Annotated[str, _id_in_path("finish")], store: StoreDep) -> str:
    return store.whole_id("finish", finish_id)


JobId = Annotated[str, Depends(_job_id)]
TableId = Annotated[str, Depends(_table_id)]
GroupingId = Annotated[str, Depends(_grouping_id)]
StudyId = Annotated[str, Depends(_study_id)]
TokenId = Annotated[str, Depends(_token_id)]
TrialId = Annotated[str, Depends(_trial_id)]
FinishId = Annotated[str, Depends(_finish_id)]
"""Identifiers in the path; the first characters do where no other begins so."""


IdQuery = Annotated[str, Query(max_length=50, description="Identifier, or its first characters.")]


def _asked_jobs(asked: Annotated[JobQueryIn, Query()]) -> JobQuery:
    try:
        return asked.query()
    except InvalidInputError as error:
        raise InvalidParameterError(error.pointer.removeprefix("/"), str(error)) from error


JobQueryDep = Annotated[JobQuery, Depends(_asked_jobs)]


@dataclass(frozen=True, slots=True)
class AskedTable:
    """Score table named by the address of a request, with the state of the caller's copy.

    Every answer below its address depends on its revision and the version of this program only.

    Attributes:
        info: description of the table.
        etag: ETag of the answer.
        is_known: whether the caller has this answer already.
    """

    info: TableInfo
    etag: str
    is_known: bool

    def unless_known(self) -> TableInfo:
        """Return the description of the table.

        Raises:
            NotModifiedError: if the caller has the answer already.
        """
        if self.is_known:
            raise NotModifiedError(self.etag)
        return self.info


def _asked_table(
    table_id: TableId, response: Response, queries: TableQueriesDep, if_none_match: IfNoneMatch = None
) -> AskedTable:
    info = queries.info(table_id)
    etag = response.headers["ETag"] = f'W/"{program_version()}-{info.revision}"'
    known = [part.strip() for part in (if_none_match or "").split(",")]
    return AskedTable(info, etag, etag in known or "*" in known)


AskedTableDep = Annotated[AskedTable, Depends(_asked_table)]


def location_of(status: int, what: str) -> dict[int | str, dict[str, Any]]:
    """Describe the header `Location` of an answer that creates an object, for OpenAPI."""
    place = {"description": f"Address of the {what}.", "schema": {"type": "string"}}
    return {status: {"headers": {"Location": place}}}


def tell_location(response: Response, path: str, *, is_new: bool) -> None:
    """Set the headers that give an object's address, and tell whether an earlier request created it."""
    response.headers["Location"] = path
    response.headers["Idempotency-Replayed"] = "false" if is_new else "true"
