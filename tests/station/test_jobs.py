"""Fits as jobs: from good pictures to a draft, cancelled, failed in words, interrupted by a stop."""

import importlib
import multiprocessing
import os
import time
from pathlib import Path

import pytest
from sqlalchemy import select

from knowngood.errors import UnreadableImage
from knowngood.inspector.inspector import Inspector
from knowngood.station import fitting, jobs
from knowngood.station.jobs import Jobs
from knowngood.station.models import Job, Product

from ..support.station import as_png

FORK = multiprocessing.get_context("fork")
FITS = "/api/v1/products/widget/fits"


def ended(line, number):
    """The job, once it has ended."""
    for _ in range(1500):
        job = next(one for one in line.get("/api/v1/jobs").json() if one["id"] == number)
        if job["state"] not in jobs.ACTIVE:
            return job
        time.sleep(0.05)
    raise AssertionError(job)


@pytest.fixture
def instead(monkeypatch):
    """Let the process of a fit do something else."""

    class Context:
        def __init__(self, function):
            self.function, self.real = function, FORK

        def Pipe(self, **more):  # noqa: N802
            return self.real.Pipe(**more)

        def Process(self, target, args, daemon):  # noqa: N802
            return self.real.Process(target=self.function, args=args, daemon=daemon)

    def do(function):
        monkeypatch.setattr(jobs.multiprocessing, "get_context", lambda _: Context(function))

    return do


def open_image(path):
    return Path(path).read_bytes().startswith(b"\x89PNG")


def blocks(results, source, detail, out):
    results.send((fitting.PROGRESS, "reading images", 1, 4))
    time.sleep(60)


def test_uploaded_pictures_become_a_draft(line, good, inspector_file, instead, monkeypatch):
    """What a fit does with good pictures is tested elsewhere, and by the browser; here it is short."""

    def short(sources, *, detail, on_unreadable, progress):
        progress("reading images", len(sources), len(sources))
        assert (len(sources), detail) == (13, "fast")
        for one in sources:
            if not open_image(one):
                on_unreadable(UnreadableImage(one, "no picture"))
        return Inspector.load(inspector_file)

    instead(fitting.run)
    monkeypatch.setattr(importlib.import_module("knowngood.inspector.fit"), "fit", short)
    files = [("pictures", (f"../{at}.png", as_png(at, good), "image/png")) for at in range(12)]
    files.append(("pictures", ("no.png", b"no picture", "image/png")))
    answer = line.post(f"{FITS}?detail=fast", files=files)
    assert answer.status_code == 202, answer.text
    job = ended(line, answer.json()["id"])
    assert job["state"] == "done", job
    assert "version 2 is a draft" in job["message"]
    assert "1 images could not be read" in job["message"]
    assert "00012-no.png" in job["message"]
    versions = line.get("/api/v1/products/widget/versions").json()
    assert [(one["number"], one["state"]) for one in versions] == [(1, "released"), (2, "draft")]
    assert not list((line.station.settings.data / "jobs").iterdir())
    page = line.get("/products/widget/jobs").text
    assert "version 2 is a draft" in page
    assert "hx-trigger" not in page


def test_a_failure_is_said_in_words(line, tmp_path):
    (tmp_path / "empty").mkdir()
    answer = line.post(FITS, json={"folder": str(tmp_path / "empty")})
    job = ended(line, answer.json()["id"])
    assert (job["state"], "Traceback" in job["message"]) == ("failed", False)
    assert "image" in job["message"]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"folder": "good"}, "whole path"),
        ({"folder": "/nowhere/at/all"}, "not on the station"),
        ({}, "folder"),
        ({"folder": "/tmp", "more": 1}, "more"),
    ],
)
def test_a_folder_that_is_not_there_is_refused(line, body, said):
    answer = line.post(FITS, json=body)
    assert (answer.status_code, said in answer.json()["detail"]) == (422, True)


def test_a_running_fit_is_followed_and_cancelled(line, tmp_path, instead):
    instead(blocks)
    first = line.post(FITS, json={"folder": str(tmp_path)}).json()
    second = line.post(FITS, json={"folder": str(tmp_path)}).json()
    for _ in range(500):
        page = line.get("/products/widget/jobs").text
        if "reading images: 1 of 4" in page:
            break
        time.sleep(0.02)
    assert 'value="0.25"' in page
    assert "hx-trigger" in page
    for job in (second, first):
        assert line.post(f"/api/v1/jobs/{job['id']}/cancel").json()["state"] == "cancelled"
        assert line.post(f"/api/v1/jobs/{job['id']}/cancel").status_code == 409
    time.sleep(0.5)
    assert ended(line, first["id"])["message"].startswith("cancelled by")
    other = line.token("engineer", ["another"])
    assert line.client.post(f"/api/v1/jobs/{first['id']}/cancel", headers=other).status_code == 404


def test_a_process_that_ends_is_a_failure(line, tmp_path, instead):
    instead(lambda results, source, detail, out: os._exit(9))
    job = ended(line, line.post(FITS, json={"folder": str(tmp_path)}).json()["id"])
    assert (job["state"], "(9)" in job["message"]) == ("failed", True)


def test_a_stop_interrupts(line, tmp_path, instead):
    instead(blocks)
    station = line.station
    number = line.post(FITS, json={"folder": str(tmp_path)}).json()["id"]
    time.sleep(0.3)
    station.jobs.close()
    assert ended(line, number)["state"] == "interrupted"
    with station.database.writing() as session:
        product = session.scalar(select(Product.id))
        killed = Job(product_id=product, task="fit", state="running", settings={}, created_by="ada")
        session.add(killed)
    station.jobs = Jobs(station, station.workers)
    job = ended(line, killed.id)
    assert (job["state"], "start the fit again" in job["message"]) == ("interrupted", True)
