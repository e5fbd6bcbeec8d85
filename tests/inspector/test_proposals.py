"""Proposed labels."""

import json
from dataclasses import replace

import numpy as np
import pytest

import knowngood
from knowngood.data.images import read_mask
from knowngood.errors import RecipeError
from knowngood.inspector.proposals import outlined
from knowngood.inspector.regions import HeatScale, hottest


@pytest.fixture(scope="module")
def proposals(inspector, test_images):
    return knowngood.propose(inspector, test_images)


def test_rejected_images_have_a_mask_where_the_defect_is(proposals, defect_masks, inspector, test_images):
    rejected = [verdict.decision == "reject" for verdict in inspector.inspect(test_images)]
    assert (proposals["label"] == "defect").tolist() == rejected
    assert (proposals["mask"] != "").tolist() == rejected
    assert set(proposals["defect"]) == {"", "proposed defect"}
    scratched = proposals.tail(len(defect_masks))
    assert (scratched["label"] == "defect").all()
    for cell, truth in zip(scratched["mask"], defect_masks, strict=True):
        assert (read_mask(cell, truth.shape) & truth).sum() > 0.5 * truth.sum()


def test_a_proposal_is_within_the_mask_of_its_verdict(proposals, inspector, test_images):
    verdict = inspector.inspect([test_images[-1]])[0]
    marked = read_mask(proposals["mask"].iloc[-1], verdict.size)
    best = verdict.regions()[0]
    assert marked[best.max_y, best.max_x]
    assert not (marked & ~verdict.mask).any()


def test_an_outline_does_not_grow_with_the_strength_of_its_defect(inspector, test_images):
    verdict = inspector.inspect([test_images[-1]])[0]
    rows, columns = np.mgrid[:16, :16]
    blob = np.exp(-(np.hypot(rows - 8, columns - 8) ** 2) / 8).astype(np.float32)
    areas, shares = [], []
    for strength in (4, 40):
        own = replace(verdict, size=(160, 160), patch_map=1 + strength * blob, heat_scale=HeatScale(1.0, 2.0))
        areas.append(outlined(own).sum())
        shares.append(own.mask.sum() / areas[-1])
    assert areas[0] == pytest.approx(areas[1], rel=0.02)
    assert shares[1] > 2 * shares[0] > 2


def test_defects_that_are_known_are_outlined_though_they_are_accepted(inspector, test_images):
    accepted = [image for image in test_images if inspector.inspect([image])[0].decision == "accept"]
    table = knowngood.propose(inspector, accepted[:2], known_defects=True)
    assert table["defect"].tolist() == ["proposed defect"] * 2
    for cell, image in zip(table["mask"], accepted, strict=False):
        verdict = inspector.inspect([image])[0]
        x, y = hottest(verdict.patch_map, verdict.size)
        assert read_mask(cell, verdict.size)[y, x]


def test_they_are_labels_for_labelme(proposals, tmp_path):
    exported = knowngood.export(proposals, tmp_path / "check", "labelme")
    files = sorted((tmp_path / "check/train").glob("*.json"))
    assert len(files) == len(proposals) == sum(exported.images.values())
    for file in files:
        content = json.loads(file.read_text())
        assert (file.parent / content["imagePath"]).exists()
        for shape in content["shapes"]:
            assert shape["label"] == "proposed defect"
            points = np.array(shape["points"])
            assert points.min() >= 0
            assert (points <= [content["imageWidth"], content["imageHeight"]]).all()
    shapes = [len(json.loads(file.read_text())["shapes"]) for file in files]
    assert (np.array(shapes) > 0).sum() == (proposals["label"] == "defect").sum()


def test_images_in_memory(inspector, defect_images, tmp_path):
    table = knowngood.propose(inspector, list(defect_images[:2]))
    exported = knowngood.export(table, tmp_path / "coco", "coco")
    assert exported.regions["proposed defect"] >= 2


def test_without_maps_there_is_no_proposal(image_only, test_images):
    with pytest.raises(RecipeError, match="gives no maps"):
        knowngood.propose(image_only, test_images[:1])
