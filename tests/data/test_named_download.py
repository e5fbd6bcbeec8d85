"""Downloads go on where they stopped, and end with the file that was published or with none."""

import hashlib
import json
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from knowngood.data.named import download as module
from knowngood.data.named.download import download
from knowngood.data.named.entries import Archive
from knowngood.errors import DataError, OutputError

from ..support.publisher import publishing

CONTENT = np.random.default_rng(0).integers(0, 256, 3_000_000, dtype=np.uint8).tobytes()
SHA256 = hashlib.sha256(CONTENT).hexdigest()
CUT = 1_000_000
SILENT = lambda *_: None  # noqa: E731


@pytest.fixture
def publisher(monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(module, "PAUSE", 0.001)
    monkeypatch.setattr(module, "STALL", 0.2)
    with publishing() as publisher:
        yield publisher


def archive_of(*addresses, size=3_000_000):
    return Archive("parts.tar", size, addresses)


def get(publisher, folder, expected=SHA256, *addresses):
    addresses = addresses or (f"{publisher.address}/parts.tar",)
    return download(archive_of(*addresses), folder / "parts.tar", expected=expected, progress=SILENT)


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


def dropped(handler):
    handler.answer(cut=CUT)


def stalled(handler):
    handler.answer(cut=CUT)
    time.sleep(1)


@pytest.mark.parametrize(
    "expected",
    ["", SHA256],
    ids=["unknown", "known"],
)
@pytest.mark.parametrize("badly", [dropped, stalled])
def test_what_has_come_is_not_asked_for_again(publisher, tmp_path, badly, expected):
    publisher.publish("parts.tar", CONTENT)
    publisher.badly = [badly]
    assert get(publisher, tmp_path, expected) == SHA256
    assert (tmp_path / "parts.tar").read_bytes() == CONTENT
    assert publisher.asked == ["", f"bytes={CUT}-"]
    assert publisher.sent == [CUT, len(CONTENT) - CUT]
    assert names_in(tmp_path) == ["parts.tar"]


def test_a_later_call_goes_on(publisher, tmp_path):
    publisher.publish("parts.tar", CONTENT)
    publisher.badly = [dropped, *[lambda handler: handler.send_error(503)] * module.TRIES]
    with pytest.raises(
        DataError, match=r"stopped after 1\.0 MB: 127\.0\.0\.1 answers 503 .*it goes on from there"
    ):
        get(publisher, tmp_path)
    assert not (tmp_path / "parts.tar").exists()
    assert get(publisher, tmp_path) == SHA256
    assert publisher.asked[-1] == f"bytes={CUT}-"
    assert sum(publisher.sent) == len(CONTENT)


def test_a_killed_process_goes_on(publisher, tmp_path):
    publisher.publish("parts.tar", CONTENT)
    publisher.badly = [lambda handler: (handler.answer(cut=CUT), time.sleep(3))]
    program = (
        "import sys; from pathlib import Path\n"
        "from knowngood.data.named.download import download\n"
        "from knowngood.data.named.entries import Archive\n"
        f"archive = Archive('parts.tar', {len(CONTENT)}, ('{publisher.address}/parts.tar',))\n"
        "download(archive, Path(sys.argv[1]), expected='', progress=lambda *_: None)"
    )
    part = tmp_path / "parts.tar.part"
    process = subprocess.Popen([sys.executable, "-c", program, tmp_path / "parts.tar"])
    until = time.monotonic() + 30
    while not part.exists() or part.stat().st_size < CUT:
        assert time.monotonic() < until
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "parts.tar").exists()
    assert get(publisher, tmp_path) == SHA256
    assert publisher.asked == ["", f"bytes={CUT}-"]
    assert publisher.sent[-1] == len(CONTENT) - CUT


def test_a_server_without_ranges_starts_anew(publisher, tmp_path):
    publisher.publish("parts.tar", CONTENT)
    publisher.badly = [dropped, lambda handler: handler.answer(ranges=False)]
    assert get(publisher, tmp_path) == SHA256
    assert publisher.sent == [CUT, len(CONTENT)]


def test_a_server_that_never_gets_further_is_given_up(publisher, tmp_path):
    publisher.publish("parts.tar", CONTENT)
    publisher.badly = [lambda handler: handler.answer(ranges=False, cut=CUT)] * 20
    with pytest.raises(DataError, match="stopped after"):
        get(publisher, tmp_path)
    assert len(publisher.asked) == module.TRIES + 1


@pytest.mark.parametrize("expected", ["", SHA256], ids=["unknown", "known"])
def test_a_file_that_changed_between_two_parts_is_downloaded_anew(publisher, tmp_path, expected):
    publisher.publish("parts.tar", bytes(len(CONTENT)))

    def changed(handler):
        dropped(handler)
        publisher.publish("parts.tar", CONTENT, '"2"')

    publisher.badly = [changed]
    assert get(publisher, tmp_path, expected) == SHA256
    assert publisher.sent == [CUT, len(CONTENT)]


def test_a_server_that_ignores_the_condition_is_found_out(publisher, tmp_path):
    publisher.publish("parts.tar", bytes(len(CONTENT)))

    def changed(handler):
        dropped(handler)
        publisher.publish("parts.tar", CONTENT, '"2"')

    publisher.badly = [changed, lambda handler: handler.answer(condition=False)]
    assert get(publisher, tmp_path, "") == SHA256
    assert len(publisher.asked) == 3


