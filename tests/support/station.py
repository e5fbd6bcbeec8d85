"""A station in this process, and who asks it."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
from fastapi import FastAPI
from fastapi.testclient import TestClient
from PIL import Image

from knowngood.station.accounts import first_link, new_token, use_link
from knowngood.station.app import make_app
from knowngood.station.context import Station
from knowngood.station.settings import StationSettings

PASSWORD = "three words do well"


def as_png(seed: int, good: bytes) -> bytes:
    """A picture of its own: a good part with noise."""
    pixels = np.asarray(Image.open(io.BytesIO(good))).astype(int)
    noise = np.random.default_rng(seed).integers(-2, 3, pixels.shape)
    content = io.BytesIO()
    Image.fromarray(np.clip(pixels + noise, 0, 255).astype(np.uint8)).save(content, "PNG")
    return content.getvalue()


class Line:
    """A running station, and clients of it."""

    def __init__(self, app: FastAPI, client: TestClient) -> None:
        self.app, self.client = app, client
        self.station: Station = app.state.station

    def token(self, role: str, products: list[str] | None = None, name: str | None = None) -> dict[str, str]:
        """Headers of a program with a role."""
        with self.station.database.writing() as session:
            secret, _ = new_token(session, "test", name or f"{role} {uuid4().hex}", role, products, None)
        return {"Authorization": f"Bearer {secret}"}

    def get(self, path: str, **more: Any) -> Any:
        return self.client.get(path, headers=self.engineer, **more)

    def post(self, path: str, **more: Any) -> Any:
        headers = {**self.engineer, **more.pop("headers", {})}
        return self.client.post(path, headers=headers, **more)

    def inspect(self, picture: bytes, product: str = "widget", **headers: str) -> Any:
        return self.post(f"/api/v1/products/{product}/inspect", content=picture, headers=headers)

    engineer: dict[str, str]


def running(settings: StationSettings, inspector: Path | None) -> Iterator[Line]:
    """Run a station, with a released inspector of the product `widget` where one is given."""
    with TestClient(make_app(settings)) as client:
        line = Line(client.app, client)
        link = first_link(line.station.database)
        if link is not None:
            use_link(line.station.database, line.station.audit, link, PASSWORD, "ada")
        line.engineer = line.token("engineer")
        if inspector is not None:
            assert line.post("/api/v1/products", json={"name": "widget"}).status_code == 201
            upload(line, inspector)
            released = line.post(
                "/api/v1/products/widget/versions/1/release", json={"reason": "the first one"}
            )
            assert released.status_code == 200, released.text
        yield line


def upload(line: Line, inspector: Path) -> dict[str, Any]:
    answer = line.post("/api/v1/products/widget/versions", content=inspector.read_bytes())
    assert answer.status_code == 201, answer.text
    return answer.json()


def release(line: Line, number: int) -> None:
    path = f"/api/v1/products/widget/versions/{number}/release"
    answer = line.post(path, json={"reason": "it is needed"})
    assert answer.status_code == 200, answer.text


def bomb() -> bytes:
    """A PNG of a few hundred bytes that says it has 40,000 x 40,000 pixels."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
        )

    header = struct.pack(">IIBBBBB", 40_000, 40_000, 8, 2, 0, 0, 0)
    pixels = chunk(b"IDAT", zlib.compress(bytes(9999)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + pixels + chunk(b"IEND", b"")
