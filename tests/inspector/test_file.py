import hashlib
import io
import zipfile

import numpy as np
import pytest

from knowngood.errors import InspectorError
from knowngood.inspector import file
from knowngood.inspector.file import GRAPH, MANIFEST, read_inspector, write_inspector
from knowngood.inspector.inspector import Inspector

CONTENT = (b'{"format": 1}', bytes(range(256)) * 8)


def sealed(path, members, compression=zipfile.ZIP_STORED):
    """Write a zip of these members with a right seal, as a stranger might."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, content in members:
            archive.writestr(name, content)
        archive.comment = b"0" * 64
    body = buffer.getvalue()[:-64]
    path.write_bytes(body + hashlib.sha256(body).hexdigest().encode())
    return path


@pytest.fixture
def small(tmp_path):
    path = tmp_path / "small.inspector"
    write_inspector(path, *CONTENT)
    return path


def test_what_is_written_is_read(small):
    assert read_inspector(small) == (*CONTENT, {})
    assert read_inspector(str(small)) == (*CONTENT, {})


def test_what_tells_of_the_training_is_read_too(tmp_path):
    training = {"training.json": b"{}", "training/epoch_005.png": b"png"}
    write_inspector(tmp_path / "trained.inspector", *CONTENT, training)
    assert read_inspector(tmp_path / "trained.inspector") == (*CONTENT, training)


def test_other_members_are_refused(tmp_path):
    write_inspector(tmp_path / "x", *CONTENT, {"setup.py": b""})
    with pytest.raises(InspectorError, match="a zip file but not an inspector"):
        read_inspector(tmp_path / "x")


def test_same_content_makes_the_same_file(small, tmp_path):
    write_inspector(tmp_path / "again.inspector", *CONTENT)
    assert (tmp_path / "again.inspector").read_bytes() == small.read_bytes()


def test_any_zip_tool_opens_it(saved, inspector):
    with zipfile.ZipFile(saved) as archive:
        assert archive.namelist() == [MANIFEST, GRAPH, "example1.png", "example2.png", "example3.png"]
        assert archive.testzip() is None
        assert archive.read(GRAPH) == inspector.graph
        assert archive.read(MANIFEST) == inspector.manifest.to_json()


def test_cut_off_at_any_length(saved, tmp_path):
    content = saved.read_bytes()
    cut = tmp_path / "cut.inspector"
    lengths = [*range(8), *np.linspace(8, len(content) - 200, 25, dtype=int), *range(-200, 0, 7), -1]
    for length in lengths:
        cut.write_bytes(content[:length])
        with pytest.raises(InspectorError, match=r"cut\.inspector"):
            Inspector.load(cut)


def test_one_byte_altered_anywhere(saved, tmp_path):
    content = bytearray(saved.read_bytes())
    altered = tmp_path / "altered.inspector"
    for position in [0, 3, *np.linspace(4, len(content) - 1, 40, dtype=int), -30, -64, -65, -66, -80]:
        content[position] ^= 0x5A
        altered.write_bytes(content)
        content[position] ^= 0x5A
        with pytest.raises(InspectorError, match=r"altered\.inspector"):
            Inspector.load(altered)


def test_bytes_added_at_the_end(saved):
    with saved.open("ab") as end:
        end.write(b"\n")
    with pytest.raises(InspectorError, match="was cut off or altered; copy it again"):
        Inspector.load(saved)


@pytest.mark.parametrize("content", [b"", b"PK", b"score,decision\n", b"\x89PNG\r\n\x1a\n"])
def test_other_files_are_no_inspector(tmp_path, content):
    path = tmp_path / "other"
    path.write_bytes(content)
    with pytest.raises(InspectorError, match="other' is not an inspector; `knowngood fit` makes one"):
        Inspector.load(path)


@pytest.mark.parametrize(
    "names", [[], ["a.txt"], [MANIFEST], [MANIFEST, GRAPH, "more"], [MANIFEST, "../" + GRAPH]]
)
def test_other_zips_are_no_inspector(tmp_path, names):
    path = sealed(tmp_path / "other.zip", [(name, b"content") for name in names])
    with pytest.raises(InspectorError, match=r"other\.zip' is (a zip file but )?not an inspector"):
        Inspector.load(path)


def test_a_part_twice_is_no_inspector(tmp_path):
    with pytest.warns(UserWarning, match="Duplicate name"):
        path = sealed(tmp_path / "twice.zip", [(MANIFEST, b"{}"), (GRAPH, b""), (GRAPH, b"")])
    with pytest.raises(InspectorError, match="is a zip file but not an inspector"):
        Inspector.load(path)


def test_compressed_parts_are_refused(tmp_path):
    bomb = sealed(tmp_path / "bomb", [(MANIFEST, b"{}"), (GRAPH, bytes(10**7))], zipfile.ZIP_DEFLATED)
    assert bomb.stat().st_size < 10**5
    with pytest.raises(InspectorError, match="holds compressed or oversized parts"):
        Inspector.load(bomb)


def test_a_directory_with_a_right_seal_may_lie(small, tmp_path):
    body = small.read_bytes()[:-64]
    rng = np.random.default_rng(0)
    directory = body.index(b"PK\x01\x02")
    positions = [*range(60), *range(directory, len(body))]
    refused = 0
    for _ in range(400):
        altered = np.frombuffer(body, np.uint8).copy()
        altered[rng.choice(positions, size=2)] = rng.choice([0, 1, 9, 255], size=2)
        path = tmp_path / "lie"
        path.write_bytes(altered.tobytes() + hashlib.sha256(altered.tobytes()).hexdigest().encode())
        try:
            manifest, graph, training = read_inspector(path)
            assert len(manifest) + len(graph) + sum(map(len, training.values())) <= len(body)
        except InspectorError:
            refused += 1
    assert 100 < refused < 400


def test_missing_file_and_folder(tmp_path):
    with pytest.raises(InspectorError, match=r"none\.inspector' cannot be opened: No such file"):
        Inspector.load(tmp_path / "none.inspector")
    with pytest.raises(InspectorError, match="Is a directory"):
        Inspector.load(tmp_path)


def test_no_permission(small, monkeypatch):
    def refuse(path, most):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("knowngood.inspector.file.open_file", refuse)
    with pytest.raises(InspectorError, match=r"small\.inspector' cannot be opened: Permission denied"):
        Inspector.load(small)


def test_a_file_beyond_all_size_is_not_read(tmp_path):
    path = tmp_path / "huge"
    with path.open("wb") as sparse:
        sparse.write(b"PK\x03\x04")
        sparse.truncate(2 << 30)
    with pytest.raises(
        InspectorError, match=r"huge' cannot be opened: it is too large \(2,147,483,648 bytes\)"
    ):
        Inspector.load(path)


@pytest.mark.parametrize("member", ["manifest.json", "training.json"])
def test_a_member_beyond_all_size_is_not_read(small, tmp_path, member, monkeypatch):
    monkeypatch.setattr(file, "LARGEST", file.LARGEST | {"manifest.json": 1 << 20})
    monkeypatch.setattr(file, "LARGEST_RECORDS", 1 << 20)
    path = tmp_path / "huge"
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("manifest.json", "model.onnx", "training.json"):
            archive.writestr(name, bytes(3 << 20 if name == member else 1))
    with pytest.raises(InspectorError, match=r"huge' holds too much: 3 MiB of \w+.*, more than 1"):
        Inspector.load(path)
