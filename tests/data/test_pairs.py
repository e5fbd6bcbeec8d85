import pickle

import cv2
import numpy as np
import pandas as pd
import pytest

from knowngood.data.held import sources_of
from knowngood.data.imageset import ImageSet
from knowngood.data.pairs import Pair, check_references, read_pair, references_of, register
from knowngood.data.patterns import Patterns
from knowngood.data.reading import Reading
from knowngood.data.samples import load_samples
from knowngood.errors import DataError, UnreadableImage


def board(seed=0, side=160):
    """A pattern without symmetry, grey in three channels."""
    noise = np.random.default_rng(seed).integers(0, 256, (side, side), dtype=np.uint8)
    blurred = cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 4), None, 0, 255, cv2.NORM_MINMAX)
    return np.repeat(blurred.astype(np.uint8)[..., None], 3, axis=2)


def moved(image, angle, shift):
    """Turn an image about its centre by degrees, and shift it by pixels."""
    height, width = image.shape[:2]
    warp = cv2.getRotationMatrix2D((width / 2, height / 2), angle, 1)
    warp[:, 2] += shift
    return cv2.warpAffine(image, warp, (width, height), borderMode=cv2.BORDER_REPLICATE)


def difference(one, other):
    return float(np.abs(one[16:-16, 16:-16].astype(float) - other[16:-16, 16:-16]).mean())


@pytest.fixture
def files(tmp_path):
    """A board that was turned and shifted, and made brighter, beside its reference."""
    flawless = board()
    picture = np.clip(moved(flawless, 1.5, (4, -3)) * 0.9 + 20, 0, 255).astype(np.uint8)
    for name, image in {"7_test.png": picture, "7_temp.png": flawless}.items():
        cv2.imwrite(str(tmp_path / name), image)
    return tmp_path


@pytest.mark.parametrize(("angle", "shift"), [(0, (0, 0)), (0, (7, -5)), (2, (3, 3)), (-1.5, (-6, 2))])
def test_a_reference_is_moved_onto_the_picture(angle, shift):
    flawless = board()
    picture = moved(flawless, angle, shift)
    registered = register(flawless, picture)
    assert registered.shape == picture.shape
    assert difference(registered, picture) < max(1.0, difference(flawless, picture) / 10)


def test_what_has_nothing_in_common_stays_a_picture():
    registered = register(np.zeros((64, 64, 3), np.uint8), board(side=64))
    assert registered.shape == (64, 64, 3)


def test_a_pair_is_a_path_that_remembers_its_reference(files):
    pair = Pair(files / "7_test.png", files / "7_temp.png")
    assert pair == str(files / "7_test.png")
    again = pickle.loads(pickle.dumps(pair))  # noqa: S301
    assert (again, again.reference) == (pair, str(files / "7_temp.png"))


def test_a_pair_is_read_as_the_picture_above_its_registered_reference(files):
    pair = Pair(files / "7_test.png", files / "7_temp.png")
    picture = Reading((160, 80), pairs=True).read(pair)
    assert picture.pixels.shape == (160, 80, 3)
    assert picture.size == (160, 160)
    alone = Reading((80, 80)).read(pair).pixels
    np.testing.assert_array_equal(picture.pixels[:80], alone)
    below = picture.pixels[80:].astype(float)
    inside = (slice(8, -8), slice(8, -8))
    assert np.corrcoef(below[inside].ravel(), alone[inside].ravel())[0, 1] > 0.99


def test_images_without_a_usable_reference_are_named(files):
    path = files / "7_test.png"
    cv2.imwrite(str(files / "small.png"), board(side=64))
    (files / "text.png").write_text("none")
    for source, said in (
        (str(path), "it has no reference; name it in a column `reference`"),
        (Pair(path, files / "gone.png"), r"its reference '.*gone.png'"),
        (Pair(path, files / "text.png"), r"its reference '.*text.png'.*not an image"),
        (Pair(path, files / "small.png"), r"is 64 x 64, but it is 160 x 160 \(height x width\)"),
    ):
        with pytest.raises(UnreadableImage, match=said) as caught:
            read_pair(source, (64, 32))
        assert caught.value.path == str(path)
    with pytest.raises(DataError, match="1 of 2 images have no reference, such as 'b"):
        check_references([Pair("a.png", "r.png"), "b.png"])
    with pytest.raises(DataError, match="it has no reference"):
        list(ImageSet([np.zeros((9, 9), np.uint8)], Reading((64, 32), pairs=True)).batches())


def test_a_table_names_references_from_its_folder(files):
    (files / "t.csv").write_text("path,label,reference\n7_test.png,good,7_temp.png\n7_temp.png,good,\n")
    first, second = sources_of(load_samples(files / "t.csv"))
    assert first.reference == str(files / "7_temp.png")
    assert not isinstance(second, Pair)


def test_a_pattern_names_references_in_a_folder(tmp_path):
    for name in ("good/1_test", "good/1_temp", "good/2_test", "good/2_temp", "bad/3_test", "bad/3_temp"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        cv2.imwrite(str(tmp_path / f"{name}.png"), board(len(name)))
    table = load_samples(tmp_path, Patterns(reference="*_temp.png"))
    named = {path[-10:]: own[-10:] for path, own in zip(table["path"], table["reference"], strict=True)}
    assert named == {f"{number}_test.png": f"{number}_temp.png" for number in (1, 2, 3)}
    assert sorted(table["label"]) == ["defect", "good", "good"]
    with pytest.raises(DataError, match="--reference 'none' fits no image"):
        load_samples(tmp_path, Patterns(reference="none"))


def test_one_reference_may_be_that_of_all_and_two_of_one_name_are_refused():
    from pathlib import PurePosixPath as P

    images = [P("a/1.png"), P("b/2.png")]
    assert references_of(images, [P("golden.png")]) == dict.fromkeys(images, P("golden.png"))
    assert references_of(images, [P("c/1_temp.png"), P("c/9_temp.png")]) == {images[0]: P("c/1_temp.png")}
    assert references_of([P("a/1_x.png")], [P("a/1_temp.png"), P("c/1_temp.png")]) == {
        P("a/1_x.png"): P("a/1_temp.png")
    }
    with pytest.raises(DataError, match=r"'a/1.png' may have the reference 'c/1_temp.png' or 'd/1_temp.png'"):
        references_of(images, [P("c/1_temp.png"), P("d/1_temp.png")])


def test_a_pair_in_a_table_of_samples_keeps_its_place():
    table = pd.DataFrame({"path": ["a.png", "b.png"], "reference": ["r.png", ""]})
    assert [getattr(one, "reference", None) for one in sources_of(table)] == ["r.png", None]
