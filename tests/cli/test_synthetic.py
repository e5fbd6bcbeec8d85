"""`knowngood synthetic`: its contact sheet, and its data set."""

import json

import numpy as np
from PIL import Image

import knowngood
from knowngood.data.images import read_mask
from knowngood.data.synthetic import SyntheticDefect, Variant


def sheet(path):
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB"))


def test_a_contact_sheet_with_a_row_for_each_type(run, widget, tmp_path):
    one, two = tmp_path / "one.png", tmp_path / "two.png"
    status, out, err = run("synthetic", widget, "--out", one, "--types", "scar", "--count", 2)
    assert (status, err) == (0, "")
    assert out == f"synthetic defects: {one}\n"
    assert run("synthetic", widget, "--out", two, "--types", "scar,blur", "--count", 2).status == 0
    assert sheet(two).shape[0] == 2 * sheet(one).shape[0]
    assert sheet(two).shape[1] == sheet(one).shape[1]


def test_the_same_seed_gives_the_same_file(run, widget, tmp_path):
    for name, seed in (("a.png", 1), ("b.png", 1), ("c.png", 2)):
        words = ["--types", "perlin", "--count", 1, "--seed", seed]
        assert run("synthetic", widget, "--out", tmp_path / name, *words).status == 0
    first = (tmp_path / "a.png").read_bytes()
    assert first == (tmp_path / "b.png").read_bytes()
    assert first != (tmp_path / "c.png").read_bytes()


def test_a_data_set_to_train_on(run, widget, tmp_path):
    words = ["--types", "scar,missing", "--count", 6]
    assert run("synthetic", widget, "--out", tmp_path / "drawn", *words).status == 0
    table = knowngood.load_samples(tmp_path / "drawn/table.csv")
    assert table["label"].value_counts().to_dict() == {"defect": 12, "good": 6}
    assert set(table["defect"]) == {"", "scar", "missing"}
    for _, row in table[table["label"] == "defect"].iterrows():
        changed = (sheet(row["path"]) != sheet(row["drawn on"])).any(axis=2)
        marked = read_mask(row["mask"], changed.shape) > 0
        assert marked.any()
        assert not (marked & ~changed).any()
    assert table.groupby("group").size().tolist() == [3] * 6
    status, _, err = run("synthetic", widget, "--out", tmp_path / "drawn", *words)
    assert status == 1
    assert "exists and is no empty folder" in err


def test_mistakes_are_named_before_anything_is_written(run, widget, tmp_path):
    status, _, err = run("synthetic", widget, "--out", tmp_path / "a.png", "--types", "rust")
    assert (status, err) == (
        1,
        "error: synthetic defect 'rust' is not known; choose one of cut_paste, scar, perlin, natural, blur, "
        "missing, generated\n",
    )
    status, _, err = run("synthetic", widget, "--out", tmp_path / "a.jpg")
    assert status == 1
    assert "name it .pdf, .png, .svg" in err
    status, _, err = run("synthetic", widget, "--out", tmp_path / "a.png", "--count", 65)
    assert status == 2
    assert "a sheet shows at most 64; name a folder" in err
    assert not list(tmp_path.iterdir())


def test_generated_ones_and_realism_need_real_defects_to_learn_from(run, widget, tmp_path):
    for words, needs in (
        (
            ["--types", "generated"],
            "generated defects are learned from real ones: at least 20 with masks in the",
        ),
        (["--realism"], "the realism of synthetic defects cannot be measured: at least 10 real defects with"),
    ):
        status, out, err = run("synthetic", widget, "--out", tmp_path / "made", *words)
        assert (status, out) == (1, "")
        assert err.startswith(f"error: {needs}")
        assert "there are 0; `knowngood split` puts some there" in err
    assert not list(tmp_path.iterdir())


def test_the_realism_is_printed_and_kept(run, widget, tmp_path, monkeypatch):
    monkeypatch.setattr("knowngood.classifiers.realism.LEAST", 4)
    table = knowngood.load_samples(widget)
    table.assign(split="train").to_csv(tmp_path / "all.csv", index=False)
    words = ["--types", "scar,blur", "--count", 6, "--realism"]
    status, out, err = run("synthetic", tmp_path / "all.csv", "--out", tmp_path / "made", *words)
    assert (status, err) == (0, "")
    kept = json.loads((tmp_path / "made/realism.json").read_text())
    assert [one["type"] for one in kept] == ["scar", "blur"]
    assert all(0 <= one["low"] <= one["auroc"] <= one["high"] <= 1 for one in kept)
    assert out.splitlines()[:2] == [one["words"] for one in kept]
    assert "scar: a classifier distinguishes 6 synthetic defects from 6 real ones with an AUROC of " in out
    assert run("synthetic", tmp_path / "all.csv", "--out", tmp_path / "made.png", *words).status == 0
    assert sheet(tmp_path / "made.png").size


def test_generated_defects_are_named_by_what_they_vary(tmp_path, good_images):
    image, mask = good_images[0].copy(), np.zeros((96, 96), bool)
    mask[40:50, 40:50] = True
    made = SyntheticDefect("[0]", "generated", image, mask, "scratch", "real.png", "mask empty or full: 2")
    plain = SyntheticDefect("[1]", "scar", image, mask)
    knowngood.write_synthetic([made, plain], tmp_path / "made")
    table = knowngood.load_samples(tmp_path / "made/table.csv")
    assert table["defect"].tolist() == ["scratch", "scar"]
    assert table["varies"].tolist() == ["real.png", ""]
    assert table["samples rejected"].tolist() == ["mask empty or full: 2", ""]


def test_it_says_where_no_generated_sample_could_be_used(run, widget, tmp_path, monkeypatch):
    def learned(data, **settings):
        calls = iter(
            [None, Variant(np.zeros((96, 96, 3), np.uint8), np.ones((96, 96), bool), "dent", "a.png", "")]
        )
        return lambda image, rng: next(calls)

    monkeypatch.setattr("knowngood.classifiers.generated.learn_generator", learned)
    words = ["--types", "generated", "--count", 2]
    status, out, err = run("synthetic", widget, "--out", tmp_path / "made", *words)
    assert (status, err) == (0, "")
    assert out.startswith("1 of 2 defects were drawn: for the others no generated sample could be used\n")
    assert len(list((tmp_path / "made/images").iterdir())) == 1
