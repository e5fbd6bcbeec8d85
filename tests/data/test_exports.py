"""Exports, read back by readers that are not ours."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from PIL import Image
from pycocotools import mask as rle
from pycocotools.coco import COCO

import knowngood
from knowngood.data.decoding import decode
from knowngood.data.exports import FORMATS
from knowngood.data.exports.names import unique_names
from knowngood.errors import DataError, OutputError, UnreadableImage

from ..support.marked import EXPECTED, same, write_marked

# pycocotools decodes into an array of its own sort.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


@pytest.fixture
def parts(tmp_path):
    return write_marked(tmp_path)


def test_coco_is_read_by_pycocotools(parts, tmp_path, capsys):
    exported = knowngood.export(parts, tmp_path / "coco", "coco")
    assert exported.regions == {"dent": 4, "cut_lead": 1, "rust: or dirt": 1}
    seen = {}
    for split in ("train", "test"):
        coco = COCO(tmp_path / "coco" / f"{split}.json")
        names = {one["id"]: one["name"] for one in coco.loadCats(coco.getCatIds())}
        assert sorted(names.values()) == ["cut_lead", "dent", "rust: or dirt"]
        for image in coco.loadImgs(coco.getImgIds()):
            own = coco.loadAnns(coco.getAnnIds(image["id"]))
            seen[Path(image["file_name"]).stem] = [
                (names[a["category_id"]], coco.annToMask(a) > 0) for a in own
            ]
            with Image.open(tmp_path / "coco" / image["file_name"]) as picture:
                assert picture.size == (image["width"], image["height"])
            for one in own:
                marked = np.argwhere(coco.annToMask(one))
                left, top, width, height = one["bbox"]
                assert np.abs(marked.min(axis=0) - (top, left)).max() <= 1
                assert np.abs(marked.max(axis=0) + 1 - (top + height, left + width)).max() <= 1
        holes = [a for a in coco.anns.values() if isinstance(a["segmentation"], dict)]
        assert len(holes) == (split == "test")
        assert coco.loadCats(1)[0]["prompt"] == "cut lead"
    assert seen.pop("g0") == seen.pop("g1") == seen.pop("g2") == []
    assert seen.keys() == EXPECTED.keys()
    assert all(same(seen[name], EXPECTED[name]) for name in EXPECTED)


def yolo(folder):
    """Read a YOLO folder as its format is described."""
    about = yaml.safe_load((folder / "data.yaml").read_text())
    found = {}
    for part in {about["train"], about["val"], about["test"]}:
        for image in (folder / part).iterdir():
            text = (folder / part.replace("images", "labels") / f"{image.stem}.txt").read_text()
            lines = [line.split() for line in text.splitlines()]
            found[image.stem] = (
                part,
                [(about["names"][int(n)], np.array(cells, float)) for n, *cells in lines],
            )
    return found


def test_yolo_has_boxes(parts, tmp_path):
    knowngood.export(parts, tmp_path / "yolo", "yolo", least_area=0)
    found = yolo(tmp_path / "yolo")
    assert found["g2"] == ("images/test", [])
    prompts = yaml.safe_load((tmp_path / "yolo/data.yaml").read_text())["prompts"]
    assert prompts == {0: "cut lead", 1: "dent", 2: "rust: or dirt"}
    part, [(first, top), (_, _), (_, bottom)] = found["two"]
    assert (part, first) == ("images/test", "dent")
    assert top == pytest.approx([5 / 80, 7 / 64, 4 / 80, 10 / 64])
    assert bottom == pytest.approx([70 / 80, 57 / 64, 20 / 80, 14 / 64])
    parts_of_train = [part for part, _ in found.values()]
    assert sorted(set(parts_of_train)) == ["images/test", "images/train", "images/val"]


def test_yolo_has_polygons_where_holes_are_cut_open(parts, tmp_path):
    knowngood.export(parts, tmp_path / "yolo", "yolo-seg")
    for name, wanted in EXPECTED.items():
        _, regions = yolo(tmp_path / "yolo")[name]
        drawn = []
        for found, numbers in regions:
            corners = (numbers.reshape(-1, 2) * (80, 64)).ravel().tolist()
            drawn.append((found, rle.decode(rle.frPyObjects([corners], 64, 80))[..., 0]))
        assert same([(found, mask > 0) for found, mask in drawn], wanted), name


def test_sam_has_prompts(parts, tmp_path):
    knowngood.export(parts, tmp_path / "sam", "sam")
    files = {path.stem: path for path in (tmp_path / "sam").rglob("*.json")}
    assert json.loads(files["g0"].read_text())["annotations"] == []
    for name, wanted in EXPECTED.items():
        about = json.loads(files[name].read_text())
        assert files[name].with_name(about["image"]["file_name"]).exists()
        found = [(one["category"], rle.decode(one["segmentation"]) > 0) for one in about["annotations"]]
        assert same(found, wanted)
        for one, (_, mask) in zip(about["annotations"], found, strict=True):
            ((x, y),) = one["point_coords"]
            assert mask[int(y), int(x)]
    assert about["annotations"][0]["prompt"] == "rust: or dirt"


@pytest.mark.parametrize("format", ["mvtec", "csv"])
def test_folders_and_tables_are_read_by_this_program(parts, tmp_path, format):
    knowngood.export(parts, tmp_path / "out", format)
    data = tmp_path / "out" / ("table.csv" if format == "csv" else "")
    found = knowngood.load_samples(data).assign(stem=lambda rows: [Path(path).stem for path in rows["path"]])
    before = knowngood.load_samples(parts).assign(
        stem=lambda rows: [Path(path).stem for path in rows["path"]]
    )
    columns = ["stem", "split", "label", "defect"]
    assert sorted(found[columns].to_numpy().tolist()) == sorted(before[columns].to_numpy().tolist())
    for stem, cell in zip(found["stem"], found["mask"], strict=True):
        own = before.set_index("stem")["mask"][stem]
        assert bool(cell) == bool(own)
        if cell:
            one, other = (knowngood.data.images.read_mask(mask, (64, 80)) for mask in (cell, own))
            assert (one == other).all()


def test_imagefolder_is_folders_of_classes(parts, tmp_path):
    knowngood.export(parts, tmp_path / "out", "imagefolder")
    found = {str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*.png")}
    assert {"train/good/g0.png", "train/dent/disc.png", "test/cut_lead/ring.png"} < found
    assert len(found) == 7


HOSTILE = [
    "../../x.png",
    "/etc/passwd.png",
    "a\nb.png",
    "ä" * 120 + ".png",
    "..",
    "con.png",
    "A.png",
    "a.PNG",
    "|",
]


@pytest.mark.parametrize("format", FORMATS)
def test_hostile_names_stay_in_the_folder(tmp_path, format):
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 255, (16, 16), np.uint8) for _ in HOSTILE]
    classes = ["../up", "/abs", "x\ny", "good_enough", "masks", "train", "n" * 300, "ok?"]
    table = knowngood.load_samples(images, labels=["good", *classes], masks=[None, *[np.eye(16)] * 8])
    table["path"] = HOSTILE
    (tmp_path / "in").mkdir()
    exported = knowngood.export(table.assign(split="train"), tmp_path / "in" / "out", format)
    assert sum(exported.images.values()) == len(HOSTILE)
    assert [path.name for path in tmp_path.iterdir()] == ["in"]
    assert [path.name for path in (tmp_path / "in").iterdir()] == ["out"]
    assert len(list((tmp_path / "in/out").rglob("*.png"))) >= len(HOSTILE)
    if format == "mvtec":
        read = knowngood.load_samples(tmp_path / "in/out")
        assert (read["label"] == "good").sum() == 1
        assert (read["mask"] != "").sum() == 8


def test_names_are_unique_in_any_capitals():
    names = unique_names(["a", "A", "a", "a-2", "", "."])
    assert len({name.lower() for name in names}) == 6


class TestNothingHalfWritten:
    def test_a_broken_image(self, parts, tmp_path):
        (tmp_path / "ring.png").write_bytes(b"no image")
        with pytest.raises(UnreadableImage, match=r"ring\.png.*`knowngood split`"):
            knowngood.export(parts, tmp_path / "out", "coco")
        assert not (tmp_path / "out").exists()
        assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]

    def test_a_folder_with_something_in_it(self, parts, tmp_path):
        (tmp_path / "out").mkdir()
        knowngood.export(parts, tmp_path / "out", "imagefolder")
        with pytest.raises(OutputError, match="exists and is no empty folder"):
            knowngood.export(parts, tmp_path / "out", "imagefolder")
        with pytest.raises(OutputError, match="make the folder"):
            knowngood.export(parts, tmp_path / "no/out")

    def test_an_unknown_format(self, parts, tmp_path):
        with pytest.raises(DataError, match="format 'voc' is not known; choose one of mvtec, coco"):
            knowngood.export(parts, tmp_path / "out", "voc")

    @pytest.mark.parametrize("cell", ["nan,0,5,5:a", "0,0,99,9:a", "-9,0,5,5:a", "1,2,3:a", "1,1,0,4:a", "x"])
    def test_a_box_that_is_none(self, parts, tmp_path, cell):
        table = knowngood.load_samples(parts).assign(mask="", boxes="")
        table.loc[table["label"] == "defect", "boxes"] = cell
        with pytest.raises(DataError, match=r"disc\.png.*write left,top,width,height:class"):
            knowngood.export(table, tmp_path / "out", "yolo")
        assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("format", ["coco", "yolo", "yolo-seg", "sam"])
def test_a_defect_without_region_is_left_out_and_named(parts, tmp_path, format):
    table = knowngood.load_samples(parts)
    table.loc[table["path"].str.endswith("disc.png"), "mask"] = ""
    exported = knowngood.export(table, tmp_path / "out", format)
    assert [Path(path).name for path in exported.left_out] == ["disc.png"]
    assert "1 defects are left out" in exported.lines()[-1]
    assert not list((tmp_path / "out").rglob("disc.*"))


def test_an_image_that_exif_turns_is_written_upright(tmp_path):
    picture = Image.fromarray(np.tile(np.arange(64, dtype=np.uint8), (32, 1)))
    exif = Image.Exif()
    exif[0x0112] = 6
    picture.save(tmp_path / "a.jpg", exif=exif)
    table = pd.DataFrame({"path": [str(tmp_path / "a.jpg")], "label": ["good"], "split": ["train"]})
    knowngood.export(table, tmp_path / "out", "imagefolder")
    with Image.open(tmp_path / "out/train/good/a.png") as turned:
        assert turned.size == (32, 64)


def test_what_other_loaders_pass_over_is_written_as_png(tmp_path):
    deep = np.random.default_rng(0).integers(0, 1 << 16, (12, 17, 3), np.uint16)
    (tmp_path / "a.ppm").write_bytes(b"P6 17 12 65535\n" + deep.astype(">u2").tobytes())
    table = pd.DataFrame({"path": [str(tmp_path / "a.ppm")], "label": ["good"], "split": ["train"]})
    knowngood.export(table, tmp_path / "out", "imagefolder")
    assert (decode(tmp_path / "out/train/good/a.png") == deep).all()
