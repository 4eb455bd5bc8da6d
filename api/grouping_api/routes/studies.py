"""Routes for studies, which the command `grouping study` makes of the tasks of a problem."""

from __future__ import annotations

from typing import Any, Literal

from fastapi import APIRouter, Response

from grouping.store import Page, StudyInfo
from grouping.study.presentation import as_markdown, picture_svg
from grouping.study.records import report_from_json
from grouping.wire.studies import StudyOut, StudyPage
from grouping_api.access import ADMIN, READ
from grouping_api.dependencies import PageSize, PageToken, StoreDep, StudyId
from grouping_api.errors import problem_responses

router = APIRouter(prefix="/v1/studies", tags=["studies"])

_SVG: dict[int | str, dict[str, Any]] = {
    200: {"description": "The picture.", "content": {"image/svg+xml": {"schema": {"type": "string"}}}}
}
_MARKDOWN: dict[int | str, dict[str, Any]] = {
    200: {"description": "The report.", "content": {"text/markdown": {"schema": {"type": "string"}}}}
}


@router.get(
    "",
    summary="List studies, newest first",
    response_model=StudyPage,
    responses=problem_responses(422),
    dependencies=[READ],
)
def list_studies(store: StoreDep, page_size: PageSize, page_token: PageToken = None) -> Page[StudyInfo]:
    """Return one page of studies, without their reports."""
    return store.list_studies(limit=page_size, after=page_token)


@router.get(
    "/{study_id}",
    summary="Read a study with its report",
    responses=problem_responses(404),
    dependencies=[READ],
)
def get_study(study_id: StudyId, store: StoreDep) -> StudyOut:
    """Return effects of pairs by setup, losses together and alone, transfer, and answers to the questions."""
    stored = store.get_study(study_id)
    return StudyOut.read(stored.info, report=report_from_json(stored.report))


@router.delete(
    "/{study_id}",
    status_code=204,
    summary="Delete a study",
    responses=problem_responses(404),
    dependencies=[ADMIN],
)
def delete_study(study_id: StudyId, store: StoreDep) -> None:
    """Delete a study with its report; its results are not stored anywhere else."""
    store.delete_study(study_id)


@router.get(
    "/{study_id}/report.md",
    summary="Export a study as Markdown",
    response_class=Response,
    responses={**_MARKDOWN, **problem_responses(404)},
    dependencies=[READ],
)
def get_study_report(study_id: StudyId, store: StoreDep) -> Response:
    """Return tables and sentences, with relative links to the pictures, such as `size.svg`."""
    text = as_markdown(report_from_json(store.get_study(study_id).report))
    return Response(text, media_type="text/markdown; charset=utf-8")


@router.get(
    "/{study_id}/{picture}.svg",
    summary="Draw a picture of a study",
    response_class=Response,
    responses={**_SVG, **problem_responses(404, 422)},
    dependencies=[READ],
)
def get_study_picture(
    study_id: StudyId, picture: Literal["size", "data", "transfer"], store: StoreDep
) -> Response:
    """Return effects of pairs by size of the network, by share of the rows, or against transfer, as SVG."""
    svg = picture_svg(report_from_json(store.get_study(study_id).report), picture)
    return Response(svg, media_type="image/svg+xml")
