"""A gauge study: its table, its figures, its answer, and what it refuses."""

import numpy as np
import pandas as pd
import pytest

import capability_pictures
import knowngood
from knowngood.capability.gauge import Limits, study
from knowngood.capability.gauge_page import write_gauge
from knowngood.capability.repeats import load_repeats
from knowngood.errors import DataError, RecipeError
from knowngood.metrics.variance_components import mean_squares


def table_of(good, defects, takes=3, stations="AB"):
    """A study without pictures."""
    rows = [
        [f"{number}{station}{take}.png", number, take, station, "good" if number < good else "dent"]
        for number in range(good + defects)
        for station in stations
        for take in range(takes)
    ]
    return pd.DataFrame(rows, columns=["path", "part", "take", "station", "truth"])


def studied(table, scores, people=(), line=0.0):
    return study(load_repeats(table, people), np.asarray(scores, float), line, people, Limits())


def scores_of(table, spread, seed=0):
    """Good parts around -2 and defects around 2."""
    rng = np.random.default_rng(seed)
    centre = dict(zip(table["part"].unique(), rng.normal(0, 0.5, table["part"].nunique()), strict=True))
    side = np.where(table["truth"] == "good", -2, 2)
    return side + table["part"].map(centre) + rng.normal(0, spread, len(table))


def test_the_command_writes_a_page_that_answers_the_question(run, fitted, repeats, tmp_path):
    status, out, _ = run("gauge", fitted, repeats, "--person", "Anna", "--out", tmp_path / "out")
    assert status == 0
    assert out.startswith("May the line be released? No: this sample misses a limit.")
    assert "misses 0.0 %" in out
    page = (tmp_path / "out/gauge.html").read_text("utf-8")
    assert page.index("May the line be released?") < page.index("<table")
    assert "nan" not in page.lower().replace("nance", "")
    agreement = pd.read_csv(tmp_path / "out/agreement.csv").set_index(["who", "figure"])
    assert agreement.loc[("Anna", "false_alarms"), "value"] == pytest.approx(1 / 6)
    assert agreement.loc[("inspector", "misses"), "bound"] == pytest.approx(1 - 0.05 ** (1 / 4))
    parts = pd.read_csv(tmp_path / "out/parts.csv")
    assert parts["wrong_chance"].is_monotonic_decreasing
    pictures = pd.read_csv(tmp_path / "out/pictures.csv")
    inspector = knowngood.Inspector.load(fitted)
    assert pictures["score"].tolist() == [one.score for one in inspector.inspect(pictures["path"].tolist())]


@pytest.mark.parametrize(
    ("good", "defects", "spread", "level"),
    [(60, 150, 0.1, "good"), (60, 40, 0.1, "doubtful"), (20, 20, 3, "useless")],
)
def test_the_answer(good, defects, spread, level):
    table = table_of(good, defects)
    found = studied(table, scores_of(table, spread))
    assert found.answer.level == level
    word = {"good": "Yes", "doubtful": "Not yet", "useless": "No"}[level]
    assert found.answer.headline.startswith(f"May the line be released? {word}")
    if level == "doubtful":
        assert "149 without an error would show it" in " ".join(found.answer.details)


def test_the_figures_are_those_of_counting_and_least_squares():
    table = table_of(20, 20, stations="A")
    found = studied(table, scores_of(table, 1.5))
    figures, good = found.figures["inspector"], found.pictures[found.pictures["truth"] == "good"]
    scores = np.stack([own["score"].to_numpy() for _, own in good.groupby("part")])[:, None]
    ours = {name: figures[name].value for name in ("effectiveness", "misses", "false_alarms", "kappa")}
    ours["repeatability"] = mean_squares(scores)["repeatability"][0]
    assert ours == pytest.approx(capability_pictures.again(found.pictures))
    assert 0 < ours["misses"] < 0.5


