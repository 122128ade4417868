"""The application of the page: its addresses, its errors, its files."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import import_module
from typing import Final

from fastapi import FastAPI, Request
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from storage.errors import ForPeople, VersionNotFound
from tasks.viewer.access import PageGuard
from tasks.viewer.conditions import BadAddress
from tasks.viewer.site import STATIC, Site

TOPICS: Final = ("review", "versions", "rows", "compare", "costs", "forms", "runs")


def create_app(site: Site) -> ASGIApp:
    """Return the app that serves a site. The site is closed when the app ends."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        site.close()

    app = FastAPI(title="mathmill", docs_url=None, redoc_url=None, openapi_url=None, lifespan=lifespan)
    for topic in TOPICS:
        app.include_router(import_module(f"tasks.viewer.routes.{topic}").router(site))
    app.mount("/static", StaticFiles(directory=STATIC), name="static")

    @app.exception_handler(ForPeople)
    def refused(request: Request, error: Exception) -> Response:
        status = 404 if isinstance(error, VersionNotFound) else 400 if isinstance(error, BadAddress) else 422
        return site.page(request, "error.html", status, message=str(error))

    @app.exception_handler(HTTPException)
    def missing(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        message = (
            "There is no such page. Fix: begin at the datasets"
            if error.status_code == 404
            else str(error.detail)
        )
        return site.page(request, "error.html", error.status_code, message=message)

    return PageGuard(app, site.access)
