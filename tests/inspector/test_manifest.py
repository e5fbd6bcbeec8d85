import dataclasses
import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from knowngood.data.reading import Reading
from knowngood.errors import InspectorError
from knowngood.inspector.manifest import FORMAT, Manifest
from knowngood.metrics.review import Review
from knowngood.metrics.thresholds import Threshold

MANIFEST = Manifest(
    task="detection",
    method="patchcore",
    recipe={"backbone": "net", "weights": None, "strides": [8, 16], "smoothing": 1.5},
    backbone={"name": "net", "weights": "package", "weights_hash": "ab"},
    input_shape=(384, 640),
    resize="stretched",
    bits=12,
    seed=0,
    device="cpu",
    created="2025-01-01T00:00:00+00:00",
    versions={"python": "3.11"},
    data="parts.csv",
    training=["00ff", "11ee"],
    held_out=[-1.0, 0.1, 2.5],
    held_out_names=[["b.png"], ["c/2.png", "c/1.png"], ["a.png"]],
    left_out={"d.png": "33cc"},
    map_maxima=[0.2, 0.3, 0.9],
    validation=["22dd"],
    threshold=Threshold(2.5, "false rejects at most 0.05", 0.05, 3, 0, 0.63, "Too few good images"),
    review=Review(1.5, "escapes at most 0.1", "defect", 0.1, 1, 30, 0.15, ""),
    graph_hash="cd",
    graph_difference=1e-6,
    example_scores=[0.5, 1.25, 3.0],
    sizes=[380, 630, 400, 640],
    region={"size": [380, 630], "box": [10, 20, 2, 3], "fill": [90, 91, 92], "runs": [1, 4, 1]},
    alignment={"size": [20, 30], "side": [12], "reach": [6, 5, 6, 5], "template": [90] * 64**2},
    alignment_note="parts are aligned",
    pairs=False,
    tiles=[],
    detail="detail normal",
    augmented="96 augmented copies of them",
    grouped="2 groups by folder: 1 of 2 stand apart",
    apart=["The good images of folder night/ score higher than the others."],
)
KEYS = [field.name for field in dataclasses.fields(Manifest)]
THRESHOLD_KEYS = [field.name for field in dataclasses.fields(Threshold)]
HUGE = 10**400

numbers = st.floats(allow_nan=False, allow_infinity=False)
whole = st.integers(-(2**63) + 1, 2**63 - 1)


def parsed(values):
    return Manifest.from_json(json.dumps(values).encode(), name="part.inspector")


@pytest.fixture
def values():
    return json.loads(MANIFEST.to_json())


def test_the_format_stands_first(values):
    assert list(values) == ["format", *KEYS]
    assert values["format"] == FORMAT


def test_round_trip(values):
    assert parsed(values) == MANIFEST


@settings(deadline=None)
@given(
    held_out=st.lists(numbers, min_size=1),
    value=numbers,
    bound=st.none() | numbers,
    text=st.text(st.characters().filter(str.isprintable)),
    setting=st.none() | st.booleans() | whole | numbers | st.lists(whole),
)
def test_round_trip_of_any_values(held_out, value, bound, text, setting):
    manifest = dataclasses.replace(
        MANIFEST,
        recipe={"weights": text, "setting": setting},
        held_out=sorted(held_out),
        held_out_names=[],
        threshold=Threshold(value, text, None, 3, 0, bound, text),
        review=None,
    )
    assert Manifest.from_json(manifest.to_json(), name="x") == manifest


@pytest.mark.parametrize("key", KEYS)
def test_a_missing_key_is_named(values, key):
    del values[key]
    with pytest.raises(InspectorError, match=rf"'part\.inspector': its manifest lacks '{key}'"):
        parsed(values)


@pytest.mark.parametrize("key", THRESHOLD_KEYS)
def test_a_missing_key_of_the_threshold_is_named(values, key):
    del values["threshold"][key]
    with pytest.raises(InspectorError, match=rf"lacks '{key}'"):
        parsed(values)


def test_an_unknown_key_is_named(values):
    with pytest.raises(InspectorError, match="has an unknown key 'colour'"):
        parsed(values | {"colour": 1})
    with pytest.raises(InspectorError, match="has an unknown key 'xxx") as caught:
        parsed(values | {"x" * 10**6: 1})
    assert len(str(caught.value)) < 200
    values["threshold"]["hue"] = 1
    with pytest.raises(InspectorError, match="has an unknown key 'hue'"):
        parsed(values)


@pytest.mark.parametrize("key", [key for key in KEYS if key not in ("bits", "review")])
def test_null_is_wrong_for_every_other_key(values, key):
    with pytest.raises(InspectorError, match=f"has a wrong value for '{key}'"):
        parsed(values | {key: None})


