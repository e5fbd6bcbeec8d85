"""The interfaces of others: the Open Inference Protocol 2, and DetectAnomalies of Lookout for Vision.

Sources: github.com/kserve/open-inference-protocol, `specification/protocol/inference_rest.md`; "Amazon
Lookout for Vision, API Reference", DetectAnomalies. The second service ended in October 2025; who has written
programs for it changes the address alone, and the token in place of the signature.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import math
from collections.abc import AsyncIterator
from enum import Enum
from typing import Annotated, Any, Literal

import cv2
import numpy as np
from fastapi import APIRouter, HTTPException, Path, Request
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.concurrency import run_in_threadpool

from knowngood import __version__
from knowngood.station.access import TheCaller, TheStation
from knowngood.station.api.operation import problems
from knowngood.station.api.uploads import PICTURE_BODY, blocks_of
from knowngood.station.inspecting import Origin, inspect_stream, released
from knowngood.station.lookup import TheProduct
from knowngood.station.models import Verdict
from knowngood.station.settings import BATCH_BYTES, BATCH_PICTURES, PICTURE_BYTES

router = APIRouter()
_V2: list[str | Enum] = ["open inference protocol"]
_LOOKOUT: list[str | Enum] = ["lookout for vision"]

_SIDES = 8, 16384


class Tensor(BaseModel):
    """Pictures: files as `BYTES` in base64, `[n]`, or pixels as `UINT8`, `[n, height, width, 3]`."""

    model_config = ConfigDict(extra="ignore")
    name: Annotated[str, Field(max_length=200)]
    shape: Annotated[list[Annotated[int, Field(ge=1, lt=1 << 31)]], Field(min_length=1, max_length=4)]
    datatype: Literal["BYTES", "UINT8"]
    data: list[Any]


class InferRequest(BaseModel):
    """A request of the Open Inference Protocol."""

    model_config = ConfigDict(extra="ignore")
    id: Annotated[str | None, Field(max_length=150)] = None
    inputs: Annotated[list[Tensor], Field(min_length=1, max_length=1)]


_INFER_SCHEMA = {
    "type": "object",
    "required": ["inputs"],
    "properties": {"id": {"type": "string"}, "inputs": {"type": "array", "items": {"type": "object"}}},
}
_INFER_BODY = {"requestBody": {"required": True, "content": {"application/json": {"schema": _INFER_SCHEMA}}}}


@router.get("/v2", tags=_V2)
def show_server() -> dict[str, Any]:
    """Say what this server is."""
    return {"name": "knowngood", "version": __version__, "extensions": []}


@router.get("/v2/health/live", tags=_V2)
def show_live() -> dict[str, bool]:
    """Say that the server lives."""
    return {"live": True}


@router.get("/v2/health/ready", tags=_V2)
def show_server_ready(station: TheStation) -> dict[str, bool]:
    """Say whether pictures are taken."""
    if found := problems(station):
        raise HTTPException(503, "; ".join(found))
    return {"ready": True}


@router.get("/v2/models/{product}", tags=_V2)
def show_model(station: TheStation, product: TheProduct) -> dict[str, Any]:
    """Say what a model, a product here, takes and gives."""
    version = released(station, product)
    outputs = {
        "score": "FP64",
        "p_value": "FP64",
        "decision": "BYTES",
        "verdict": "INT64",
        "regions": "BYTES",
    }
    return {
        "name": product.name,
        "versions": [str(version.number)],
        "platform": "knowngood",
        "inputs": [{"name": "pictures", "datatype": "BYTES", "shape": [-1]}],
        "outputs": [{"name": name, "datatype": of, "shape": [-1]} for name, of in outputs.items()],
    }


@router.get("/v2/models/{product}/ready", tags=_V2)
def show_model_ready(station: TheStation, product: TheProduct) -> dict[str, Any]:
    """Say whether a product has a released inspector."""
    released(station, product)
    return {"name": product.name, "ready": True}


@router.post("/v2/models/{product}/infer", tags=_V2, openapi_extra=_INFER_BODY, max_body_size=BATCH_BYTES)
async def infer(
    station: TheStation, caller: TheCaller, product: TheProduct, request: Request
) -> dict[str, Any]:
    """Inspect pictures; as with `inspect`, they and their verdicts are stored before the answer leaves.

    With an `id`, a repeated request gets the same verdicts.
    """
    body = await request.body()
    try:
        wanted = await run_in_threadpool(InferRequest.model_validate_json, body)
        pictures = await run_in_threadpool(_pictures, wanted.inputs[0])
    except ValidationError as error:
        raise HTTPException(422, f"the request is not of the protocol: {error.errors()[0]['msg']}") from None
    except ValueError as error:
        raise HTTPException(422, f"the input is not of its type: {error}") from None
    key = wanted.id
    verdicts = await asyncio.gather(
        *(
            inspect_stream(
                station,
                product,
                _blocks(picture),
                Origin(caller.name, None if key is None else f"{key}/{at}"),
            )
            for at, picture in enumerate(pictures)
        )
    )
    version = released(station, product).number
    answer = {"model_name": product.name, "model_version": str(version), "outputs": _outputs(verdicts)}
    return answer if key is None else {"id": key, **answer}


@router.post(
    "/2020-11-20/projects/{product}/models/{version}/detect",
    tags=_LOOKOUT,
    openapi_extra=PICTURE_BODY,
    max_body_size=PICTURE_BYTES,
)
async def detect_anomalies(
    station: TheStation,
    caller: TheCaller,
    product: TheProduct,
    version: Annotated[str, Path(max_length=64)],  # noqa: ARG001 - the released one inspects, whatever is named
    request: Request,
) -> dict[str, Any]:
    """Inspect a picture, and answer in the shape of DetectAnomalies.

    `Confidence` is 1 - p-value of an anomaly and the p-value of a normal part: a share of good parts, not a
    probability. `TotalPercentageArea` is the area of all regions, in percent of the picture.
    """
    verdict = await inspect_stream(station, product, blocks_of(request), Origin(caller.name))
    anomalous = verdict.decision != "accept"
    area = 100 * sum(region["area"] for region in verdict.regions) / (verdict.width * verdict.height)
    name = verdict.predicted_class or "defect"
    found = [{"Name": name, "PixelAnomaly": {"TotalPercentageArea": area, "Color": "#FF0000"}}]
    return {
        "DetectAnomalyResult": {
            "Source": {"Type": "direct"},
            "IsAnomalous": anomalous,
            "Confidence": 1 - verdict.p_value if anomalous else verdict.p_value,
            "Anomalies": found if anomalous and verdict.regions else [],
        }
    }


def _pictures(tensor: Tensor) -> list[bytes]:
    """The files of pictures in a tensor; pixels as PNG, which loses nothing.

    Raises:
        ValueError: It has not what its shape says.
    """
    if tensor.shape[0] > BATCH_PICTURES:
        raise ValueError(f"at most {BATCH_PICTURES} pictures are inspected at once")
    if tensor.datatype == "BYTES":
        if math.prod(tensor.shape) != len(tensor.data):
            raise ValueError(f"the shape {tensor.shape} is not that of {len(tensor.data)} elements")
        try:
            return [base64.b64decode(one, validate=True) for one in tensor.data]
        except (binascii.Error, TypeError):
            raise ValueError("an element of BYTES is a text in base64") from None
    if len(tensor.shape) != 4 or tensor.shape[3] != 3:
        raise ValueError("pixels have the shape [n, height, width, 3]")
    least, most = _SIDES
    if not all(least <= side <= most for side in tensor.shape[1:3]):
        raise ValueError(f"a picture has {least} to {most} pixels a side")
    try:
        pixels = np.array(tensor.data, np.uint8).reshape(tensor.shape)
    except (TypeError, OverflowError):
        raise ValueError("an element of UINT8 is a number from 0 to 255") from None
    return [cv2.imencode(".png", one[..., ::-1])[1].tobytes() for one in pixels]


async def _blocks(picture: bytes) -> AsyncIterator[bytes]:
    """A picture as one block."""
    yield picture


def _outputs(verdicts: list[Verdict]) -> list[dict[str, Any]]:
    """Verdicts as tensors."""
    columns: dict[str, tuple[str, list[Any]]] = {
        "score": ("FP64", [one.score for one in verdicts]),
        "p_value": ("FP64", [one.p_value for one in verdicts]),
        "decision": ("BYTES", [one.decision for one in verdicts]),
        "verdict": ("INT64", [one.id for one in verdicts]),
        "regions": ("BYTES", [json.dumps(one.regions) for one in verdicts]),
    }
    return [
        {"name": name, "datatype": of, "shape": [len(verdicts)], "data": data}
        for name, (of, data) in columns.items()
    ]
