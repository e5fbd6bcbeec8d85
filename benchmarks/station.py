"""The inspection station under load; writes the results table.

    python benchmarks/station.py load [--minutes 30]         # 8 clients with 1024² JPEG, then one client
    python benchmarks/station.py kills [--kills 100]         # kill -9 at random moments, on both databases
    python benchmarks/station.py history [--rows 5000000]    # pages of a long history, and inserting into it

Pictures are MVTec's transistors, enlarged; the inspector is the default PatchCore. Let nothing else run
beside `load`. The environment variable KNOWNGOOD_POSTGRES (postgresql+psycopg://...) names an empty database.
"""

from __future__ import annotations

import argparse
import datetime as dt
import os
import random
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from sqlalchemy import insert

import knowngood
import transistors
from knowngood.station.context import Records
from knowngood.station.history import Search, find_verdicts
from knowngood.station.models import InspectorVersion, Product, Verdict
from knowngood.station.settings import StationSettings
from station_service import Client, Service, kill_under_load, prepare

TABLE = Path(__file__).resolve().parent / "results" / "station.csv"
CLIENTS = 8
AT_ONCE = 10_000  # rows of one insert
SINGLE = 500  # verdicts that are committed one by one
START = dt.datetime(2025, 1, 1, tzinfo=dt.UTC)


