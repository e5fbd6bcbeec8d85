"""Stations in this process, with a small product."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from argon2 import PasswordHasher

import knowngood
from knowngood.station import accounts
from knowngood.station.settings import StationSettings

from ..support.station import Line, running


@pytest.fixture(scope="session", autouse=True)
def _light_hashes() -> Iterator[None]:
    """Hash passwords in a millisecond."""
    light = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(accounts, "_HASHER", light)
        patch.setattr(accounts, "_NO_PASSWORD", light.hash("nobody has it"))
        yield


@pytest.fixture(scope="session")
def inspector_file(widget: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An inspector of the widget that takes milliseconds."""
    path = tmp_path_factory.mktemp("station") / "widget.inspector"
    knowngood.fit(widget, knowngood.make_detector("padim", {"input_size": 64})).save(path)
    return path


@pytest.fixture(scope="session")
def good(widget: Path) -> bytes:
    return (widget / "test/good/000.png").read_bytes()


@pytest.fixture(scope="session")
def defect(widget: Path) -> bytes:
    return (widget / "test/scratch/000.png").read_bytes()


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory, inspector_file: Path) -> Iterator[Line]:
    """A station that the tests of a module share."""
    settings = StationSettings(data=tmp_path_factory.mktemp("line") / "station", free=0)
    yield from running(settings, inspector_file)


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[Line]:
    """A station of its own without a product."""
    yield from running(StationSettings(data=tmp_path / "station", free=0), None)


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The address of a PostgreSQL server of its own, where one is installed."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    if not found or os.name == "nt":
        pytest.skip("PostgreSQL is not installed (apt-get install postgresql)")
    # The server refuses to run as root.
    user = {"user": "postgres", "group": "postgres"} if os.geteuid() == 0 else {}
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        if user:
            shutil.chown(folder, "postgres", "postgres")

        def run(program: str, *arguments: str) -> None:
            command = [str(found[-1] / program), *arguments]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=folder, **user)

        run("initdb", "-D", f"{folder}/data", "-U", "postgres", "--auth=trust", "--no-sync")
        options = f"-c listen_addresses= -c unix_socket_directories={folder}"
        run("pg_ctl", "-D", f"{folder}/data", "-o", options, "-l", f"{folder}/log", "-w", "start")
        try:
            yield f"postgresql+psycopg://postgres@/postgres?host={folder}"
        finally:
            run("pg_ctl", "-D", f"{folder}/data", "-m", "immediate", "stop")
