"""Tiles cover a picture, are read once a picture, and their maps make one without seams."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from PIL import Image

from knowngood.data import imageset
from knowngood.data.imageset import ImageSet, read_batches
from knowngood.data.part_size import part_side
from knowngood.data.reading import Reading
from knowngood.data.tiling import Tile, Tiling
from knowngood.errors import DataError

sides = st.integers(8, 700)


@given(sides, sides, st.integers(64, 200), st.integers(0, 28))
def test_what_is_inside_the_rims_covers_every_pixel(height, width, side, rim):
    covered = np.zeros((height, width), int)
    inside = side - 2 * rim
    tiles = Tiling(side, rim).tiles((height, width), 3)
    for picture, top, left in tiles:
        assert picture == 3
        assert -rim <= top <= max(0, height - inside) - rim
        assert -rim <= left <= max(0, width - inside) - rim
        covered[top + rim : top + side - rim, left + rim : left + side - rim] += 1
    assert covered.min() >= 1


@example(height=8, width=32, side=64, rim=8, patches=28)  # centres where two patches meet
@given(sides, sides, st.integers(64, 200), st.integers(0, 28), st.integers(3, 40))
def test_stitched_maps_are_as_smooth_as_what_they_show(height, width, side, rim, patches):
    """A value that grows along both sides is found again, off by no more than a patch."""
    tiling, step = Tiling(side, rim), side / patches
    centres = (np.arange(patches) + 0.5) * step

    def shown(first, length):
        place = np.abs(first + centres)
        return np.where(place < length, place, 2 * length - place)

    tiles = tiling.tiles((height, width))
    maps = [
        np.add.outer(shown(top, height), 2 * shown(left, width)).astype(np.float32) for _, top, left in tiles
    ]
    whole = tiling.stitched(maps, tiles, (height, width))
    assert whole.shape == tuple(max(1, length * patches // side) for length in (height, width))
    assert np.isfinite(whole).all()
    if min(height, width) > side:
        kept = tiling.rim_of(patches)
        within = slice(kept, patches - kept)
        assert whole.max() == max(map_[within, within].max() for map_ in maps)
        rows, columns = (
            (np.arange(n) + 0.5) * length / n for n, length in zip(whole.shape, (height, width), strict=True)
        )
        wide = max(height / whole.shape[0], width / whole.shape[1])
        assert np.abs(whole - np.add.outer(rows, 2 * columns)).max() <= 3 * wide


def test_the_maximum_of_a_map_stays_and_is_where_it_was_but_for_the_rim():
    tiling, size = Tiling(64, 16), (150, 90)
    tiles = tiling.tiles(size)
    maps = [np.zeros((8, 8), np.float32) for _ in tiles]
    maps[-1][5, 5], maps[0][0, 0] = 5.0, 9.0
    whole = tiling.stitched(maps, tiles, size)
    assert whole[-1, -1] == whole.max() == 5.0
    assert (whole > 0).sum() == 1


def test_a_picture_that_is_smaller_is_one_tile_mirrored_and_never_enlarged():
    picture = np.arange(10 * 20, dtype=np.uint8).reshape(10, 20)
    tiling = Tiling(64, 8)
    (tile,) = tiling.tiles((10, 20))
    cut = tiling.cut(picture, tile)
    assert cut.shape == (64, 64)
    np.testing.assert_array_equal(cut[8:18, 8:28], picture)
    np.testing.assert_array_equal(cut[18:28, 8:28], picture[::-1])
    np.testing.assert_array_equal(cut[8:18, 28:48], picture[:, ::-1])
    np.testing.assert_array_equal(cut[:8, 8:28], picture[7::-1])
    map_ = np.zeros((8, 8), np.float32)
    map_[2, 2] = 7.0
    whole = tiling.stitched([map_], [tile], (10, 20))
    assert whole.tolist() == [[0.0, 7.0]]


@pytest.fixture
def decodings(monkeypatch):
    """Count how often pictures are read."""
    found = []
    read = Reading.read
    monkeypatch.setattr(Reading, "read", lambda self, source: found.append(source) or read(self, source))
    return found


@pytest.fixture
def pictures(tmp_path):
    rng, paths = np.random.default_rng(0), []
    for number, size in enumerate(((150, 150), (64, 64), (100, 210))):
        paths.append(str(tmp_path / f"{number}.png"))
        Image.fromarray(rng.integers(0, 256, (*size, 3), dtype=np.uint8)).save(paths[-1])
    return paths


READING = Reading((64, 64), tiling=Tiling(64, 0))


def test_a_set_of_pictures_becomes_one_of_tiles_in_groups(pictures, decodings):
    whole = ImageSet(pictures, READING, classes=["a", "b", "a"])
    tiles = whole.tiled()
    assert tiles.pictures.tolist() == [0] * 9 + [1] + [2] * 8
    assert list(tiles.groups) == tiles.pictures.tolist()
    assert tiles.classes == ["a"] * 9 + ["b"] + ["a"] * 8
    batches = list(tiles.batches(5))
    assert [len(batch.index) for batch in batches] == [5, 5, 5, 3]
    assert np.concatenate([batch.index for batch in batches]).tolist() == list(range(18))
    assert decodings == pictures  # once each
    third = np.asarray(Image.open(pictures[2]))
    np.testing.assert_array_equal(batches[-1].images[-1], third[36:100, 146:210])
    assert batches[-1].sizes[-1].tolist() == [100, 210]

    some = tiles.subset([1, 17])
    assert some.pictures.tolist() == [0, 2]
    (batch,) = some.batches(2)
    np.testing.assert_array_equal(batch.images[1], third[36:100, 146:210])
    assert len(list(whole.batches())) == 3  # whole, for whoever wants pictures
    grouped = ImageSet(pictures, READING, groups=["x", "y", "x"]).tiled()
    assert list(grouped.groups) == ["x"] * 9 + ["y"] + ["x"] * 8


def test_to_inspect_all_tiles_of_each_picture_come_in_order(pictures, decodings):
    batches = list(read_batches(iter(pictures), READING))
    assert [int(batch.index[0]) for batch in batches] == [0] * 9 + [1] + [2] * 8
    assert [batch.tiles[0] for batch in batches[9:10]] == [Tile(0, 0, 0)]
    assert decodings == pictures


def test_large_pictures_wait_one_at_a_time(pictures, decodings, monkeypatch):
    monkeypatch.setattr(imageset, "AHEAD_BYTES", 1)
    stream = read_batches(pictures * 3, READING)
    for _ in range(10):  # nine of the first, one of the second
        next(stream)
    stream.close()
    assert decodings == (pictures * 2)[: len(decodings)]
    assert len(decodings) <= 4  # of nine: one is ahead of each that is done


def test_a_picture_that_cannot_be_read_counts_once(pictures, tmp_path):
    (tmp_path / "broken.png").write_text("no image")
    sources = [*pictures[:2], str(tmp_path / "broken.png")]
    tiles = ImageSet(sources, READING).tiled()
    with pytest.raises(DataError, match="1 of 3 images cannot be read"):
        list(tiles.batches())
    failures = []
    read = list(ImageSet(sources, READING, on_unreadable=failures.append).tiled().batches())
    assert (len(read), [failure.path for failure in failures]) == (10, [sources[2]])


def test_the_side_of_parts_on_a_plain_background():
    rng = np.random.default_rng(0)

    def tray(parts):
        picture = np.clip(rng.normal(200, 3, (900, 1200)), 0, 255).astype(np.uint8)
        for row, column in parts:
            picture[row : row + 60, column : column + 150] = 40
        return picture

    pictures = [tray([(100, 200), (500, 800)]), tray([(700, 40)]), tray([(30, 1000)])]
    assert part_side(pictures) == pytest.approx(1.1 * 150, rel=0.15)
    texture = [rng.integers(0, 256, (900, 1200), dtype=np.uint8) for _ in range(3)]
    assert part_side(texture) is None
    assert part_side([np.full((900, 1200), 90, np.uint8)]) is None
    assert part_side(["missing.png"]) is None
