"""What an evaluation says it is of."""

import getpass
from datetime import datetime

import knowngood
from knowngood.data.samples import load_samples
from knowngood.inspector.about import About, Images, fingerprint_of
from knowngood.inspector.evaluation import evaluate


def test_names_counts_and_fingerprints(inspector, saved, widget):
    evaluation = evaluate(knowngood.Inspector.load(saved), widget)
    about = evaluation.about
    assert (about.inspector, about.test.path) == (str(saved), str(widget))  # as commands take them
    learned = inspector.manifest.training
    assert about.training == Images("widget", {"good": 24}, fingerprint_of(learned))
    assert about.training.fingerprint == evaluation.provenance["training"]["fingerprint"]
    assert (about.test.name, about.test.classes) == ("widget", {"good": 8, "scratch": 6})
    assert about.test.fingerprint != about.training.fingerprint
    assert about.product == "widget"
    assert about.user == getpass.getuser()
    assert abs((datetime.fromisoformat(about.time) - datetime.now().astimezone()).total_seconds()) < 3600


def test_a_table_and_a_part_of_the_images(inspector, widget, tmp_path):
    table = load_samples(widget)
    table[table["defect"] == ""].to_csv(tmp_path / "tray 7.csv", index=False)
    test = evaluate(inspector, tmp_path / "tray 7.csv").about.test
    assert (test.name, test.classes) == ("tray 7.csv", {"good": 8})


def test_the_same_images_have_the_same_fingerprint(evaluation, inspector, widget):
    assert evaluate(inspector, str(widget)).about.test == evaluation.about.test


def test_an_account_without_a_name(inspector, widget, monkeypatch):
    def nameless():
        raise OSError("No username set in the environment")

    monkeypatch.setattr(getpass, "getuser", nameless)
    assert evaluate(inspector, widget).about.user == ""


def test_products():
    assert About(training=Images("screw"), test=Images("week 7")).product == "screw"
    assert About(test=Images("week 7.parquet")).product == "week 7"
    assert About(training=Images("v1.2")).product == "v1.2"
    assert About().product == ""
