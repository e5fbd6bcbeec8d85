from pathlib import Path, PurePosixPath

import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from PIL import Image

from knowngood.data.files import search
from knowngood.data.layouts import arrange, recognise
from knowngood.data.masks import Look, pair
from knowngood.data.patterns import Patterns
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
    table = recognise(folder).table
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
    assert "MVTec" in recognise(data).layout


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
    table = recognise(data).table
    assert table["label"].value_counts().to_dict() == {"good": 10, "defect": 1}
    assert (table["split"] == "train").sum() == 7
    defect = table[table["label"] == "defect"].iloc[0]
    assert (defect["split"], defect["defect"]) == ("test", bad)
    assert Path(defect["mask"]).name == "0.png"


def test_class_folders(folder):
    data = folder("good/0.png", "good/1.png", "dent/0.png", "deep scratch/0.png", "deep scratch/1.png")
    table = recognise(data).table
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
    table = recognise(shared_data / "mvtec" / "transistor").table
    assert table.groupby(["split", "label"]).size().to_dict() == {
        ("test", "defect"): 40,
        ("test", "good"): 60,
        ("train", "good"): 213,
    }


def test_the_masks_of_the_widget(widget):
    table = recognise(widget).table
    scratched = table[table["label"] == "defect"]
    assert [Path(mask).stem for mask in scratched["mask"]] == [f"{i:03}_mask" for i in range(6)]


@pytest.mark.parametrize("files", [(), ("readme.txt", "good/.hidden.png", ".hidden/good/0.png")])
def test_a_folder_without_images(folder, files):
    empty = folder("empty/x.txt", *files)
    with pytest.raises(DataError, match="holds no images") as refused:
        recognise(empty)
    assert refused.value.path == str(empty)


def test_a_folder_without_good_images(folder):
    with pytest.raises(DataError) as asked:
        recognise(folder("dent/0.png", "scratch/old/0.png", "scratch/old/1.png"))
    assert str(asked.value).splitlines()[1:] == [
        "  dent: 1",
        "  scratch/old: 2",
        "Say it by --good PATTERN, such as --good 'scratch/old/*', and where needed --defect, "
        "--mask, --ignore (in Python load_samples(folder, Patterns(good=...))); or make a table, such as:",
        f"  knowngood table {asked.value.path} --good 'scratch/old/*.png' --defect 'dent/*.png' "
        "--mask '{stem}_mask.png' --out table.csv",
    ]


def test_several_data_sets_in_one_folder(folder):
    with pytest.raises(DataError, match=r"several data sets \(nut, screw\)"):
        recognise(folder("screw/train/good/0.png", "nut/train/good/0.png"))


def test_search_survives_loops_and_follows_links(folder):
    data = folder("good/0.png", "good/1.png")
    (data / "good" / "loop").symlink_to(data)
    (data / "self").symlink_to(data / "self")
    (data / "again").symlink_to(data / "good")
    (data / "good" / "gone.png").symlink_to(data / "nowhere.png")
    names = [path.relative_to(data).as_posix() for path in search(data).images]
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


@pytest.mark.parametrize("name", ["bad", "NG", "defect", "def_front"])
def test_a_folder_named_for_defects_is_not_learned_from(tmp_path, name):
    (tmp_path / name).mkdir()
    (tmp_path / name / "0.png").touch()
    found = recognise(tmp_path / name)
    assert found.layout == "one folder of defects"
    assert found.table[["split", "label", "defect"]].values.tolist() == [["test", "defect", name]]


MASK, BLACK = Look(2, flat=True), Look(1, flat=True, black=True)


def arranged(names, looks=None, patterns=None, called=""):
    """The label of each sample, its type and its masks, from names alone; files look as `looks` says."""
    looks = looks or {}

    def look(files):
        return [
            next((look for end, look in looks.items() if str(one).endswith(end)), Look()) for one in files
        ]

    files = [PurePosixPath(name) for name in names]
    _, rows, paired = arrange(files, look, patterns, called)
    return {
        str(row.file): (row.split, row.defect or row.label, *map(str, paired.masks.get(row.file, ())))
        for row in rows
    }


