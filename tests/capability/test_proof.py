"""The evidence on a release: its answer, its page, its PDF and its tables, whatever the sample lacks."""

import re

import numpy as np
import pandas as pd
import pytest

import knowngood
from knowngood.capability.proof_answer import GOOD, MISSED, OPEN, SHOWN, Asked, bounds_of, in_words
from knowngood.capability.proof_page import check_proof, exhibits_of, write_proof
from knowngood.errors import DataError, OutputError, RecipeError

NO_NUMBER = re.compile(r"\b(nan|NaN|NaT|inf|None)\b")
ASKED = Asked(0.05, 0.1, 0.95)


@pytest.fixture(scope="module")
def inspector(fitted):
    return knowngood.Inspector.load(fitted)


@pytest.fixture(scope="module")
def test_images(widget):
    samples = knowngood.load_samples(widget)
    return samples[samples["split"] == "test"].reset_index(drop=True)


def written(proof, folder):
    """The page and all tables as text, none of which may hold what is no number."""
    page = write_proof(proof, folder).read_text("utf-8")
    tables = [path.read_text("utf-8") for path in folder.glob("*.csv")]
    for text in (re.sub(r"(?s)data:image[^\"]*|<style>.*?</style>", "", page), *tables):
        assert not NO_NUMBER.search(text)
    assert (folder / "proof.pdf").read_bytes().startswith(b"%PDF")


def words_of(proof):
    """The words of all exhibits, none of which may hold what is no number."""
    found = [proof.answer.headline, *proof.answer.details]
    for exhibit in exhibits_of(proof):
        found += [exhibit.title, exhibit.note, *getattr(exhibit, "sentences", ())]
        found += [cell for row in getattr(exhibit, "texts", ()) for cell in row]
    assert not NO_NUMBER.search("\n".join(found))
    return " ".join(found)


def files(good, wrong, defects=0, escapes=0, group=1):
    """Test images as `bounds_of` takes them."""
    label = [GOOD] * good + ["defect"] * defects
    decision = ["reject"] * wrong + ["accept"] * (good - wrong + escapes) + ["reject"] * (defects - escapes)
    parts = [str(at // group) for at in range(good + defects)]
    types = [""] * good + ["dent"] * defects
    return pd.DataFrame({"label": label, "defect": types, "decision": decision, "part": parts})


def test_a_limit_is_shown_by_its_bound_not_by_the_share():
    found = bounds_of(files(59, 0, 29, 0), ASKED)
    assert found["state"].tolist() == [SHOWN, SHOWN]
    assert bounds_of(files(58, 0, 28, 0), ASKED)["state"].tolist() == [OPEN, OPEN]
    assert bounds_of(files(20, 2, 29, 3), ASKED)["state"].tolist() == [MISSED, MISSED]
    assert found["bound"].tolist() == pytest.approx([1 - 0.05 ** (1 / 59), 1 - 0.05 ** (1 / 29)])
    row = bounds_of(files(93, 1, 10), ASKED).iloc[1]
    assert in_words(row, 0.95).endswith("limit: at most 10.0 %); 29 parts with 0 errors would show it.")


def test_parts_count_and_no_part_shows_nothing():
    found = bounds_of(files(60, 3, group=3), ASKED)
    assert found.loc[0, ["parts", "errors"]].tolist() == [20, 1]
    assert found.loc[1, ["what", "parts", "rate", "bound", "state"]].tolist() == [
        "defect",
        0,
        None,
        None,
        OPEN,
    ]
    assert in_words(found.iloc[1], 0.95).startswith("Not shown: no defect was in the test; 29 parts")


def test_the_command_writes_all_of_it(run, fitted, widget, repeats, tmp_path):
    status, out, err = run(
        "prove", fitted, widget, "--out", tmp_path, "--gauge", repeats, "--person", "Anna", "--escape", "0.2"
    )
    assert status == 0, err
    assert out.startswith("May the line be released? ")
    names = {path.name for path in tmp_path.iterdir()}
    assert {"proof.html", "proof.pdf", "files.csv", "bounds.csv", "comparisons.csv"} <= names
    assert {"gauge-agreement.csv", "gauge-pictures.csv"} <= names
    table = pd.read_csv(tmp_path / "files.csv")
    assert table["sha256"].str.fullmatch("[0-9a-f]{64}").all()
    page = (tmp_path / "proof.html").read_text("utf-8")
    for title in (
        "What is not shown",
        "Was the sample large enough?",
        "Signatures",
        "Gauge study",
        "limit: at",
    ):
        assert title in page
    assert b"/FontFile2" in (tmp_path / "proof.pdf").read_bytes()  # text, which can be searched
    (tmp_path / "proof.pdf").write_bytes(b"mine")
    with pytest.raises(OutputError, match=r"proof\.pdf"):
        check_proof(tmp_path)


def without_masks(samples):
    return samples.assign(mask="")


def of_label(label):
    return lambda samples: samples[samples["label"] == label].reset_index(drop=True)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (of_label("good"), "Anything about defect: there were none in the test."),
        (of_label("defect"), "Anything about good parts: there were none in the test."),
        (lambda samples: samples[:1], "there were none in the test."),
        (without_masks, "From which size on a defect is detected: no defect of the test has a mask"),
    ],
)
def test_what_a_sample_lacks_is_said(inspector, test_images, change, said):
    proof = knowngood.prove(inspector, change(test_images))
    assert proof.answer.headline.startswith("May the line be released? N")
    assert said in words_of(proof)


def test_an_inspector_that_rejects_or_accepts_all(inspector, test_images):
    for value, short in ((-1e6, "false rejects (over the limit)"), (1e6, "(over the limit)")):
        moved = knowngood.threshold_by_value(inspector, value)
        proof = knowngood.prove(moved, test_images)
        assert proof.answer.level == "useless"
        assert short in proof.answer.headline
        words_of(proof)


def test_an_inspector_of_another_data_set(inspector):
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 255, (96, 96, 3), np.uint8) for _ in range(12)]
    proof = knowngood.prove(inspector, knowngood.load_samples(images, labels=["good"] * 12))
    assert "probably pictures of another product" in proof.answer.headline
    words_of(proof)


def test_images_that_all_score_the_same(inspector, tmp_path):
    images = [np.full((96, 96, 3), 90, np.uint8)] * 6
    labels = ["good"] * 3 + ["dent"] * 3
    proof = knowngood.prove(inspector, knowngood.load_samples(images, labels=labels))
    assert "all scores are the same" in proof.answer.headline
    written(proof, tmp_path)


def test_images_that_were_learned_from(inspector, widget):
    samples = knowngood.load_samples(widget)
    proof = knowngood.prove(inspector, samples.assign(split="test"))
    assert proof.answer.headline.startswith("May the line be released? No")
    assert "test images that were learned from" in proof.answer.headline


def test_a_sample_that_shows_all(inspector, test_images):
    proof = knowngood.prove(inspector, test_images, max_false_reject=0.5, max_escape=0.5)
    assert proof.answer.level == "good", proof.answer
    assert proof.answer.headline == (
        "May the line be released? Yes: with 95 % confidence at most 50.0 % of good parts are rejected, and "
        "at most 50.0 % of the defects of each type accepted."
    )
    assert "Whether another day, batch or lamp changes anything" in words_of(proof)


def test_settings_out_of_range_and_no_test_image(inspector, test_images):
    with pytest.raises(RecipeError, match=r"confidence must be between 0\.5 and 0\.9999; got 1"):
        knowngood.prove(inspector, test_images, confidence=1)
    with pytest.raises(DataError, match="no test image"):
        knowngood.prove(inspector, test_images.assign(split="train"))
