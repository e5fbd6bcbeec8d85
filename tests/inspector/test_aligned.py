"""An inspector of parts that shift and turn: they are aligned, and maps are put back where the parts are."""

import numpy as np
import pytest

from knowngood.data.geometry import Geometry
from knowngood.data.reading import Reading
from knowngood.engines.native import import_onnxruntime
from knowngood.errors import RecipeError
from knowngood.inspector.evaluation import evaluate
from knowngood.inspector.fit import fit
from knowngood.inspector.inspector import Inspector
from knowngood.report.cards import card

from ..support.scattered import SIZE, anywhere, bracket, scattered

DENT = (10, 12)  # column and row of the part


def photographs(number, seed, *, dented=False):
    """Parts anywhere, and where their dent is in the picture."""
    rng = np.random.default_rng(seed)
    pictures, places = [], []
    for _ in range(number):
        part, pose = bracket(rng), anywhere(rng)
        if dented:
            part[DENT[1] - 4 : DENT[1] + 4, DENT[0] - 4 : DENT[0] + 4] = 20
        pictures.append(scattered(part, pose, rng))
        right, down = DENT[0] - part.shape[1] / 2, DENT[1] - part.shape[0] / 2
        cos, sin = np.cos(pose[2]), np.sin(pose[2])
        places.append((pose[0] + cos * right - sin * down, pose[1] + sin * right + cos * down))
    return pictures, places


@pytest.fixture(scope="module")
def inspector():
    pictures, _ = photographs(24, seed=0)
    return fit(pictures, "padim", input_size=96, geometry=Geometry(align="auto"))


def test_defects_are_found_where_they_are(inspector):
    good, _ = photographs(6, seed=1)
    dented, places = photographs(6, seed=2, dented=True)
    verdicts = inspector.inspect(good + dented)
    scores = [verdict.score for verdict in verdicts]
    assert max(scores[:6]) < min(scores[6:])
    assert {verdict.patch_map.shape for verdict in verdicts} == {verdicts[0].patch_map.shape}
    for verdict, (x, y) in zip(verdicts[6:], places, strict=True):
        assert verdict.patch_map.max() == np.float32(verdict.score)
        assert verdict.map.shape == SIZE
        region = verdict.regions()[0]
        assert np.hypot(region.max_x - x, region.max_y - y) < 8
        assert verdict.mask.any()
        assert verdict.mask.mean() < 0.1  # only on the part


def test_it_is_part_of_the_file(inspector, tmp_path):
    inspector.save(tmp_path / "part.inspector")
    loaded = Inspector.load(tmp_path / "part.inspector")
    dented, _ = photographs(3, seed=3, dented=True)
    for mine, its in zip(inspector.inspect(dented), loaded.inspect(dented), strict=True):
        assert mine.score == its.score
        np.testing.assert_array_equal(mine.patch_map, its.patch_map)
    assert "parts are found and turned to one position" in card(loaded)


def test_the_shipped_graph_takes_aligned_parts(inspector):
    dented, _ = photographs(3, seed=3, dented=True)
    reading = inspector.manifest.reading
    session = import_onnxruntime().InferenceSession(inspector.graph, providers=["CPUExecutionProvider"])
    for picture, verdict in zip(dented, inspector.inspect(dented), strict=True):
        aligned = reading.read(picture).pixels[None]
        np.testing.assert_allclose(session.run(["score"], {"pictures": aligned})[0], verdict.score, rtol=1e-3)


def test_an_image_without_a_part_is_doubted(inspector):
    empty = np.full((*SIZE, 3), 60, np.uint8)
    [verdict] = inspector.inspect(empty)
    assert verdict.notes == ("lost",)
    assert verdict.decision == "reject"
    good, _ = photographs(2, seed=4)
    found = evaluate(inspector, [*good, empty], ["good", "good", "missing"])
    assert any("1 images show no part on a background" in warning for warning in found.metrics["warnings"])


def test_refused_alignment_leaves_images_as_they_are():
    rng = np.random.default_rng(0)
    still = [scattered(bracket(rng), (130.0, 100.0, 0.4), rng) for _ in range(8)]
    inspector = fit(still, "gaussian", input_size=64, geometry=Geometry(align="auto"))
    assert inspector.manifest.alignment == {}
    assert inspector.manifest.alignment_note.startswith("refused: ")
    assert inspector.manifest.reading == Reading(inspector.manifest.input_shape, None)


def test_parts_that_are_cut_out_are_not_cut_into_tiles():
    pictures, _ = photographs(24, seed=0)
    geometry = Geometry(align="auto")
    with pytest.raises(
        RecipeError, match=r"tiles of 64 pixels and an alignment \(--align\) do not go together"
    ):
        fit(pictures, "padim", input_size=96, tiles=64, geometry=geometry)