@pytest.mark.parametrize(
    ("mask", "image"),
    [
        ("ground_truth/dent/0_mask.png", "test/dent/0.png"),
        ("Ground_Truth/dent/0_mask.png", "test/dent/0.png"),
        ("ground_truth/dent/0_GT.png", "test/dent/0.png"),
        ("ground_truth/dent/0_label.bmp", "test/dent/0.png"),
        ("ground_truth/dent/0_MASK.PNG", "test/dent/0.png"),
        ("masks/dent/0.png", "test/dent/0.png"),
        ("MASK/dent/0.png", "Test/dent/0.png"),
        ("test/gt/dent/0.png", "test/dent/0.png"),
        ("test/dent/gt/0.png", "test/dent/rgb/0.png"),
        ("labels/test/dent/0.png", "images/test/dent/0.jpg"),
        ("test/dent/Label/0_label.PNG", "test/dent/0.PNG"),
        ("ground_truth/dent/0/000.png", "test/dent/0.png"),
        ("ground_truth/dent/monday/0_mask.png", "test/dent/monday/0.png"),
    ],
)
def test_masks_in_a_folder_are_of_their_image(mask, image):
    others = ["train/good/0.png", "test/good/0.png", "test/scratch/0.png"]
    found = arranged([mask, image, *others])
    assert found[image] == ("test", "dent", mask)
    assert found["test/scratch/0.png"] == ("test", "scratch")
    assert len(found) == 4


@pytest.mark.parametrize("ending", ["_mask", "_GT", "-label", ".mask", "_seg", "_mask1", "_ground_truth"])
@pytest.mark.parametrize("suffix", [".png", ".BMP"])
def test_masks_beside_their_image(ending, suffix):
    mask = f"dent/0{ending}{suffix}"
    assert arranged(["ok/0.jpg", "dent/0.jpg", mask], {suffix: MASK}) == {
        "ok/0.jpg": ("", "good"),
        "dent/0.jpg": ("", "dent", mask),
    }


def test_what_only_has_the_name_of_a_mask_is_an_image():
    names = ["ok/bottle.jpg", "ok/bottle_label.jpg", "ok/mask.jpg"]
    assert list(arranged(names)) == names


def test_several_masks_of_an_image():
    masks = [f"ground_truth/dent/0/{n:03}.png" for n in range(3)]
    found = arranged(["train/good/0.png", "test/dent/0.png", *masks])
    assert found["test/dent/0.png"] == ("test", "dent", *masks)


def test_a_mask_that_fits_no_image_or_several_is_a_stray():
    files = ["train/good/0.png", "test/dent/0.png", "test/dent/a/1.png", "test/dent/b/1.png"]
    strays = ["ground_truth/dent/7_mask.png", "ground_truth/dent/c/1.png", "gt/1.png"]
    paired = pair([PurePosixPath(name) for name in files + strays], lambda files: [Look()] * len(files))
    assert list(map(str, paired.strays)) == strays
    assert paired.masks == {}


def test_the_same_name_with_two_endings_is_an_image_and_its_mask():
    smoothed = Look(3, flat=True)
    found = arranged(
        ["Fray/1.jpg", "Fray/1.png", "Free/2.jpg", "Free/2.png"], {"1.png": smoothed, "2.png": BLACK}
    )
    assert found == {"Fray/1.jpg": ("", "Fray", "Fray/1.png"), "Free/2.jpg": ("", "good", "Free/2.png")}


def test_the_same_name_with_two_endings_is_asked_about():
    names = ["good/0.jpg", "good/0.png", "good/1.jpg"]
    with pytest.raises(DataError, match=r"'good/0.jpg' and 'good/0.png' have one name .*--ignore '\*.png'"):
        arranged(names)
    assert len(arranged(names, patterns=Patterns(ignore="*.png"))) == 2
    assert arranged(names, patterns=Patterns(mask="*.png"))["good/0.jpg"] == ("", "good", "good/0.png")


