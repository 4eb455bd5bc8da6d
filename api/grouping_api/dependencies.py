"""What routes are given: the store, derived readings, settings, and checked parameters."""

from __future__ import annotations

import math
from typing import Annotated

from fastapi import Depends, Header, Query, Request

from grouping.domain.jobs import MAX_BUDGET_SNT, MAX_BUDGETS
from grouping.store import Store
from grouping_api.errors import InvalidParameterError
from grouping_api.readings import Readings
from grouping_api.settings import Settings
from grouping_api.uploads import Importer

MAX_PAGE_SIZE = 100


def get_store(request: Request) -> Store:
    """The store of this application."""
    store: Store = request.app.state.store
    return store


def get_settings(request: Request) -> Settings:
    """The settings of this application."""
    settings: Settings = request.app.state.settings
    return settings


def get_readings(request: Request) -> Readings:
    """Score tables and what is derived from them."""
    readings: Readings = request.app.state.readings
    return readings


def get_importer(request: Request) -> Importer:
    """What reads and stores uploads."""
    importer: Importer = request.app.state.importer
    return importer


def page_size(
    page_size: Annotated[
        int, Query(ge=1, le=2**31 - 1, description=f"Coerced down to {MAX_PAGE_SIZE}.")
    ] = 20,
) -> int:
    """How many items a page holds; asking for more than the most is no error."""
    return min(page_size, MAX_PAGE_SIZE)


def budget_of(parameter: str, text: str) -> float:
    """An inference budget from a query parameter.

    Raises:
        InvalidParameterError: if it is no positive number.
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
    """Inference budgets from a query parameter such as ``1,2.5``; None where it is not given.

    Raises:
        InvalidParameterError: if one is no positive number, or there are too many.
    """
    if not text:
        return None
    parts = text.split(",")
    if len(parts) > MAX_BUDGETS:
        raise InvalidParameterError(parameter, f"Ask for at most {MAX_BUDGETS} budgets at once.")
    return tuple(sorted({budget_of(parameter, part.strip()) for part in parts}))


StoreDep = Annotated[Store, Depends(get_store)]
SettingsDep = Annotated[Settings, Depends(get_settings)]
ReadingsDep = Annotated[Readings, Depends(get_readings)]
ImporterDep = Annotated[Importer, Depends(get_importer)]
PageSize = Annotated[int, Depends(page_size)]
PageToken = Annotated[
    str | None, Query(pattern=r"^[!-~]{1,500}$", description="`next_page_token` of the page before.")
]
IdempotencyKey = Annotated[
    str | None,
    Header(
        pattern=r"^[!-~]{1,200}$",
        description="Sending the same request twice with the same key creates one object.",
    ),
]
IfNoneMatch = Annotated[str | None, Header(description="ETag of an answer seen before.", max_length=1000)]
