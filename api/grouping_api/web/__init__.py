"""Web view: pages rendered on the server, one style sheet, one small script, no content of other hosts."""

from __future__ import annotations

from fastapi import FastAPI
from starlette.staticfiles import StaticFiles

from grouping_api.web import (
    comparison_pages,
    data_pages,
    graph_pages,
    job_form_pages,
    job_label_pages,
    pages,
    reference_pages,
    result_pages,
    search_file_pages,
    solve_pages,
    study_pages,
    table_pages,
    token_pages,
    trial_pages,
)
from grouping_api.web.job_view import RecentEvents
from grouping_api.web.recommended import LastRecommended
from grouping_api.web.rendering import STATIC_FOLDER, Pages


def install_web(app: FastAPI) -> None:
    """Add the pages and their static files to the application."""
    app.state.pages = Pages()
    app.state.recent_events = RecentEvents()
    app.state.last_recommended = LastRecommended()
    for module in (
        comparison_pages,
        data_pages,
        job_form_pages,
        job_label_pages,
        search_file_pages,
        pages,
        result_pages,
        trial_pages,
        table_pages,
        solve_pages,
        graph_pages,
        study_pages,
        token_pages,
        reference_pages,
    ):
        app.include_router(module.router)
    app.mount("/static", StaticFiles(directory=STATIC_FOLDER), name="static")