def test_images_of_two_grey_levels_are_asked_about_unless_the_user_has_said_what_they_are():
    names = ["good/0.png", "good/1.png", "shape/0.png"]
    looks = {"shape/0.png": MASK}
    with pytest.raises(DataError, match=r"1 of 3 images have two grey levels, such as 'shape/0.png'.*--mask"):
        arranged(names, looks)
    assert arranged(names, looks, Patterns(defect="shape"))["shape/0.png"] == ("", "shape")
    assert len(arranged(names, looks, Patterns(ignore="shape"))) == 2
    assert len(arranged(names, looks, Patterns(mask="shape"))) == 2


def test_a_defect_is_what_has_a_mask_that_is_not_black():
    names = ["train/0.png", "train/0_GT.png", "test/1.png", "test/1_GT.png"]
    found = arranged(names, {"0_GT.png": BLACK, "1_GT.png": MASK})
    assert found == {
        "train/0.png": ("train", "good", "train/0_GT.png"),
        "test/1.png": ("test", "defect", "test/1_GT.png"),
    }
    items = [
        f"kos{n}/Part{part}{end}" for n in range(2) for part in range(3) for end in (".jpg", "_label.bmp")
    ]
    found = arranged(items, {"Part2_label.bmp": MASK, ".bmp": BLACK})
    assert [what for _, what, *_ in found.values()] == ["good", "good", "defect"] * 2


def test_a_few_black_masks_do_not_make_defects_good():
    names = [f"{name}/{n}{end}" for name in ("Free", "Fray") for n in range(3) for end in (".jpg", ".png")]
    looks = {"Free/0.png": BLACK, "Free/1.png": BLACK, "Free/2.png": BLACK, "Fray/0.png": BLACK, ".png": MASK}
    assert [what for _, what, *_ in arranged(names, looks).values()] == ["good"] * 3 + ["Fray"] * 3


def test_images_without_any_mask_beside_those_with_one_are_not_known_to_be_good():
    names = ["Fray/1.jpg", "Fray/1.png", "Uneven/2.jpg"]
    with pytest.raises(DataError, match="which images are good is not known"):
        arranged(names, {".png": MASK})


@pytest.mark.parametrize("name", ["validation", "val", "Valid", "Train", "TRAINING"])
def test_validation_is_learned_from(name):
    found = arranged([f"{name}/good/0.png", "Test/good/0.png", "test/dent/0.png"])
    assert found[f"{name}/good/0.png"] == ("train", "good")
    assert found["Test/good/0.png"] == ("test", "good")


def test_names_with_a_word_for_good_or_bad():
    names = ["ok_front/0.png", "ok_back/0.png", "def_front/0.png", "NOK-back/0.png", "not ok/0.png"]
    assert [what for _, what in arranged(names).values()] == ["good"] * 2 + [
        "def_front",
        "NOK-back",
        "not ok",
    ]


def test_a_folder_that_all_images_share():
    names = ["widget/Data/Images/Normal/0.JPG", "widget/Data/Images/Anomaly/0.JPG"]
    masks = ["widget/Data/Masks/Anomaly/0.png"]
    assert arranged([*names, *masks]) == {
        names[0]: ("", "good"),
        names[1]: ("", "Anomaly", masks[0]),
    }
    with pytest.raises(DataError, match="which images are good"):
        arranged(["dent/0.png"])


def test_good_beside_a_test_folder_is_the_train_split():
    found = arranged(["good/0.png", "test/ok/1.png", "test/dent/2.png"])
    assert [split for split, *_ in found.values()] == ["train", "test", "test"]