def main() -> None:
    """Measure what is named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part", choices=("load", "kills", "history"))
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--rows", type=int, default=5_000_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder)
        if options.part == "load":
            figures = dict(load(here, 60 * options.minutes))
        elif options.part == "kills":
            figures = dict(kills(here, options.kills))
        else:
            figures = dict(history(here, options.rows))
    command = f"python benchmarks/station.py {options.part}"
    about = {"part": options.part, "command": command}
    rows = [{**about, "figure": name, "value": value} for name, value in figures.items()]
    old = pd.read_csv(TABLE) if TABLE.exists() else pd.DataFrame(columns=["part"])
    table = pd.concat([old[old["part"] != options.part], pd.DataFrame(rows)])
    table.to_csv(TABLE, index=False)
    print(pd.DataFrame(rows).to_string())


def load(folder: Path, seconds: float) -> Iterator[tuple[str, float]]:
    """Pictures a second with 8 clients, what that takes, and how long one client waits."""
    root = transistors.make(folder, "jpeg")
    inspector = folder / "transistor.inspector"
    knowngood.fit(root).save(inspector)
    settings = StationSettings(data=folder / "station")
    service, headers = Service(settings), prepare(settings, inspector)
    pictures = [path.read_bytes() for path in sorted((root / "test").rglob("*.jpeg"))]
    yield "seconds of a start", service.start()
    _send(service, headers, pictures, 1, 5.0)
    before, processor = _state(service), _processor(service)
    waits = _send(service, headers, pictures, CLIENTS, seconds)
    taken = _processor(service) - processor
    yield "pictures a second, 8 clients", len(waits) / seconds
    yield "processor milliseconds a picture", 1e3 * taken / len(waits)
    half = len(waits) // 2
    for name, some in (("first half", waits[:half]), ("second half", waits[half:])):
        yield f"8 clients, p99 in ms, {name}", float(np.percentile(some, 99))
    for name, was, value in zip(("memory in MB", "descriptors"), before, _state(service), strict=True):
        yield f"{name} before", was
        yield f"{name} after", value
    waits = _send(service, headers, pictures, 1, min(60.0, seconds))
    yield "one client, p50 in ms", float(np.percentile(waits, 50))
    yield "one client, p99 in ms", float(np.percentile(waits, 99))
    service.stop()


def kills(folder: Path, count: int) -> Iterator[tuple[str, float]]:
    """Answers that were lost or doubled, and records that do not agree, after kills."""
    source = sorted((transistors.SOURCE / "train" / "good").glob("*.png"))[:24]
    inspector = folder / "small.inspector"
    knowngood.fit([str(path) for path in source], knowngood.make_detector("padim", {"input_size": 64})).save(
        inspector
    )
    pictures = [path.read_bytes() for path in source]
    for name, url in (("SQLite", None), ("PostgreSQL", os.environ.get("KNOWNGOOD_POSTGRES"))):
        if name == "PostgreSQL" and url is None:
            print("KNOWNGOOD_POSTGRES is not set: SQLite alone")
            continue
        settings = StationSettings(data=folder / name, database=url)
        answers, problems = kill_under_load(Service(settings), prepare(settings, inspector), pictures, count)
        print("\n".join(problems))
        yield f"{name}, kills", count
        yield f"{name}, answers", answers
        yield f"{name}, answers lost or doubled, records that do not agree", len(problems)


def history(folder: Path, rows: int) -> Iterator[tuple[str, float]]:
    """The longest time of a page of each search, and how fast rows are inserted."""
    records = Records(StationSettings(data=folder / "station", database=os.environ.get("KNOWNGOOD_POSTGRES")))
    with records.database.writing() as session:
        product = Product(name="widget")
        session.add(product)
        session.flush()
        given = {"file_hash": "f", "fingerprint": "f", "method": "patchcore", "created_by": "benchmark"}
        version = InspectorVersion(product_id=product.id, number=1, threshold=1.0, **given)
        session.add(version)
    rng = random.Random(0)
    yield "milliseconds of a verdict's commit, empty", _commits(records, product.id, version.id, -SINGLE, rng)
    for begin in range(0, rows, AT_ONCE):
        made = [_row(product.id, version.id, at, rng) for at in range(begin, begin + AT_ONCE)]
        with records.database.writing() as session:
            session.execute(insert(Verdict), made)
    yield "milliseconds of a verdict's commit, full", _commits(records, product.id, version.id, rows, rng)
    middle = START + dt.timedelta(seconds=rows / 2)
    searches = {
        "newest": Search(),
        "rejected": Search(decision="reject"),
        "labelled defects": Search(label="defect"),
        "an hour long ago": Search(since=middle, until=middle + dt.timedelta(hours=1), decision="reject"),
        "high scores": Search(score=1.95),
        "high scores long ago": Search(score=1.9, since=START, until=START + dt.timedelta(days=1)),
    }
    for name, search in searches.items():
        yield f"page of {name}, longest of 20 in ms", max(_pages(records, product.id, search))
    records.close()


def _commits(records: Records, product: int, version: int, first: int, rng: random.Random) -> float:
    """The median time of a commit of one verdict, as the station commits them."""
    taken = []
    for at in range(first, first + SINGLE):
        made = _row(product, version, at, rng)
        began = time.perf_counter()
        with records.database.writing() as session:
            session.execute(insert(Verdict), [made])
        taken.append(1e3 * (time.perf_counter() - began))
    return float(np.median(taken))


def _row(product: int, version: int, at: int, rng: random.Random) -> dict[str, object]:
    """A verdict of every second; one in 50 is rejected, one in 200 labelled."""
    rejected = rng.random() < 0.02
    return {
        "product_id": product,
        "version_id": version,
        "received": START + dt.timedelta(seconds=at),
        "picture_hash": f"{rng.getrandbits(256):064x}",
        "picture_key": "ab/ab",
        "width": 1024,
        "height": 1024,
        "score": rng.random() + rejected,
        "p_value": 0.5,
        "decision": "reject" if rejected else "accept",
        "threshold": 1.0,
        "regions": [{"x": 1, "y": 1, "width": 9, "height": 9, "area": 60}] if rejected else [],
        "notes": [],
        "milliseconds": 12.5,
        "idempotency_key": f"line-{at}",
        "source": "token line",
        "label": rng.choice(("good", "defect")) if rng.random() < 0.005 else None,
        "seal": f"{rng.getrandbits(256):064x}",
    }


def _pages(records: Records, product: int, search: Search) -> Iterator[float]:
    """Milliseconds of the first 20 pages."""
    after = None
    for _ in range(20):
        began = time.perf_counter()
        with records.database.reading() as session:
            after = find_verdicts(session, [product], search._replace(after=after)).next
        yield 1e3 * (time.perf_counter() - began)
        if after is None:
            return


def _send(
    service: Service, headers: dict[str, str], pictures: list[bytes], clients: int, seconds: float
) -> list[float]:
    """Send pictures for some seconds; the milliseconds of each answer, in the order of the answers."""
    waits: list[float] = []
    end = time.perf_counter() + seconds

    def send(at: int) -> None:
        client = Client(service, headers)
        while (began := time.perf_counter()) < end:
            assert client.inspect(pictures[at % len(pictures)]) is not None
            waits.append(1e3 * (time.perf_counter() - began))
            at += 1
        client.connection.close()

    threads = [threading.Thread(target=send, args=(13 * at,)) for at in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return waits


def _state(service: Service) -> tuple[float, float]:
    """Megabytes and open descriptors of all its processes."""
    pages = sum(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in service.pids)
    descriptors = sum(len(list(Path(f"/proc/{pid}/fd").iterdir())) for pid in service.pids)
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6, descriptors


def _processor(service: Service) -> float:
    """Seconds of the processor that all its processes have taken."""
    ticks = 0
    for pid in service.pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
