import shutil

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from knowngood.data.describe import describe
from knowngood.data.expectations import expectations
from knowngood.data.patterns import Patterns
from knowngood.errors import DataError


@pytest.fixture
def data(widget, tmp_path):
    """A copy of the widget to spoil."""
    return shutil.copytree(widget, tmp_path / "data")


def test_a_sound_data_set(widget):
    found = describe(widget)
    assert "MVTec" in found.layout
    assert found.counts == {("train", "good"): 24, ("test", "good"): 8, ("test", "scratch"): 6}
    assert found.sizes == {(96, 96): 38}
    assert found.modes == {"RGB": 38}
    assert found.suffixes == {".png": 38}
    assert found.bits is None
    problems = (found.broken, found.mask_problems, found.without_mask, found.duplicates, found.leaks)
    assert problems == ((),) * 5
    assert found.ignored == found.near_duplicates == found.near_leaks == ()
    assert found.contradictions == found.similar_names == ()
    assert not found.split_made
    assert found.lines() == [
        "38 images, laid out as: train and test folders, as in MVTec AD and BTAD",
        "train, good: 24",
        "test, good: 8",
        "test, scratch: 6",
        "good to defects: 32 to 6 (5.3 to 1)",
        "largest to smallest class: 'good' to 'scratch', 32 to 6 (5.3 to 1)",
        "effective numbers of images: good 21.8, scratch 5.62 (beta = 37/38)",
        "sizes (height x width): 96 x 96 (38)",
        "pixels: colour (38)",
        "files: .png (38)",
        "masks: for 6 of 6 defects",
        "what to expect:",
        *found.lines()[12:],
    ]
    expected = " ".join(line.strip() for line in found.lines()[12:])
    assert expected == " ".join(expectations(found.counts))


def test_a_real_data_set(shared_data):
    found = describe(shared_data / "mvtec" / "transistor")
    assert sum(found.counts.values()) == 313
    assert found.broken == found.mask_problems == found.without_mask == found.leaks == ()
    assert found.near_duplicates == found.near_leaks == found.contradictions == found.similar_names == ()


def test_broken_images_and_masks(data):
    (data / "test/good/001.png").write_bytes(b"")
    (data / "train/good/001.png").write_text("not an image")
    Image.new("L", (50, 60)).save(data / "ground_truth/scratch/000_mask.png")
    (data / "ground_truth/scratch/001_mask.png").write_text("not an image")
    (data / "ground_truth/scratch/002_mask.png").unlink()
    found = describe(data)
    assert [failure.path for failure in found.broken] == [
        str(data / "test/good/001.png"),
        str(data / "train/good/001.png"),
    ]
    assert "60 x 50 but its image is 96 x 96" in found.mask_problems[0]
    assert "001_mask.png" in found.mask_problems[1]
    assert found.without_mask == (str(data / "test/scratch/002.png"),)
    lines = found.lines()
    assert lines[lines.index("images that cannot be read: 2") + 1].endswith("the file is empty (0 bytes)")
    assert "masks that cannot be used: 2" in lines
    assert "defect images without a mask: 1" in lines


def test_copies_and_leaks(data):
    train, test = data / "train/good", data / "test/good"
    shutil.copy(train / "000.png", train / "copy.png")
    shutil.copy(train / "001.png", test / "leak.png")
    found = describe(data)
    assert found.duplicates == ((str(train / "000.png"), str(train / "copy.png")),)
    assert found.leaks == ((str(test / "leak.png"), str(train / "001.png")),)
    assert "images with the same bytes as another, in train and test (a leak): 1" in found.lines()


def test_near_copies_and_leaks(data):
    train, test = data / "train/good", data / "test/good"
    Image.open(train / "000.png").save(train / "copy.jpg", quality=95)
    Image.open(train / "001.png").save(test / "leak.jpg", quality=95)
    found = describe(data)
    assert found.duplicates == found.leaks == ()
    assert found.near_duplicates == ((str(train / "000.png"), str(train / "copy.jpg")),)
    assert found.near_leaks == ((str(test / "leak.jpg"), str(train / "001.png")),)
    lines = found.lines()
    assert f"files are named below from the folder {str(data)!r}" in lines
    leak = lines.index("groups of images that look like copies of another, in train and test (a leak): 1")
    assert lines[leak + 1] == "  'test/good/leak.jpg' ~ 'train/good/001.png'"
    assert "groups of images that look like copies of another, within a split: 1" in lines
    assert "4 images in 2 groups look like photographs of the same parts" in " ".join(lines)


def test_a_table_with_groups_needs_no_advice_on_them(data, tmp_path):
    first = Image.open(data / "train/good/000.png")
    for quality in (91, 93, 95):
        first.save(data / f"train/good/copy{quality}.jpg", quality=quality)
    table = describe(data).samples
    assert "column `group`" in " ".join(describe(data).lines())
    copy = table["path"].str.contains("copy") | table["path"].str.endswith("train/good/000.png")
    table.assign(group=table["path"].where(~copy, "one")).to_csv(tmp_path / "t.csv", index=False)
    assert "column `group`" not in " ".join(describe(tmp_path / "t.csv").lines())


def test_contradictory_labels(data):
    copy = shutil.copy(data / "test/good/000.png", data / "test/scratch/copy.png")
    found = describe(data)
    assert found.contradictions == found.duplicates == ((str(data / "test/good/000.png"), str(copy)),)
    assert "images with several labels: 1" in found.lines()


