import numpy as np
import pandas as pd
import pytest
from PIL import Image

from knowngood.data.imageset import ImageSet
from knowngood.data.labelled import (
    DEFECT_SHARE,
    classes_by,
    numbers_among,
    with_defects_to_learn,
)
from knowngood.data.labelled import labelled as selected
from knowngood.data.reading import Reading
from knowngood.data.samples import check_samples, load_samples
from knowngood.data.splits import SPLIT_MADE, assign_split
from knowngood.errors import DataError, RecipeError


def samples(classes, split="train", **columns):
    """A checked table from `class: number`, in which `?` is a defect without a type; no file is there."""
    rows = [
        {"path": f"{name}/{number}.png", "label": "good" if name == "good" else "defect", "defect": name}
        for name, count in classes.items()
        for number in range(count)
    ]
    table = pd.DataFrame(rows)
    table["defect"] = table["defect"].where(~table["defect"].isin(["good", "?"]), "")
    table = table.assign(**columns)
    return check_samples(table if split is None else table.assign(split=split))


def labelled(table, by="auto"):
    """The images that are learned from, as a set."""
    sources, *known = selected(table, by)
    return ImageSet(sources, Reading((8, 8)), *known[:3])


def counts(images):
    return np.bincount(images.numbers).tolist()


def counted(table):
    classes = table["defect"].where(table["label"] == "defect", "good")
    return table.groupby([table["split"], classes]).size().to_dict()


def written(folder, names):
    """Save a small image under each name, no two alike."""
    for level, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((8, 8), level, np.uint8)).save(folder / name)
    return folder


def told(error):
    """What a user is told: one or two lines."""
    message = str(error.value)
    assert len(message.splitlines()) <= 2
    return message


# --- splits


def test_a_table_whose_own_split_has_defects_to_learn_stays_as_it_is():
    table = samples({"good": 6, "dent": 6}).assign(split=["train", "test"] * 6)
    pd.testing.assert_frame_equal(with_defects_to_learn(table), table, check_dtype=False)
    assert SPLIT_MADE not in with_defects_to_learn(table).attrs


def test_of_a_folder_whose_defects_are_all_test_images_these_alone_are_divided(tmp_path):
    folder = written(
        tmp_path / "widget",
        [
            *(f"train/good/{n}.png" for n in range(6)),
            *(f"test/{name}/{n}.png" for name in ("good", "dent", "hole") for n in range(10)),
        ],
    )
    before = load_samples(folder)
    after = with_defects_to_learn(folder)
    assert counted(after) == {
        ("train", "good"): 6,
        ("test", "good"): 10,
        ("train", "dent"): 7,
        ("test", "dent"): 3,
        ("train", "hole"): 7,
        ("test", "hole"): 3,
    }
    good = before["label"] == "good"
    pd.testing.assert_frame_equal(after[good], before[good])
    pd.testing.assert_frame_equal(after.drop(columns="split"), before.drop(columns="split"))


def test_of_class_folders_good_parts_and_defects_are_divided(tmp_path):
    folder = written(
        tmp_path / "lot", [f"{name}/{n}.png" for name in ("good", "dent", "hole") for n in range(10)]
    )
    table = with_defects_to_learn(folder)
    assert counted(table) == {
        (split, name): count
        for name in ("good", "dent", "hole")
        for split, count in (("train", 7), ("test", 3))
    }
    assert table.attrs[SPLIT_MADE]
    # An anomaly detector and a classifier learn from the same good parts.
    good = load_samples(folder).query("label == 'good'")
    pd.testing.assert_series_equal(table["split"][good.index], good["split"])


def test_a_table_without_a_split_is_divided():
    table = with_defects_to_learn(samples({"good": 20, "dent": 10}, split=None))
    assert counted(table) == {
        ("train", "good"): 14,
        ("test", "good"): 6,
        ("train", "dent"): 7,
        ("test", "dent"): 3,
    }


@pytest.mark.parametrize(("share", "learned"), [(0.3, 3), (0.5, 5), (0.9, 9)])
def test_the_share_is_that_of_each_type(share, learned):
    table = with_defects_to_learn(samples({"good": 4, "dent": 10, "hole": 10}, split="test"), share)
    assert counted(table)["train", "dent"] == counted(table)["train", "hole"] == learned
    assert ("train", "good") not in counted(table)


def test_another_seed_takes_others_and_the_same_seed_the_same():
    table = samples({"good": 4, "dent": 20}, split="test")
    one, again, other = (with_defects_to_learn(table, seed=seed)["split"].tolist() for seed in (0, 0, 1))
    assert one == again != other


