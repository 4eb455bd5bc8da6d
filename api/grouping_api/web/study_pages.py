"""Pages of studies: their list, and one page per study."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import HTMLResponse, RedirectResponse

from grouping.study.records import report_from_json
from grouping_api.access import ADMIN, READ
from grouping_api.dependencies import PageToken, StoreDep, StudyId
from grouping_api.web.rendering import Render
from grouping_api.web.study_view import view_study

STUDIES_PER_PAGE = 25

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)


@router.get("/studies", dependencies=[READ])
def studies_page(render: Render, store: StoreDep, page_token: PageToken = None) -> HTMLResponse:
    """Show one page of studies, newest first."""
    page = store.list_studies(limit=STUDIES_PER_PAGE, after=page_token)
    return render(
        "studies.html",
        studies=page.items,
        next_token=page.next_token,
        is_first_page=page_token is None,
    )


@router.get("/studies/{study_id}", dependencies=[READ])
def study_page(render: Render, study_id: StudyId, store: StoreDep) -> HTMLResponse:
    """Show a study: an answer to each question, with its matrices and pictures."""
    stored = store.get_study(study_id)
    view = view_study(report_from_json(stored.report))
    return render("study.html", info=stored.info, view=view)


@router.post("/studies/{study_id}/delete", response_model=None, dependencies=[ADMIN])
def delete_study(study_id: StudyId, store: StoreDep) -> RedirectResponse:
    """Delete a study and go back to the list."""
    store.delete_study(study_id)
    return RedirectResponse("/studies", 303)
