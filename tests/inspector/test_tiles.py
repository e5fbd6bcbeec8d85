"""Inspectors that cut images into tiles."""

import dataclasses

import numpy as np
import pytest
from PIL import Image

from knowngood.data.geometry import Geometry
from knowngood.data.pairs import Pair
from knowngood.detectors import DETECTORS
from knowngood.errors import DataError, InspectorError, RecipeError
from knowngood.inspector.checked_graph import PIXELS
from knowngood.inspector.detail import detail_in_words
from knowngood.inspector.evaluation import evaluate
from knowngood.inspector.file import write_inspector
from knowngood.inspector.fit import fit
from knowngood.inspector.inspector import Inspector
from knowngood.inspector.train import train

from ..support.parts import SIDE, part

QUICK = {"input_size": 128, "coreset": 200}


def table_top(rng, size=(250, 330), *, line=False):
    """A part somewhere on a dark table, and its first row and column."""
    picture = np.clip(rng.normal(40, 4, (*size, 3)), 0, 255).astype(np.uint8)
    top, left = (int(rng.integers(0, length - SIDE)) for length in size)
    picture += rng.integers(0, 60, 3).astype(np.uint8)  # so that no two look like copies
    shown = part(rng)
    if line:
        shown[44:50, 30:62] = 245
    picture[top : top + SIDE, left : left + SIDE] = shown
    return picture, (top, left)


@pytest.fixture(scope="module")
def pictures():
    """Twelve good pictures to learn from; then six good ones, and six with a line, with its place."""
    rng = np.random.default_rng(3)
    good = [table_top(rng)[0] for _ in range(18)]
    return good[:12], good[12:], [table_top(rng, line=True) for _ in range(6)]


@pytest.fixture(scope="module")
def tiled(pictures):
    return fit(pictures[0], "patchcore", tiles=128, **QUICK)


def test_a_picture_has_the_score_and_the_threshold_of_all_its_tiles(tiled, pictures):
    manifest = tiled.manifest
    assert (manifest.tiles, manifest.input_shape, manifest.sizes) == ([128, 19], (128, 128), [250, 330] * 2)
    assert len(manifest.held_out) == 12
    assert manifest.held_out_names == [[name] for (name,) in manifest.held_out_names]
    assert {name for (name,) in manifest.held_out_names} == {f"[{place}]" for place in range(12)}
    good = [verdict.score for verdict in tiled.inspect(pictures[1])]
    assert min(manifest.held_out) / 2 < np.mean(good) < 2 * max(manifest.held_out)  # of the same unit
    whole = tiled.with_manifest(tiles=[])
    verdict = tiled.inspect(pictures[1][0])[0]
    tiling = manifest.reading.tiling
    cut = [tiling.cut(pictures[1][0], tile) for tile in tiling.tiles(verdict.size)]
    assert verdict.score == max(tile.score for tile in whole.inspect(cut))


def test_defects_are_found_where_they_are_in_the_pixels_of_the_picture(tiled, pictures):
    _, good, defects = pictures
    verdicts = tiled.inspect([*good, *(picture for picture, _ in defects)])
    assert min(verdict.score for verdict in verdicts[6:]) > max(verdict.score for verdict in verdicts[:6])
    for verdict, (picture, (top, left)) in zip(verdicts[6:], defects, strict=True):
        assert (verdict.decision, verdict.size, verdict.notes) == ("reject", picture.shape[:2], ())
        assert verdict.map.shape == verdict.mask.shape == picture.shape[:2]
        assert verdict.patch_map.max() > verdict.score
        region = verdict.regions()[0]
        assert abs(region.max_y - (top + 47)) <= 24
        assert abs(region.max_x - (left + 46)) <= 32
    for verdict in verdicts:
        assert verdict.mask.any() == (verdict.decision == "reject")


def test_a_file_keeps_the_tiles_and_one_picture_scores_like_many(tiled, pictures, tmp_path):
    tiled.save(tmp_path / "tiled.inspector")
    loaded = Inspector.load(tmp_path / "tiled.inspector")
    assert loaded.manifest == tiled.manifest
    many = [verdict.score for verdict in loaded.inspect(pictures[1])]
    assert many == [loaded.inspect(picture)[0].score for picture in pictures[1]]
    (verdict,) = loaded.stream([pictures[1][0]], extras=[PIXELS])
    assert verdict.extras[PIXELS].shape == (128, 128, 3)


def test_pictures_of_other_sizes_are_inspected_at_the_same_scale(tiled):
    rng = np.random.default_rng(9)
    small = table_top(rng, (100, 110), line=True)[0]
    large = table_top(rng, (400, 150), line=True)[0]
    for picture, shape in ((small, (6, 6)), (large, (25, 9))):
        verdict = tiled.inspect(picture)[0]
        assert (verdict.decision, verdict.notes) == ("reject", ())
        assert verdict.patch_map.shape == shape


def test_the_evaluation_of_pictures_of_several_sizes(tiled, pictures):
    _, good, defects = pictures
    rng = np.random.default_rng(5)
    other = table_top(rng, (260, 200))[0]
    evaluation = evaluate(
        tiled, [*good, other, *(picture for picture, _ in defects)], ["good"] * 7 + ["line"] * 6
    )
    assert evaluation.metrics["image_auroc"] == 1.0
    assert evaluation.metrics["other_shape"] == 0
    assert evaluation.maps.shape == (13,)
    assert [map_.shape for map_ in evaluation.maps[5:8]] == [(15, 20), (16, 12), (15, 20)]


