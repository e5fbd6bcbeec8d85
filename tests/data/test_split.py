"""Splits that keep parts and copies together."""

from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from knowngood.data.split import QUARANTINE, split
from knowngood.errors import DataError, RecipeError


@given(
    st.lists(st.tuples(st.sampled_from(["", "dent", "rust"]), st.integers(0, 9)), min_size=1, max_size=60),
    st.sampled_from([0.0, 0.3, 0.7]),
    st.integers(0, 3),
)
@settings(max_examples=15)
def test_groups_are_never_divided_and_classes_have_their_shares(rows, defect_share, seed):
    table = pd.DataFrame(rows, columns=["defect", "group"])
    table["path"] = [f"{number}.png" for number in range(len(table))]
    table["label"] = np.where(table["defect"] == "", "good", "defect")
    options = {"defect_share": defect_share, "copies": "none", "seed": seed}
    divided = split(table, **options)
    assert divided["path"].tolist() == table["path"].tolist()
    assert (divided.groupby("group")["split"].nunique() == 1).all()
    pd.testing.assert_frame_equal(divided, split(table, **options))
    if not defect_share:
        assert (divided["split"][table["defect"] != ""] == "test").all()
    alone = split(table.assign(group=table["path"]), **options)
    for name, share in (("", 0.7), ("dent", defect_share), ("rust", defect_share)):
        own = alone["split"][table["defect"] == name]
        assert abs((own == "train").sum() - share * len(own)) <= 0.5


@pytest.fixture
def photographs(tmp_path):
    """Ten different pictures, a copy saved darker, and one of the same bytes."""
    rng = np.random.default_rng(0)
    for number in range(10):
        smooth = cv2.GaussianBlur(rng.uniform(0, 255, (96, 96)), (0, 0), 4)
        cv2.imwrite(
            str(tmp_path / f"{number}.png"), np.clip(128 + 6 * (smooth - 127), 0, 255).astype(np.uint8)
        )
    darker = (0.9 * cv2.imread(str(tmp_path / "3.png"))).astype(np.uint8)
    cv2.imwrite(str(tmp_path / "3_again.png"), darker)
    (tmp_path / "5_again.png").write_bytes((tmp_path / "5.png").read_bytes())
    return pd.DataFrame({"path": sorted(map(str, tmp_path.glob("*.png"))), "label": "good"})


def named(table):
    return {Path(row["path"]).stem: row for row in table.to_dict("records")}


@pytest.mark.parametrize("seed", range(2))
def test_copies_stay_on_one_side(photographs, seed):
    rows = named(split(photographs, train_share=0.5, seed=seed))
    assert rows["3"]["group"] == rows["3_again"]["group"]
    assert rows["3"]["split"] == rows["3_again"]["split"]
    assert rows["5"]["split"] == rows["5_again"]["split"]
    assert len({row["group"] for row in rows.values()}) == 10
    same = named(split(photographs, copies="same", seed=seed))
    assert len({row["group"] for row in same.values()}) == 11
    assert "group" not in split(photographs, copies="none")


def test_copies_join_the_groups_of_their_parts(photographs):
    photographs["group"] = ["p" if Path(path).stem in ("5", "9") else "" for path in photographs["path"]]
    rows = named(split(photographs))
    assert rows["5"]["group"] == rows["9"]["group"] == rows["5_again"]["group"] == "p"


def test_what_cannot_be_used_is_listed_and_stays(photographs, tmp_path):
    (tmp_path / "0.png").write_bytes(b"no image")
    (tmp_path / "1.png").unlink()
    photographs.loc[photographs["path"].str.endswith("5_again.png"), "label"] = "defect"
    divided = split(photographs)
    reasons = {Path(path).stem: why for path, why in divided.attrs[QUARANTINE]}
    assert reasons.pop("0").startswith("it cannot be read: not an image of a known type")
    assert reasons == {
        "1": "it cannot be read: there is no such file",
        "5": "the same image has the labels defect, good",
        "5_again": "the same image has the labels defect, good",
    }
    rows = named(divided)
    assert rows["3"]["group"] == rows["3_again"]["group"]
    assert len({row["group"] for row in rows.values()}) == len(rows) - 1
    assert len(divided) == len(photographs) - 4
    assert (tmp_path / "0.png").exists()


def test_mistakes_are_named(photographs):
    for wrong in ({"train_share": 0}, {"train_share": 1.5}, {"defect_share": -1}):
        with pytest.raises(RecipeError, match="must be between"):
            split(photographs, **wrong)
    with pytest.raises(RecipeError, match="copies='far' is not known; take near, same, none"):
        split(photographs, copies="far")
    with pytest.raises(DataError, match=r"no image is left; '/no\.png'"):
        split(pd.DataFrame({"path": ["/no.png"], "label": ["good"]}))