def test_patterns():
    names = ["Free/a/0.jpg", "Free/a/0.png", "Fray/1.jpg", "Fray/1.png", "_temp/2.jpg"]
    looks = {".png": MASK}
    patterns = Patterns(good="*/Free/*", ignore=["_temp"])
    assert arranged(names, looks, patterns) == {
        "Free/a/0.jpg": ("", "good", "Free/a/0.png"),
        "Fray/1.jpg": ("", "Fray", "Fray/1.png"),
    }
    patterns = Patterns(good="Free/*", defect="Fray/*")
    with pytest.raises(DataError, match=r"1 images fit neither --good nor --defect, such as '_temp/2.jpg'"):
        arranged(names, looks, patterns)
    names = ["good/0.png", "label/0.png", "label/1.png"]
    assert arranged(names, patterns=Patterns(defect="label/*"))["label/1.png"] == ("", "label")
    names = ["photos/0.png", "segments/0.png"]
    assert arranged(names, patterns=Patterns(mask="segments", good="photos")) == {
        "photos/0.png": ("", "good", "segments/0.png")
    }


@pytest.mark.parametrize(
    ("patterns", "message"),
    [
        (Patterns(good="x/*"), r"--good 'x/\*' fits no image; .* as in 'dent/0.png'"),
        (Patterns(ignore="*.tif"), r"--ignore '\*.tif' fits no image"),
        (Patterns(good="dent", defect=["*/0.png"]), r"'dent/0.png' fits patterns of --good and of --defect"),
        (Patterns(ignore="*"), r"all images are in folders of masks, or ignored"),
    ],
)
def test_patterns_that_make_no_sense(folder, patterns, message):
    with pytest.raises(DataError, match=message):
        recognise(folder("dent/0.png", "good/1.png"), patterns)


def test_a_class_with_the_name_of_a_folder_of_masks_is_noted(folder):
    data = folder("good/0.png", "label/0.png")
    (note,) = recognise(data).table.attrs["notes"]
    assert note.startswith("1 files are in folders of masks but look like photographs")
    assert note.endswith("such as 'label/0.png'")
    named = recognise(data, Patterns(defect="label")).table
    assert named["defect"].tolist() == ["", "label"]
    assert named.attrs["notes"] == ()


def test_images_without_a_mask_beside_others_that_have_one_are_noted(tmp_path):
    for name in "ab":
        Image.effect_noise((32, 32), 50).save(tmp_path / f"{name}.jpg")
    mask = Image.new("L", (32, 32))
    mask.paste(255, (5, 5, 20, 20))
    mask.save(tmp_path / "b_mask.png")
    found = recognise(tmp_path)
    assert found.table["label"].tolist() == ["good", "defect"]
    assert found.table.attrs["notes"] == (
        "1 images without a mask are good, since others have one, such as 'a.jpg'",
    )


def test_masks_of_a_set_in_a_folder_of_its_own():
    names = ["widget/train/good/0.png", "widget/test/good/0.png", "widget/test/dent/0.png"]
    assert arranged([*names, "widget/masks/0.png"])[names[2]] == ("test", "dent", "widget/masks/0.png")


def test_what_was_left_out_is_noted(folder):
    data = folder("train/good/0.png", "test/ok_2/1.png", "extra/2.png", "masks/dent/9.png", "good.heic")
    assert recognise(data).table.attrs["notes"] == (
        "1 masks fit no image, such as 'masks/dent/9.png'",
        "1 files are in folders of masks but look like photographs; if they are images, say so by --good or "
        "--defect PATTERN, such as 'masks/dent/9.png'",
        "1 images are left out, since they are in no folder of a class or split, such as 'extra/2.png'",
        "good parts by their names: 'ok_2'",
        f"1 pictures are left out, since their formats are not read: .heic (1), such as "
        f"{str(data / 'good.heic')!r}; save them as PNG or TIFF",
    )


def test_constant_images_are_noted_and_masks_alone_are_asked_about(tmp_path):
    Image.new("RGB", (16, 16), "grey").save(tmp_path / "0.png")
    Image.effect_noise((16, 16), 50).save(tmp_path / "1.png")
    assert recognise(tmp_path).table.attrs["notes"] == (
        "no folder's name says what the images show: all 2 are taken as good parts",
        "1 good images have one colour all over; the first is '0.png'",
    )
    Image.effect_noise((16, 16), 50).point(lambda value: 255 * (value > 128)).save(tmp_path / "2.png")
    with pytest.raises(DataError, match=r"1 of 3 images have two grey levels, such as '2.png'"):
        recognise(tmp_path)


