"""The application: routes, who may take them, and errors as answers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.exception_handlers import http_exception_handler
from fastapi.responses import JSONResponse, RedirectResponse, Response
from fastapi.staticfiles import StaticFiles
from sqlalchemy.exc import DataError as RefusedValue
from sqlalchemy.exc import SQLAlchemyError
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException as AnyHTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from knowngood import __version__
from knowngood.errors import KnowngoodError, StationError
from knowngood.station import pages
from knowngood.station.access import NotLoggedIn, check_access
from knowngood.station.accounts import LoginRefused
from knowngood.station.api import inspect, jobs, operation, people, products, protocols, verdicts
from knowngood.station.context import Station
from knowngood.station.database import is_full, reason
from knowngood.station.inspecting import FullDisk, KeyReused, NoVersion
from knowngood.station.settings import REQUEST_BYTES, StationSettings
from knowngood.station.workers import Overloaded

STATUS: dict[type[Exception], int] = {
    LoginRefused: 401,
    NoVersion: 409,
    KeyReused: 422,
    Overloaded: 503,
    FullDisk: 507,
    StationError: 409,
    KnowngoodError: 422,
}
"""The status of each error of ours, the special ones first."""

HEADERS = {
    "Content-Security-Policy": "default-src 'self'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'; object-src 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}
"""What every answer carries: pages load nothing from elsewhere, and run no script that stands in them."""


def make_app(settings: StationSettings, station: Station | None = None) -> FastAPI:
    """Make the application of a station, which starts and stops with it."""

    @asynccontextmanager
    async def life(app: FastAPI) -> AsyncIterator[None]:
        app.state.station = station or Station(settings)
        yield
        app.state.station.close()

    app = FastAPI(
        title="knowngood station",
        version=__version__,
        lifespan=life,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        dependencies=[Depends(check_access)],
        max_body_size=REQUEST_BYTES,
    )
    for room in (operation, people, products, inspect, verdicts, jobs, protocols):
        app.include_router(room.router)
    for router in pages.ROUTERS:
        app.include_router(router)
    app.mount("/static", StaticFiles(directory=Path(__file__).parent / "static"), name="static")

    @app.get("/openapi.json", include_in_schema=False)
    def show_interface() -> JSONResponse:
        return JSONResponse(app.openapi())

    for error in STATUS:
        app.add_exception_handler(error, _refused)
    app.add_exception_handler(AnyHTTPException, _refused)
    app.add_exception_handler(OSError, _failed)
    app.add_exception_handler(SQLAlchemyError, _failed)
    app.add_middleware(WithHeaders)
    return app


class WithHeaders:
    """Adds the headers that every answer carries."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await self.app(scope, receive, with_headers)


async def _refused(request: Request, error: Exception) -> Response:
    """Answer an error with its reason; a page that needs a login leads there."""
    if not isinstance(error, AnyHTTPException):
        status = next(status for of, status in STATUS.items() if isinstance(error, of))
        headers = {"Retry-After": "1"} if status == 503 else None
        error = HTTPException(status, str(error), headers)
    if request.url.path.endswith(("/inspect", "/infer", "/detect")):
        request.app.state.station.metrics.refused.labels(str(error.status_code)).inc()
    if request.url.path.startswith("/v2"):
        return JSONResponse({"error": error.detail}, error.status_code, error.headers)
    if not request.url.path.startswith(("/api/", "/2020-")) and "text/html" in request.headers.get(
        "Accept", ""
    ):
        if isinstance(error, NotLoggedIn):
            return RedirectResponse("/login", 303)
        return pages.show_error(request, error.status_code, str(error.detail))
    return await http_exception_handler(request, error)


async def _failed(request: Request, error: Exception) -> Response:
    """Answer a disk or a database that fails: 507 for a full one, 503 for one that may come back."""
    if is_full(error):
        failure = HTTPException(507, "the disk is full: no more pictures are taken until there is room")
    elif isinstance(error, RefusedValue):
        failure = HTTPException(422, f"a value cannot be stored: {reason(error)}")
    elif isinstance(error, SQLAlchemyError):
        failure = HTTPException(503, f"the database does not answer: {reason(error)}", {"Retry-After": "5"})
    else:
        failure = HTTPException(503, f"the storage does not answer: {error}", {"Retry-After": "5"})
    return await _refused(request, failure)
