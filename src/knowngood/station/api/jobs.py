"""Jobs: fitting an inspector to good images, and ending what runs."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Annotated, Any
from uuid import uuid4

from fastapi import APIRouter, HTTPException, Query, Request
from fastapi import Path as InPath
from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile

from knowngood.errors import DataError
from knowngood.station.access import TheCaller, TheStation
from knowngood.station.api.schemas import Detail, JobAnswer, NewFit
from knowngood.station.api.uploads import files_of, is_form
from knowngood.station.context import Station
from knowngood.station.inspecting import check_room
from knowngood.station.lookup import TheProduct, reaches
from knowngood.station.models import Job, Product
from knowngood.station.settings import FIT_BYTES, FIT_PICTURES

router = APIRouter(prefix="/api/v1", tags=["jobs"])

FIT_SECONDS = 1800
"""Within which the images of a fit must arrive."""

_PICTURES = {
    "type": "object",
    "properties": {"pictures": {"type": "array", "items": {"type": "string", "format": "binary"}}},
    "required": ["pictures"],
}
FIT_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {"schema": _PICTURES},
            "application/json": {"schema": NewFit.model_json_schema()},
        },
    }
}


@router.post("/products/{product}/fits", status_code=202, openapi_extra=FIT_BODY, max_body_size=FIT_BYTES)
async def start_fit(
    station: TheStation,
    caller: TheCaller,
    product: TheProduct,
    request: Request,
    detail: Annotated[Detail, Query()] = "normal",
) -> JobAnswer:
    """Fit an inspector to good images, the files of a form or a folder of the station's machine.

    It is a job; a draft version is its result.
    """
    if not is_form(request):
        folder = _folder(await request.body())
        job = await run_in_threadpool(station.jobs.add_fit, caller.name, product, detail, folder, None)
        return JobAnswer.model_validate(job)
    check_room(station)
    uploaded = station.settings.data / "jobs" / f"uploaded-{uuid4().hex}"
    try:
        async with files_of(request, most=FIT_PICTURES, seconds=FIT_SECONDS) as files:
            await run_in_threadpool(_write, station, uploaded, files)
        job = await run_in_threadpool(station.jobs.add_fit, caller.name, product, detail, None, uploaded)
    finally:
        shutil.rmtree(uploaded, ignore_errors=True)
    return JobAnswer.model_validate(job)


@router.post("/jobs/{number}/cancel")
def cancel_job(
    station: TheStation, caller: TheCaller, number: Annotated[int, InPath(ge=1, lt=1 << 63)]
) -> JobAnswer:
    """End a job."""
    with station.database.reading() as session:
        job = session.get(Job, number)
        product = session.get(Product, job.product_id) if job is not None else None
    if product is None or not reaches(caller, product.name):
        raise HTTPException(404, f"there is no job {number}")
    return JobAnswer.model_validate(station.jobs.cancel(caller.name, number))


def _folder(body: bytes) -> str:
    """The folder that a request names.

    Raises:
        DataError: It names none, or this machine has no such folder.
    """
    try:
        folder = Path(NewFit.model_validate_json(body).folder)
    except ValidationError as error:
        first = error.errors()[0]
        raise DataError(
            f"{'.'.join(map(str, first['loc'])) or 'the body'}: {first['msg']}; send images as the files "
            'of a form, or {"folder": "/path/on/the/station"}'
        ) from None
    if not folder.is_absolute():
        raise DataError(f"folder {str(folder)!r}: write the whole path, from / on")
    if not folder.is_dir():
        raise DataError(f"folder {str(folder)!r} is not on the station's machine")
    return str(folder)


def _write(station: Station, folder: Path, files: list[UploadFile]) -> None:
    """Write uploaded images, as long as there is room."""
    folder.mkdir(parents=True)
    for at, file in enumerate(files):
        check_room(station)
        name = re.sub(r"[^\w.-]", "_", Path(file.filename or "picture").name)[-100:]
        with (folder / f"{at:05}-{name}").open("wb") as target:
            shutil.copyfileobj(file.file, target)
