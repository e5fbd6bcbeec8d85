import dataclasses
import hashlib
import shutil
from dataclasses import dataclass

import cv2
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from knowngood.data.samples import fingerprint, load_samples
from knowngood.detectors import make_detector
from knowngood.detectors.base import Detector
from knowngood.errors import DataError, InspectorError, RecipeError
from knowngood.inspector import exporting
from knowngood.inspector.evaluation import evaluate
from knowngood.inspector.exporting import LARGEST_DIFFERENCE
from knowngood.inspector.fit import fit
from knowngood.inspector.inspector import Inspector
from knowngood.inspector.learn import image_sizes, input_shape
from knowngood.inspector.manifest import RESIZE
from knowngood.metrics.rates import promise
from knowngood.metrics.thresholds import conformal
from knowngood.types import silent

TINY = make_detector("gaussian", {"input_size": 64})  # what `image_only` is fitted with


@pytest.fixture
def copy(widget, tmp_path):
    """A copy of the widget folder, to be spoiled."""
    return shutil.copytree(widget, tmp_path / "widget")


def good_table(paths):
    return pd.DataFrame({"path": list(map(str, paths)), "split": "train", "label": "good"})


def assert_same(one, other):
    assert one.graph == other.graph
    differ = {"created": "", "data": ""}
    assert dataclasses.replace(one.manifest, **differ) == dataclasses.replace(other.manifest, **differ)


# --- the same inspector again


def test_same_seed_same_inspector(inspector, widget, recipe):
    assert_same(fit(widget, recipe), inspector)


def test_other_seed_other_inspector(inspector, widget, recipe):
    other = fit(widget, recipe, seed=1)
    assert other.manifest.seed == 1
    assert other.graph != inspector.graph
    assert other.manifest.held_out != inspector.manifest.held_out


def test_test_images_are_never_looked_at(inspector, copy, recipe):
    for folder in ("test/good", "test/scratch", "ground_truth/scratch"):
        for path in (copy / folder).iterdir():
            path.write_bytes(b"no image")
    assert_same(fit(copy, recipe), inspector)


def test_folder_table_file_and_table_are_alike(image_only, copy):
    table = load_samples(copy)
    table["path"] = [str(copy / path) for path in table["path"]]
    table.to_csv(copy / "table.csv", index=False)
    assert_same(fit(table, TINY), image_only)
    assert_same(fit(str(copy / "table.csv"), TINY), image_only)


# --- good images alone, as paths and arrays


def test_arrays_are_learned_from_as_files_are(image_only, widget, good_images, test_images):
    paths = sorted((widget / "train/good").iterdir())
    assert_same(fit(paths, TINY), image_only)
    of_arrays = fit(good_images, TINY)
    mixed = fit([*map(str, paths[:10]), *good_images[10:]], TINY)
    assert of_arrays.graph == mixed.graph == image_only.graph
    assert of_arrays.threshold == mixed.threshold == image_only.threshold
    assert of_arrays.manifest.training == fingerprint(list(good_images))
    assert mixed.manifest.training == image_only.manifest.training[:10] + of_arrays.manifest.training[10:]
    assert len(of_arrays.inspect(test_images)) == 14


def test_small_grey_arrays(good_images):
    grey = good_images[:6, ::4, ::3, 1].copy()
    before = grey.copy()
    inspector = fit(grey, make_detector("gaussian", {"input_size": 128}))
    assert inspector.manifest.input_shape == (128, 128)
    assert len(inspector.manifest.training) == 6
    np.testing.assert_array_equal(grey, before)


def test_deep_arrays_among_others_are_left_out_by_their_position(good_images, monkeypatch):
    monkeypatch.setattr("knowngood.data.images.FILES_TO_MEASURE", 2)  # the deep ones are not among them
    deep = np.full((96, 96), 4000, np.uint16)
    given = [*good_images[:3], deep, *good_images[3:8], deep + 1, "gone.png"]
    with pytest.raises(DataError, match="3 of 11 images cannot be read") as failed:
        fit(given, TINY)
    assert all(name in str(failed.value) for name in ("'[3]': it has 16-bit pixels", "'[9]'", "'gone.png'"))
    failures = []
    inspector = fit(given, TINY, on_unreadable=failures.append)
    assert [failure.path for failure in failures] == ["[3]", "[9]", "gone.png"]
    assert inspector.manifest.training == fingerprint(list(good_images[:8]))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([], "there are no good images to train on"),
        (np.zeros((0, 28, 28), np.uint8), "there are no good images to train on"),
        (
            np.indices((1, 28, 28), np.uint8)[2],
            "one good image is too few to train on with Gaussian; at least 2",
        ),
        (np.zeros((96, 96, 3), np.uint8), r"an array of shape \(96, 96, 3\) came; expected images as"),
        (
            np.zeros((3, 28, 28)),
            r"image \[0\]: an image array of shape \(28, 28\) and type float64 came",
        ),
        (np.full((4, 28, 28), 7, np.uint8), "the images to learn from show nothing"),
        (np.indices((4, 28, 28), np.uint8)[2], "all 4 good images are copies of one image"),
    ],
)
def test_arrays_that_cannot_be_learned_from(given, message):
    with pytest.raises(DataError, match=message) as failed:
        fit(given, TINY)
    assert "\n" not in str(failed.value)