def test_copies_of_a_picture_are_one_part(pictures):
    copies = [picture for picture in pictures[0][:4] for _ in range(2)]
    manifest = fit(copies, "gaussian", tiles=128, input_size=64).manifest
    assert (len(manifest.held_out), [len(names) for names in manifest.held_out_names]) == (4, [2] * 4)


def test_few_pictures_may_be_scored_out_of_fold_but_each_by_all_tiles(pictures):
    manifest = fit(pictures[0], "patchcore", tiles=128, held_out=5, **QUICK).manifest
    assert len(manifest.held_out) == 5


@pytest.mark.parametrize("name", ["padim", "knn", "autoencoder"])
def test_other_detectors_take_tiles_as_they_are(pictures, name):
    epochs = {"epochs": 1} if DETECTORS[name].trains else {}
    inspector = fit(pictures[0], name, tiles=128, input_size=64, **epochs)
    verdict = inspector.inspect(pictures[2][0][0])[0]
    assert verdict.size == (250, 330)
    assert len(inspector.manifest.held_out) == (3 if epochs else 12)


def test_a_file_that_cannot_be_read_is_left_out_once(pictures, tmp_path):
    for number, picture in enumerate(pictures[0][:5]):
        Image.fromarray(picture).save(tmp_path / f"{number}.png")
    (tmp_path / "broken.png").write_bytes((tmp_path / "0.png").read_bytes()[:20_000])
    files = sorted(map(str, tmp_path.iterdir()))
    with pytest.raises(DataError, match="1 of 6 images cannot be read"):
        fit(files, "gaussian", tiles=128, input_size=64)
    failures = []
    manifest = fit(files, "gaussian", tiles=128, input_size=64, on_unreadable=failures.append).manifest
    assert [failure.path for failure in failures] == [str(tmp_path / "broken.png")]
    assert (len(manifest.training), len(manifest.held_out)) == (5, 5)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tiles": [128]}, "wrong value for 'tiles'"),
        ({"tiles": [32, 4]}, "wrong value for 'tiles'"),
        ({"tiles": [128, 64]}, "wrong value for 'tiles'"),
        ({"tiles": [128, -1]}, "wrong value for 'tiles'"),
        ({"pairs": True}, "no alignment and no reference"),
    ],
)
def test_a_manifest_with_impossible_tiles_is_refused(tiled, tmp_path, changes, message):
    manifest = dataclasses.replace(tiled.manifest, **changes)
    write_inspector(tmp_path / "bad.inspector", manifest.to_json(), *tiled.parts[1:])
    with pytest.raises(InspectorError, match=message):
        Inspector.load(tmp_path / "bad.inspector")


def test_classifiers_say_why_they_take_no_tiles(widget):
    with pytest.raises(RecipeError, match="train takes no tiles: most tiles of a defective part"):
        train(widget, tiles=512)


def test_a_region_is_cut_into_tiles_and_its_maps_go_back_to_the_image():
    rng = np.random.default_rng(11)
    good = [table_top(rng)[0] for _ in range(10)]
    inside, (top, left) = table_top(rng, line=True)

    def framed(picture):
        """A picture on a larger one, whose other pixels are nobody's business."""
        whole = rng.integers(0, 256, (300, 440, 3), dtype=np.uint8)
        whole[40:290, 100:430] = picture
        return whole

    geometry = Geometry(roi={"shapes": [{"rectangle": [100, 40, 330, 250]}]})
    inspector = fit([framed(picture) for picture in good], tiles=128, geometry=geometry, **QUICK)
    manifest = inspector.manifest
    assert (manifest.tiles, manifest.roi.box, manifest.input_shape) == (
        [128, 19],
        (40, 100, 250, 330),
        (128, 128),
    )
    assert detail_in_words(manifest).startswith(
        "regions of 250 x 330 in 12 tiles of 128 x 128, each as 128 x 128"
    )
    one, other = inspector.inspect([framed(inside), framed(inside)])
    assert other.score == one.score < one.patch_map.max()
    assert (one.decision, one.size, one.map.shape) == ("reject", (300, 440), (300, 440))
    region = one.regions()[0]
    assert abs(region.max_y - (40 + top + 47)) <= 24
    assert abs(region.max_x - (100 + left + 46)) <= 32
    assert not one.mask[:40].any()
    assert not one.mask[:, :100].any()


def test_pictures_with_references_are_not_cut_into_tiles(tmp_path):
    rng = np.random.default_rng(2)
    paths = []
    for number in range(2):
        for name in ("test", "temp"):
            Image.fromarray(table_top(rng)[0]).save(tmp_path / f"{number}_{name}.png")
        paths.append(Pair(tmp_path / f"{number}_test.png", tmp_path / f"{number}_temp.png"))
    with pytest.raises(
        RecipeError, match="tiles of 128 pixels and references do not go together; take tiles=none"
    ):
        fit(paths, "reference", tiles=128)
