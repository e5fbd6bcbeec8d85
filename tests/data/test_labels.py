"""Label files of other tools, good and broken."""

import base64
import io
import json

import numpy as np
import pytest
from PIL import Image

import knowngood
from knowngood.data.images import read_mask
from knowngood.errors import DataError

SHAPE = (20, 30)
SQUARE = np.zeros(SHAPE, bool)
SQUARE[4:10, 5:15] = True
CORNERS = [5, 4, 15, 4, 15, 10, 5, 10]


def picture(path, value=100):
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(0).integers(0, value, (*SHAPE, 3), np.uint8)
    Image.fromarray(noise).save(path)


def marked(cell):
    return read_mask(cell, SHAPE)


def by_stem(table):
    return {
        path.rpartition("/")[2].partition(".")[0]: row
        for path, row in zip(table["path"], table.to_dict("records"), strict=True)
    }


class TestCoco:
    @pytest.fixture
    def content(self, tmp_path):
        for name in "abc":
            picture(tmp_path / "images" / f"{name}.png")
        images = [
            {"id": n, "file_name": f"{name}.png", "height": 20, "width": 30} for n, name in enumerate("abc")
        ]
        runs = [*[0] * 0, 5 * 20 + 4, *[6, 14] * 9, 6, 600 - 5 * 20 - 4 - 6 * 10 - 14 * 9]
        annotations = [
            {"id": 1, "image_id": 0, "category_id": 7, "bbox": [5, 4, 10, 6], "segmentation": [CORNERS]},
            {"id": 2, "image_id": 0, "category_id": 9, "bbox": [1, 1, 2, 2]},
            {"id": 3, "image_id": 1, "category_id": 9, "segmentation": {"size": [20, 30], "counts": runs}},
        ]
        return {
            "images": images,
            "annotations": annotations,
            "categories": [{"id": 7, "name": "dent"}, {"id": 9, "name": "rust"}],
        }

    def test_polygons_boxes_and_run_lengths(self, tmp_path, content):
        (tmp_path / "instances_test.json").write_text(json.dumps(content))
        found = by_stem(knowngood.load_samples(tmp_path))
        assert [found[name]["label"] for name in "abc"] == ["defect", "defect", "good"]
        assert [found[name]["defect"] for name in "abc"] == ["dent + rust", "rust", ""]
        assert found["a"]["boxes"] == "1,1,2,2:rust"
        assert (marked(found["a"]["mask"]) == SQUARE).all()
        assert (marked(found["b"]["mask"]) == SQUARE).all()
        assert {row["split"] for row in found.values()} == {"test"}
        assert "laid out as: COCO labels" in str(knowngood.describe(tmp_path))

    @pytest.mark.parametrize(
        ("place", "value", "reason"),
        [
            (("annotations", 0, "category_id"), 8, r"annotations\[0\]: category_id 8 is not known"),
            (("annotations", 0, "image_id"), [1], r"annotations\[0\]: .*unhashable"),
            (("annotations", 1, "bbox"), [1, 1, float("nan"), 2], "it holds NaN"),
            (
                ("annotations", 1, "bbox"),
                [1, 1, 1e300, 2],
                r"annotations\[1\]: the box .* is outside the image of 30 x 20",
            ),
            (("annotations", 1, "bbox"), [1, 1, -1, 2], r"annotations\[1\]: the box .* has no area"),
            (
                ("annotations", 0, "segmentation"),
                [[1, 2, 3, 4]],
                r"annotations\[0\]: a polygon has 4 numbers",
            ),
            (
                ("annotations", 0, "segmentation"),
                [[1, 2, 3, 4, 1e12, 6]],
                r"annotations\[0\]: a corner is outside",
            ),
            (
                ("annotations", 2, "segmentation", "counts"),
                [1, 2],
                r"annotations\[2\]: its run lengths do not fill",
            ),
            (("annotations", 2, "segmentation", "counts"), "oooooooooooo", r"annotations\[2\]: .*damaged"),
            (
                ("annotations", 2, "segmentation", "size"),
                [9, 9],
                r"annotations\[2\]: its mask has the size \[9, 9\]",
            ),
            (("images", 1, "height"), 10**12, r"images\[1\]: 1000000000000 came for a height"),
            (("images", 1, "file_name"), None, r"images\[1\]: file_name is None"),
            (("categories",), {}, "lacks one of the lists"),
        ],
    )
    def test_what_is_wrong_is_named_by_its_key(self, tmp_path, content, place, value, reason):
        inside = content
        for key in place[:-1]:
            inside = inside[key]
        inside[place[-1]] = value
        (tmp_path / "a.json").write_text(json.dumps(content))
        with pytest.raises(DataError, match=reason) as caught:
            knowngood.load_samples(tmp_path / "a.json")
        assert "a.json" in str(caught.value)

    def test_a_file_that_breaks_off_is_named_with_its_line(self, tmp_path, content):
        text = json.dumps(content, indent=1)
        (tmp_path / "a.json").write_text(text[: -len(text) // 3])
        with pytest.raises(DataError, match=r"a\.json', line \d+: it is no JSON"):
            knowngood.load_samples(tmp_path)
        (tmp_path / "b.json").write_text("[" * 100_000)
        with pytest.raises(DataError, match="no JSON that can be read"):
            knowngood.load_samples(tmp_path / "b.json")

    def test_missing_images_are_left_out_or_refused(self, tmp_path, content):
        (tmp_path / "images/c.png").unlink()
        (tmp_path / "a.json").write_text(json.dumps(content))
        table = knowngood.load_samples(tmp_path)
        assert len(table) == 2
        assert "1 images of" in table.attrs["notes"][0]
        (tmp_path / "images/a.png").unlink()
        with pytest.raises(DataError, match="2 of its 3 images are not there"):
            knowngood.load_samples(tmp_path)


class TestYolo:
    @pytest.fixture
    def folder(self, tmp_path):
        for name in "abc":
            picture(tmp_path / "train/images" / f"{name}.png")
        labels = tmp_path / "train/labels"
        labels.mkdir()
        (labels / "a.txt").write_text(
            "1 0.5 0.5 0.2 0.3\n\n0 "
            + " ".join(f"{n / s}" for n, s in zip(CORNERS, [30, 20] * 4, strict=True))
        )
        (labels / "b.txt").write_text("")
        (tmp_path / "data.yaml").write_text("train: ../train/images\nnames: [dent, rust]\n")
        return tmp_path

    def test_an_empty_file_is_good_and_an_absent_one_unlabelled(self, folder):
        table = knowngood.load_samples(folder)
        found = by_stem(table)
        assert sorted(found) == ["a", "b"]
        assert (found["b"]["label"], found["a"]["defect"]) == ("good", "rust + dent")
        assert found["a"]["boxes"] == "12,7,6,6:rust"
        assert (marked(found["a"]["mask"]) == SQUARE).all()
        assert "1 images have no file of labels and are left out, such as" in table.attrs["notes"][0]

    @pytest.mark.parametrize(
        ("text", "reason"),
        [
            ("0 0.5 0.5 0.2 0.2\n2 0.5 0.5 0.2 0.2", r"line 2: the class '2' is not known"),
            ("-1 0.5 0.5 0.2 0.2", "line 1: the class '-1' is not known"),
            ("0 nan 0.5 0.2 0.2", "line 1: .*nan"),
            ("0 0.9 0.5 0.9 0.2", "line 1: the box .* outside the image"),
            ("0 0.9 0.5", "line 1: it has 2 numbers"),
            ("0 0 0 1 1 5 5", "line 1: a corner is outside"),
            ("0 a b c d", "line 1: could not convert"),
        ],
    )
    def test_a_wrong_line_is_named(self, folder, text, reason):
        (folder / "train/labels/a.txt").write_text(text)
        with pytest.raises(DataError, match=rf"a\.txt', {reason}"):
            knowngood.load_samples(folder)

    @pytest.mark.parametrize(
        ("text", "reason"),
        [
            ("names: [a\ntrain: [", "it is no YAML"),
            ("names: 5\ntrain: train/images", "'names' must list"),
            ("names: [a]\ntrain: nowhere", "train: .*nowhere' is not there"),
            ("names: !!python/object/apply:os.system [ls]", "it is no YAML"),
        ],
    )
    def test_a_wrong_description(self, folder, text, reason):
        (folder / "data.yaml").write_text(text)
        with pytest.raises(DataError, match=reason):
            knowngood.load_samples(folder)


def png(mask):
    file = io.BytesIO()
    Image.fromarray(mask).save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


def test_labelme(tmp_path):
    shapes = [
        {"label": "dent", "shape_type": "polygon", "points": np.reshape(CORNERS, (4, 2)).tolist()},
        {"label": "rust", "shape_type": "rectangle", "points": [[9, 8], [2, 3]]},
        {"label": "hole", "shape_type": "circle", "points": [[20, 10], [20, 14]]},
        {
            "label": "bit",
            "shape_type": "mask",
            "points": [[1, 1], [3, 2]],
            "mask": png(np.ones((2, 3), np.uint8) * 255),
        },
        {"label": "spot", "shape_type": "point", "points": [[1, 1]]},
    ]
    for name, own in (("a", shapes), ("b", [])):
        picture(tmp_path / f"{name}.png")
        about = {"imagePath": f"{name}.png", "imageHeight": 20, "imageWidth": 30, "shapes": own}
        (tmp_path / f"{name}.json").write_text(json.dumps(about))
    picture(tmp_path / "c.png")
    picture(tmp_path / "good/d.png")
    table = knowngood.load_samples(tmp_path)
    found = by_stem(table)
    assert {name: row["label"] for name, row in found.items()} == {"a": "defect", "b": "good", "d": "good"}
    dent, hole, bit = map(marked, found["a"]["mask"].split("|"))
    assert (dent == SQUARE).all()
    assert hole.sum() == pytest.approx(np.pi * 16, rel=0.05)
    assert np.argwhere(bit).tolist() == [[1, 1], [1, 2], [1, 3], [2, 1], [2, 2], [2, 3]]
    assert found["a"]["boxes"] == "2,3,7,5:rust"
    assert found["a"]["defect"] == "dent + rust + hole + bit + spot"
    assert [note.split(",")[0] for note in table.attrs["notes"]] == [
        "shapes without an area make an image a defect",
        "1 images have no LabelMe file and are left out",
    ]
    for wrong in ({"points": [[1, 1], [99, 99], [3, 4]]}, {"label": ""}, {"shape_type": "mask", "mask": "@"}):
        (tmp_path / "a.json").write_text(json.dumps({**about, "shapes": [shapes[0] | wrong]}))
        with pytest.raises(DataError, match=r"a\.json', shapes\[0\]"):
            knowngood.load_samples(tmp_path)


CVAT = """<?xml version="1.0" encoding="utf-8"?>
<annotations><version>1.1</version>
<image id="0" name="a.png" width="30" height="20" subset="Train">
<polygon label="dent" points="5,4;15,4;15,10;5,10"/><box label="rust" xtl="1" ytl="2" xbr="4" ybr="6"/>
<mask label="bit" rle="1, 2, 1" left="3" top="2" width="2" height="2"/></image>
<image id="1" name="b.png" width="30" height="20" subset="Validation"/>
<image id="2" name="c.png" width="30" height="20" subset="Test">
<polyline label="crack" points="1,1;2,2"/></image>
</annotations>"""


def test_cvat(tmp_path):
    for name in "abc":
        picture(tmp_path / "images" / f"{name}.png")
    (tmp_path / "annotations.xml").write_text(CVAT)
    found = by_stem(knowngood.load_samples(tmp_path))
    assert [found[name]["label"] for name in "abc"] == ["defect", "good", "defect"]
    assert [found[name]["split"] for name in "abc"] == ["train", "train", "test"]
    dent, bit = map(marked, found["a"]["mask"].split("|"))
    assert (dent == SQUARE).all()
    assert np.argwhere(bit).tolist() == [[2, 4], [3, 3]]
    assert found["a"]["boxes"] == "1,2,3,4:rust"
    bomb = '<!DOCTYPE b [<!ENTITY a "aa"><!ENTITY b "&a;&a;">]><annotations>&b;</annotations>'
    for text, reason in (
        (bomb, "defines entities or types"),
        (CVAT[:400], r"annotations\.xml', line \d+: it is no XML"),
        (CVAT.replace('xtl="1"', 'xtl="nan"'), r"image 'a\.png': .*nan"),
        (CVAT.replace("15,10;", "15,1000;"), r"image 'a\.png': a corner is outside"),
        (CVAT.replace('label="rust" ', ""), r"image 'a\.png': 'label' is missing"),
        (CVAT.replace('rle="1, 2, 1"', 'rle="1, 2"'), r"image 'a\.png': its run lengths do not fill"),
    ):
        (tmp_path / "annotations.xml").write_text(text)
        with pytest.raises(DataError, match=reason):
            knowngood.load_samples(tmp_path)


def test_visa(tmp_path):
    rows = ["object,split,label,image,mask"]
    for product in ("candle", "nut"):
        for name, split, label in (
            ("0", "train", "normal"),
            ("1", "test", "normal"),
            ("2", "test", "anomaly"),
        ):
            picture(tmp_path / product / f"Data/Images/{name}.JPG")
            mask = f"{product}/Data/Masks/{name}.png" if label == "anomaly" else ""
            rows.append(f"{product},{split},{label},{product}/Data/Images/{name}.JPG,{mask}")
        (tmp_path / product / "Data/Masks").mkdir()
        Image.fromarray(SQUARE.astype(np.uint8) * 3).save(tmp_path / product / "Data/Masks/2.png")  # a class
    (tmp_path / "split_csv").mkdir()
    (tmp_path / "split_csv/1cls.csv").write_text("\n".join(rows))
    table = knowngood.load_samples(tmp_path)
    assert table["product"].tolist() == ["candle"] * 3 + ["nut"] * 3
    one = knowngood.load_samples(tmp_path / "nut")
    assert one["split"].tolist() == ["train", "test", "test"]
    assert one["label"].tolist() == ["good", "good", "defect"]
    assert (marked(one["mask"][2]) == SQUARE).all()
    (tmp_path / "split_csv/1cls.csv").write_text("object,split,label\n")
    with pytest.raises(DataError, match="no column 'image'"):
        knowngood.load_samples(tmp_path)


def test_lookout_for_vision(tmp_path):
    colours = {
        "0": {"class-name": "BACKGROUND", "hex-color": "#ffffff"},
        "1": {"class-name": "scratch", "hex-color": "#2ca02c"},
    }
    picture(tmp_path / "train/a.png")
    picture(tmp_path / "train/b.png")
    mask = np.full((*SHAPE, 3), 255, np.uint8)
    mask[SQUARE] = 0x2C, 0xA0, 0x2C
    (tmp_path / "masks").mkdir()
    Image.fromarray(mask).save(tmp_path / "masks/a_mask.png")
    lines = [
        {
            "source-ref": "s3://bucket/some/train/a.png",
            "anomaly-label": 1,
            "anomaly-label-metadata": {"class-name": "anomaly"},
        }
        | {
            "anomaly-mask-ref": "s3://bucket/masks/a_mask.png",
            "anomaly-mask-ref-metadata": {"internal-color-map": colours},
        },
        {
            "source-ref": "s3://bucket/some/train/b.png",
            "anomaly-label": 0,
            "anomaly-label-metadata": {"class-name": "normal"},
        },
    ]
    file = tmp_path / "train.manifest"
    file.write_text("\n".join(map(json.dumps, lines)))
    found = by_stem(knowngood.load_samples(tmp_path))
    assert (found["a"]["defect"], found["b"]["label"], found["b"]["split"]) == ("scratch", "good", "train")
    assert (marked(found["a"]["mask"]) == SQUARE).all()
    for text, reason in (
        ("{}", r"line 2: 'source-ref' is missing"),
        ("{", "line 2, line 1: it is no JSON"),
        ('{"source-ref": "a.png", "anomaly-label": 7}', "line 2: anomaly-label is 7"),
    ):
        file.write_text(json.dumps(lines[0]) + "\n" + text)
        with pytest.raises(DataError, match=reason):
            knowngood.load_samples(tmp_path)


def test_mvtec_ad_2(tmp_path):
    for name in ("train/good", "validation/good", "test_public/good", "test_public/bad", "test_private"):
        picture(tmp_path / name / "000_regular.png")
    (tmp_path / "test_public/ground_truth/bad").mkdir(parents=True)
    Image.fromarray(SQUARE).save(tmp_path / "test_public/ground_truth/bad/000_regular_mask.png")
    table = knowngood.load_samples(tmp_path)
    assert sorted(zip(table["split"], table["defect"], strict=True)) == [
        ("test", ""),
        ("test", "bad"),
        ("train", ""),
        ("train", ""),
    ]
    (mask,) = filter(None, table["mask"])
    assert (marked(mask) == SQUARE).all()


@pytest.mark.parametrize("value", [1, 255, 7])
@pytest.mark.parametrize("palette", [False, True])
def test_masks_of_any_value_mark_what_is_not_black(tmp_path, value, palette):
    mask = Image.fromarray(SQUARE.astype(np.uint8) * np.uint8(value))
    if palette:
        mask.putpalette([0, 0, 0, *np.random.default_rng(0).integers(1, 255, 765).tolist()])
    mask.save(tmp_path / "mask.png")
    assert (marked(str(tmp_path / "mask.png")) == SQUARE).all()


def test_patterns_outweigh_label_files(tmp_path):
    for name in ("ok/a", "nok/b"):
        picture(tmp_path / f"{name}.png")
    (tmp_path / "labels.json").write_text('{"images": [], "annotations": [], "categories": []}')
    assert len(knowngood.load_samples(tmp_path, knowngood.Patterns(good="ok/*"))) == 2
    with pytest.raises(DataError, match="labels no image"):
        knowngood.load_samples(tmp_path)
