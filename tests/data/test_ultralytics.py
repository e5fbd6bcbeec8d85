"""Ultralytics' own loader reads what was exported for it."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from pycocotools import mask as rle
from scipy import ndimage

import knowngood
from knowngood.data.images import read_image

from ..support.apart import run_apart
from ..support.marked import EXPECTED, disc, same, write_marked

# pycocotools decodes into an array of its own sort.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

READER = Path(__file__).parents[1] / "support/read_yolo.py"


def test_it_reads_what_was_written(tmp_path):
    parts = write_marked(tmp_path)
    table = pd.read_csv(parts, keep_default_na=False)
    for name in ("g3.pgm", "g4.gif", "g5.jpe", "g6.tif"):  # it passes over some endings
        Image.fromarray(disc(20).astype(np.uint8) * 200).save(tmp_path / name)
        table.loc[len(table)] = {**dict.fromkeys(table, ""), "path": name, "label": "good", "split": "train"}
    table.to_csv(parts, index=False)
    folders = {"detect": tmp_path / "images", "segment": tmp_path / "labels"}
    for folder, format in zip(folders.values(), ("yolo", "yolo-seg"), strict=True):
        knowngood.export(parts, folder, format)
    asked = (f"{task}={folder}" for task, folder in folders.items())
    read = json.loads(run_apart(READER, *asked, home=tmp_path / "home").splitlines()[-1])
    for task, images in read.items():
        assert len(images) == len(table)
        for path in map(Path, table["path"]):
            found, wanted = images[path.stem], EXPECTED.get(path.stem, [])
            assert (found["split"] == "test") == (path.stem in ("g2", "ring", "two"))
            assert found["pixels"] == hashlib.sha256(read_image(tmp_path / path).tobytes()).hexdigest()
            assert found["names"] == [name for name, _ in wanted]
            for box, (_, mask) in zip(found["boxes"], wanted, strict=True):
                places = np.argwhere(mask)
                (top, left), (height, width) = places.min(axis=0), np.ptp(places, axis=0) + 1
                inside = np.array([left + width / 2, top + height / 2, width, height]) / (80, 64, 80, 64)
                assert box == pytest.approx(inside, abs=1e-6 if task == "detect" else 0.01)
    for stem, wanted in EXPECTED.items():
        found = read["segment"][stem]
        outlines = [(np.array(one) * (80, 64)).ravel().tolist() for one in found["outlines"]]
        drawn = [rle.decode(rle.frPyObjects([one], 64, 80))[..., 0] > 0 for one in outlines]
        assert same(list(zip(found["names"], drawn, strict=True)), wanted)
        for (_, mask), one in zip(wanted, found["masks"], strict=True):
            trained = np.array(one)[8:72] > 0
            beyond = trained & ~ndimage.binary_dilation(mask, np.ones((3, 3)))
            assert trained[mask].all()
            assert beyond.sum() <= 80 * (ndimage.label(mask)[1] - 1)  # the edges that join its pieces
