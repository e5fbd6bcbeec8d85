"""The committed coverage of the bounds of studies of release."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

FIGURES = pd.read_csv(Path(__file__).resolve().parents[2] / "benchmarks" / "results" / "capability.csv")


@pytest.mark.parametrize("case", ["agreement", "components", "sizes", "trials"])
def test_every_bound_covers_as_often_as_it_says(case):
    own = FIGURES[FIGURES["case"] == case]
    covered = own[own["metric"].str.startswith(("coverage", "no false rejection"))]
    assert len(covered) >= 6
    chance = 2 * np.sqrt(0.95 * 0.05 / covered["draws"])  # of so many draws
    assert (covered["value"] >= 0.95 - chance).all(), covered[covered["value"] < 0.95 - chance]


def test_false_alarms_are_as_rare_as_stated_and_a_shift_is_noticed_in_time():
    own = FIGURES[FIGURES["case"] == "drift"]
    alarms = own[own["metric"] == "false alarms"]
    stated = alarms["setting"].str.rpartition(" ")[2].astype(float)
    assert (alarms["value"] <= stated).all()
    delays = own[own["metric"].str.startswith("median parts")]
    assert (delays["value"] <= 100).all()
