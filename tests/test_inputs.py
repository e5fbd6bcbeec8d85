"""Every path that a user names is a file of a size that it can have, or is refused before it is read."""

import os
import socket
import threading

import numpy as np
import pytest
from PIL import Image

from knowngood.data.decoding import decode, read_header
from knowngood.data.files import search
from knowngood.data.idx import read_idx
from knowngood.data.samples import fingerprint, load_samples
from knowngood.errors import (
    DataError,
    InspectorError,
    RecipeError,
    TrainingError,
    UnreadableImage,
    WeightsError,
)
from knowngood.features.weights import checkpoint_file
from knowngood.inputs import UnsuitableFile, check_file, is_plain, open_file, printable, read_file
from knowngood.inspector.file import read_inspector
from knowngood.recipe import read_settings

DOORS = {
    "table.csv": (load_samples, DataError),
    "table.parquet": (load_samples, DataError),
    "recipe.yaml": (read_settings, RecipeError),
    "image.png": (decode, UnreadableImage),
    "header.png": (read_header, UnreadableImage),
    "images-idx3-ubyte": (read_idx, DataError),
    "an.inspector": (read_inspector, InspectorError),
    "weights.pth": (lambda path: checkpoint_file("lite", str(path)), WeightsError),
}


@pytest.fixture(params=["pipe", "device", "proc", "sparse", "socket", "folder"])
def strange(request, tmp_path):
    """Make a path of a name that is no file to read, and what a message says of it."""

    def make(name):
        path = tmp_path / name
        match request.param:
            case "pipe":
                os.mkfifo(path)
                return path, "pipe or a device"
            case "device":
                path.symlink_to("/dev/zero")
                return path, "pipe or a device"
            case "proc":
                path.symlink_to("/proc/kmsg")
                return path, ""  # it says that it is empty, which each reader words in its own way
            case "sparse":
                with path.open("wb") as file:
                    file.truncate(1 << 40)
                return path, "too large"
            case "socket":
                with socket.socket(socket.AF_UNIX) as server:
                    server.bind(os.path.relpath(path))
                return path, "pipe or a device"
            case _:
                path.mkdir()
                return path, "folder" if name.endswith((".png", ".pth")) else "directory"

    return make


@pytest.mark.parametrize("name", DOORS)
def test_what_is_no_file_is_refused_before_it_is_read(strange, name, request):
    path, words = strange(name)
    if path.is_dir() and name.startswith("table"):
        words = "no images"
    if path.is_dir() and name == "weights.pth":
        words = "a folder without weights of lite"
    if "proc" in request.node.name and name == "weights.pth":
        return  # empty weights are found out by whoever reads them
    read, error = DOORS[name]
    with pytest.raises(error) as refused:
        read(path)
    assert words in str(refused.value)
    assert path.name in str(refused.value)
    assert len(str(refused.value).splitlines()) == 1


def test_a_checkpoint_that_is_no_file(tmp_path):
    journal = pytest.importorskip("knowngood.training.journal")
    for name in ("last.ckpt", "last.sha256", "run.json"):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "last.ckpt").touch()
        (folder / name).unlink(missing_ok=True)
        os.mkfifo(folder / name)
        with pytest.raises(TrainingError, match=name.replace("last.sha256", "last.ckpt")):
            journal.begin(folder, {}) if name == "run.json" else journal.load_checkpoint(folder / "last.ckpt")


def test_a_pipe_has_no_fingerprint_and_does_not_stop_a_search(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(tmp_path / "good.png")
    assert fingerprint([tmp_path / "pipe.png"]) == [""]
    assert [path.name for path in search(tmp_path)[0]] == ["good.png", "pipe.png"]


def test_a_name_with_nul_is_refused():
    for read, error in DOORS.values():
        with pytest.raises(error):
            read("a\0b.csv")
    with pytest.raises(UnsuitableFile, match="NUL"):
        check_file("a\0b", 1)


def test_a_file_is_read_up_to_the_bound(tmp_path):
    (tmp_path / "a").write_bytes(b"12345")
    assert read_file(tmp_path / "a", 5) == b"12345"
    assert check_file(tmp_path / "a", 5) == 5
    with pytest.raises(UnsuitableFile, match=r"^it is too large \(5 bytes\); at most 4 are read$"):
        open_file(tmp_path / "a", 4)
    with pytest.raises(FileNotFoundError):
        read_file(tmp_path / "b", 5)


def test_a_pipe_that_takes_the_place_of_a_file_is_not_waited_for(tmp_path, monkeypatch):
    os.mkfifo(tmp_path / "pipe")
    monkeypatch.setattr("knowngood.inputs.check_file", lambda *_: 5)
    reader = threading.Thread(target=lambda: read_file(tmp_path / "pipe", 5), daemon=True)
    reader.start()
    reader.join(10)
    assert not reader.is_alive()


def test_plain_texts():
    assert is_plain(["a b\u00a0é零件", {"k": 1.5}, None, True])
    for text in ("\x1b[2J", "a\nb", "\ud800", "x" * 4001, "\u202e"):
        assert not is_plain({"name": [text]})
    assert not is_plain({"\r": 1})
    assert not is_plain(-(1 << 63))
    assert not is_plain("four", longest=3)


def test_printable_texts_are_plain():
    for text in ("a\nb", "\x1b[2J", "x\udcff", "é零件", "x" * 5000, "\n" * 5000):
        assert is_plain(printable(text), 1000)
    assert printable("é零件") == "é零件"
    assert printable("x\udcff\x1b") == "x\\udcff\\x1b"