def test_photographs_of_one_part_stay_on_one_side():
    table = samples({"good": 6, "dent": 20}, split="test", group=[*range(6), *np.repeat(range(6, 16), 2)])
    divided = with_defects_to_learn(table)
    assert (divided.groupby("group")["split"].nunique() == 1).all()
    assert counted(divided)["train", "dent"] == 2 * round(10 * DEFECT_SHARE)


def test_the_table_itself_does_not_change():
    table = assign_split(samples({"good": 10, "dent": 10}, split=None))
    before = table.copy()
    with_defects_to_learn(table)
    pd.testing.assert_frame_equal(table, before)


@pytest.mark.parametrize("share", [0.0, 1.0, -0.2, 1.5, np.nan])
def test_a_share_that_leaves_a_side_without_defects(share):
    with pytest.raises(RecipeError, match="must be between 0 and 1") as error:
        with_defects_to_learn(samples({"good": 4, "dent": 4}), share)
    assert f"defect_share={share}" in told(error)


# --- classes


def test_classes_are_numbered_good_first_then_by_name():
    table = samples({"scratch": 3, "good": 4, "dent": 2})
    found = labelled(table)
    assert found.names == ["good", "dent", "scratch"]
    assert found.numbers.tolist() == [2] * 3 + [0] * 4 + [1] * 2
    assert counts(found) == [4, 2, 3]
    assert found.sources == table["path"].tolist()
    assert found.groups is None
    assert found.masks == [""] * 9


def test_only_the_train_split_is_learned_from():
    table = samples({"good": 8, "dent": 8, "hole": 2})
    table["split"] = ["train", "train", "test", "test"] * 4 + ["test"] * 2
    found = labelled(table)
    assert found.sources == table["path"][table["split"] == "train"].tolist()
    assert found.names == ["good", "dent"]


def test_masks_come_along():
    table = samples({"good": 2, "dent": 2}, mask=["", "", "0_mask.png", ""])
    assert labelled(table).masks == ["", "", "0_mask.png", ""]


@pytest.mark.parametrize(
    ("by", "names"),
    [
        ("auto", ["good", "dent", "scratch"]),
        ("type", ["good", "dent", "scratch"]),
        ("label", ["good", "defect"]),
    ],
)
def test_types_where_they_are_known_or_labels(by, names):
    found = labelled(samples({"good": 3, "dent": 2, "scratch": 4}), by)
    assert found.names == names
    assert counts(found) == ([3, 6] if by == "label" else [3, 2, 4])


def test_where_one_type_is_missing_auto_tells_labels_apart_and_type_says_so():
    table = samples({"good": 3, "dent": 4, "?": 2})
    for by in ("auto", "label"):
        assert labelled(table, by).names == ["good", "defect"]
        assert classes_by(table, by).tolist() == ["good"] * 3 + ["defect"] * 6
    with pytest.raises(DataError, match="2 of 6 defects have no type") as error:
        labelled(table, "type")
    message = told(error)
    assert "'?/0.png'" in message
    assert "fill in the column 'defect'" in message
    assert "by=label" in message


def test_a_missing_type_among_the_test_images_does_not_matter():
    table = samples({"good": 3, "dent": 4, "?": 2})
    table.loc[7:, "split"] = "test"
    assert labelled(table).names == ["good", "dent"]


def test_a_way_to_tell_apart_that_is_not_known():
    with pytest.raises(RecipeError, match="by='class' is not known; take auto, type, label"):
        labelled(samples({"good": 2, "dent": 2}), "class")


def test_a_defect_whose_type_is_good_is_a_contradiction():
    """It would be learned from as a good part."""
    with pytest.raises(DataError, match=r"'b\.png' is labelled defect but its type is 'good'; correct one"):
        check_samples(
            pd.DataFrame({"path": ["a.png", "b.png"], "label": ["good", "defect"], "defect": [None, "good"]})
        )


def test_numbers_of_classes_that_are_known():
    classes = np.array(["good", "dent", "scratch"])
    assert numbers_among(classes, ["good", "dent", "hole"]).tolist() == [0, 1, -1]
    assert numbers_among(classes, ["good", "defect"]).tolist() == [0, 1, 1]
    # With other types beside it, `defect` is a type like any other.
    assert numbers_among(classes, ["good", "defect", "hole"]).tolist() == [0, -1, -1]
    assert numbers_among([], ["good", "defect"]).tolist() == []


# --- what cannot be learned from