# --- what the manifest says


def test_the_manifest_tells_where_it_comes_from(inspector, widget):
    manifest = inspector.manifest
    assert manifest.method == "patchcore"
    assert manifest.recipe["coreset"] == 200
    assert make_detector(manifest.method, manifest.recipe).input_size == 128
    assert manifest.backbone.keys() == {"name", "weights", "weights_hash"}
    assert manifest.backbone["name"] == manifest.recipe["backbone"]
    assert manifest.input_shape == (128, 128)
    assert (manifest.resize, manifest.bits, manifest.seed, manifest.device) == (RESIZE, None, 0, "cpu")
    assert {"python", "knowngood", "torch", "openvino"} <= manifest.versions.keys()
    assert pd.Timestamp(manifest.created).utcoffset() == pd.Timedelta(0)
    assert manifest.training == fingerprint(sorted((widget / "train/good").iterdir()))
    assert manifest.validation == []
    assert manifest.graph_hash == hashlib.sha256(inspector.graph).hexdigest()
    assert 0 < manifest.graph_difference < LARGEST_DIFFERENCE


def test_the_threshold_is_set_on_held_out_images(inspector):
    manifest = inspector.manifest
    assert manifest.held_out == sorted(manifest.held_out)
    assert len(manifest.held_out) == 24
    assert manifest.threshold == conformal(manifest.held_out, 0.05)
    assert manifest.threshold.held_out == 24


def test_deep_images_of_another_shape(tmp_path):
    rng = np.random.default_rng(0)
    for number in range(6):
        pixels = rng.integers(0, 2**12, size=(40, 80), dtype=np.uint16)
        cv2.imwrite(str(tmp_path / f"{number}.png"), pixels)
    inspector = fit(tmp_path, make_detector("gaussian", {"input_size": 192}))
    assert inspector.manifest.bits == 12
    assert inspector.manifest.input_shape == (128, 256)
    [verdict] = inspector.inspect([np.full((40, 80), 4095, np.uint16)])
    [white] = inspector.inspect([np.full((40, 80), 255, np.uint8)])
    assert verdict.score == white.score


@pytest.mark.parametrize(
    ("shape", "size", "expected"),
    [
        ((100, 100), 512, (512, 512)),
        ((100, 100), 500, (512, 512)),
        ((100, 100), 64, (64, 64)),
        ((200, 100), 512, (704, 384)),
        ((100, 200), 512, (384, 704)),
        ((10, 1000), 512, (256, 1024)),
        ((1000, 10), 512, (1024, 256)),
        ((20, 80), 64, (64, 128)),
    ],
)
def test_input_shape_keeps_the_aspect(tmp_path, shape, size, expected):
    Image.new("L", shape[::-1]).save(tmp_path / "image.png")
    assert input_shape(image_sizes([str(tmp_path / "image.png")]), size, 64) == expected


def test_input_shape_as_fine_as_the_detector_wants(tmp_path):
    Image.new("L", (28, 28)).save(tmp_path / "digit.png")
    assert input_shape(image_sizes([str(tmp_path / "digit.png")]), 28, 4) == (28, 28)
    assert input_shape(image_sizes([str(tmp_path / "digit.png")]), 30, 4) == (32, 32)


def test_input_shape_follows_the_usual_image(tmp_path):
    paths = [str(tmp_path / f"{number}.png") for number in range(6)]
    for path, shape in zip(paths, [(50, 100)] * 3 + [(100, 50)] * 2, strict=False):
        Image.new("L", shape[::-1]).save(path)
    assert input_shape(image_sizes(paths), 512, 64) == (384, 704)  # the sixth is not there, and not missed


# --- images that cannot be learned from


@pytest.fixture
def with_broken(copy):
    """The widget folder with a training image that is text, and one whose end is missing."""
    (copy / "train/good/003.png").write_text("no image")
    half = copy / "train/good/007.png"
    half.write_bytes(half.read_bytes()[:3000])
    return copy


def test_broken_images_are_named(with_broken):
    with pytest.raises(DataError, match="2 of 24 images cannot be read") as failed:
        fit(with_broken, TINY)
    assert "003.png" in str(failed.value)
    assert "007.png" in str(failed.value)


