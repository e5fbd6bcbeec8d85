"""Boxes and areas from masks."""

import numpy as np
from PIL import Image

from knowngood.data.samples import load_samples
from knowngood.report.annotations import annotated, annotation_exhibits, boxes_of, boxes_table
from knowngood.report.class_pictures import enlarged_exhibit
from knowngood.report.good_alone import pasted_exhibit


def test_boxes_of_a_mask():
    mask = np.zeros((40, 60), bool)
    mask[5:15, 10:30] = True
    mask[20:24, 40:50] = True
    mask[24, 50] = True  # it touches by a corner
    assert boxes_of(mask) == [(10, 5, 20, 10, 200), (40, 20, 11, 5, 41)]
    assert boxes_of(np.zeros((4, 4), bool)) == []


def test_boxes_of_images(widget, tmp_path):
    table = load_samples(widget)
    found = annotated(table)
    masks = [mask for mask in table["mask"] if mask]
    assert len(found) == len(masks) == 6
    for one in found:
        marked = np.asarray(Image.open(one.mask).convert("L")) > 0
        assert sum(box.area for box in one.boxes) == marked.sum()
        rows, columns = np.nonzero(marked)
        assert min(box.left for box in one.boxes) == columns.min()
        assert max(box.top + box.height for box in one.boxes) == rows.max() + 1


def test_counts_and_the_line_of_a_detector(widget):
    found = annotated(load_samples(widget))
    table = boxes_table(found)
    total = sum(len(one.boxes) for one in found)
    assert table.rows[0][:3] == ["0 scratch", "6", str(total)]
    box, (height, width) = found[0].boxes[0], found[0].shape
    assert f"{box.width / width:.4f} {box.height / height:.4f}" in table.note


def test_no_masks_no_exhibits(widget):
    table = load_samples(widget).assign(mask="")
    assert list(annotation_exhibits(table)) == []
    assert pasted_exhibit(table.assign(split="train"), seed=0, turn=False, mirror=False).rows == []


def test_a_picture_of_each_type_with_box_and_mask(widget):
    _, pictures = annotation_exhibits(load_samples(widget))
    boxed, outlined = (row[0].image for row in pictures.rows)
    assert pictures.title == "A defect with its box and its mask"
    assert (boxed != outlined).any()


def test_a_defect_is_enlarged(widget):
    shown = enlarged_exhibit(load_samples(widget))
    assert shown.title.startswith("Smallest defect here: scratch, ")
    (good, scratch), (nothing, crop) = shown.rows
    assert (good.caption, scratch.caption) == ("good\n32 images", "scratch\n6 images")
    assert nothing.image is None
    assert crop.image.shape == (480, 480, 3)


def test_several_images_of_each_class_without_masks(widget):
    shown = enlarged_exhibit(load_samples(widget).assign(mask=""))
    assert list(shown.names) == ["good: 32", "scratch: 6"]
    assert [len(row) for row in shown.rows] == [5, 5]


def test_a_defect_pasted_onto_a_good_part(widget):
    table = load_samples(widget).assign(split="train")
    shown = pasted_exhibit(table, seed=0, turn=False, mirror=False)
    real, made = shown.rows
    assert real[0].caption == "scratch"
    found = sum(picture.image is not None for picture in made)
    assert shown.title == f"Made defects: for {found} of 1 types a place on a good part was found"
