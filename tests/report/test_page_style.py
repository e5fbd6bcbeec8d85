"""The colours of the page: contrast by WCAG 2.2, level AA, in the light and in the dark."""

from __future__ import annotations

import re
from importlib.resources import files

import pytest

from knowngood.report.style import IN_PAGE

STYLE = files("knowngood.report").joinpath("page.css").read_text()
LIGHT, DARK = (
    dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", block))
    for block in re.findall(r":root \{(.*?)\}", STYLE, re.S)[:2]
)
TEXTS = [(text, paper) for text in ("ink", "quiet", "link", "alert") for paper in ("paper", "raised")]
LEVELS = [
    (text, f"level-{level}-paper")
    for level in ("good", "doubtful", "useless")
    for text in (f"level-{level}", "ink", "link")
]
GRAPHICS = [
    (name, "paper") for name in ("good", "defect", "faint", "deep-blue", "violet", "red-brown", "brown")
]


def luminance(colour: str) -> float:
    """Relative luminance, as WCAG defines it."""
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    """The contrast ratio of two colours, from 1 to 21."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_the_ratio_itself() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#767676", "#ffffff") == pytest.approx(4.54, abs=0.01)


@pytest.mark.parametrize("colours", [LIGHT, DARK], ids=["light", "dark"])
@pytest.mark.parametrize(("text", "paper"), TEXTS + LEVELS)
def test_texts(colours: dict[str, str], text: str, paper: str) -> None:
    assert contrast(colours[text], colours[paper]) >= 4.5


@pytest.mark.parametrize("colours", [LIGHT, DARK], ids=["light", "dark"])
@pytest.mark.parametrize(("shape", "paper"), GRAPHICS)
def test_charts_and_frames(colours: dict[str, str], shape: str, paper: str) -> None:
    assert contrast(colours[shape], colours[paper]) >= 3


def test_every_colour_is_known_in_the_light_and_in_the_dark() -> None:
    assert set(LIGHT) == set(DARK)
    assert {name.removeprefix("--") for name in IN_PAGE.values()} <= set(LIGHT)
    assert set(re.findall(r"var\(--([\w-]+)\)", STYLE)) <= set(LIGHT) | {"columns"}
