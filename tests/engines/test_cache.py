import os
import subprocess
import sys

import pytest

from knowngood.engines import cache
from knowngood.engines.cache import cached


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return cache.folder()


def never():
    raise AssertionError("it was made before")


def test_made_once_and_then_found(folder):
    assert cached("key", lambda: b"content") == b"content"
    assert cached("key", never) == b"content"
    assert cached("another key", lambda: b"other") == b"other"
    assert len(list(folder.iterdir())) == 2


@pytest.mark.parametrize("damage", [lambda kept: kept[:-1], lambda kept: b"x" + kept[1:], lambda _: b""])
def test_a_damaged_file_is_made_anew(folder, damage):
    cached("key", lambda: b"content")
    (file,) = folder.iterdir()
    file.write_bytes(damage(file.read_bytes()))
    assert cached("key", lambda: b"content again") == b"content again"
    assert cached("key", never) == b"content again"


def test_a_folder_that_cannot_be_written_only_costs_time(folder):
    folder.parent.mkdir(parents=True)
    folder.write_text("a file in its place")
    assert cached("key", lambda: b"content") == b"content"
    assert folder.read_text() == "a file in its place"


def test_the_oldest_go_when_there_are_too_many(folder, monkeypatch):
    monkeypatch.setattr(cache, "MOST", 3)
    for number in range(5):
        cached(f"key {number}", lambda: b"content")
        for age, file in enumerate(sorted(folder.iterdir(), key=lambda file: file.stat().st_mtime)):
            os.utime(file, (age, age))
    assert len(list(folder.iterdir())) == 3
    assert cached("key 4", never) == b"content"
    assert cached("key 0", lambda: b"made again") == b"made again"


def test_processes_that_write_at_once_each_get_a_whole_file(folder):
    program = (
        "import sys; from knowngood.engines.cache import cached;"
        "content = cached('key', lambda: sys.argv[1].encode() * 200_000);"
        "print(len(content), set(content.decode()))"
    )
    running = [
        subprocess.Popen([sys.executable, "-c", program, str(number)], stdout=subprocess.PIPE, text=True)
        for number in range(4)
    ]
    for process in running:
        assert process.communicate()[0].strip() in {f"200000 {{'{number}'}}" for number in range(4)}
    assert len(list(folder.iterdir())) == 1
    assert len(cached("key", never)) == 200_000
