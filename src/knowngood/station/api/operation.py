"""Whether the station works, what it measures, and what happens on it."""

from __future__ import annotations

from collections.abc import AsyncIterable
from typing import Annotated

from fastapi import APIRouter, HTTPException, Query
from fastapi.responses import Response
from fastapi.sse import EventSourceResponse, ServerSentEvent
from sqlalchemy import select, text
from sqlalchemy.exc import SQLAlchemyError

from knowngood.station.access import TheCaller, TheStation
from knowngood.station.api.schemas import JobAnswer
from knowngood.station.context import Station
from knowngood.station.database import reason
from knowngood.station.lookup import reaches
from knowngood.station.models import Job, Product

router = APIRouter(tags=["operation"])


def problems(station: Station) -> list[str]:
    """What keeps a station from taking pictures, in words."""
    found = []
    if station.storage.free() < station.settings.free:
        found.append("the disk is full: no more pictures are taken until there is room")
    if not station.workers.alive:
        found.append("no process inspects: it is starting")
    try:
        with station.database.reading() as session:
            session.execute(text("SELECT 1"))
    except SQLAlchemyError as error:
        found.append(f"the database does not answer: {reason(error)}")
    return found


@router.get("/health")
def show_health() -> dict[str, str]:
    """Say that the service runs."""
    return {"status": "ok"}


@router.get("/ready")
def show_ready(station: TheStation) -> dict[str, str]:
    """Say whether pictures are taken; 503 with the reason where not."""
    if found := problems(station):
        raise HTTPException(503, "; ".join(found))
    return {"status": "ready"}


@router.get("/metrics", response_class=Response)
def show_metrics(station: TheStation) -> Response:
    """Show what Prometheus reads."""
    station.metrics.waiting.set(station.workers.queued)
    station.metrics.free.set(station.storage.free())
    return Response(station.metrics.text(), media_type="text/plain; version=0.0.4")


@router.get("/api/v1/events", response_class=EventSourceResponse)
async def listen(station: TheStation, caller: TheCaller) -> AsyncIterable[ServerSentEvent]:
    """Hear of each verdict as it is stored."""
    async for event in station.events.listen():
        if event is None:
            yield ServerSentEvent(comment="still here")
        elif reaches(caller, event["product"]):
            yield ServerSentEvent(event="verdict", data=event, id=str(event["id"]))


@router.get("/api/v1/jobs")
def list_jobs(
    station: TheStation, caller: TheCaller, limit: Annotated[int, Query(ge=1, le=500)] = 50
) -> list[JobAnswer]:
    """List the long works, the newest first."""
    with station.database.reading() as session:
        names = dict(session.execute(select(Product.id, Product.name)).all())
        found = session.scalars(select(Job).order_by(Job.id.desc()).limit(limit))
        return [
            JobAnswer.model_validate(one)
            for one in found
            if caller.products is None or (one.product_id and reaches(caller, names[one.product_id]))
        ]
