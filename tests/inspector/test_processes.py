"""Native libraries in Python processes: forks, threads at the end, and no word to the network."""

import copy
import os
import pickle
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np
import pytest

from knowngood import Inspector

PICTURE = np.full((40, 60, 3), 90, np.uint8)


def score(inspector):
    """The score of one picture, in whatever process this is."""
    return inspector.inspect(PICTURE)[0].score


def run(program, **environment):
    """Run a program in a fresh interpreter; what it printed."""
    ran = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, **environment},
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.strip()


@pytest.fixture(scope="module")
def saved(inspector, tmp_path_factory):
    path = tmp_path_factory.mktemp("native") / "widget.inspector"
    inspector.save(path)
    return path


@pytest.mark.parametrize("engine", ["openvino", "onnxruntime"])
class TestProcesses:
    @pytest.mark.parametrize("used", [False, True])
    def test_a_forked_process_inspects_unless_its_parent_has(self, saved, engine, used):
        program = (
            "import os, sys, numpy as np; from knowngood import Inspector;"
            f"inspector = Inspector.load({str(saved)!r}, engine={engine!r});"
            "picture = np.full((40, 60, 3), 90, np.uint8);"
            f"_ = {used} and inspector.inspect(picture); child = os.fork();\n"
            "if child == 0:\n"
            "    try:\n"
            "        print(len(inspector.inspect([picture] * 3)), inspector.inspect(picture)[0].score)\n"
            "    except Exception as error:\n"
            "        print(error)\n"
            "    sys.stdout.flush(); os._exit(0)\n"
            "print(os.waitpid(child, 0)[1])"
        )
        found, status = run(program).splitlines()
        expected = (
            "this process was forked from one" if used else f"3 {score(Inspector.load(saved, engine=engine))}"
        )
        assert found.startswith(expected)
        assert status == "0"

    def test_a_process_that_is_forked_while_a_thread_inspects_ends(self, saved, engine):
        program = (
            "import os, sys, threading, numpy as np; from knowngood import Inspector;"
            f"inspector = Inspector.load({str(saved)!r}, engine={engine!r});"
            "pictures = [np.full((400, 600, 3), 90, np.uint8)] * 20; first = threading.Event()\n"
            "def inspect():\n"
            "    while True:\n"
            "        inspector.inspect(pictures); first.set()\n"
            "threading.Thread(target=inspect, daemon=True).start(); first.wait()\n"
            "from knowngood.engines import native\n"
            "while not native._threads: pass\n"
            "child = os.fork()\n"
            "if child == 0:\n"
            "    native._close(); os._exit(0)\n"  # as at its end; the engine's own end is not ours to test
            "print(os.waitpid(child, 0)[1])"
        )
        assert run(program) == "0"

    def test_a_used_one_is_sent_to_another_process(self, saved, engine):
        inspector = Inspector.load(saved, engine=engine)
        expected = score(inspector)
        with ProcessPoolExecutor(1, get_context("spawn")) as pool:
            [verdict] = pool.submit(inspector.inspect, PICTURE).result(timeout=120)
        assert verdict.score == expected

    def test_a_used_one_is_copied(self, saved, engine):
        inspector = Inspector.load(saved, engine=engine)
        expected = score(inspector)
        for other in (copy.copy(inspector), copy.deepcopy(inspector), pickle.loads(pickle.dumps(inspector))):  # noqa: S301
            assert other.engine == engine
            assert other.manifest == inspector.manifest
            assert score(other) == expected

    @pytest.mark.parametrize("images", [1, 20])
    def test_the_program_ends_while_a_thread_inspects(self, saved, engine, images):
        program = (
            "import threading, numpy as np; from knowngood import Inspector;"
            f"inspector = Inspector.load({str(saved)!r}, engine={engine!r});"
            f"pictures = [np.full((400, 600, 3), 90, np.uint8)] * {images};"
            "first = threading.Event()\n"
            "def inspect():\n"
            "    while True:\n"
            "        inspector.inspect(pictures); first.set()\n"
            "threading.Thread(target=inspect, daemon=True).start(); first.wait(); print('end')"
        )
        for _ in range(3):
            assert run(program) == "end"


def test_nothing_looks_for_the_network_or_the_home_folder(saved, tmp_path):
    """OpenVINO's telemetry would do both at its import."""
    program = (
        "import socket, sys; from pathlib import Path\n"
        "def refuse(*_, **__): raise AssertionError('a socket')\n"
        "socket.socket = socket.create_connection = socket.getaddrinfo = refuse\n"
        "import numpy as np; from knowngood import Inspector\n"
        f"Inspector.load({str(saved)!r}).inspect(np.full((40, 60, 3), 90, np.uint8))\n"
        "print([name for name in sys.modules if 'telemetry' in name and not name.startswith('openvino.')])"
    )
    home = tmp_path / "home"
    home.mkdir()
    assert run(program, HOME=str(home), XDG_CACHE_HOME=str(tmp_path / "cache")) == "[]"
    assert list(home.iterdir()) == []
    assert run(program, HOME="/nowhere", XDG_CACHE_HOME=str(tmp_path / "cache")) == "[]"
