import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from knowngood.data.arguments import each_source
from knowngood.data.images import read_image
from knowngood.errors import DataError, UnreadableImage

COLOUR = np.random.default_rng(0).integers(0, 256, (12, 16, 3), np.uint8)


def png(pixels=COLOUR, **options):
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", **options)
    return buffer.getvalue()


def test_a_sorted_column_is_read_by_position():
    log = pd.DataFrame({"path": [f"{n}.png" for n in range(8)], "time": [5, 3, 8, 1, 7, 2, 6, 4]})
    column = log.sort_values("time")["path"]
    wanted = [f"{n}.png" for n in (3, 5, 1, 7, 0, 6, 4, 2)]
    assert list(each_source(column)) == list(each_source(column.to_numpy())) == wanted
    assert list(each_source(iter(column))) == list(each_source(column.index.map(log["path"]))) == wanted


def test_paths_of_all_forms(tmp_path):
    class Entry:
        def __fspath__(self):
            return "c.png"

    given = ["a.png", Path("b.png"), Entry(), np.str_("d.png")]
    assert list(each_source(given)) == ["a.png", Path("b.png"), "c.png", "d.png"]
    assert list(each_source("a.png")) == ["a.png"]
    (tmp_path / "e.png").write_bytes(png())
    assert list(each_source(tmp_path.glob("*.png"))) == [tmp_path / "e.png"]


def test_bytes_and_open_files_wherever_they_were_read_to(tmp_path):
    data = png()
    (tmp_path / "a.png").write_bytes(data)
    written = io.BytesIO()
    written.write(data)
    with (tmp_path / "a.png").open("rb") as file:
        given = [data, bytearray(data), memoryview(data), written, file]
        assert list(each_source(given)) == [data] * 5
        for one in given:
            assert list(each_source(one)) == [data]


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_an_image_of_pillow_is_read_as_its_file(mode):
    image = Image.fromarray(COLOUR).convert("L" if mode == "I;16" else mode)
    if mode == "I;16":
        image = Image.fromarray(COLOUR[..., 0].astype(np.uint16) * 257)
    if mode.endswith("A"):
        image.putalpha(Image.fromarray(COLOUR[..., 0]))
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    for given in (image, Image.open(io.BytesIO(buffer.getvalue()))):
        (source,) = each_source(given)
        np.testing.assert_array_equal(read_image(source), read_image(buffer.getvalue()))


def test_an_image_of_pillow_is_turned_upright():
    exif = Image.Exif()
    exif[274] = 6
    data = png(exif=exif)
    (source,) = each_source([Image.open(io.BytesIO(data))])
    np.testing.assert_array_equal(source, read_image(data))
    assert source.shape == (16, 12, 3)


def test_an_image_of_pillow_that_is_cut_off_is_named():
    with pytest.raises(UnreadableImage, match=r"^'\[1\]': "):
        list(each_source(["a.png", Image.open(io.BytesIO(png()[:200]))]))


@pytest.mark.parametrize("dtype", [torch.uint8, torch.uint16])
def test_tensors_with_the_channels_first_or_last(dtype):
    last = torch.from_numpy(COLOUR).to(dtype)
    for given in (last, last.permute(2, 0, 1), last[None], last.permute(2, 0, 1)[None], [last]):
        (source,) = each_source(given)
        np.testing.assert_array_equal(source, COLOUR)
    (grey,) = each_source(last[..., 0])
    assert grey.shape == (12, 16)


def test_one_array_is_one_image_and_four_dimensions_are_a_batch():
    assert [source.shape for source in each_source(COLOUR)] == [(12, 16, 3)]
    assert [source.shape for source in each_source(np.stack([COLOUR] * 2))] == [(12, 16, 3)] * 2


def test_a_generator_is_asked_for_one_image_at_a_time():
    taken = []

    def camera():
        for number in range(5):
            taken.append(number)
            yield COLOUR

    sources = each_source(camera())
    assert taken == []
    next(sources)
    assert taken == [0]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (None, r"image \[1\] is None, as cv2\.imread returns for a file that it cannot read$"),
        (3.5, r"image \[1\] is of type float; give a path, the bytes of a file, a file opened as binary, a"),
        ([[1, 2]], r"image \[1\] is of type list;"),
        ({}, r"image \[1\] is of type dict;"),
        (io.StringIO("text"), r"image \[1\] is a file opened as text;"),
        (COLOUR.astype(float), r"image \[1\]: an image array of shape .* and type float64 came; expected"),
        (
            torch.zeros(2, 3, 12, 16, dtype=torch.uint8),
            r"; of batches, give each image: \(image for batch in",
        ),
        (torch.zeros(3, 12, 16), r"image \[1\]: an image array of shape \(12, 16, 3\) and type float32"),
        (Image.new("F", (9, 9)), r"image \[1\]: Pillow's pixels of mode F have no fixed white"),
    ],
)
def test_what_is_no_image_is_named_by_its_position(wrong, message):
    with pytest.raises(DataError, match=message) as caught:
        list(each_source(["a.png", wrong]))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("wrong", [None, 3, object()])
def test_no_images_at_all(wrong):
    with pytest.raises(DataError, match=r"image \[0\] is "):
        list(each_source(wrong))


@pytest.mark.parametrize("wrong", [pd.DataFrame({"path": ["a.png"]}), {"path": "a.png"}])
def test_a_table_in_place_of_its_column(wrong):
    with pytest.raises(DataError, match="came for images; give its column of paths"):
        list(each_source(wrong))


def test_a_folder_stands_for_its_images(tmp_path):
    for name in ("b/2.png", "b/1.png", "a.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(png())
    (tmp_path / "b/notes.txt").touch()
    below = [str(tmp_path / name) for name in ("b/1.png", "b/2.png")]
    assert list(each_source(tmp_path / "b")) == list(each_source(str(tmp_path / "b"))) == below
    assert list(each_source([tmp_path / "a.png", tmp_path / "b", b""])) == [tmp_path / "a.png", *below, b""]
    with pytest.raises(DataError, match=r"image \[3\] is None"):
        list(each_source([tmp_path / "b", b"", None]))


def test_pictures_that_are_not_read_are_not_passed_over(tmp_path):
    (tmp_path / "a.heic").touch()
    (tmp_path / "b.png").write_bytes(png())
    assert list(each_source(tmp_path)) == [str(tmp_path / "b.png"), str(tmp_path / "a.heic")]


def test_a_folder_without_an_image(tmp_path):
    with pytest.raises(DataError, match="there is no image in"):
        list(each_source(tmp_path))
