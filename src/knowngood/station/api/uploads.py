"""Pictures and inspectors as requests bring them: the body itself, or the files of a form."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import HTTPException, Request
from starlette.datastructures import FormData, UploadFile
from starlette.requests import ClientDisconnect

from knowngood.station.settings import BATCH_PICTURES
from knowngood.station.storage import BLOCK

SECONDS = 60
"""Within which a body must arrive."""

_BINARY = {"type": "string", "format": "binary"}


def _body(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    """What a page of the interface says of such a body."""
    form = {"schema": {"type": "object", "properties": {name: schema}, "required": [name]}}
    content = {"application/octet-stream": {"schema": _BINARY}, "multipart/form-data": form}
    return {"requestBody": {"required": True, "content": content}}


PICTURE_BODY = _body("picture", _BINARY)
BATCH_BODY = _body("pictures", {"type": "array", "items": _BINARY})
del BATCH_BODY["requestBody"]["content"]["application/octet-stream"]
INSPECTOR_BODY = _body("inspector", _BINARY)


def is_form(request: Request) -> bool:
    """Whether a request brings a form with files."""
    return request.headers.get("Content-Type", "").lower().startswith("multipart/form-data")


async def blocks_of(request: Request) -> AsyncIterator[bytes]:
    """Yield the one file that a request brings, in blocks.

    Raises:
        HTTPException: 400 without one or where the sender went away, 408 where it takes too long.
    """
    if is_form(request):
        async with files_of(request, most=1) as files:
            async for block in blocks_of_file(files[0]):
                yield block
        return
    empty = True
    try:
        async with asyncio.timeout(SECONDS):
            async for block in request.stream():
                empty = empty and not block
                yield block
    except TimeoutError:
        raise HTTPException(408, f"the picture did not arrive within {SECONDS} seconds") from None
    except ClientDisconnect:
        raise HTTPException(400, "the sender went away") from None
    if empty:
        raise HTTPException(400, "the body is empty; send a picture as the body, or as a file of a form")


@asynccontextmanager
async def files_of(
    request: Request, most: int = BATCH_PICTURES, seconds: int = SECONDS
) -> AsyncIterator[list[UploadFile]]:
    """Give the files of a form.

    Raises:
        HTTPException: 400 where there are none or too many, 408 where they take too long.
    """
    form = FormData()
    try:
        async with asyncio.timeout(seconds):
            form = await request.form(max_files=most, max_fields=20)
        files = [value for _, value in form.multi_items() if not isinstance(value, str)]
        if not files:
            raise HTTPException(400, "the form has no file; send a picture as one")
        yield files
    except TimeoutError:
        raise HTTPException(408, f"the form did not arrive within {seconds} seconds") from None
    except ClientDisconnect:
        raise HTTPException(400, "the sender went away") from None
    finally:
        await form.close()


async def blocks_of_file(file: UploadFile) -> AsyncIterator[bytes]:
    """Yield a file of a form in blocks."""
    while block := await file.read(BLOCK):
        yield block
