import numpy as np
import pytest

from knowngood.metrics.variance_components import mean_squares, variance_components

# Montgomery, "Design and Analysis of Experiments", chapter 13: 20 parts, three operators, two measurements.
PARTS = """
21,20|20,20|19,21 24,23|24,24|23,24 20,21|19,21|20,22 27,27|28,26|27,28 19,18|19,18|18,21
23,21|24,21|23,22 22,21|22,24|22,20 19,17|18,20|19,18 24,23|25,23|24,24 25,23|26,25|24,25
21,20|20,20|21,20 18,19|17,19|18,19 23,25|25,25|25,25 24,24|23,25|24,25 29,30|30,28|31,30
26,26|25,26|25,27 20,20|19,20|20,20 19,21|19,19|21,23 25,26|25,24|25,25 19,19|18,17|19,17
"""
SCORES = np.array(
    [[[float(one) for one in cell.split(",")] for cell in row.split("|")] for row in PARTS.split()]
)


def test_the_analysis_of_variance_of_the_textbook():
    squares = mean_squares(SCORES)
    rounded = {name: (round(square, 3), degrees) for name, (square, degrees) in squares.items()}
    assert rounded == {
        "part": (62.391, 19),
        "station": (1.308, 2),
        "interaction": (0.712, 38),
        "repeatability": (0.992, 60),
    }
    found = variance_components(SCORES, line=30.0)
    assert found["part"].value ** 2 == pytest.approx((62.391 - 0.712) / 6, abs=1e-3)
    assert found["station"].value ** 2 == pytest.approx((1.308 - 0.712) / 40, abs=1e-3)
    assert found["interaction"].value == 0
    for one in found.values():
        assert one.low <= one.value <= one.high


def test_a_scale_changes_the_spreads_alone():
    one, other = (variance_components(factor * SCORES, factor * 30.0) for factor in (1.0, 7.0))
    assert np.allclose(np.array(other["gauge"]), 7 * np.array(one["gauge"]))
    for name in ("gauge_share", "categories", "margin_share"):
        assert np.allclose(one[name], other[name])


def test_without_a_margin_it_is_infinite():
    found = variance_components(SCORES, line=0.0)
    assert found["margin_share"] == (np.inf, np.inf, np.inf)
