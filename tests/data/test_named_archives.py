"""Archives are unpacked into their folder alone, whatever is in them."""

import io
import stat
import tarfile
import zipfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from knowngood.data.named import archives as module
from knowngood.data.named.archives import checked, unpack
from knowngood.errors import DataError, OutputError

SILENT = lambda *_: None  # noqa: E731
HOSTILE = [
    "../evil",
    "a/../../evil",
    "/etc/evil",
    "C:evil",
    "C:/evil",
    "a/..\\..\\evil",
    "\\\\host\\evil",
    "a/\x1b[2J",
]


def tar_of(path, *members, mode="w:xz"):
    """Write a tar archive of names with contents, or of whole members."""
    with tarfile.open(path, mode) as packed:
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                packed.addfile(member)
            else:
                name, content = member
                info = tarfile.TarInfo(name)
                info.size, info.mode = len(content), 0o4777
                packed.addfile(info, io.BytesIO(content))
    return path


def zip_of(path, *members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in members:
            packed.writestr(name, content)
    return path


def link(name, target, kind=tarfile.SYMTYPE):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def all_of(path):
    return path


@pytest.fixture
def into(tmp_path):
    folder = tmp_path / "deep/er/out"
    folder.mkdir(parents=True)
    return folder


def files_in(folder):
    return [path.name for path in folder.rglob("*") if path.is_file() or path.is_symlink()]


@pytest.mark.parametrize("mode", ["w:", "w:gz", "w:bz2", "w:xz", "zip"])
def test_files_are_written_as_plain_files(tmp_path, into, mode):
    members = [("a/1.png", b"one"), ("./a/b/2.png", b"22"), ("c.txt", b"left")]
    archive = tmp_path / "archive"
    archive = zip_of(archive, *members) if mode == "zip" else tar_of(archive, *members, mode=mode)
    written = unpack(archive, into, lambda path: None if path.name == "c.txt" else "x" / path, SILENT)
    assert written == {"x/a/1.png": 3, "x/a/b/2.png": 2}
    assert (into / "x/a/b/2.png").read_bytes() == b"22"
    assert stat.S_IMODE((into / "x/a/1.png").stat().st_mode) & 0o7111 == 0
    assert len([path for path in into.rglob("*") if path.is_file()]) == 2


@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_that_leads_outside_is_refused(tmp_path, into, name):
    for make in (tar_of, zip_of):
        archive = make(tmp_path / "archive", (name, b"evil"))
        with pytest.raises(DataError, match="is not unpacked: it holds the name"):
            unpack(archive, into, all_of, SILENT)
        assert files_in(tmp_path) == ["archive"]


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE])
def test_links_and_devices_are_refused(tmp_path, into, kind):
    (tmp_path / "mine").write_text("mine")
    archive = tar_of(tmp_path / "a.tar.xz", link("a/link", "../../../mine", kind), ("a/link/x", b"evil"))
    with pytest.raises(DataError, match="holds 'a/link', a link or no plain file"):
        unpack(archive, into, all_of, SILENT)
    assert (tmp_path / "mine").read_text() == "mine"
    assert not list(into.iterdir())


def test_links_in_zip_archives_are_refused(tmp_path, into):
    info = zipfile.ZipInfo("a/link")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as packed:
        packed.writestr(info, "/etc")
    with pytest.raises(DataError, match="a link or no plain file"):
        unpack(tmp_path / "a.zip", into, all_of, SILENT)
    assert not list(into.iterdir())


def test_an_encrypted_file_is_refused(tmp_path, into):
    archive = zip_of(tmp_path / "a.zip", ("a/1.png", b"1"))
    content = bytearray(archive.read_bytes())
    for magic, at in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        content[content.index(magic) + at] |= 1
    archive.write_bytes(content)
    with pytest.raises(DataError, match=r"'a/1\.png', which is encrypted"):
        unpack(archive, into, all_of, SILENT)


@pytest.mark.parametrize("kind", ["tar", "zip", "many", "header"])
def test_bombs_are_refused(tmp_path, into, kind, monkeypatch):
    monkeypatch.setattr(module, "SPARE", 1 << 20)
    monkeypatch.setattr(module, "MOST_FILES", 100)
    archive = tmp_path / "bomb"
    if kind == "many":
        tar_of(archive, *((f"{number}", b"") for number in range(101)))
    elif kind == "header":
        info = tarfile.TarInfo("a")
        info.pax_headers = {"comment": "x" * (3 << 20)}
        with tarfile.open(archive, "w:xz", format=tarfile.PAX_FORMAT) as packed:
            packed.addfile(info)
    else:
        (tar_of if kind == "tar" else zip_of)(archive, ("bomb", bytes(3 << 20)))
    with pytest.raises(DataError, match="holds more than"):
        unpack(archive, into, all_of, SILENT)
    assert sum(path.stat().st_size for path in into.rglob("*")) <= 2 << 20


def test_a_zip_that_states_less_than_it_holds(tmp_path, into):
    archive = zip_of(tmp_path / "a.zip", ("a/1.png", bytes(10_000)))
    content = archive.read_bytes()
    archive.write_bytes(content.replace((10_000).to_bytes(4, "little"), (10).to_bytes(4, "little")))
    with pytest.raises(DataError, match="damaged"):
        unpack(archive, into, all_of, SILENT)
    assert sum(path.stat().st_size for path in into.rglob("*.png")) <= 10


@pytest.mark.parametrize("mode", ["w:", "w:gz", "w:bz2", "w:xz", "zip"])
@pytest.mark.parametrize("harm", ["cut", "flipped", "none"])
def test_a_damaged_archive_is_named(tmp_path, into, mode, harm):
    archive = tmp_path / "archive"
    members = [(f"a/{number}", bytes(range(256)) * 50) for number in range(5)]
    _ = zip_of(archive, *members) if mode == "zip" else tar_of(archive, *members, mode=mode)
    content = bytearray(archive.read_bytes())
    if harm == "cut":
        del content[len(content) // 2 :]
    elif harm == "flipped":
        content[:4] = b"\0\0\0\0" if mode == "zip" else content[:4]
        content[len(content) // 3] ^= 255
    archive.write_bytes(b"<html>" if harm == "none" else content)
    if harm == "flipped" and mode == "w:":
        return  # tar has no checksum of contents
    with pytest.raises(DataError, match=r"archive' is damaged or no archive"):
        unpack(archive, into, all_of, SILENT)


def test_a_full_disk_is_said(tmp_path, into):
    (into / "a").symlink_to("/dev/full")
    with pytest.raises(OutputError, match="No space left"):
        unpack(tar_of(tmp_path / "x.tar.xz", ("a", b"1")), into, all_of, SILENT)


@settings(max_examples=50)
@given(st.text(alphabet="ab./\\\\:~\0é", min_size=1, max_size=12))
def test_a_checked_name_stays_below(name):
    try:
        path = checked(name)
    except DataError:
        return
    assert ".." not in path.parts
    assert not path.is_absolute()
    assert "\\" not in str(path)
