"""A station as a process: it starts, is killed under load, starts again, and loses nothing."""

import random
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request

import pytest
from sqlalchemy import text

from knowngood.station.context import Records
from knowngood.station.database import Database
from knowngood.station.models import Verdict
from knowngood.station.settings import StationSettings
from knowngood.station.verify import verify

from ..support.station import Service, as_png, prepare


def quiet(*_):
    """No progress."""


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_what_was_answered_survives_kills_under_load(engine, tmp_path, inspector_file, good, request):
    settings = StationSettings(data=tmp_path / "station")
    arguments = []
    if engine == "postgresql":
        url = request.getfixturevalue("postgres")
        database = Database(url)
        with database.writing() as session:
            session.execute(text("DROP SCHEMA public CASCADE; CREATE SCHEMA public"))
        database.close()
        settings = StationSettings(data=tmp_path / "station", database=url)
        arguments = ["--database", url]
    headers = prepare(settings, inspector_file)
    pictures = [as_png(seed, good) for seed in range(8)]
    answered, rng = {}, random.Random(7)
    stop = threading.Event()
    service = Service(settings.data, *arguments)

    def send(client):
        number = 0
        while not stop.is_set():
            key = f"{client}-{number}"
            own = {**headers, "Idempotency-Key": key}
            found = service.inspect(pictures[(client + number) % len(pictures)], own)
            if found is None:  # the same request again, as a camera does
                time.sleep(0.05)
                continue
            answered[key] = found["id"]
            number += 1

    service.start()
    clients = [threading.Thread(target=send, args=(client,)) for client in range(3)]
    for client in clients:
        client.start()
    kills = 2 if engine == "sqlite" else 1
    for _ in range(kills):
        before = len(answered)
        while len(answered) < before + 10:
            time.sleep(0.01)
        time.sleep(rng.uniform(0, 0.2))
        service.process.kill()
        service.process.communicate()
        service.start()
    stop.set()
    for client in clients:
        client.join()
    service.stop()
    records = Records(settings)
    assert verify(records, quiet) == []
    with records.database.reading() as session:
        rows = dict(session.query(Verdict.idempotency_key, Verdict.id).all())
    records.close()
    assert answered.items() <= rows.items()
    assert not list(settings.incoming.iterdir())


@pytest.fixture(scope="module")
def service(tmp_path_factory, inspector_file):
    data = tmp_path_factory.mktemp("service") / "station"
    headers = prepare(StationSettings(data=data), inspector_file)
    made = Service(data)
    made.start()
    made.headers = headers
    yield made
    assert "Traceback" not in made.stop()


def test_live_pages_hear_of_a_verdict_and_end_with_the_service(service, good):
    request = urllib.request.Request(f"{service.address}/api/v1/events", headers=service.headers)
    with urllib.request.urlopen(request, timeout=30) as events:
        sender = threading.Timer(0.3, service.inspect, (good, service.headers))
        sender.start()
        lines = [events.readline() for _ in range(3)]
        assert any(b'"decision":"accept"' in line.replace(b" ", b"") for line in lines)
        sender.join()


def test_slow_senders_keep_nobody_waiting(service, good):
    idle = [socket.create_connection(("127.0.0.1", service.port)) for _ in range(30)]
    for one in idle:
        one.sendall(b"POST /api/v1/products/widget/inspect HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n")
    assert service.inspect(good, service.headers)["decision"] == "accept"
    for one in idle:
        one.close()


def test_a_picture_that_is_too_large_is_refused_before_it_has_come(service):
    with socket.create_connection(("127.0.0.1", service.port)) as sender:
        token = service.headers["Authorization"]
        head = f"POST /api/v1/products/widget/inspect HTTP/1.1\r\nHost: x\r\nAuthorization: {token}\r\n"
        sender.sendall(f"{head}Content-Length: {2 << 30}\r\n\r\n".encode())
        assert sender.recv(100).startswith(b"HTTP/1.1 413")


def test_a_stop_finishes_what_is_under_way(service, good):
    answers = []
    sender = threading.Thread(
        target=lambda: answers.extend(service.inspect(good, service.headers) for _ in range(3))
    )
    sender.start()
    sender.join()
    assert all(answers)


# --- mistakes of a user


def fails(*arguments):
    import sys

    command = [sys.executable, "-c", "from knowngood.cli.app import main; main()", "station", *arguments]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.splitlines()) <= 2
    return done.stderr


def test_a_port_that_is_taken_and_a_folder_that_is(service, tmp_path):
    said = fails("--data", str(tmp_path / "x"), "--port", str(service.port))
    assert "cannot be used: Address already in use; stop what uses it, or name another one (--port)" in said
    assert "runs on" in fails("--data", str(service.data), "--port", "8399")