def test_part_without_a_take_is_left_out_of_the_components_alone():
    table = table_of(5, 5).drop(index=[0])
    found = studied(table, scores_of(table, 0.2))
    assert found.components["good"][1] == 4
    assert found.figures["inspector"]["effectiveness"].parts == 10
    assert any("Not every part" in note for note in found.notes)


def test_the_riskiest_part_is_the_one_at_the_line():
    table = table_of(5, 5)
    scores = scores_of(table, 0.1)
    scores[table["part"] == 3] = np.random.default_rng(1).normal(-0.05, 0.1, 6)
    found = studied(table, scores)
    assert found.parts["part"][0] == "3"
    assert 0.1 < found.parts["flip_chance"][0] < 0.5
    assert found.parts["flip_chance"][1] < 0.01


@pytest.mark.parametrize("all_of", [-1.0, 1.0])
def test_decisions_that_are_all_the_same_have_no_kappa(all_of, tmp_path):
    table = table_of(4, 4)
    found = studied(table, all_of + np.random.default_rng(0).normal(0, 0.01, len(table)))
    assert found.answer.level == "useless"
    assert found.figures["inspector"]["kappa_takes"].value is None
    page = write_gauge(found, tmp_path).read_text("utf-8")
    assert ">nan<" not in page
    assert "nan" not in (tmp_path / "agreement.csv").read_text()


def test_one_station_and_constant_takes_are_said_in_words(tmp_path):
    table = table_of(4, 4, stations="A")
    scores = np.where(table["truth"] == "good", -1.0, 1.0)
    found = studied(table, scores)
    assert any("one station" in note for note in found.notes)
    assert found.components["good"] == "all takes of all good parts have the same scores"
    assert ">nan<" not in write_gauge(found, tmp_path).read_text("utf-8")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda table: table.drop(columns="truth"), "no column 'truth'"),
        (lambda table: table.assign(truth=None), "column 'truth' of the study is empty in row 1"),
        (lambda table: table[table["part"] == 0], "has one part"),
        (lambda table: table[table["take"] == 0], "two takes or more"),
        (lambda table: table.assign(take=1), "twice; number takes"),
        (lambda table: table.assign(truth="good"), "has no defects"),
        (lambda table: table.assign(truth="dent"), "has no good parts"),
        (lambda table: table.assign(truth=["good", "dent"] * (len(table) // 2)), "has two truths"),
        (lambda table: pd.concat([table] * 30_000), "a study has at most 100,000"),
        (lambda table: table.assign(Anna="maybe"), "write accept or reject"),
    ],
)
def test_a_table_that_is_no_study(change, message):
    changed = change(table_of(2, 2))
    with pytest.raises(DataError, match=message):
        load_repeats(changed, ["Anna"] if "Anna" in changed else [])


def test_copies_are_refused(fitted, repeats, tmp_path):
    inspector, table = knowngood.Inspector.load(fitted), pd.read_csv(repeats)
    table["path"] = [str(repeats.parent / name) for name in table["path"]]
    same = table.assign(path=table["path"].where(table.index != 1, table["path"][0]))
    with pytest.raises(DataError, match="are the same file: a copy always repeats"):
        knowngood.gauge(inspector, same)
    from PIL import Image

    pixels = np.array(Image.open(table["path"][0]))
    pixels[::9, ::9] ^= 1
    Image.fromarray(pixels).save(tmp_path / "again.png")
    near = table.assign(path=table["path"].where(table.index != 1, str(tmp_path / "again.png")))
    with pytest.raises(DataError, match="differ by less than"):
        knowngood.gauge(inspector, near)


def test_constant_scores_and_a_limit_out_of_range():
    table = table_of(2, 2)
    with pytest.raises(DataError, match="distinguishes nothing"):
        studied(table, np.ones(len(table)))
    with pytest.raises(RecipeError, match="limit of misses must be between 0 and 1; got 2"):
        Limits(misses=2)
