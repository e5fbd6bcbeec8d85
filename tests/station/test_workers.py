"""Processes that inspect: one that ends or is stuck is replaced, and costs the others nothing."""

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import wait
from pathlib import Path

import pytest

from knowngood.errors import InspectorError, UnreadableImage
from knowngood.station import inspection
from knowngood.station.workers import Overloaded, Workers


@pytest.fixture(scope="module")
def workers():
    made = Workers(1, 4, 60.0, 64)
    yield made
    made.close()


def test_a_process_that_ends_is_replaced_and_its_pictures_are_inspected_again(workers, inspector_file, good):
    (before,) = [workers.inspect(inspector_file, good).result()]
    pid = workers.pids[0]
    waiting = [workers.inspect(inspector_file, good) for _ in range(12)]
    os.kill(pid, signal.SIGKILL)
    found = [one.result(30) for one in waiting]
    assert {one.score for one in found} == {before.score}
    assert workers.pids[0] != pid


def test_a_process_that_is_stuck_is_replaced(workers, inspector_file, good):
    workers.inspect(inspector_file, good).result()  # so that a process has started
    pid = workers.pids[0]
    workers.patience, usual = 0.2, workers.patience
    os.kill(pid, signal.SIGSTOP)  # as a decoder that never ends
    stuck = workers.inspect(inspector_file, good)
    while workers.pids.get(0) == pid:
        time.sleep(0.01)
    workers.patience = usual
    assert stuck.result(60).decision == "accept"  # by the process that took its place


def test_a_batch_keeps_what_is_broken_apart(workers, inspector_file, good, defect, tmp_path):
    broken = tmp_path / "broken"
    broken.write_bytes(b"no picture")
    pictures = [good, broken, b"none either", defect]
    results = inspection.inspect(inspector_file, pictures)
    assert [getattr(one, "decision", None) for one in results] == ["accept", None, None, "reject"]
    assert all(str(one).startswith("'picture': not an image") for one in results[1:3])
    waiting = [workers.inspect(inspector_file, picture) for picture in pictures]
    wait(waiting)
    assert [type(one.exception()) for one in waiting] == [
        type(None),
        UnreadableImage,
        UnreadableImage,
        type(None),
    ]


def test_what_is_no_inspector(workers, tmp_path):
    for work in (workers.describe(tmp_path / "nothing"), workers.heatmap(tmp_path / "nothing", b"")):
        assert isinstance(work.exception(), InspectorError)


def test_too_many_pictures_are_refused(inspector_file, good):
    few = Workers(1, 1, 60.0, 2)
    try:
        with pytest.raises(Overloaded, match="2 pictures are waiting"):
            [few.inspect(inspector_file, good) for _ in range(9)]
    finally:
        few.close()
    with pytest.raises(Overloaded):
        few.inspect(inspector_file, good)


def test_processes_end_with_a_service_that_is_killed():
    code = (
        "from knowngood.station.workers import Workers\n"
        "import time\n"
        "if __name__ == '__main__':\n"
        "    made = Workers(1, 1, 5.0, 2)\n"
        "    made.preview(b'').exception()\n"
        "    print(made.pids[0], flush=True)\n"
        "    time.sleep(60)\n"
    )
    service = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    pid = int(service.stdout.readline())
    service.kill()
    service.communicate()
    for _ in range(100):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return
        if Path(f"/proc/{pid}/stat").read_text().split()[2] == "Z":  # its new parent has not noted it yet
            return
        time.sleep(0.05)
    pytest.fail("the process lives on")
