"""What stands in place of a table, a recipe, an image, a folder or an inspector makes no command hang."""

import os
import signal
from contextlib import contextmanager

import numpy as np
import pytest
from PIL import Image


@contextmanager
def no_longer_than(seconds):
    """Interrupt what waits for a pipe."""

    def stop(*_):
        raise TimeoutError("it hangs")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@pytest.fixture(params=["pipe", "/dev/zero", "/dev/tty", "/proc/kmsg", "sparse"])
def strange(request, tmp_path):
    """Make something of a name that is no file to read."""

    def make(name):
        path = tmp_path / name
        if request.param == "pipe":
            os.mkfifo(path)
        elif request.param == "sparse":
            path.touch()
            os.truncate(path, 1 << 40)
        else:
            path.symlink_to(request.param)
        return path

    return make


@pytest.mark.parametrize(
    "command",
    [
        ("describe", "DATA.csv"),
        ("describe", "DATA.parquet"),
        ("describe", "DATA"),
        ("fit", "DATA.csv", "--out", "OUT.inspector"),
        ("fit", "GOOD", "--out", "OUT.inspector", "--recipe", "DATA.yaml"),
        ("evaluate", "INSPECTOR", "DATA.csv", "--out", "OUT"),
        ("evaluate", "DATA.inspector", "GOOD", "--out", "OUT"),
        ("threshold", "INSPECTOR", "--rule", "f1-max", "--validation", "DATA.csv"),
        ("threshold", "DATA.inspector", "--max-false-reject", "0.01"),
        ("score", "DATA.inspector", "GOOD"),
        ("score", "INSPECTOR", "DATA.png"),
        ("compare", "GOOD", "--grid", "DATA.yaml"),
        ("gauge", "INSPECTOR", "DATA.csv", "--out", "OUT"),
    ],
    ids=" ".join,
)
def test_a_command_ends_with_a_line(run, inspector, tmp_path, strange, command):
    good = tmp_path / "good"
    good.mkdir()
    for number in range(3):
        Image.fromarray(np.full((16, 16), 90 + number, np.uint8)).save(good / f"{number}.png")
    words = {"INSPECTOR": inspector, "GOOD": good}
    arguments = [
        strange(f"a{word[4:]}") if word.startswith("DATA") else words.get(word) or _in(tmp_path, word)
        for word in command
    ]
    with no_longer_than(60):
        status, _, err = run(*arguments)
    assert status == 1
    assert "'" in err.splitlines()[-1] or "unreadable" in err


def _in(folder, word):
    return folder / word if word.startswith("OUT") else word


def test_a_pipe_among_the_images_of_a_folder(run, tmp_path):
    for number in range(4):
        (tmp_path / "data" / "good").mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((16, 16), 90 + number, np.uint8)).save(tmp_path / f"data/good/{number}.png")
    os.mkfifo(tmp_path / "data/good/pipe.png")
    with no_longer_than(60):
        status, out, _ = run("describe", tmp_path / "data")
    assert status == 0
    assert "images that cannot be read: 1" in out
    assert "pipe.png': it is a pipe or a device, not a file" in out