def test_broken_images_are_left_out_on_request(with_broken, test_images):
    failures = []
    inspector = fit(with_broken, TINY, on_unreadable=failures.append)
    assert [failure.path[-7:] for failure in failures] == ["003.png", "007.png"]
    assert len(inspector.manifest.training) == 22
    assert len(inspector.manifest.held_out) == 22
    assert len(inspector.inspect(test_images)) == 14


def test_a_missing_image_is_named(widget):
    paths = [*sorted((widget / "train/good").iterdir())[:8], widget / "gone.png"]
    with pytest.raises(DataError, match=r"gone\.png': there is no such file"):
        fit(good_table(paths), TINY)
    assert len(fit(good_table(paths), TINY, on_unreadable=[].append).manifest.training) == 8


def test_no_good_image(widget):
    table = good_table(sorted((widget / "test/scratch").iterdir())).assign(label="defect")
    with pytest.raises(DataError, match="there are no good images to train on"):
        fit(table, TINY)


def test_one_good_image(widget):
    path = widget / "train/good/000.png"
    with pytest.raises(DataError, match="one good image is too few to train on"):
        fit(good_table([path]), TINY)
    with pytest.raises(DataError, match="one good image is too few to train on"):
        fit(good_table([path, widget / "gone.png"]), TINY, on_unreadable=[].append)


def test_two_good_images_will_do(widget, test_images):
    recipe = make_detector("patchcore", {"input_size": 128})  # its memory holds every patch
    inspector = fit(good_table(sorted((widget / "train/good").iterdir())[:2]), recipe)
    assert len(inspector.manifest.held_out) == 2
    assert "2 held out, 19 needed" in inspector.manifest.threshold.note
    assert inspector.manifest.threshold.note.endswith(promise(2))
    assert len(inspector.inspect(test_images)) == 14
    assert evaluate(inspector, widget).metrics["warnings"] == []


def test_copies_of_one_image(widget, tmp_path):
    for number in range(4):
        shutil.copy(widget / "train/good/000.png", tmp_path / f"{number}.png")
    with pytest.raises(DataError, match="all 4 good images are copies of one image"):
        fit(tmp_path, TINY)


# --- what was asked for


def test_an_unknown_detector(widget):
    with pytest.raises(RecipeError, match="detector 'patchcor' is not known"):
        fit(widget, "patchcor")


def test_an_unknown_device(widget):
    with pytest.raises(RecipeError, match="device='tpu' is not known"):
        fit(widget, TINY, device="tpu")


@pytest.mark.parametrize("seed", [-1, 2**63])
def test_a_seed_out_of_range(widget, seed):
    with pytest.raises(RecipeError, match=f"seed={seed} must be a whole number"):
        fit(widget, TINY, seed=seed)


@dataclass(frozen=True)
class OwnDetector(Detector):
    """A recipe that no registry knows."""

    input_size: int = 64

    def fit(self, good, *, seed, device, progress=silent, run=None):
        return TINY.fit(good, seed=seed, device=device, progress=progress, run=run)


def test_a_detector_of_ones_own(image_only, widget, tmp_path):
    inspector = fit(widget, OwnDetector())
    assert (inspector.manifest.method, inspector.manifest.recipe) == ("OwnDetector", {"input_size": 64})
    inspector.save(tmp_path / "own.inspector")
    assert Inspector.load(tmp_path / "own.inspector").graph == image_only.graph


@pytest.mark.parametrize("difference", [2e-4, float("nan")])
def test_a_graph_that_differs_from_torch_is_not_shipped(widget, monkeypatch, difference):
    monkeypatch.setattr(exporting, "export", lambda *_, **__: (b"graph", difference, [1.0]))
    with pytest.raises(InspectorError, match="what the exported graph gives differs from torch's"):
        fit(widget, TINY)


def test_progress_reaches_its_end(widget):
    told = {}
    fit(widget, TINY, progress=lambda stage, done, total: told.__setitem__(stage, (done, total)))
    assert told["looking at good images"] == (24, 24)
    assert all(done == total for done, total in told.values())


def test_the_engine_of_the_fit_scores_the_held_out_images_and_runs(widget, tmp_path, recipe):
    inspectors = {
        engine: fit(widget, dataclasses.replace(recipe, engine=engine))
        for engine in ("openvino", "onnxruntime")
    }
    ours, others = (inspectors[engine].manifest for engine in inspectors)
    assert (ours.engine, others.engine) == ("openvino", "onnxruntime")
    assert ours.held_out != others.held_out
    np.testing.assert_allclose(ours.held_out, others.held_out, rtol=0.1, atol=0.5)
    for engine, inspector in inspectors.items():
        inspector.save(tmp_path / engine)
        loaded = Inspector.load(tmp_path / engine)
        assert loaded.engine == engine
        assert type(loaded.compiled).__name__.lower() == engine
        assert Inspector.load(tmp_path / engine, engine="openvino").engine == "openvino"