@pytest.mark.parametrize(
    ("classes", "missing"), [({"dent": 3}, "there is no good image"), ({"good": 3}, "there is no defect")]
)
def test_good_parts_or_defects_alone(classes, missing):
    with pytest.raises(DataError, match=missing) as error:
        labelled(samples(classes))
    assert "`knowngood fit`" in told(error)


@pytest.mark.parametrize("single", ["good", "hole"])
def test_a_single_image_of_a_class(single):
    with pytest.raises(DataError, match=f"'{single}' has one image to train on") as error:
        labelled(samples({"good": 5, "hole": 5, "dent": 5} | {single: 1}))
    message = told(error)
    assert "at least 2 are needed, one to train on and one to hold out" in message
    assert "by=label" in message
    assert "did you mean" not in message


def test_a_single_image_of_a_name_that_is_like_another():
    """Not near enough for a misspelling where both are rare, near enough for a hint."""
    with pytest.raises(DataError, match="one image to train on") as error:
        labelled(samples({"good": 5, "scratched": 1, "scratch": 3}))
    assert "or did you mean 'scratch'?" in told(error)


def test_single_images_do_not_matter_where_labels_alone_are_told_apart():
    assert counts(labelled(samples({"good": 5, "hole": 1, "dent": 1}), "label")) == [5, 2]


def test_photographs_of_one_part_are_one_image():
    table = samples({"good": 4, "dent": 3}, group=[0, 1, 2, 3, 7, 7, 7])
    with pytest.raises(DataError, match="'dent' has one image to train on"):
        labelled(table)
    table.loc[6, "group"] = "8"
    found = labelled(table)
    assert counts(found) == [4, 3]
    assert found.groups == ["0", "1", "2", "3", "7", "7", "8"]


@pytest.mark.parametrize(
    ("misspelt", "right", "counts"),
    [
        ("scratch_haed", "scratch_head", (2, 10)),
        ("Scratch ", "scratch", (5, 8)),
        ("bent lead", "bent_lead", (4, 4)),
        ("Good", "good", (3, 12)),
    ],
)
def test_a_misspelt_name(misspelt, right, counts):
    classes = {"good": 12, misspelt: counts[0], right: counts[1]}
    with pytest.raises(DataError, match="looks like a misspelling of") as error:
        labelled(samples(classes))
    message = told(error)
    assert f"{misspelt!r} ({counts[0]} image(s))" in message
    assert f"did you mean {right!r}?" in message


def test_types_with_similar_names_are_not_misspelt():
    table = samples({"good": 12, "scratch_head": 8, "scratch_neck": 2, "type1": 9, "type2": 2})
    assert len(labelled(table).names) == 5


def test_a_misspelt_name_does_not_matter_where_labels_alone_are_told_apart():
    assert counts(labelled(samples({"good": 12, "scratch_haed": 2, "scratch_head": 10}), "label")) == [12, 12]


def test_the_same_image_in_two_classes(tmp_path):
    folder = written(tmp_path, [f"{name}/{n}.png" for name in ("good", "dent", "hole") for n in range(3)])
    (folder / "hole/copy.png").write_bytes((folder / "dent/1.png").read_bytes())
    table = load_samples(folder).assign(split="train")
    with pytest.raises(DataError, match="the same image is 'dent' as ") as error:
        labelled(table)
    message = told(error)
    assert f"{str(folder / 'dent/1.png')!r} and 'hole' as {str(folder / 'hole/copy.png')!r}" in message
    assert message.endswith("keep the right one")
    # Both are defects, and the same image twice in one class contradicts nothing.
    assert counts(labelled(table, "label")) == [3, 7]


def test_the_same_image_good_and_defective(tmp_path):
    folder = written(tmp_path, [f"{name}/{n}.png" for name in ("good", "dent") for n in range(3)])
    (folder / "good/copy.png").write_bytes((folder / "dent/1.png").read_bytes())
    for by in ("type", "label"):
        with pytest.raises(DataError, match="keep the right one"):
            labelled(load_samples(folder).assign(split="train"), by)


def test_files_that_are_not_there_are_not_one_image():
    assert counts(labelled(samples({"good": 3, "dent": 3}))) == [3, 3]


def test_a_class_that_cannot_be_drawn_is_refused():
    with pytest.raises(DataError, match="has control characters, or more than 200 letters"):
        labelled(samples({"good": 6, 201 * "a": 6}).assign(split="train"))


def test_control_characters_of_a_class_are_spelt_out():
    images = labelled(samples({"good": 6, "de\nnt": 6}).assign(split="train"))
    assert set(images.classes) == {"good", "de\\nnt"}
