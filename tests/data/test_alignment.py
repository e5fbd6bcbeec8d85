import numpy as np
import pytest

from knowngood.data.aligning import learn_alignment
from knowngood.data.alignment import Alignment, cut_out, pose_frame
from knowngood.data.foreground import find_part, shrunk
from knowngood.data.framing import learn_framing
from knowngood.data.geometry import Geometry
from knowngood.data.reading import Reading

from ..support.scattered import PART, SIZE, anywhere, bracket, scattered


def pictures_at(poses, seed=0, **options):
    rng = np.random.default_rng(seed)
    return [scattered(bracket(rng), pose, rng, **options) for pose in poses]


def poses(number, seed=1):
    rng = np.random.default_rng(seed)
    return [anywhere(rng) for _ in range(number)]


@pytest.fixture(scope="module")
def alignment():
    learned = learn_alignment([shrunk(picture) for picture in pictures_at(poses(16))], SIZE)
    assert learned.note.startswith("parts are found and turned to one position: aligned, good images differ")
    return learned.alignment


def test_a_part_is_found_on_a_table_that_is_brighter_on_one_side():
    for (x, y, _), picture in zip(poses(8), pictures_at(poses(8)), strict=True):
        part = find_part(shrunk(picture))
        np.testing.assert_allclose(part.centre, (x, y), atol=1.5)
        reach = np.linalg.norm(part.points - (x, y), axis=1).max()
        assert abs(reach - np.hypot(*PART) / 2) < 4


def test_no_part():
    rng = np.random.default_rng(0)
    empty = rng.normal(60, 3, (*SIZE, 3)).clip(0, 255).astype(np.uint8)
    assert find_part(shrunk(empty)) is None
    assert find_part(shrunk(np.zeros((*SIZE, 3), np.uint8))) is None
    assert find_part(shrunk(rng.integers(0, 255, (*SIZE, 3)).astype(np.uint8))) is None


def test_parts_are_turned_to_one_position(alignment):
    new = poses(12, seed=5)
    frames = [alignment.find(picture) for picture in pictures_at(new, seed=5)]
    turns = [np.arctan2(frame[1, 0], frame[0, 0]) - pose[2] for frame, pose in zip(frames, new, strict=True)]
    apart = np.angle(np.exp(1j * np.array(turns)) / np.exp(1j * turns[0]))
    assert np.abs(np.degrees(apart)).max() < 1.5
    # The middle of the frame is at one place of the part.
    places = []
    for frame, (x, y, turn) in zip(frames, new, strict=True):
        right, down = frame @ [0.5, 0.5, 1] - (x, y)
        places.append(
            (np.cos(turn) * right + np.sin(turn) * down, np.cos(turn) * down - np.sin(turn) * right)
        )
    assert np.ptp(places, axis=0).max() < 1.5
    height, width = alignment.cut_size
    assert 36 <= height <= 50
    assert 64 <= width <= 80


def test_larger_pictures_of_the_same_view(alignment):
    [picture] = pictures_at([(100, 90, 0.7)])
    larger = picture.repeat(3, axis=0).repeat(3, axis=1)
    np.testing.assert_allclose(alignment.find(larger), 3 * alignment.find(picture), atol=4)


def test_its_numbers_give_it_again(alignment):
    again = Alignment.of_numbers(alignment.to_numbers())
    [picture] = pictures_at([(100, 90, 0.7)])
    np.testing.assert_array_equal(again.find(picture), alignment.find(picture))


def test_reading_cuts_the_part_out(alignment):
    reading = Reading((48, 72), alignment=alignment)
    read = [reading.read(picture) for picture in pictures_at([(60, 60, 0.3), (180, 120, 2.9)])]
    difference = np.abs(read[0].pixels.astype(float) - read[1].pixels)
    assert difference.mean() < 8
    assert not any(picture.lost for picture in read)
    assert np.ptp(read[0].pixels.mean(axis=(0, 1))) > 20  # the colour of the part
    mask = np.zeros(SIZE, np.bool_)
    x, y = (read[0].frame @ [0.25, 0.5, 1]).astype(int)
    mask[y - 3 : y + 4, x - 3 : x + 4] = True
    [picture] = pictures_at([(60, 60, 0.3)])
    rows, columns = np.nonzero(reading.marked(picture, mask))
    assert abs(rows.mean() - 24) < 2
    assert abs(columns.mean() - 18) < 2


def test_without_a_part_the_middle_is_read(alignment):
    reading = Reading((48, 72), alignment=alignment)
    read = reading.read(np.full((*SIZE, 3), 60, np.uint8))
    assert read.lost
    np.testing.assert_allclose(read.frame @ [0.5, 0.5, 1], (130, 100))
    assert (read.pixels == 60).all()


def test_parts_in_one_place_are_left_there():
    still = [(130.0, 100.0, 0.4)] * 8
    learned = learn_alignment([shrunk(picture) for picture in pictures_at(still)], SIZE)
    assert learned.alignment is None
    assert learned.note.startswith("refused: the parts are in one place already")


def test_featureless_parts_are_refused():
    rng = np.random.default_rng(0)
    pictures = [rng.normal(90, 4, (*SIZE, 3)).clip(0, 255).astype(np.float32) for _ in range(6)]
    assert learn_alignment(pictures, SIZE).note == (
        "refused: in 6 of 6 images no part stands out from the background"
    )


def test_parts_that_do_not_become_alike_are_refused():
    rng = np.random.default_rng(0)
    parts = [
        np.full((*PART, 3), grey, np.float32) for grey in (5, 115) * 5
    ]  # darker or brighter than the table
    pictures = [shrunk(scattered(part, pose, rng)) for part, pose in zip(parts, poses(10), strict=True)]
    learned = learn_alignment(pictures, SIZE)
    assert learned.alignment is None
    assert learned.note.startswith("refused: aligned, good images differ in")


def test_alignment_within_a_region():
    roi = {"shapes": [{"rectangle": [40, 0, 220, 200]}]}
    clutter = pictures_at([(170, 90, turn) for turn in np.linspace(0, 6, 9)])
    for number, picture in enumerate(clutter):
        picture[:, :40] = 255 * (number % 2)  # outside the region
    framing = learn_framing(Geometry(roi=roi, align="auto"), clutter, np.array([SIZE]))
    assert framing.alignment.size == (200, 220)
    reading = framing.reading((48, 72))
    frames = [reading.read(picture).frame for picture in clutter]
    middles = np.array([frame @ [0.5, 0.5, 1] for frame in frames])
    np.testing.assert_allclose(middles, [[170, 90]] * 9, atol=3)


def test_cut_out_averages_what_is_much_larger():
    board = (np.indices((80, 80)).sum(axis=0) % 2 * 255).astype(np.float32)
    frame = pose_frame(np.array([40.0, 40.0, 0.3]), (-20, -20, 20, 20))
    small = cut_out(board, frame, (5, 5))
    np.testing.assert_allclose(small, 127.5, atol=2)