@pytest.mark.parametrize(
    ("key", "wrong"),
    [
        ("task", "dreaming"),
        ("method", 1),
        ("recipe", []),
        ("recipe", {"smoothing": math.nan}),
        ("recipe", {"smoothing": {"of": "map"}}),
        ("recipe", {"strides": [8, math.inf]}),
        ("backbone", {"name": 1}),
        ("input_shape", "ab"),
        ("input_shape", [64]),
        ("input_shape", [64, 64, 3]),
        ("input_shape", [64.0, 64.0]),
        ("input_shape", [64, -64]),
        ("input_shape", [True, True]),
        ("bits", 0),
        ("bits", 17),
        ("bits", 8.0),
        ("seed", "0"),
        ("seed", -1),
        ("seed", True),
        ("versions", {"python": 3.11}),
        ("training", "00ff"),
        ("training", [1]),
        ("held_out", 1.0),
        ("held_out", ["1.0"]),
        ("held_out", [True]),
        ("held_out", [math.nan]),
        ("held_out", [-math.inf]),
        ("held_out", [HUGE]),
        ("validation", [None]),
        ("threshold", 2.5),
        ("sizes", [380, 630, 400]),
        ("sizes", [0, 630, 400, 640]),
        ("graph_difference", math.nan),
        ("graph_difference", "small"),
        ("graph_hash", 205),
    ],
)
def test_a_wrong_value_is_named(values, key, wrong):
    with pytest.raises(InspectorError, match=f"has a wrong value for '{key}'"):
        parsed(values | {key: wrong})


@pytest.mark.parametrize(
    ("key", "wrong"),
    [
        ("value", math.nan),
        ("value", math.inf),
        ("value", HUGE),
        ("value", False),
        ("value", None),
        ("rule", None),
        ("requested", "0.05"),
        ("held_out", -1),
        ("above", 0.5),
        ("upper_bound", math.nan),
        ("note", None),
    ],
)
def test_a_wrong_value_of_the_threshold_is_named(values, key, wrong):
    values["threshold"][key] = wrong
    with pytest.raises(InspectorError, match=f"has a wrong value for '{key}'"):
        parsed(values)


@pytest.mark.parametrize(
    ("key", "wrong"), [("value", None), ("label", "bad"), ("requested", None), ("total", -1), ("note", 1)]
)
def test_a_wrong_value_of_the_line_for_review_is_named(values, key, wrong):
    values["review"][key] = wrong
    with pytest.raises(InspectorError, match=f"has a wrong value for '{key}'"):
        parsed(values)


def test_a_line_for_review_that_is_not_below_the_threshold(values):
    values["review"]["value"] = 2.5
    with pytest.raises(InspectorError, match="has a line for review that is not below the threshold"):
        parsed(values)


@pytest.mark.parametrize("shape", [[7, 64], [4097, 8192], [0, 0], [10**30, 64]])
def test_an_absurd_input_shape(values, shape):
    with pytest.raises(InspectorError, match=f"impossible input shape, {shape[0]} x {shape[1]}"):
        parsed(values | {"input_shape": shape})


def test_no_held_out_scores(values):
    with pytest.raises(InspectorError, match="has no held-out scores"):
        parsed(values | {"held_out": []})


def test_an_older_format_advises_to_fit_anew(values):
    with pytest.raises(InspectorError, match=r"has format 1, which is no longer read; fit it anew"):
        parsed(values | {"format": 1})


def test_format_4_is_read(values):
    del values["example_scores"]
    values["peaks"] = values.pop("map_maxima")
    assert parsed(values | {"format": 4}) == dataclasses.replace(MANIFEST, example_scores=[])


def test_format_5_has_no_sizes(values):
    del values["sizes"]
    assert parsed(values | {"format": 5}) == dataclasses.replace(MANIFEST, sizes=[])


def test_format_6_names_no_data(values):
    del values["data"]
    assert parsed(values | {"format": 6}) == dataclasses.replace(MANIFEST, data="")
    with pytest.raises(InspectorError, match="lacks 'data'"):
        parsed(values)


def test_format_7_has_two_answers(values):
    del values["review"]
    assert parsed(values | {"format": 7}) == dataclasses.replace(MANIFEST, review=None)


def test_format_8_compares_no_groups(values):
    del values["grouped"], values["apart"]
    assert parsed(values | {"format": 8}) == dataclasses.replace(MANIFEST, grouped="", apart=[])
    with pytest.raises(InspectorError, match="lacks 'grouped'"):
        parsed(values | {"format": FORMAT})


def test_format_5_names_no_held_out_images(values):
    del values["held_out_names"], values["left_out"]
    read = parsed(values | {"format": 5})
    assert read == dataclasses.replace(MANIFEST, held_out_names=[], left_out={})
    with pytest.raises(InspectorError, match="lacks 'held_out_names'"):
        parsed(values)


