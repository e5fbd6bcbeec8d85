from pathlib import Path

import pytest
from PIL import Image

from knowngood.data.files import OTHER_PICTURES, find_images, search
from knowngood.data.images import IMAGE_SUFFIXES
from knowngood.errors import DataError

NOISE = Image.effect_noise((32, 32), 50)


@pytest.fixture
def folder(tmp_path):
    def make(*names: str) -> Path:
        for name in names:
            path = tmp_path / "data" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.suffix.lower() in (".png", ".jpg") and path.name[0] != ".":
                NOISE.save(path)
            else:
                path.touch()
        return tmp_path / "data"

    return make


def test_images_pictures_and_other_files(folder):
    data = folder("b.PNG", "sub/a.tiff", "notes.txt", "raw/1.HEIC", "raw/2.dng")
    (data / "dent").mkdir()
    found = search(data)
    assert found.images == [data / "b.PNG", data / "sub/a.tiff"]
    assert found.others == [data / "notes.txt"]
    assert found.pictures == [data / "raw/1.HEIC", data / "raw/2.dng"]
    assert found.empty == [data / "dent"]
    assert found.notes() == [
        "2 pictures are left out, since their formats are not read: .heic (1), .dng (1), such as "
        f"{str(data / 'raw/1.HEIC')!r}; save them as PNG or TIFF",
        "folders with nothing in them: 'dent'",
    ]


def test_what_a_system_makes_is_passed_over_and_said(folder):
    data = folder(
        *("good/0.JPG", "good/1.JPG", "good/._0.JPG", "good/._1.JPG", "good/Thumbs.db", ".DS_Store"),
        *("good/@eaDir/0.JPG/SYNOPHOTO_THUMB_M.jpg", "__MACOSX/good/._x.png", "$RECYCLE.BIN/3.jpg"),
        "System Volume Information/4.jpg",
    )
    found = search(data)
    assert found.images == [data / "good/0.JPG", data / "good/1.JPG"]
    assert found.others == found.pictures == []
    assert found.notes() == [
        "passed over, since a system makes files of such names: '$RECYCLE.BIN', '.DS_Store', '._*' (2), "
        "'@eaDir', 'System Volume Information', 'Thumbs.db', '__MACOSX'"
    ]


def test_no_ending_is_both_read_and_not():
    assert not OTHER_PICTURES & IMAGE_SUFFIXES
    assert {
        ".heic",
        ".raw",
        ".cr2",
        ".nef",
        ".dng",
        ".psd",
        ".svg",
        ".pcx",
        ".tga",
        ".exr",
        ".hdr",
        ".jxl",
    } < (OTHER_PICTURES)
    assert all(suffix.startswith(".") and suffix == suffix.lower() for suffix in OTHER_PICTURES)


def test_masks_are_not_inspected(folder):
    data = folder("a.jpg", "b.jpg", "gt/photo.jpg", "only/a_mask.png")
    for mask in ("a_GT.png", "gt/b.png"):
        Image.new("L", (32, 32)).save(data / mask)
    found = find_images([data])
    assert found.images == [
        str(data / name) for name in ("a.jpg", "b.jpg", "gt/photo.jpg", "only/a_mask.png")
    ]
    assert found.notes == [f"2 masks in {str(data)!r} are not inspected"]
    assert find_images([data / "gt/b.png"]).images == [str(data / "gt/b.png")]


def test_pictures_that_are_not_read_are_named(folder):
    data = folder("a.jpg", "b.heic", "@eaDir/c.jpg")
    found = find_images([data])
    assert found.images == [str(data / "a.jpg")]
    assert list(map(str, found.unread)) == [f"{str(data / 'b.heic')!r}: a format that is not read"]
    assert found.notes == ["passed over, since a system makes files of such names: '@eaDir'"]
    (data / "a.jpg").unlink()
    with pytest.raises(DataError, match=r"there is no image in .*; 1 pictures are left out.*\.heic"):
        find_images([data])


def test_doubtful_images_to_inspect_are_noted(tmp_path):
    Image.new("RGB", (32, 32), "grey").save(tmp_path / "0.png")
    NOISE.save(tmp_path / "1.png")
    NOISE.point(lambda value: 255 * (value > 128)).save(tmp_path / "2.png")
    found = find_images([tmp_path])
    assert len(found.images) == 3
    assert [note.partition(" have ")[2] for note in found.notes] == [
        "one colour all over; the first is '0.png'",
        "two grey levels, as masks have: if they are masks, leave them out; the first is '2.png'",
    ]
