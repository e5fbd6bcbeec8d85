"""A station as a process of its own, who sends it pictures, and what is killed under load."""

from __future__ import annotations

import http.client
import json
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

from knowngood.station.accounts import new_token
from knowngood.station.context import Records
from knowngood.station.found import About
from knowngood.station.inspection import describe
from knowngood.station.models import Product, Verdict
from knowngood.station.settings import StationSettings
from knowngood.station.verify import verify
from knowngood.station.versions import add_version, release

PRODUCT = "widget"


class Service:
    """A station as a process, on a port that is free."""

    def __init__(self, settings: StationSettings) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.settings = settings.model_copy(update={"port": port})

    @property
    def pids(self) -> list[int]:
        """The service, and the processes that inspect."""
        threads = Path(f"/proc/{self.process.pid}/task").glob("*/children")
        return [self.process.pid, *(int(pid) for file in threads for pid in file.read_text().split())]

    def start(self) -> float:
        """Start, and wait until pictures are taken; the seconds that took."""
        began = time.perf_counter()
        command = [sys.executable, "-c", "from knowngood.cli.app import main; main()", "station"]
        command += ["--data", str(self.settings.data), "--port", str(self.settings.port)]
        if self.settings.database is not None:
            command += ["--database", self.settings.database]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        while True:
            client = Client(self)
            try:
                if client.ask("GET", "/ready")[0] == 200:
                    return time.perf_counter() - began
            except OSError:
                if self.process.poll() is not None:
                    raise AssertionError(self.process.communicate()[0]) from None
            finally:
                client.connection.close()
            time.sleep(0.05)

    def stop(self, number: int = signal.SIGTERM) -> str:
        """Send a signal, and wait for the end; what was printed."""
        self.process.send_signal(number)
        return self.process.communicate(timeout=60)[0]


class Client:
    """A connection that stays open, as a camera's."""

    def __init__(self, service: Service, headers: dict[str, str] | None = None) -> None:
        self.headers = headers or {}
        self.connection = http.client.HTTPConnection("127.0.0.1", service.settings.port, timeout=60)

    def ask(self, method: str, path: str, body: bytes | None = None, **headers: str) -> tuple[int, bytes]:
        """The status and the body of an answer.

        Raises:
            OSError: The service went away.
        """
        try:
            self.connection.request(method, path, body, self.headers | headers)
            answer = self.connection.getresponse()
            return answer.status, answer.read()
        except (OSError, http.client.HTTPException) as error:
            self.connection.close()
            raise ConnectionError(str(error)) from error

    def inspect(self, picture: bytes, key: str | None = None) -> dict[str, Any] | None:
        """The verdict on a picture; None where the service went away, or is busy."""
        headers = {} if key is None else {"Idempotency-Key": key}
        try:
            status, body = self.ask("POST", f"/api/v1/products/{PRODUCT}/inspect", picture, **headers)
        except OSError:
            return None
        if status == 200:
            found: dict[str, Any] = json.loads(body)
            return found
        if status != 503:
            raise AssertionError(f"{status}: {body.decode()}")
        return None


def prepare(settings: StationSettings, inspector: Path) -> dict[str, str]:
    """Make a station whose product has a released inspector; headers of a token."""
    records = Records(settings)
    with records.database.writing() as session:
        product = Product(name=PRODUCT)
        session.add(product)
        session.flush()
        secret, _ = new_token(session, "benchmark", "line", "operator", None, None)
    (about,) = describe(inspector, [])
    assert isinstance(about, About)
    version = add_version(records, "benchmark", product, inspector, about)
    release(records, "benchmark", product, version, "to be measured")
    records.close()
    return {"Authorization": f"Bearer {secret}"}


def kill_under_load(
    service: Service, headers: dict[str, str], pictures: list[bytes], kills: int, seed: int = 7
) -> tuple[int, list[str]]:
    """Kill a station at random moments while three clients send pictures, each again until it is answered.

    Returns:
        The number of answers, and what is wrong with the records afterwards, in words.
    """
    answered: dict[str, int] = {}
    stop, rng = threading.Event(), random.Random(seed)

    def send(client: int) -> None:
        line, number = Client(service, headers), 0
        while not stop.is_set():
            key = f"{client}-{number}"
            found = line.inspect(pictures[(client + number) % len(pictures)], key)
            if found is None:
                time.sleep(0.05)
                continue
            answered[key] = found["id"]
            number += 1
        line.connection.close()

    service.start()
    clients = [threading.Thread(target=send, args=(client,)) for client in range(3)]
    for client in clients:
        client.start()
    for _ in range(kills):
        wanted = len(answered) + 10
        while len(answered) < wanted:
            time.sleep(0.01)
        time.sleep(rng.uniform(0, 0.3))
        service.stop(signal.SIGKILL)
        service.start()
    stop.set()
    for client in clients:
        client.join()
    service.stop()
    return len(answered), _problems(service.settings, answered)


def _problems(settings: StationSettings, answered: dict[str, int]) -> list[str]:
    """What is wrong with the records of a station, and with what it has answered."""
    records = Records(settings)
    found = verify(records, lambda *_: None)
    with records.database.reading() as session:
        rows = dict(session.query(Verdict.idempotency_key, Verdict.id).all())
    records.close()
    found += [f"{key} was answered and is lost" for key, row in answered.items() if rows.get(key) != row]
    return found + [f"{path.name} is left" for path in settings.incoming.iterdir()]
