from pathlib import Path

import pytest
from PIL import Image

from knowngood.data.layouts import recognise, search
from knowngood.errors import DataError


@pytest.fixture
def folder(tmp_path):
    """Make files that are images by their name: a layout looks no further."""

    def make(*names: str) -> Path:
        for name in names:
            path = tmp_path / "data" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        return tmp_path / "data"

    return make


def rows(folder: Path) -> list[tuple[str, ...]]:
    table = recognise(folder)[1]
    assert list(table.columns) == ["path", "split", "label", "defect", "mask"]
    short = table[["path", "mask"]].map(lambda file: file and Path(file).relative_to(folder).as_posix())
    return list(table.assign(path=short["path"], mask=short["mask"]).itertuples(index=False, name=None))


def test_mvtec(folder):
    data = folder(
        "train/good/000.png",
        "test/good/000.png",
        "test/bent/000.png",
        "test/bent/001.png",
        "ground_truth/bent/000_mask.png",
        "license.txt",
    )
    assert rows(data) == [
        ("test/bent/000.png", "test", "defect", "bent", "ground_truth/bent/000_mask.png"),
        ("test/bent/001.png", "test", "defect", "bent", ""),
        ("test/good/000.png", "test", "good", "", ""),
        ("train/good/000.png", "train", "good", "", ""),
    ]
    assert "MVTec" in recognise(data)[0]


def test_btad(folder):
    data = folder(
        "train/ok/0.bmp", "test/ok/1.bmp", "test/ko/2.bmp", "test/ko/3.bmp", "ground_truth/ko/2.png"
    )
    assert rows(data) == [
        ("test/ko/2.bmp", "test", "defect", "ko", "ground_truth/ko/2.png"),
        ("test/ko/3.bmp", "test", "defect", "ko", ""),
        ("test/ok/1.bmp", "test", "good", "", ""),
        ("train/ok/0.bmp", "train", "good", "", ""),
    ]


@pytest.mark.parametrize("good", ["good", "OK", "Normal", "nominal", "pass"])
@pytest.mark.parametrize("bad", ["bad", "KO", "ng", "Defective", "anomaly", "abnormal", "fail"])
def test_good_and_bad(folder, good, bad):
    data = folder(*(f"{good}/{i}.jpg" for i in range(10)), f"{bad}/0.jpg", f"ground_truth/{bad}/0.png")
    table = recognise(data)[1]
    assert table["label"].value_counts().to_dict() == {"good": 10, "defect": 1}
    assert (table["split"] == "train").sum() == 7
    defect = table[table["label"] == "defect"].iloc[0]
    assert (defect["split"], defect["defect"]) == ("test", bad)
    assert Path(defect["mask"]).name == "0.png"


def test_class_folders(folder):
    data = folder("good/0.png", "good/1.png", "dent/0.png", "deep scratch/0.png", "deep scratch/1.png")
    table = recognise(data)[1]
    assert table["defect"].value_counts().to_dict() == {"": 2, "deep scratch": 2, "dent": 1}


def test_one_folder_of_good_images(folder):
    assert rows(folder("b.png", "a.JPG", "notes.txt")) == [
        ("a.JPG", "train", "good", "", ""),
        ("b.png", "train", "good", "", ""),
    ]


def test_images_in_folders_below_a_class_belong_to_it(folder):
    data = folder(
        "train/good/monday/0.png", "test/dent/tuesday/0.png", "ground_truth/dent/tuesday/0_mask.png"
    )
    assert rows(data)[0] == (
        "test/dent/tuesday/0.png",
        "test",
        "defect",
        "dent",
        "ground_truth/dent/tuesday/0_mask.png",
    )


def test_real_folders(shared_data):
    table = recognise(shared_data / "mvtec" / "transistor")[1]
    assert table.groupby(["split", "label"]).size().to_dict() == {
        ("test", "defect"): 40,
        ("test", "good"): 60,
        ("train", "good"): 213,
    }


def test_the_masks_of_the_widget(widget):
    table = recognise(widget)[1]
    scratched = table[table["label"] == "defect"]
    assert [Path(mask).stem for mask in scratched["mask"]] == [f"{i:03}_mask" for i in range(6)]


@pytest.mark.parametrize("files", [(), ("readme.txt", "good/.hidden.png", ".hidden/good/0.png")])
def test_a_folder_without_images(folder, files):
    empty = folder("empty/x.txt", *files)
    with pytest.raises(DataError, match="holds no images") as refused:
        recognise(empty)
    assert refused.value.path == str(empty)


def test_a_folder_without_good_images(folder):
    with pytest.raises(DataError, match=r"no good images are found: its folders are 'dent', 'scratch'"):
        recognise(folder("dent/0.png", "scratch/0.png"))


def test_several_data_sets_in_one_folder(folder):
    with pytest.raises(DataError, match=r"several data sets \(nut, screw\)"):
        recognise(folder("screw/train/good/0.png", "nut/train/good/0.png"))


def test_search_tells_images_from_others_and_skips_what_is_hidden(folder):
    data = folder("b.PNG", "sub/a.tiff", "notes.txt", ".hidden.png", ".git/x.png")
    images, others = search(data)
    assert images == [data / "b.PNG", data / "sub/a.tiff"]
    assert others == [data / "notes.txt"]


def test_search_survives_loops_and_follows_links(folder):
    data = folder("good/0.png", "good/1.png")
    (data / "good" / "loop").symlink_to(data)
    (data / "self").symlink_to(data / "self")
    (data / "again").symlink_to(data / "good")
    (data / "good" / "gone.png").symlink_to(data / "nowhere.png")
    names = [path.relative_to(data).as_posix() for path in search(data)[0]]
    assert names == [f"{top}/{name}.png" for top in ("again", "good") for name in ("0", "1", "gone")]


def test_a_folder_that_may_not_be_listed_is_named(folder, monkeypatch):
    data = folder("good/0.png", "dent/0.png")
    listing = Path.iterdir

    def iterdir(self):
        if self.name == "dent":
            raise PermissionError(13, "Permission denied")
        return listing(self)

    monkeypatch.setattr(Path, "iterdir", iterdir)
    with pytest.raises(DataError, match=r"dent' cannot be listed \(Permission denied\)"):
        recognise(data)


def test_any_file_name(folder):
    names = ["good/a b.png", "good/größe.png", "good/new\nline.png", "good/部品.png"]
    assert sorted(path for path, *_ in rows(folder(*names))) == sorted(names)


@pytest.mark.parametrize("name", ["bad", "NG", "defect"])
def test_a_folder_named_for_defects_is_not_learned_from(tmp_path, name):
    (tmp_path / name).mkdir()
    Image.new("RGB", (16, 16)).save(tmp_path / name / "0.png")
    layout, table = recognise(tmp_path / name)
    assert layout == "one folder of defects"
    assert table[["split", "label", "defect"]].values.tolist() == [["test", "defect", name]]
