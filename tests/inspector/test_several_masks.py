"""sPRO of images with several masks, as in MVTec LOCO: `ground_truth/<type>/<image>/000.png` and so on."""

import json
import shutil

import numpy as np
import pytest
from PIL import Image

from knowngood.data.images import read_mask
from knowngood.data.samples import load_samples
from knowngood.data.saturation import CONFIG
from knowngood.errors import DataError
from knowngood.inspector.evaluation import evaluate
from knowngood.metrics.regions import PixelHistogram, Region

UPPER, LOWER = 255, 7
"""The values of the masks: the upper and the lower part of each scratch, with some pixels in both."""


@pytest.fixture
def data(widget, tmp_path):
    """The widget parts; each mask is divided into two, in a folder of the image's name."""
    data = tmp_path / "widget"
    shutil.copytree(widget, data)
    folder = data / "ground_truth/scratch"
    for path in sorted(folder.iterdir()):
        marked = np.asarray(Image.open(path)) > 0
        path.unlink()
        whole = folder / path.stem.removesuffix("_mask")
        whole.mkdir()
        for name, value, part in zip(("000", "001"), (UPPER, LOWER), halves(marked), strict=True):
            Image.fromarray((part * value).astype(np.uint8)).save(whole / f"{name}.png")
    return data


def halves(marked):
    """The pixels of a mask down to its middle row, and those from two rows above it."""
    rows = np.flatnonzero(marked.any(axis=1))
    middle, row = (rows[0] + rows[-1]) // 2, np.arange(len(marked))[:, None]
    return marked & (row <= middle), marked & (row > middle - 2)


def config(folder, *entries):
    names = ("pixel_value", "saturation_threshold", "relative_saturation")
    (folder / CONFIG).write_text(json.dumps([dict(zip(names, entry, strict=True)) for entry in entries]))


def expected(inspector, data, saturation_of):
    """sPRO with the saturation of each value, a function of the area."""
    table = load_samples(data)
    table = table[table["split"] == "test"]
    verdicts = inspector.inspect(list(table["path"]))
    lows, highs = zip(*((one.patch_map.min(), one.patch_map.max()) for one in verdicts), strict=True)
    pixels = PixelHistogram(min(lows), max(highs))
    for verdict, mask in zip(verdicts, table["mask"], strict=True):
        marked = read_mask(mask, verdict.size) if mask else np.zeros(verdict.size, bool)
        parts = zip((UPPER, LOWER), halves(marked), strict=True) if mask else ()
        regions = [Region(part, saturation_of[value](part.sum())) for value, part in parts]
        pixels.update(verdict.map, marked, regions or None)
    return pixels.spro(0.05), pixels.aupro(0.05)


def test_each_mask_is_a_region_with_its_area_as_saturation(inspector, data):
    metrics = evaluate(inspector, data).metrics
    spro, aupro = expected(inspector, data, {UPPER: lambda area: area, LOWER: lambda area: area})
    assert metrics["pixel_spro_5"] == pytest.approx(spro)
    assert metrics["pixel_aupro_5"] == pytest.approx(aupro)
    assert spro != pytest.approx(aupro)


def test_the_file_of_the_data_set_gives_the_saturation_of_each_value(inspector, data):
    config(data, (UPPER, 5, False), (LOWER, 0.25, True))
    spro, _ = expected(inspector, data, {UPPER: lambda area: min(5, area), LOWER: lambda area: area / 4})
    found = evaluate(inspector, data).metrics
    assert found["pixel_spro_5"] == pytest.approx(spro)
    assert found["pixel_spro_5"] > found["pixel_aupro_5"]


def test_one_mask_with_several_values_is_several_regions(inspector, widget, data, tmp_path):
    """The lower part is laid over the upper one in one file; the values still tell the two apart."""
    one = tmp_path / "one"
    shutil.copytree(widget, one)
    config(one, (UPPER, 0.5, True), (LOWER, 0.5, True))
    for path in sorted((one / "ground_truth/scratch").iterdir()):
        upper, lower = halves(np.asarray(Image.open(path)) > 0)
        Image.fromarray(np.where(lower, LOWER, upper * UPPER).astype(np.uint8)).save(path)
        apart = data / "ground_truth/scratch" / path.stem.removesuffix("_mask")
        Image.fromarray((upper & ~lower).astype(np.uint8) * UPPER).save(apart / "000.png")
    config(data, (UPPER, 0.5, True), (LOWER, 0.5, True))
    found, separate = evaluate(inspector, one).metrics, evaluate(inspector, data).metrics
    assert found["pixel_spro_5"] == pytest.approx(separate["pixel_spro_5"])
    assert found["pixel_spro_5"] > found["pixel_aupro_5"]


def test_a_value_that_the_file_lacks_names_the_mask(inspector, data):
    config(data, (UPPER, 5, False))
    evaluation = evaluate(inspector, data)
    assert evaluation.unreadable[0].path.endswith("ground_truth/scratch/000/001.png")
    assert evaluation.unreadable[0].reason == f"its pixels have the value {LOWER}, which {CONFIG} lacks"
    assert evaluation.metrics["pixel_spro_5"] is None


def test_a_broken_file_is_found_before_images_are_inspected(inspector, data, monkeypatch):
    (data / CONFIG).write_text("[")
    monkeypatch.setattr(type(inspector), "stream", lambda *_, **__: pytest.fail("too late"))
    with pytest.raises(DataError, match=rf"{CONFIG}' cannot be read"):
        evaluate(inspector, data)
