"""Verdicts: their history, their pictures and heatmaps, labels, and inspecting a kept picture again."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future
from typing import Annotated, Literal

from fastapi import APIRouter, HTTPException, Query
from fastapi.responses import Response
from pydantic import AwareDatetime, BaseModel
from sqlalchemy import select
from starlette.concurrency import run_in_threadpool

from knowngood.station.access import TheCaller, TheStation
from knowngood.station.api.schemas import HistoryAnswer, LabelAnswer, NewLabel, VerdictAnswer
from knowngood.station.context import Station
from knowngood.station.history import MOST, PAGE, Search, find_verdicts
from knowngood.station.inspecting import file_of
from knowngood.station.labels import add_label, take_back
from knowngood.station.lookup import TheVerdict, products_of
from knowngood.station.models import Label, Verdict
from knowngood.station.replay import Replay, replay

router = APIRouter(prefix="/api/v1/verdicts", tags=["verdicts"])

SIGNATURES = {
    b"\xff\xd8\xff": "image/jpeg",
    b"\x89PNG": "image/png",
    b"GIF8": "image/gif",
    b"BM": "image/bmp",
}
"""How files of the types begin that every browser shows; others are downloaded."""


class Filters(BaseModel):
    """What is searched for."""

    product: Annotated[str | None, Query(max_length=64)] = None
    since: AwareDatetime | None = None
    until: AwareDatetime | None = None
    decision: Literal["accept", "reject", "review"] | None = None
    label: Literal["good", "defect", "none"] | None = None
    score: Annotated[
        float | None, Query(allow_inf_nan=False, description="At least; the highest score then comes first.")
    ] = None
    after: Annotated[str | None, Query(max_length=100, description="`next` of the page before.")] = None
    limit: Annotated[int, Query(ge=1, le=MOST)] = PAGE


@router.get("")
def search(station: TheStation, caller: TheCaller, filters: Annotated[Filters, Query()]) -> HistoryAnswer:
    """Search verdicts, the newest first, a page at a time."""
    given = filters.model_dump()
    name = given.pop("product")
    with station.database.reading() as session:
        products = [one.id for one in products_of(session, caller) if name in (None, one.name)]
        if name is not None and not products:
            raise HTTPException(404, f"product {name!r} is not known")
        page = find_verdicts(session, products, Search(**given))
    return HistoryAnswer(verdicts=[VerdictAnswer.of(one) for one in page.verdicts], next=page.next)


@router.get("/{number}")
def show_verdict(verdict: TheVerdict) -> VerdictAnswer:
    """Show a verdict."""
    return VerdictAnswer.of(verdict)


@router.get("/{number}/picture", response_class=Response)
def show_picture(station: TheStation, verdict: TheVerdict) -> Response:
    """Show the picture, as it was sent."""
    content = station.storage.read(verdict.picture_key)
    types = (found for begins, found in SIGNATURES.items() if content.startswith(begins))
    return Response(
        content, media_type=next(types, "application/octet-stream"), headers=_kept(verdict.picture_hash)
    )


@router.get("/{number}/preview", response_class=Response)
async def show_preview(station: TheStation, verdict: TheVerdict) -> Response:
    """Show the picture as JPEG, at most 1600 pixels wide and high."""
    return await _jpeg(station.workers.preview(await _picture(station, verdict)), verdict, "preview")


@router.get("/{number}/thumbnail", response_class=Response)
async def show_thumbnail(station: TheStation, verdict: TheVerdict) -> Response:
    """Show the picture as JPEG, at most 192 pixels wide and high."""
    return await _jpeg(station.workers.thumbnail(await _picture(station, verdict)), verdict, "thumbnail")


@router.get("/{number}/heatmap", response_class=Response)
async def show_heatmap(station: TheStation, verdict: TheVerdict) -> Response:
    """Show the heatmap over the picture as JPEG, by the inspector that gave the verdict."""
    inspector, picture = file_of(station, verdict.version), await _picture(station, verdict)
    return await _jpeg(station.workers.heatmap(inspector, picture), verdict, "heatmap")


@router.post("/{number}/replay")
async def replay_verdict(station: TheStation, verdict: TheVerdict) -> Replay:
    """Inspect the kept picture again, and compare."""
    content = await _picture(station, verdict)
    found = await asyncio.wrap_future(station.workers.inspect(file_of(station, verdict.version), content))
    return replay(station, verdict, content, found)


@router.get("/{number}/labels")
def list_labels(station: TheStation, verdict: TheVerdict) -> list[LabelAnswer]:
    """List what people said of a verdict."""
    with station.database.reading() as session:
        found = session.scalars(select(Label).where(Label.verdict_id == verdict.id).order_by(Label.id))
        return [LabelAnswer.model_validate(one) for one in found]


@router.post("/{number}/labels", status_code=201)
def label_verdict(station: TheStation, caller: TheCaller, verdict: TheVerdict, body: NewLabel) -> LabelAnswer:
    """Say whether the part is good or a defect; it is noted who says so, and earlier labels stay."""
    label = add_label(station, caller.name, verdict, body.decision, body.defect_type, body.region)
    return LabelAnswer.model_validate(label)


@router.delete("/{number}/labels", status_code=204)
def take_label_back(station: TheStation, caller: TheCaller, verdict: TheVerdict) -> None:
    """Take back the newest label that the caller gave; the audit log keeps it."""
    take_back(station, caller.name, verdict)


async def _picture(station: Station, verdict: Verdict) -> bytes:
    """The picture of a verdict, read beside the event loop."""
    return await run_in_threadpool(station.storage.read, verdict.picture_key)


async def _jpeg(drawn: Future[bytes], verdict: Verdict, what: str) -> Response:
    """What a process draws of a verdict's picture."""
    content = await asyncio.wrap_future(drawn)
    return Response(content, media_type="image/jpeg", headers=_kept(f"{verdict.picture_hash}-{what}"))


def _kept(tag: str) -> dict[str, str]:
    """Headers of what never changes, for the browser of who may see it alone."""
    return {"Cache-Control": "private, max-age=86400, immutable", "ETag": f'"{tag}"'}
