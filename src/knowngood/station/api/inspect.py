"""Inspecting pictures over HTTP."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, Header, Request
from pydantic import BaseModel

from knowngood.errors import KnowngoodError
from knowngood.station.access import TheCaller, TheStation
from knowngood.station.api.schemas import VerdictAnswer
from knowngood.station.api.uploads import BATCH_BODY, PICTURE_BODY, blocks_of, blocks_of_file, files_of
from knowngood.station.inspecting import Origin, inspect_stream
from knowngood.station.lookup import TheProduct
from knowngood.station.settings import BATCH_BYTES, PICTURE_BYTES

router = APIRouter(prefix="/api/v1/products/{product}", tags=["inspect"])

Key = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=150,
        pattern=r"^[\x21-\x7e]+$",
        description="A repeated request with the same key gets the same verdict.",
    ),
]


class Refusal(BaseModel):
    """Why a picture of a batch has no verdict."""

    detail: str


@router.post("/inspect", openapi_extra=PICTURE_BODY, max_body_size=PICTURE_BYTES)
async def inspect_picture(
    station: TheStation, caller: TheCaller, product: TheProduct, request: Request, key: Key = None
) -> VerdictAnswer:
    """Inspect a picture, the body or the file of a form.

    The verdict and the picture are stored before the answer leaves.
    """
    verdict = await inspect_stream(station, product, blocks_of(request), Origin(caller.name, key))
    return VerdictAnswer.of(verdict)


@router.post("/inspect/batch", openapi_extra=BATCH_BODY, max_body_size=BATCH_BYTES)
async def inspect_batch(
    station: TheStation, caller: TheCaller, product: TheProduct, request: Request, key: Key = None
) -> list[VerdictAnswer | Refusal]:
    """Inspect the files of a form; a picture that is refused has the reason in place of a verdict.

    With a key, that of each picture is the key and its position.
    """
    async with files_of(request) as files:
        keys = [None if key is None else f"{key}/{at}" for at in range(len(files))]
        results = await asyncio.gather(
            *(
                inspect_stream(station, product, blocks_of_file(file), Origin(caller.name, own))
                for file, own in zip(files, keys, strict=True)
            ),
            return_exceptions=True,
        )
    answers: list[VerdictAnswer | Refusal] = []
    for result in results:
        if isinstance(result, KnowngoodError):
            answers.append(Refusal(detail=str(result)))
        elif isinstance(result, BaseException):
            raise result
        else:
            answers.append(VerdictAnswer.of(result))
    return answers
