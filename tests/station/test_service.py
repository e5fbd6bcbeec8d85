"""A station as a process: it starts, is killed under load, starts again, and loses nothing."""

import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress

import pytest
import uvicorn
from fastapi import FastAPI
from sqlalchemy import text

from knowngood.station import protocol
from knowngood.station.database import Database
from knowngood.station.settings import StationSettings
from station_service import Client, Service, kill_under_load, prepare

from ..support.station import as_png


@pytest.mark.parametrize(("engine", "kills"), [("sqlite", 2), ("postgresql", 1)])
def test_what_was_answered_survives_kills_under_load(engine, kills, tmp_path, inspector_file, good, request):
    url = None
    if engine == "postgresql":
        url = request.getfixturevalue("postgres")
        database = Database(url)
        with database.writing() as session:
            session.execute(text("DROP SCHEMA public CASCADE; CREATE SCHEMA public"))
        database.close()
    settings = StationSettings(data=tmp_path / "station", database=url)
    headers = prepare(settings, inspector_file)
    pictures = [as_png(seed, good) for seed in range(8)]
    answers, problems = kill_under_load(Service(settings), headers, pictures, kills)
    assert problems == []
    assert answers >= 10 * kills


@pytest.fixture(scope="module")
def service(tmp_path_factory, inspector_file):
    settings = StationSettings(data=tmp_path_factory.mktemp("service") / "station")
    headers = prepare(settings, inspector_file)
    made = Service(settings)
    made.start()
    made.headers = headers
    yield made
    assert "Traceback" not in made.stop()


@pytest.fixture
def client(service):
    made = Client(service, service.headers)
    yield made
    made.connection.close()


def test_live_pages_hear_of_a_verdict(service, client, good):
    live = Client(service, service.headers).connection
    live.request("GET", "/api/v1/events", headers=service.headers)
    events = live.getresponse()
    sender = threading.Timer(0.3, client.inspect, (good,))
    sender.start()
    lines = [events.readline() for _ in range(3)]
    assert any(b'"decision":"accept"' in line.replace(b" ", b"") for line in lines)
    sender.join()
    events.close()
    live.close()


def test_slow_senders_keep_nobody_waiting(service, client, good):
    idle = [socket.create_connection(("127.0.0.1", service.settings.port)) for _ in range(30)]
    for one in idle:
        one.sendall(b"POST /api/v1/products/widget/inspect HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n")
    assert client.inspect(good)["decision"] == "accept"
    for one in idle:
        one.close()


def test_a_picture_that_is_too_large_is_refused_before_it_has_come(service):
    with socket.create_connection(("127.0.0.1", service.settings.port)) as sender:
        token = service.headers["Authorization"]
        head = f"POST /api/v1/products/widget/inspect HTTP/1.1\r\nHost: x\r\nAuthorization: {token}\r\n"
        sender.sendall(f"{head}Content-Length: {2 << 30}\r\n\r\n".encode())
        assert sender.recv(100).startswith(b"HTTP/1.1 413")


def fails(*arguments):
    """What a station that cannot start says."""
    command = [sys.executable, "-c", "from knowngood.cli.app import main; main()", "station", *arguments]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.splitlines()) <= 2
    return done.stderr


def test_a_port_that_is_taken_and_a_folder_that_is(service, tmp_path):
    port = str(service.settings.port)
    said = fails("--data", str(tmp_path / "x"), "--port", port)
    assert f"port {port} of 127.0.0.1 cannot be used: Address already in use; stop what uses it" in said
    free = str(Service(service.settings).settings.port)
    assert "runs on" in fails("--data", str(service.settings.data), "--port", free)


def test_headers_that_come_slowly_end_the_connection(monkeypatch):
    monkeypatch.setattr(protocol, "HEADER_SECONDS", 0.3)
    server = uvicorn.Server(uvicorn.Config("", http=protocol.PatientProtocol, log_level="error"))
    server.config.app = FastAPI()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=server.run, args=([listening],))
        thread.start()
        with socket.create_connection(listening.getsockname(), timeout=20) as sender:
            with suppress(ConnectionError):  # the end of the connection may be met while sending
                for letter in b"GET / HTTP/1.1":
                    sender.sendall(bytes([letter]))
                    time.sleep(0.05)
            with suppress(ConnectionError):
                assert sender.recv(100) == b""
        with socket.create_connection(listening.getsockname(), timeout=20) as sender:
            sender.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert sender.recv(100).startswith(b"HTTP/1.1 404")
        server.should_exit = True
        thread.join()
