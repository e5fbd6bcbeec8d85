"""The way of a picture: received, inspected, kept, its verdict committed; then the answer leaves."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import joinedload
from starlette.concurrency import run_in_threadpool

from knowngood.errors import DataError, StationError
from knowngood.station.context import Records, Station
from knowngood.station.found import Found
from knowngood.station.models import RELEASED, InspectorVersion, Product, Verdict, now
from knowngood.station.storage import Received


class NoVersion(StationError):
    """A product without a released inspector."""


class FullDisk(StationError):
    """Too little room for another picture."""


class KeyReused(DataError):
    """An idempotency key that came with another picture before."""


class Origin(NamedTuple):
    """Where a picture comes from: who sends it, and the key by which a repeated request is known."""

    source: str
    idempotency_key: str | None = None


async def inspect_stream(
    station: Station, product: Product, blocks: AsyncIterator[bytes], origin: Origin
) -> Verdict:
    """Inspect a picture that arrives in blocks; its verdict is stored when this returns.

    A request with a key that has a verdict gets that verdict.

    Raises:
        NoVersion: The product has no released inspector.
        FullDisk: There is no room for it.
        KeyReused: Its key came with another picture before.
        UnreadableImage: It is no picture, is damaged, or would take too much memory.
        Overloaded: Too many pictures wait.
        OSError: It cannot be stored.
    """
    began, moment = time.perf_counter(), now()
    version = await run_in_threadpool(released, station, product)
    check_room(station)
    received = await station.storage.receive(blocks)
    try:
        known = await run_in_threadpool(_known, station, product, origin.idempotency_key, received.digest)
        result = known or await _found(station, version, received)
    except BaseException:
        received.path.unlink(missing_ok=True)
        raise
    if isinstance(result, Verdict):
        verdict = result
    else:
        verdict, is_new = await run_in_threadpool(
            _store, station, product, version, received, origin, moment, result
        )
        if is_new:
            station.metrics.verdicts.labels(product.name, verdict.decision).inc()
            station.events.publish({"id": verdict.id, "product": product.name, "decision": verdict.decision})
    # The file goes only after the commit: a start after a kill, or after a full disk, finds by it what has no
    # verdict.
    received.path.unlink(missing_ok=True)
    station.metrics.seconds.observe(time.perf_counter() - began)
    return verdict


def check_room(station: Station) -> None:
    """Check that the disk has room for more.

    Raises:
        FullDisk: It has not.
    """
    free = station.storage.free()
    if free < station.settings.free:
        raise FullDisk(
            f"the disk has {free / 1e6:,.0f} MB free, and {station.settings.free / 1e6:,.0f} MB stay free: "
            "no more pictures are taken until there is room"
        )


def released(station: Station, product: Product) -> InspectorVersion:
    """The version of a product that inspects.

    Raises:
        NoVersion: It has no such version.
    """
    with station.database.reading() as session:
        version = session.scalar(
            select(InspectorVersion)
            .where(InspectorVersion.product_id == product.id, InspectorVersion.state == RELEASED)
            .options(joinedload(InspectorVersion.product))
        )
    if version is None:
        raise NoVersion(f"product {product.name!r} has no released inspector; upload one and release it")
    return version


def file_of(station: Records, version: InspectorVersion) -> Path:
    """The file of a version."""
    return station.settings.inspector(version.file_hash)


async def _found(station: Station, version: InspectorVersion, received: Received) -> Found:
    """What a process finds in a received picture."""
    return await asyncio.wrap_future(station.workers.inspect(file_of(station, version), received.path))


def _known(station: Station, product: Product, key: str | None, digest: str) -> Verdict | None:
    """The verdict that a key has, which must be on the same picture."""
    if key is None:
        return None
    with station.database.reading() as session:
        verdict = session.scalar(
            select(Verdict).where(Verdict.product_id == product.id, Verdict.idempotency_key == key)
        )
    if verdict is not None and verdict.picture_hash != digest:
        raise KeyReused(
            f"the key {key!r} came with another picture before (verdict {verdict.id}); a key is for one "
            "picture"
        )
    return verdict


def _store(
    station: Station,
    product: Product,
    version: InspectorVersion,
    received: Received,
    origin: Origin,
    moment: datetime,
    found: Found,
) -> tuple[Verdict, bool]:
    """Keep a picture and commit its verdict; whether it is new, and not one of the same key."""
    height, width = found.size
    verdict = Verdict(
        product_id=product.id,
        version_id=version.id,
        received=moment,
        picture_hash=received.digest,
        picture_key=station.storage.keep(received),
        width=width,
        height=height,
        score=found.score,
        p_value=found.p_value,
        decision=found.decision,
        predicted_class=found.predicted_class,
        threshold=version.threshold,
        regions=found.regions,
        notes=found.notes,
        milliseconds=found.milliseconds,
        idempotency_key=origin.idempotency_key,
        source=origin.source[:200],
    )
    verdict.seal = station.audit.seal_of(verdict)
    try:
        with station.database.writing() as session:
            session.add(verdict)
    except IntegrityError:
        # Two requests with one key at the same time: the first to commit decides.
        known = _known(station, product, origin.idempotency_key, received.digest)
        if known is None:
            raise
        return known, False
    verdict.product, verdict.version = product, version
    return verdict, True
