"""Two logs of decisions on the same parts."""

import numpy as np
import pandas as pd
import pytest

from knowngood.capability.shadow import shadow, write_shadow
from knowngood.errors import DataError, RecipeError


def log(rejected, key="part"):
    return pd.DataFrame({key: range(len(rejected)), "decision": np.where(rejected, "reject", "accept")})


def flipped(share, number=400, seed=0):
    rng = np.random.default_rng(seed)
    one = rng.random(number) < 0.1
    return log(one), log(one ^ (rng.random(number) < share))


@pytest.mark.parametrize(
    ("share", "level", "words"),
    [(0.0, "good", "at most 5.0 %"), (0.3, "useless", "more than 5.0 %"), (0.05, "doubtful", "Go on")],
)
def test_the_trial_stops_when_it_is_known(share, level, words, tmp_path):
    found = shadow(*flipped(share))
    assert found.answer.level == level
    assert words in found.answer.headline
    assert (found.stopped_at is None) == (level == "doubtful")
    page = write_shadow(found, tmp_path).read_text("utf-8")
    assert found.answer.headline.replace("'", "&#39;") in page
    assert ">nan<" not in page


def test_parts_are_found_by_name_whatever_their_order():
    one, other = flipped(0.1)
    found = shadow(one, other.sample(frac=1, random_state=0))
    apart = one["decision"].to_numpy() != other["decision"].to_numpy()
    assert found.disagreements["part"].astype(int).tolist() == np.flatnonzero(apart).tolist()
    assert found.parts["low"].is_monotonic_increasing


def test_the_command_reads_logs_of_two_folders(run, tmp_path):
    one, other = (table.rename(columns={"part": "path"}) for table in flipped(0.02))
    for name, table in (("a", one), ("b", other)):
        (tmp_path / name).mkdir()
        table.to_csv(tmp_path / name / "log.csv", index=False)
    status, out, _ = run("shadow", tmp_path / "a/log.csv", tmp_path / "b/log.csv", "--out", tmp_path / "out")
    assert status == 0
    assert "McNemar's exact test" in out
    assert len(pd.read_csv(tmp_path / "out/parts.csv")) == 400
    assert run("shadow", tmp_path / "a/log.csv", tmp_path / "b/log.csv", "--limit", 2).status == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda table: table.drop(columns="decision"), "no column 'decision'"),
        (lambda table: table.drop(columns="part"), "neither a column 'part' nor"),
        (lambda table: table.assign(part="a"), "names the part 'a' twice"),
        (lambda table: table.assign(part=table["part"] + 1000), "no part in common"),
        (lambda table: table.assign(decision="maybe"), "write accept or reject"),
    ],
)
def test_tables_that_are_no_logs(change, message):
    one, other = flipped(0.1)
    with pytest.raises(DataError, match=message):
        shadow(one, change(other))
    with pytest.raises(RecipeError, match="limit must be"):
        shadow(one, other, limit=1)
