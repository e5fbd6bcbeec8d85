import time

import pytest

from knowngood.data.class_names import check_names, similar_names
from knowngood.errors import DataError


@pytest.mark.parametrize(
    ("rare", "frequent"),
    [
        ("scratch_haed", "scratch_head"),
        ("scrtach", "scratch"),
        ("scratches", "scratch"),
        ("goood", "good"),
        ("bent lead", "bent_leda"),
    ],
)
def test_a_rare_name_that_looks_like_a_frequent_one(rare, frequent):
    assert similar_names({frequent: 24, rare: 2}) == [(rare, frequent)]
    assert similar_names({rare: 2, frequent: 24}) == [(rare, frequent)]
    assert similar_names({frequent: 24, rare: 20}) == []


@pytest.mark.parametrize(
    ("one", "other"), [("Scratch", "scratch"), ("bent lead", "bent_lead"), ("a.b", "A-b ")]
)
def test_names_that_differ_only_in_capitals_and_separators_at_any_count(one, other):
    assert similar_names({one: 20, other: 24}) == [(one, other)]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("thread_side", "thread_top"),
        ("scratch_head", "scratch_neck"),
        ("type1", "type2"),
        ("contamination_1", "contamination_2"),
        ("contamination1", "contamination12"),
        ("scratch_a", "scratch_b"),
        ("broken_large", "broken_small"),
        ("hole_inner", "hole_outer"),
        ("manipulated_left", "manipulated_right"),
        ("dent", "bent"),
        ("scratch", "scratch_head"),
    ],
)
def test_types_that_are_two(one, other):
    assert similar_names({one: 1, other: 50}) == similar_names({one: 50, other: 1}) == []


def test_many_names_are_compared_in_a_moment():
    counts = {f"dent {number}": 1 for number in range(200_000)} | {"Dent-7": 9, "scratch": 99, "scratsch": 1}
    before = time.process_time()
    assert similar_names(counts) == [("dent 7", "Dent-7")]
    assert time.process_time() - before < 20


@pytest.mark.parametrize("name", ["a\nb", "\x1b[2J", "x" * 201])
def test_a_name_that_cannot_be_drawn_is_refused(name):
    with pytest.raises(
        DataError, match=r"has control characters, or more than 200 letters; rename it"
    ) as refused:
        check_names(["good", name])
    assert len(str(refused.value)) < 250
    check_names(["good", "Löcher", "零件 7"])