def test_without_a_version_the_checksum_decides(publisher, tmp_path):
    publisher.publish("parts.tar", bytes(len(CONTENT)), "")

    def changed(handler):
        dropped(handler)
        publisher.publish("parts.tar", CONTENT, "")

    publisher.badly = [changed]
    assert get(publisher, tmp_path) == SHA256
    assert publisher.asked == ["", f"bytes={CUT}-", ""]


def test_without_a_version_and_a_checksum_nothing_is_joined(publisher, tmp_path):
    publisher.publish("parts.tar", CONTENT, "")
    publisher.badly = [dropped]
    assert get(publisher, tmp_path, "") == SHA256
    assert publisher.asked == ["", ""]


def test_wrong_bytes_are_not_kept(publisher, tmp_path):
    publisher.publish("parts.tar", CONTENT[::-1])
    with pytest.raises(
        DataError, match=rf"not the file that was published: its SHA-256 is \w+, not {SHA256}"
    ):
        get(publisher, tmp_path)
    assert len(publisher.asked) == 1
    assert names_in(tmp_path) == []


def test_a_length_that_is_too_large(publisher, tmp_path):
    publisher.publish("parts.tar", CONTENT)
    publisher.badly = [lambda handler: handler.answer(length=len(CONTENT) + 7)]
    assert get(publisher, tmp_path) == SHA256
    assert publisher.asked == ["", f"bytes={len(CONTENT)}-"]


def test_a_length_that_is_too_small(publisher, tmp_path):
    publisher.publish("parts.tar", CONTENT)
    publisher.badly = [lambda handler: handler.answer(length=CUT)]
    with pytest.raises(DataError, match="not the file that was published"):
        get(publisher, tmp_path)
    assert names_in(tmp_path) == []


def test_the_next_address_is_tried(publisher, tmp_path):
    publisher.publish("parts.tar", CONTENT)
    old, web = f"{publisher.address}/old.tar", publisher.publish("page", b"<html>sign in</html>")
    publisher.badly = [None, lambda handler: handler.answer(kind="text/html")]
    closed = "http://127.0.0.1:9/parts.tar"
    assert get(publisher, tmp_path, "", closed, old, web, f"{publisher.address}/parts.tar") == SHA256
    publisher.badly = [None, lambda handler: handler.answer(kind="text/html")]
    (tmp_path / "parts.tar").unlink()
    with pytest.raises(DataError) as caught:
        get(publisher, tmp_path, "", closed, old, web)
    assert "127.0.0.1 is not reached" in str(caught.value)
    assert "answers 404 Not Found; 127.0.0.1 answers with a web page in place of parts.tar" in str(
        caught.value
    )
    assert names_in(tmp_path) == []


def test_a_file_far_larger_than_stated_is_refused(publisher, tmp_path):
    address = publisher.publish("parts.tar", bytes(30_000_000))
    with pytest.raises(DataError, match="larger than its publisher states"):
        download(archive_of(address, size=1), tmp_path / "parts.tar", expected="", progress=SILENT)
    assert publisher.sent[0] < 10_000_000


@pytest.mark.parametrize("about", [b"", b"[]", b'{"address": 3}', b"\xff", b"{"])
def test_a_damaged_note_of_what_has_come(publisher, tmp_path, about):
    publisher.publish("parts.tar", CONTENT)
    (tmp_path / "parts.tar.part").write_bytes(b"other")
    (tmp_path / "parts.tar.part.json").write_bytes(about)
    assert get(publisher, tmp_path) == SHA256
    assert publisher.asked == [""]


def test_a_full_disk_is_said(publisher, tmp_path):
    publisher.publish("parts.tar", CONTENT)
    (tmp_path / "parts.tar.part").symlink_to("/dev/full")
    with pytest.raises(OutputError, match=r"parts\.tar\.part' cannot be written: No space left"):
        get(publisher, tmp_path)


def test_progress_is_in_megabytes(publisher, tmp_path):
    publisher.publish("parts.tar", CONTENT)
    seen = []
    archive = archive_of(f"{publisher.address}/parts.tar")
    download(archive, tmp_path / "parts.tar", expected="", progress=lambda *one: seen.append(one))
    assert seen[0] == ("downloading parts.tar, MB", 0, 3)
    assert ("downloading parts.tar, MB", 3, 3) in seen
    assert seen[-1] == ("checking parts.tar, MB", 3, 3)


def test_what_is_remembered_is_plain(publisher, tmp_path):
    address = publisher.publish("parts.tar", CONTENT)
    publisher.badly = [dropped, *[lambda handler: handler.send_error(500)] * module.TRIES]
    with pytest.raises(DataError):
        get(publisher, tmp_path)
    note = json.loads((tmp_path / "parts.tar.part.json").read_text())
    assert note == {"address": address, "version": '"1"', "size": len(CONTENT)}


def test_a_process_that_was_killed_before_the_checksum_was_compared(publisher, tmp_path):
    address = publisher.publish("parts.tar", CONTENT)
    note = {"address": address, "version": "", "size": len(CONTENT)}
    for content in (CONTENT, CONTENT[::-1]):
        (tmp_path / "parts.tar.part").write_bytes(content)
        (tmp_path / "parts.tar.part.json").write_text(json.dumps(note))
        assert get(publisher, tmp_path) == SHA256
        assert names_in(tmp_path) == ["parts.tar"]
        (tmp_path / "parts.tar").unlink()
    assert publisher.asked == [""]  # only for the file that was another
