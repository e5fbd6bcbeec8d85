import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from knowngood.data.splits import assign_split, folds
from knowngood.errors import DataError


def table(**counts: int) -> pd.DataFrame:
    rows = [
        ("good", "") if kind == "good" else ("defect", kind) for kind, n in counts.items() for _ in range(n)
    ]
    return pd.DataFrame(rows, columns=["label", "defect"])


def test_seven_of_ten_good_images_and_no_defect_are_trained_on():
    split = assign_split(table(good=100, dent=10, scratch=5))["split"]
    assert (split[:100] == "train").sum() == 70
    assert (split[100:] == "test").all()


def test_each_defect_type_is_divided_by_itself():
    samples = assign_split(table(good=10, dent=8, scratch=4), 0.5, defect_share=0.5)
    assert samples.groupby("defect")["split"].agg(lambda s: (s == "train").sum()).to_dict() == {
        "": 5,
        "dent": 4,
        "scratch": 2,
    }


def test_the_split_follows_the_seed_and_leaves_its_input_alone():
    samples = table(good=50, dent=3)
    first = assign_split(samples)
    assert "split" not in samples
    pd.testing.assert_frame_equal(first, assign_split(samples, seed=0))
    assert (first["split"] != assign_split(samples, seed=1)["split"]).any()


@given(st.lists(st.integers(0, 9), min_size=1, max_size=60), st.integers(0, 3), st.floats(0.1, 0.9))
def test_a_group_stays_on_one_side(groups, seed, share):
    samples = pd.DataFrame({"label": "good", "defect": "", "group": groups})
    split = assign_split(samples, share, seed=seed)
    assert split.groupby("group")["split"].nunique().max() == 1
    largest = samples["group"].value_counts().max()
    assert abs((split["split"] == "train").sum() - share * len(groups)) <= largest / 2 + 1e-9


def test_a_group_with_a_defect_is_tested_on():
    samples = table(good=3, dent=1).assign(group=["a", "b", "b", "a"])
    assert assign_split(samples)["split"].tolist() == ["test", "train", "train", "test"]


@given(st.integers(2, 200), st.integers(2, 12), st.integers(0, 5))
def test_folds_are_as_equal_as_can_be(n, k, seed):
    counts = np.bincount(folds(n, k, seed))
    assert len(counts) == min(n, k)
    assert counts.max() - counts.min() <= 1


@given(st.lists(st.sampled_from("abcdefg"), min_size=2).filter(lambda g: len(set(g)) > 1), st.integers(2, 9))
def test_folds_keep_groups_together_and_none_is_empty(groups, k):
    numbers = folds(len(groups), k, 0, groups)
    assert pd.Series(numbers).groupby(groups).nunique().max() == 1
    assert set(numbers) == set(range(min(k, len(set(groups)))))


@given(st.lists(st.sampled_from("abc"), min_size=2, max_size=40), st.integers(2, 6), st.integers(0, 3))
def test_folds_spread_each_class(classes, k, seed):
    numbers = folds(len(classes), k, seed, classes=classes)
    counts = pd.crosstab(np.array(classes), numbers)
    assert (counts.max(axis=1) - counts.min(axis=1) <= 1).all() or counts.shape[1] < k
    assert set(numbers) == set(range(min(k, len(classes))))


def test_folds_follow_the_seed():
    np.testing.assert_array_equal(folds(30, 5, 1), folds(30, 5, 1))
    assert (folds(30, 5, 1) != folds(30, 5, 2)).any()


@pytest.mark.parametrize(("n", "groups"), [(0, None), (1, None), (3, ["a", "a", "a"])])
def test_nothing_to_hold_out_is_an_error(n, groups):
    with pytest.raises(DataError, match="at least 2"):
        folds(n, 5, 0, groups)
