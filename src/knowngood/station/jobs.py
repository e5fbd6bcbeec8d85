"""Fits as jobs: one after the other, each in a process of its own, followed live, cancelled at will.

The table of jobs is the queue. A job that a stop of the station interrupts says so afterwards.
"""

from __future__ import annotations

import multiprocessing
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.exc import SQLAlchemyError

from knowngood.errors import KnowngoodError, StationError
from knowngood.station import fitting
from knowngood.station.context import Records
from knowngood.station.models import Job, Product, now
from knowngood.station.versions import add_version
from knowngood.station.workers import Workers

WAITING, RUNNING, DONE, FAILED, CANCELLED, INTERRUPTED = (
    *("waiting", "running", "done", "failed", "cancelled", "interrupted"),
)
"""The states of a job."""

ACTIVE = (WAITING, RUNNING)
"""The states of a job that has not ended."""

FIT = "fit"

_SECONDS = 0.3  # within which a cancelled job is noticed
_PAUSE = 5.0  # before the database is asked again
_STOPPED = "the station was stopped meanwhile; start the fit again"
_LOST = "the database or the disk did not answer meanwhile; start the fit again"
_MESSAGE = 1000  # letters of the column


class Jobs:
    """Runs the jobs of a station.

    Args:
        records: Where jobs are.
        workers: The processes that check what a fit has made.
    """

    def __init__(self, records: Records, workers: Workers) -> None:
        self._records, self._workers = records, workers
        self._wake = threading.Event()
        self._closed = False
        self._settle()
        self._thread = threading.Thread(target=self._lead, daemon=True)
        self._thread.start()

    def folder(self, number: int) -> Path:
        """Where the images of a job are, and what it makes."""
        return self._records.settings.data / "jobs" / str(number)

    def add_fit(
        self, by: str, product: Product, detail: str, source: str | None, uploaded: Path | None
    ) -> Job:
        """Add a fit to the good images of a folder of this machine, or to uploaded ones, which are moved."""
        files = len(list(uploaded.iterdir())) if uploaded is not None else None
        settings = {"detail": detail, "folder": source, "pictures": files}
        with self._records.database.writing() as session:
            job = Job(product_id=product.id, task=FIT, state=WAITING, settings=settings, created_by=by)
            job.message = "waits for its turn"
            session.add(job)
            session.flush()
            after = {"job": job.id, "product": product.name, **settings}
            self._records.audit.add(session, by, "add fit", after=after)
            folder = self.folder(job.id)
            folder.mkdir(parents=True)
            if uploaded is not None:
                uploaded.rename(folder / "pictures")
        self._wake.set()
        return job

    def cancel(self, by: str, number: int) -> Job:
        """End a job.

        Raises:
            StationError: It has ended already.
        """
        with self._records.database.writing() as session:
            job = session.get_one(Job, number, with_for_update=True)
            if job.state not in ACTIVE:
                raise StationError(f"job {number} has ended already: {job.state}")
            before = {"state": job.state}
            job.state, job.message, job.finished = CANCELLED, f"cancelled by {by}", now()
            self._records.audit.add(session, by, "cancel job", before=before, after={"job": number})
        return job

    def close(self) -> None:
        """End what runs; it is interrupted."""
        self._closed = True
        self._wake.set()
        self._thread.join()

    def _settle(self) -> None:
        """Say of jobs that an earlier stop interrupted that it did."""
        with self._records.database.writing() as session:
            session.execute(
                update(Job)
                .where(Job.state.in_(ACTIVE))
                .values(state=INTERRUPTED, message=_STOPPED, finished=now())
            )
        shutil.rmtree(self._records.settings.data / "jobs", ignore_errors=True)

    def _lead(self) -> None:
        """Run one job after the other."""
        while not self._closed:
            try:
                job = self._next()
                if job is not None:
                    self._run(*job)
                    continue
            except (SQLAlchemyError, OSError):  # the database is away for a moment
                self._wake.clear()
                self._wake.wait(_PAUSE)
                continue
            self._wake.wait()
            self._wake.clear()

    def _next(self) -> tuple[Job, Product] | None:
        """The job that has waited longest; it runs from now on."""
        with self._records.database.writing() as session:
            lost = update(Job).where(Job.state == RUNNING)  # the database was away when it ended
            session.execute(lost.values(state=FAILED, message=_LOST, finished=now()))
            first = select(Job).where(Job.state == WAITING).order_by(Job.id).limit(1).with_for_update()
            job = session.scalar(first)
            if job is None:
                return None
            job.state, job.message = RUNNING, "starts"
            return job, session.get_one(Product, job.product_id)

    def _run(self, job: Job, product: Product) -> None:
        """Run a job to its end."""
        folder = self.folder(job.id)
        out = folder / "fitted.inspector"
        try:
            with self._process(job, out) as (process, results):
                state, message = self._follow(job, process, results)
            if state == DONE:
                made = self._keep(job, product, out)
                message = ". ".join(
                    filter(None, [f"version {made} is a draft: look at it, then release it", message])
                )
        except KnowngoodError as error:
            state, message = FAILED, str(error)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        message = message.replace(f"{folder / 'pictures'}", "the uploaded pictures")
        self._note(job, state=state, message=message[:_MESSAGE], finished=now())

    @contextmanager
    def _process(self, job: Job, out: Path) -> Iterator[tuple[Any, Connection]]:
        """The process of a fit, which ends with this block, and what it says."""
        pictures = self.folder(job.id) / "pictures"
        source = job.settings["folder"] or [str(path) for path in sorted(pictures.iterdir())]
        context = multiprocessing.get_context("spawn")
        receiving, sending = context.Pipe(duplex=False)
        arguments = sending, source, job.settings["detail"], out
        process = context.Process(target=fitting.run, args=arguments, daemon=False)
        process.start()
        sending.close()
        try:
            yield process, receiving
        finally:
            if process.is_alive():
                process.join(_SECONDS)
            process.kill()
            process.join()
            receiving.close()

    def _follow(self, job: Job, process: Any, results: Connection) -> tuple[str, str]:
        """Note what a process says, until it has ended or must end; its state then, and why."""
        while not self._closed:
            said = None
            with suppress(EOFError):
                if not results.poll(_SECONDS):
                    if not self._is_wanted(job):
                        return CANCELLED, ""
                    continue
                said = results.recv()
            if said is None:
                process.join()
                return FAILED, (
                    f"its process ended ({process.exitcode}), as where memory is short; fit to fewer images, "
                    "or choose the detail fast"
                )
            if said[0] != fitting.PROGRESS:
                return str(said[0]), str(said[1])
            _, stage, done, total = said
            if not self._note(job, message=f"{stage}: {done:,} of {total:,}", progress=done / max(total, 1)):
                return CANCELLED, ""
        return INTERRUPTED, _STOPPED

    def _is_wanted(self, job: Job) -> bool:
        """Whether nobody has cancelled a job."""
        with self._records.database.reading() as session:
            return session.scalar(select(Job.state).where(Job.id == job.id)) == RUNNING

    def _note(self, job: Job, **values: Any) -> bool:
        """Change a job that runs; whether it does."""
        with self._records.database.writing() as session:
            changed = update(Job).where(Job.id == job.id, Job.state == RUNNING).values(**values)
            return session.scalar(changed.returning(Job.id)) is not None

    def _keep(self, job: Job, product: Product, out: Path) -> int:
        """Add what a fit has made as a draft; its number."""
        about = self._workers.describe(out).result()
        made = add_version(self._records, job.created_by, product, out, about, f"fitted by job {job.id}")
        return made.number
