"""Versions of a product's inspector: a file that never changes, and who released it when and why."""

from __future__ import annotations

import hashlib
from pathlib import Path
from uuid import uuid4

from sqlalchemy import func, select

from knowngood.errors import StationError
from knowngood.output import replacing
from knowngood.station.context import Records
from knowngood.station.found import About
from knowngood.station.inspecting import file_of
from knowngood.station.models import DRAFT, RELEASED, RETIRED, InspectorVersion, Product


def add_version(
    station: Records, by: str, product: Product, path: Path, about: About, reason: str = ""
) -> InspectorVersion:
    """Add a draft of a file, which is copied."""
    content = path.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    with station.database.writing() as session:
        last = session.scalar(
            select(func.max(InspectorVersion.number)).where(InspectorVersion.product_id == product.id)
        )
        version = InspectorVersion(
            product_id=product.id,
            number=(last or 0) + 1,
            file_hash=digest,
            fingerprint=about.fingerprint,
            method=about.method,
            threshold=about.threshold,
            review=about.review,
            created_by=by,
            state=DRAFT,
        )
        kept = file_of(station, version)
        if not kept.exists():
            with replacing(kept) as unfinished:
                unfinished.write_bytes(content)
        session.add(version)
        after = {
            "product": product.name,
            "version": version.number,
            "file": digest,
            "threshold": version.threshold,
        }
        station.audit.add(session, by, "add version", why=reason, after=after)
    return version


def with_threshold(station: Records, version: InspectorVersion, value: float) -> Path:
    """Write the inspector of a version with another threshold into the folder of what arrives."""
    from knowngood.inspector.inspector import Inspector
    from knowngood.inspector.threshold import threshold_by_value

    path = station.settings.incoming / f"{uuid4().hex}.inspector"
    threshold_by_value(Inspector.load(file_of(station, version)), value).save(path)
    return path


def release(
    station: Records, by: str, product: Product, version: InspectorVersion, reason: str
) -> InspectorVersion:
    """Let a version inspect; the one before is retired in the same step.

    Raises:
        StationError: It is released already.
    """
    with station.database.writing() as session:
        chosen = session.get_one(InspectorVersion, version.id, with_for_update=True)
        if chosen.state == RELEASED:
            raise StationError(f"version {version.number} of product {product.name!r} is released already")
        before = session.scalar(
            select(InspectorVersion)
            .where(InspectorVersion.product_id == product.id, InspectorVersion.state == RELEASED)
            .with_for_update()
        )
        if before is not None:
            before.state = RETIRED
            session.flush()  # at most one is released at any moment
        chosen.state = RELEASED
        station.audit.add(
            session,
            by,
            "release version",
            why=reason,
            before={"version": before.number if before else None},
            after={"product": product.name, "version": chosen.number, "threshold": chosen.threshold},
        )
    return chosen


def retire(
    station: Records, by: str, product: Product, version: InspectorVersion, reason: str
) -> InspectorVersion:
    """Let a version inspect no more.

    Raises:
        StationError: It is retired already.
    """
    with station.database.writing() as session:
        chosen = session.get_one(InspectorVersion, version.id, with_for_update=True)
        if chosen.state == RETIRED:
            raise StationError(f"version {version.number} of product {product.name!r} is retired already")
        before = {"state": chosen.state}
        chosen.state = RETIRED
        after = {"product": product.name, "version": chosen.number, "state": RETIRED}
        station.audit.add(session, by, "retire version", why=reason, before=before, after=after)
    return chosen