@pytest.mark.parametrize(
    "wrong", [{"held_out": [0.1, -1.0, 2.5]}, {"held_out_names": [["b.png"], ["a.png"]]}, {"held_out": [1.0]}]
)
def test_held_out_scores_that_do_not_fit_their_names(values, wrong):
    with pytest.raises(InspectorError, match="has held-out scores in disorder"):
        parsed(values | wrong)


def test_good_images_far_outside_the_others_are_named():
    held_out, names = [*range(20), 400.0, 500.0], [[f"{at}.png"] for at in range(21)] + [["z.png", "y.png"]]
    manifest = dataclasses.replace(MANIFEST, held_out=held_out, held_out_names=names)
    assert manifest.far_outside == [(["z.png", "y.png"], 500.0), (["20.png"], 400.0)]
    assert dataclasses.replace(manifest, held_out_names=[]).far_outside == [([], 500.0), ([], 400.0)]
    assert MANIFEST.far_outside == []


def test_format_7_has_no_region(values):
    for key in ("region", "alignment", "alignment_note", "augmented"):
        del values[key]
    read = parsed(values | {"format": 7})
    assert read == dataclasses.replace(MANIFEST, region={}, alignment={}, alignment_note="", augmented="")
    assert read.reading == Reading((384, 640), 12)
    assert MANIFEST.reading.roi.drawn.astype(int).tolist() == [[0, 1, 1], [1, 1, 0]]


@pytest.mark.parametrize(
    "changes",
    [
        {"size": [11, 630]},
        {"box": [10, 20, 2]},
        {"box": [10, 20, 0, 3]},
        {"fill": [90, 91, 256]},
        {"runs": [1, 4]},
        {"runs": [6]},
        {"size": [10**6, 10**6]},
        {"more": []},
    ],
)
def test_a_region_that_is_none(values, changes):
    values["region"] |= changes
    with pytest.raises(InspectorError, match=r"part\.inspector.*region"):
        parsed(values)


@pytest.mark.parametrize(
    "changes",
    [
        {"size": [0, 30]},
        {"side": []},
        {"reach": [6, 5, 6, 200]},
        {"reach": [0, 5, 0, 5]},
        {"template": [90]},
        {"template": [256] * 64**2},
        {"more": []},
    ],
)
def test_an_alignment_that_is_none(values, changes):
    values["alignment"] |= changes
    with pytest.raises(InspectorError, match=r"part\.inspector.*alignment"):
        parsed(values)


def test_a_newer_format_advises_to_upgrade(values):
    newer = values | {"format": FORMAT + 1, "unheard_of": True}
    with pytest.raises(InspectorError, match=rf"has format {FORMAT + 1}.*reads format {FORMAT}\. Upgrade"):
        parsed(newer)


@pytest.mark.parametrize("made", [None, "1", 1.0, True, -1])
def test_no_format(values, made):
    with pytest.raises(InspectorError, match="names no format"):
        parsed(values | {"format": made})


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"\x00", b"[" * 100_000, b"1" * 5000])
def test_not_json(content):
    with pytest.raises(InspectorError, match=r"'part\.inspector': its manifest is not JSON"):
        Manifest.from_json(content, name="part.inspector")


@pytest.mark.parametrize("content", [b"[]", b"1", b"null", b'"format"', b"{}"])
def test_json_of_another_kind(content):
    with pytest.raises(InspectorError, match="names no format"):
        Manifest.from_json(content, name="part.inspector")


def test_nan_is_not_written():
    with pytest.raises(ValueError, match="not JSON compliant"):
        dataclasses.replace(MANIFEST, graph_difference=math.nan).to_json()


@pytest.mark.parametrize(
    "text",
    ["\x1b[2J", "\x1b]0;title\x07", "one\nthreshold 9", "\ud800", "\u202e", "x" * 5000],
    ids=["clear", "title", "newline", "surrogate", "direction", "long"],
)
@pytest.mark.parametrize("key", ["created", "method", "device", "resize"])
def test_a_text_that_would_reach_the_terminal_is_refused(values, key, text):
    with pytest.raises(InspectorError, match="has a text or a number that no inspector has"):
        parsed(values | {key: text})


def test_a_path_with_any_letter_or_space_is_not(values):
    recipe = {"weights": "C:\\Teile\xa0neu\\größe 零件.safetensors"}
    assert parsed(values | {"recipe": recipe}).recipe == recipe


def test_so_is_one_within_settings_and_names_of_them(values):
    for recipe in ({"weights": "\x1b[2J"}, {"\x1b[2J": 1}, {"strides": ["\n"]}, {"seed": 2**63}):
        with pytest.raises(InspectorError, match="has a text or a number that no inspector has"):
            parsed(values | {"recipe": recipe})