def test_a_type_whose_name_looks_misspelt(data):
    (data / "test/scrtach").mkdir()
    shutil.move(data / "test/scratch/005.png", data / "test/scrtach/005.png")
    found = describe(data)
    assert found.similar_names == (("scrtach", "scratch"),)
    lines = found.lines()
    assert lines[lines.index("classes whose name looks misspelt: 1") + 1] == "  'scrtach' beside 'scratch'"
    assert any("defect type 'scrtach' has one image" in line for line in lines)


def test_kinds_of_files(data):
    deep = np.full((16, 20), 4000, np.uint16)
    Image.fromarray(deep).save(data / "train/good/deep.tif")
    Image.new("L", (20, 16)).save(data / "test/good/grey.JPG")
    (data / "notes.txt").touch()
    (data / "stray.png").touch()
    found = describe(data)
    assert found.sizes == {(96, 96): 38, (16, 20): 2}
    assert found.modes == {"RGB": 38, "L": 1, "I;16, 16 bit": 1}
    assert found.suffixes == {".png": 38, ".jpg": 1, ".tif": 1}
    assert found.bits == 12
    assert sorted(found.ignored) == [str(data / "notes.txt"), str(data / "stray.png")]
    assert "the 16-bit images use 12 bits" in found.lines()


def test_a_data_set_without_masks(data):
    shutil.rmtree(data / "ground_truth")
    found = describe(data)
    assert len(found.without_mask) == 6
    assert "no masks: the position of defects cannot be checked" in found.lines()
    assert not any("without a mask" in line for line in found.lines())


def test_many_problems_are_counted_after_the_first_ten(data):
    for image in (data / "train/good").iterdir():
        image.write_bytes(b"")
    lines = describe(data).lines()
    start = lines.index("images that cannot be read: 24")
    assert lines[start + 11] == "  and 14 more"


def test_a_table(widget, tmp_path):
    images = sorted((widget / "test").glob("*/*.png"))
    labels = ["defect" if image.parent.name == "scratch" else "good" for image in images]
    pd.DataFrame({"path": images, "label": labels}).to_csv(tmp_path / "parts.csv", index=False)
    found = describe(tmp_path / "parts.csv")
    assert found.layout == "table"
    assert found.counts == {("train", "good"): 6, ("test", "good"): 2, ("test", "defect"): 6}
    assert found.split_made
    assert any("no defects in the train split that was made here" in line for line in found.lines())


def test_progress_is_told_to_the_end(widget):
    told = []
    describe(widget, progress=lambda *news: told.append(news))
    assert told[:38] == [("reading images", done, 38) for done in range(1, 39)]
    assert {stage for stage, _, _ in told[38:]} == {"identifying images", "comparing images"}
    assert told[-1][1] == told[-1][2] == len(told) - 2 * 38  # each file is identified, too


def test_what_is_no_data_set(tmp_path):
    with pytest.raises(DataError, match="does not exist"):
        describe(tmp_path / "none")
    with pytest.raises(DataError, match="holds no images"):
        describe(tmp_path)


def test_masks_that_mark_nothing(data):
    Image.new("L", (96, 96)).save(data / "ground_truth/scratch/003_mask.png")
    found = describe(data)
    assert found.unmarked == (str(data / "test/scratch/003.png"),)
    assert "defect images whose mask is black: 1" in found.lines()


def test_patterns_and_notes(data):
    (data / "photo.heic").touch()
    (data / "test/good").rename(data / "test/new")
    found = describe(data, patterns=Patterns(ignore="test/new"))
    assert found.counts == {("train", "good"): 24, ("test", "scratch"): 6}
    assert len(found.ignored) == 8
    assert len(found.notes) == 1
    assert f"note: {found.notes[0]}" in " ".join(line.strip() for line in found.lines())


def test_several_masks_are_none_of_the_ignored_files(data):
    masks = data / "ground_truth/scratch"
    for mask in sorted(masks.iterdir()):
        (masks / mask.stem.removesuffix("_mask")).mkdir()
        shutil.copy(mask, masks / mask.stem.removesuffix("_mask") / "000.png")
        mask.rename(masks / mask.stem.removesuffix("_mask") / "001.png")
    found = describe(data)
    assert found.ignored == found.without_mask == found.mask_problems == found.unmarked == ()


def test_masks_of_good_images(data):
    for name, level in (("000", 0), ("001", 255)):
        (data / "ground_truth/good").mkdir(exist_ok=True)
        Image.new("L", (96, 96), level).save(data / f"ground_truth/good/{name}_mask.png")
    found = describe(data)
    assert found.ignored == found.unmarked == ()
    assert found.marked_good == (str(data / "test/good/001.png"),)
    assert "good images whose mask marks a defect: 1" in found.lines()


def test_a_table_of_many_classes_has_a_description_of_bounded_length(tmp_path):
    rows = [f"{number}.png,defect,type {number}\n" for number in range(3000)]
    (tmp_path / "t.csv").write_text("path,label,defect\ngood.png,good,\n" + "".join(rows))
    lines = describe(tmp_path / "t.csv").lines()
    assert lines[0] == "3001 images, laid out as: table"
    assert "and 2901 more lines on classes" in lines
    assert len(lines) < 800
    assert max(map(len, lines)) <= 120


def test_many_sizes_are_summarised(tmp_path):
    for width in range(20, 70, 2):
        Image.new("L", (width, 16)).save(tmp_path / f"{width}.png")
    Image.new("L", (30, 16)).save(tmp_path / "another.png")
    (line,) = [line for line in describe(tmp_path).lines() if line.startswith("sizes")]
    assert line == (
        "sizes (height x width): 16 x 30 (2), 16 x 20 (1), 16 x 22 (1), 16 x 24 (1) and 21 more, 16 to 16 "
        "high and 20 to 68 wide"
    )