def test_real_masks_beside_their_images(shared_data):
    found = recognise(shared_data / "magnetic-tile")
    types = {"Blowhole": 58, "Break": 43, "Crack": 29, "Fray": 16, "Uneven": 52}
    expected = {"": 476} | {f"MT_{name}": count for name, count in types.items()}
    assert found.table["defect"].value_counts().to_dict() == expected
    assert (found.table["mask"] != "").sum() == 198
    same = recognise(shared_data / "magnetic-tile", Patterns(good="*/MT_Free/*")).table
    pd.testing.assert_frame_equal(same, found.table)


def test_real_validation_images(shared_data):
    table = recognise(shared_data / "juice_bottle").table
    assert table.groupby(["split", "label"]).size().to_dict() == {
        ("test", "defect"): 142,
        ("train", "good"): 222,
    }


FOLDERS = st.sampled_from(
    [
        "train",
        "Test",
        "val",
        "good",
        "ok_1",
        "dent",
        "GT",
        "masks",
        "label",
        "rgb",
        "Imgs",
        "0",
        "x|y",
        "-",
        "_",
    ]
)
STEMS = st.sampled_from(["0", "1", "0_mask", "0_GT", "1-label", "0_seg", "mask", "_", "0.1", "part"])
NAMES = st.builds(
    lambda folders, stem, ending: "/".join([*folders, stem + ending]),
    st.lists(FOLDERS, max_size=4),
    STEMS,
    st.sampled_from([".png", ".jpg", ".PNG"]),
)
LOOKS = st.sampled_from([Look(), Look(3, flat=True), MASK, BLACK])
GLOBS = st.sampled_from(["*", "*/good/*", "dent", "*.png", "*mask*", "test/*", "label/*", "[", "**"])


@example({"0.png": Look(), "train/0.png": Look(), "GT/0.png": MASK}, Patterns([], [], [], []))
@given(
    st.dictionaries(NAMES, LOOKS, min_size=1, max_size=12),
    st.builds(Patterns, *[st.lists(GLOBS, max_size=1)] * 4),
)
def test_every_file_is_one_thing_or_a_question_is_asked(looks, patterns):
    files = [PurePosixPath(name) for name in looks]
    try:
        _, rows, paired = arrange(files, lambda some: [looks[str(file)] for file in some], patterns, "ok")
    except DataError:
        return
    masks = [mask for several in paired.masks.values() for mask in several]
    ignored = [file for file in files if patterns.of(file) == "ignore"]
    assert sorted([*paired.images, *masks, *paired.strays, *ignored]) == sorted(files)
    assert {row.file for row in rows} <= set(paired.images)
    assert len({row.file for row in rows}) == len(rows)
    assert {row.label for row in rows} <= {"good", "defect"}
    assert all(row.split in ("train", "test", "") for row in rows)
    assert len({row.split == "" for row in rows}) <= 1
    for row in rows:
        if looks[str(row.file)].levels == 2:
            assert patterns.of(row.file) in ("good", "defect")


def test_validation_images_are_said_to_be_training_images(tmp_path):
    for number, folder in enumerate(("train/good", "validation/good", "test/dent")):
        (tmp_path / folder).mkdir(parents=True)
        Image.effect_noise((16, 16), 50).save(tmp_path / folder / f"{number}.png")
    found = recognise(tmp_path).table
    assert found["split"].tolist() == ["test", "train", "train"]
    assert found.attrs["notes"] == ("1 images in folders for validation count as training images",)


def test_a_folder_whose_name_says_that_its_images_are_good_needs_no_note(tmp_path):
    (tmp_path / "ok parts").mkdir()
    Image.effect_noise((16, 16), 50).save(tmp_path / "ok parts" / "0.png")
    assert recognise(tmp_path / "ok parts").table.attrs["notes"] == ()
