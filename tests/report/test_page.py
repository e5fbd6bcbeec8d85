from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from knowngood.errors import OutputError, RecipeError
from knowngood.report.page import write_report
from knowngood.report.style import DEFECT, GOOD
from knowngood.report.words import score
from knowngood.training.record import TrainingRecord
from knowngood.training.records import Records

from .conftest import NO_GOOD, table_of

VOID = {"meta", "img", "br", "hr", "link", "input"}


class Page(HTMLParser):
    """The tags and the visible text of a page; fails on tags that do not nest."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.pieces: list[str] = []
        self.open: list[str] = []
        self.feed(source)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in ("style", "script"):
            self.pieces.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.pieces).split())

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture
def report(tmp_path: Path) -> Any:
    def read(evaluation: Any, **options: Any) -> Page:
        path = tmp_path / "report.html"
        write_report(evaluation, path, **options)
        return Page(path.read_text(encoding="utf-8"))

    return read


def between(text: str, start: str, end: str) -> str:
    """Cut out the part of a text between two headings."""
    return text[text.index(start) : text.index(end, text.index(start))]


def test_the_page_tells_in_order_what_an_engineer_asks(judged: Any, report: Any) -> None:
    text = report(judged.measuring(warnings=["2 images were also in training."])).text
    headings = [
        "widget · Inspection report · 2026-02-01",
        "widget Inspection report · patchcore on tf_efficientnet_lite0 · 2026-02-01",
        "Doubtful for these pictures: 12 % of the good parts are rejected and 33 % of the defects escape.",
        "Of 8 good parts 1 was rejected (12.5 %",
        "Defects that escape most: scratch 2 of 5.",
        "What to try next",
        "2 images were also in training.",
        "Product widget",
        "Inspector widget.inspector, patchcore on tf_efficientnet_lite0, made 2026-01-31 12:00 UTC",
        "Learned from widget: 24 images (24 good), fingerprint 00ff00ff00ff00ff",
        "Tested on widget: 14 images (8 good, 1 dent, 5 scratch), fingerprint 11ee11ee11ee11ee",
        "Evaluated 2026-02-01 09:30 (UTC+01:00) by ada",
        "False rejects 12.5 % 95 % interval 0.3–52.6 %",
        "Escapes 33.3 %",
        "Image AUROC 0.9062 AP 0.9123 F1-max 0.8000",
        "Pixel AUROC 0.9731 AP 0.6123",
        "AUPRO 0.9312",
        "Speed 41 images per second",
        "Image scores",
        "share of the group, %",
        "ROC curve",
        "false positive rate, %",
        "Decisions label accepted rejected good 7 1 defect 2 4",
        "Defect types type images escape rate image AUROC scratch 5 40.0 % 0.8875 dent 1 0.0 % 1.0000",
        "Pixel level figure value pixel AUROC 0.9731 pixel AP 0.6123 pixel F1-max (at 2.75) 0.5871",
        "AUPRO to 30 % 0.9312 AUPRO to 5 % 0.7421 AUPIMO 0.4312",
        "Other thresholds",
        "The threshold 3.21 was set from 24 held-out good parts",
        "in use 3.21 18.3 % 1 of 8: 12.5 % (0.3–52.7 %) 2 of 6: 33.3 % (4.3–77.7 %)",
        "Worst escapes",
        "Heatmaps",
        "Worst false rejects",
        "Closest correct decisions",
        "All images",
        "scratch/005.png scratch 8 0.01 rejected",
        "good/000.png good 1 1 accepted",
        "Provenance",
    ]
    place = 0
    for heading in headings:
        place = text.index(heading, place) + len(heading)


def test_the_worst_errors_come_first(judged: Any, report: Any) -> None:
    text = report(judged).text
    misses = between(text, "Worst escapes", "Worst false rejects")
    assert "2 escapes, lowest score first." in misses
    fourth, first = "scratch · scratch/004.png · score 1.1", "scratch · scratch/000.png · score 2.5"
    assert misses.index(fourth) < misses.index(first)
    alarms = between(text, "Worst false rejects", "Closest correct decisions")
    assert "good · good/007.png · score 4.5" in alarms
    assert alarms.count("score ") == 2  # the remark and the one false alarm


def test_each_defect_type_is_pictured(judged: Any, report: Any) -> None:
    closest = between(report(judged).text, "Closest correct decisions", "All images")
    places = [
        closest.index(row)
        for row in (
            "good · good/006.png · score 2.2",
            "scratch · scratch/001.png · score 5",
            "dent · scratch/003.png · score 7",
        )
    ]
    assert places == sorted(places)
    assert closest.count("· score") == 3


def test_each_picture_belongs_to_its_row(judged: Any, tmp_path: Path) -> None:
    """Shuffled rows with their maps give the same page."""
    order = np.random.default_rng(0).permutation(len(judged.scores))
    shuffled = replace(judged, scores=judged.scores.iloc[order], maps=judged.maps[order])
    write_report(judged, tmp_path / "a.html")
    write_report(shuffled, tmp_path / "b.html")
    assert (tmp_path / "a.html").read_bytes() == (tmp_path / "b.html").read_bytes()


def test_examples_limit_each_section(judged: Any, report: Any) -> None:
    text = report(judged, examples=1).text
    assert "2 escapes, the 1 with the lowest scores." in text
    assert "scratch · scratch/004.png" in text
    assert "scratch · scratch/000.png" not in text


def test_no_examples_no_pictures(judged: Any, report: Any) -> None:
    page = report(judged, examples=0)
    assert not page.all("img")
    assert len(page.all("svg")) == 1 + 2  # the sign beside the headline, and the charts
    assert "Worst escapes" not in page.text
    assert "scratch/005.png scratch 8 0.01 rejected" in page.text


def test_fewer_than_no_examples_is_refused(judged: Any, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="examples must be 0 or more; got -1"):
        write_report(judged, tmp_path / "report.html", examples=-1)


def test_the_page_needs_nothing_else(judged: Any, report: Any) -> None:
    page = report(judged)
    assert all("src" not in script for script in page.all("script"))
    assert page.all("link") == [{"rel": "icon", "href": "data:,"}]  # browsers ask for one otherwise
    for tag, attributes in page.tags:
        for name, value in attributes.items():
            assert not name.startswith("on")
            if name == "src":
                assert str(value).startswith("data:image/")
            elif name in ("href", "xlink:href"):
                assert str(value).startswith(("#", "data:", "file:///"))
            else:
                assert "//" not in str(value), (tag, name)
    assert any("default-src 'none'" in str(meta.get("content")) for meta in page.all("meta"))


def test_every_picture_has_a_text_and_every_heading_cell_a_scope(judged: Any, report: Any) -> None:
    page = report(judged)
    above, below = 2 * 4 + 3 + (3 + 2 * 4), 8 * 3 + 6 * 4
    assert len(page.all("img")) == above + below
    assert all(image["alt"] for image in page.all("img"))
    assert {cell.get("scope") for cell in page.all("th")} == {"col", "row"}
    assert len(page.all("caption")) == len(page.all("table"))
    assert [drawn.get("aria-label") for drawn in page.all("svg") if "aria-hidden" not in drawn] == [
        "Chart: Image scores",
        "Chart: ROC curve",
    ]


def test_the_page_has_landmarks_and_every_input_a_label(judged: Any, report: Any) -> None:
    page = report(judged)
    assert [len(page.all(tag)) for tag in ("html", "header", "main", "h1", "form")] == [1] * 5
    assert page.all("html") == [{"lang": "en"}]
    assert len(page.all("label")) == len(page.all("input")) + len(page.all("select")) == 5
    levels = [int(tag[1]) for tag, _ in page.tags if tag in ("h1", "h2", "h3")]
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    sorted_by = [head.get("aria-sort") for head in page.all("th") if head.get("scope") == "col"]
    assert sorted_by.count("descending") == 1


def test_what_needs_a_script_is_hidden_without_one(judged: Any, report: Any) -> None:
    page = report(judged)
    assert all("hidden" in form for form in page.all("form"))
    (slider,) = (element for element in page.all("div") if element.get("class") == "slider")
    assert "hidden" in slider
    assert not page.all("button")
    rows, folded, long_fact = 14, 1, 1  # all of these open by themselves
    assert len(page.all("details")) == rows + folded + long_fact


def test_what_the_data_cannot_give_has_a_reason(only_good: Any, report: Any) -> None:
    page = report(only_good)
    assert "Escapes – 1" in page.text
    assert "Image AUROC – 1" in page.text
    assert page.text.count("There are no defects among the judged images.") == 1
    assert {"id": "note-1"} in page.all("li")
    assert "#note-1" in [link["href"] for link in page.all("a")]
    assert "None" not in page.text
    for absent in ("ROC curve", "Worst escapes", "Defect types"):
        assert absent not in page.text
    assert len(page.all("img")) == (1 + 1) * 3 + 8 * 3


def test_a_page_without_good_parts(only_defects: Any, report: Any) -> None:
    text = report(only_defects).text
    assert "False rejects – 1" in text
    assert f"scratch 6 33.3 % – {NO_GOOD}" in text
    assert "Worst false rejects" not in text
    assert "None" not in text


def test_spro_is_shown_where_it_is_another_figure_than_aupro(judged: Any, report: Any) -> None:
    assert "sPRO" not in report(judged).text
    several = judged.measuring(pixel_spro_5=0.8312)
    text = report(several).text
    assert "AUPRO to 5 % 0.7421 sPRO to 5 % 0.8312 AUPIMO 0.4312" in text
    assert "sPRO: AUPRO where enough of a defect" in text


def test_a_page_without_aupimo_says_why_below_its_own_table(judged: Any, report: Any) -> None:
    reason = "AUPIMO needs defects, and 100,000 pixels of good images; these are 73,728"
    text = report(judged.measuring(pixel_aupimo=None, notes={"pixel_aupimo": reason})).text
    assert "AUPIMO –" in text
    assert f"No AUPIMO: {reason}." in text
    assert "No pixel figures" not in text


def test_a_page_without_maps(without_maps: Any, report: Any) -> None:
    page = report(without_maps)
    assert "AUPRO" not in page.text
    assert "The detector makes no anomaly maps." in page.text
    assert "it makes no heatmaps" in page.text
    assert not any("heatmap" in str(image["alt"]) for image in page.all("img"))


def test_a_page_without_errors(judged: Any, report: Any) -> None:
    right = judged.scores.assign(decision=np.where(judged.scores["label"] == "good", "accept", "reject"))
    text = report(replace(judged, scores=right)).text
    assert "No escapes." in text
    assert "No false rejects." in text
    closest = between(text, "Closest correct decisions", "All images")
    assert closest.count("· score") == 3  # one good part and two types


def test_a_page_when_no_image_could_be_judged(only_good: Any, report: Any) -> None:
    nothing = only_good.rows(only_good.scores["label"] == "").measuring(
        **dict.fromkeys(["false_reject_rate", "false_reject_rate_low", "false_reject_rate_high"]),
        confusion={"true_accept": 0, "false_reject": 0, "escape": 0, "true_reject": 0},
        counts={"good": 0, "defect": 0, "unreadable": 3},
    )
    page = report(nothing)
    assert "There were no defects to inspect. 3 images could not be read and were not inspected." in page.text
    assert "Closest correct decisions" not in page.text
    assert not page.all("img")


def test_file_names_are_not_trusted(judged: Any, report: Any, tmp_path: Path) -> None:
    name = tmp_path / "<script>alert('x')<" / '"><img src=x onerror=alert(1)>\n.png'
    hostile = judged.scores.assign(path=str(name), defect="<b>dent</b>")
    page = report(replace(judged, scores=hostile))
    assert len(page.all("script")) == 2
    assert len(page.all("b")) == 1  # of the slider
    assert all("onerror" not in image for image in page.all("img"))
    assert '"><img src=x onerror=alert(1)> .png' in page.text


def test_file_names_that_are_no_text_are_spelled_out(judged: Any, report: Any, tmp_path: Path) -> None:
    path = str(tmp_path / "part\udcff.png")
    odd = judged.scores.assign(path=pd.Series([path] * len(judged.scores), dtype=object))
    assert "part\\udcff.png" in report(replace(judged, scores=odd)).text


def test_a_missing_image_is_said_and_the_rest_is_shown(judged: Any, report: Any, tmp_path: Path) -> None:
    scores = judged.scores.copy()
    scores.loc[12, "path"] = str(tmp_path / "gone.png")
    page = report(replace(judged, scores=scores))
    assert page.text.count("The image could not be read") == 2  # above and in the table
    assert len(page.all("img")) == (1 * 4 + 3 + (3 + 2 * 4)) + (8 * 3 + 5 * 4)


def test_the_provenance_is_complete(judged: Any, report: Any) -> None:
    text = between(report(judged).text + " END", "Provenance", " END")
    for fact in (
        "weights hash 3f9c2d5b7e1a4c60",
        "recipe: neighbours 1",
        "recipe: scales 1, 2",
        "input shape 96, 96",
        "seed 7",
        "versions: knowngood 0.1.0",
        "threshold: upper bound 0.1829",
        "threshold: note –",
        judged.provenance["fingerprint"][-1],
    ):
        assert fact in text


def test_an_evaluation_without_defect_types(judged: Any, report: Any) -> None:
    page = report(replace(judged, scores=judged.scores.assign(defect="")).measuring(per_defect={}))
    assert "defect · scratch/004.png" in page.text


def test_an_existing_report_is_replaced_and_nothing_else_is_left(judged: Any, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text("old, written by knowngood")
    write_report(judged, str(path))
    assert path.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    assert list(tmp_path.iterdir()) == [path]


def test_a_failed_write_keeps_the_old_report(
    judged: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "report.html"
    path.write_text("old, written by knowngood")

    def full(self: Path, data: bytes) -> int:
        self.touch()
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OutputError, match=r"report\.html.*No space left on device"):
        write_report(judged, path)
    assert path.read_text() == "old, written by knowngood"
    assert list(tmp_path.iterdir()) == [path]


def test_a_report_that_cannot_be_written_names_the_path(judged: Any, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"no/such/report\.html.*make the folder"):
        write_report(judged, tmp_path / "no/such/report.html")
    (tmp_path / "folder").mkdir()
    with pytest.raises(OutputError, match="folder"):
        write_report(judged, tmp_path / "folder")
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def test_the_inputs_are_left_alone(judged: Any, report: Any) -> None:
    scores, maps = judged.scores.copy(), judged.maps.copy()
    report(judged)
    pd.testing.assert_frame_equal(judged.scores, scores)
    assert (judged.maps == maps).all()


def test_a_report_of_real_images_is_small(
    judged: Any, report: Any, shared_data: Path, tmp_path: Path
) -> None:
    """Twelve misses and twelve false alarms of photographs with texture."""
    root = shared_data / "mvtec" / "screw"
    good = [str(path) for path in sorted((root / "test" / "good").iterdir())[:12]]
    defects = sorted((root / "test" / "thread_top").iterdir())[:12]
    masks = [str(root / "ground_truth" / "thread_top" / f"{path.stem}_mask.png") for path in defects]
    scores = pd.DataFrame(
        {
            "path": good + [str(path) for path in defects],
            "label": ["good"] * 12 + ["defect"] * 12,
            "defect": [""] * 12 + ["thread_top"] * 12,
            "mask": [""] * 12 + masks,
            "score": np.linspace(3.3, 4, 24),
            "p_value": 0.5,
            "decision": ["reject"] * 12 + ["accept"] * 12,
        }
    )
    maps = np.random.default_rng(0).uniform(size=(24, 32, 32)).astype(np.float32)
    page = report(replace(judged, scores=scores, maps=maps))
    assert len(page.all("img")) == 2 * (12 * 4 + 12 * 3)
    assert (tmp_path / "report.html").stat().st_size < 4e6
    assert "could not" not in page.text


def test_charts_can_be_searched_and_share_no_ids(judged: Any, report: Any) -> None:
    page = report(judged)
    assert {"good (8)", "defect (6)", "held-out good (24)", "threshold 3.21"} <= set(page.pieces)
    assert {"this inspector (0.833)", "chance", "threshold in use"} <= set(page.pieces)
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids)) > 2
    targets = {
        str(value) for _, attributes in page.tags for name, value in attributes.items() if "href" in name
    }
    assert {target[1:] for target in targets if target.startswith("#")} <= set(ids)
    assert not page.all("style")[1:]


def test_class_names_are_escaped_in_charts_and_tables(judged: Any, report: Any) -> None:
    types = {"<b>dent</b>": {"count": 1, "image_auroc": 1.0, "escape_rate": 0.0}}
    page = report(judged.measuring(per_defect=types))
    assert len(page.all("b")) == 1
    assert "<b>dent</b>" in page.text


# --- detectors that reconstruct images


def headings(page: str) -> list[str]:
    """The titles of exhibits."""
    return re.findall(r"<h3>(.*?)</h3>", page)


@pytest.fixture
def reconstructions(in_class: pd.DataFrame, out_of_class: pd.DataFrame) -> pd.DataFrame:
    """Of both classes, with the images of the worst ten."""
    for table in (in_class, out_of_class):
        table.loc[10:, ["original", "reconstruction", "difference"]] = None
    table = pd.concat([in_class, out_of_class], ignore_index=True)
    return table.sort_values("sum_of_differences", ascending=False, ignore_index=True)


def test_reconstruction_and_training(judged: Any, record: Any, reconstructions: Any, tmp_path: Path) -> None:
    judged = replace(
        judged.measuring(threshold=200.0), records=Records(record), reconstructions=reconstructions
    )
    write_report(judged, tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text()
    assert page.index("<h2>Reconstruction</h2>") < page.index("<h2>Training</h2>")
    sums = reconstructions.groupby("label")["sum_of_differences"].nlargest(10)
    ends = {
        label: f"sums {sums[label].iloc[0]:.4g} to {sums[label].iloc[-1]:.4g}" for label in ("good", "bent")
    }
    assert headings(page) == [
        f"The 10 worst reconstructions of good samples, {ends['good']}",
        f"The 10 worst reconstructions of defect samples, {ends['bent']}",
        "Reconstructions of good samples are closer to their originals than those of defect samples",
        "The network has 52,528 trainable parameters",
        "Training loss 0.0101, validation loss 0.0111",
        "Reconstructions during training",
    ]
    good, defect, spread, layers, loss, epochs = page.partition("<h2>Reconstruction</h2>")[2].split("<h3>")[
        1:
    ]
    for part, label in ((good, "good"), (defect, "bent")):
        sums = reconstructions.loc[reconstructions["label"] == label, "sum_of_differences"].tolist()
        places = [part.index(f"<span>{score(value)}</span>") for value in sums[:10]]
        assert places == sorted(set(places))
        assert f"<span>{score(sums[10])}</span>" not in part
        assert part.count("<img ") == 30
    assert {"good (14)", "defect (12)", "threshold 200"} <= set(re.findall(r">([^<>]+)</text>", spread))
    assert spread.index(GOOD) < spread.index(DEFECT)
    assert all(f">{text}</t" in layers for text in ("encoder.0", "16 × 14 × 14", "51,744", "52,528"))
    assert ">kept: epoch 99<" in loss
    assert "epoch\n100<" in epochs
    assert epochs.count("<img ") == 8 * 21


def test_photographs_keep_the_page_small(judged: Any, record: Any, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    noise = rng.normal(128, 8, (10, 256, 256, 3)).clip(0, 255).astype(np.uint8)
    table = table_of(rng, 10, "good", 0.1)
    table["original"], table["reconstruction"] = list(noise), list((noise / 255).astype(np.float32))
    table["difference"] = [rng.uniform(0, 1, (256, 256)).astype(np.float32) for _ in range(10)]
    photographs = replace(record, originals=noise[:8], rebuilt=dict.fromkeys(range(5, 101, 5), noise[:8]))
    defects = table.assign(label="bent")
    both = pd.concat([table, defects], ignore_index=True)
    write_report(
        replace(judged, records=Records(photographs), reconstructions=both), tmp_path / "report.html"
    )
    assert (tmp_path / "report.html").stat().st_size < 3e6


def test_a_detector_that_reconstructs_no_image_shows_its_training(
    judged: Any, record: Any, tmp_path: Path
) -> None:
    bare = TrainingRecord(record.layers, record.epochs, record.best, record.learning_rate, [0])
    write_report(replace(judged, records=Records(bare)), tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text()
    assert len(headings(page)) == 2
    assert "epoch 99 were kept: the lowest loss on held-out good images." in page
    assert "<h2>Reconstruction</h2>" not in page


def test_other_detectors_have_no_such_sections(judged: Any, tmp_path: Path) -> None:
    write_report(judged, tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text()
    assert not headings(page)
    assert "<h2>Training</h2>" not in page
