"""The web view: pages rendered on the server, one style sheet, one small script, nothing from elsewhere."""

from __future__ import annotations

from fastapi import FastAPI
from starlette.staticfiles import StaticFiles

from api.web.pages import router
from api.web.rendering import STATIC_FOLDER, Pages


def install_web(app: FastAPI) -> None:
    """Add the pages and their static files to the application."""
    app.state.pages = Pages()
    app.include_router(router)
    app.mount("/static", StaticFiles(directory=STATIC_FOLDER), name="static")
