"""What follows from the figures of an evaluation: the level, its reasons, and the next steps."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from knowngood.inspector.about import Images
from knowngood.inspector.measures import image_metrics
from knowngood.report.advice import advice
from knowngood.report.page import write_report

LINE = 3.21


@pytest.fixture
def scored(judged: Any) -> Any:
    """An evaluation of these scores: `scored(good=[...], dent=[...])`."""

    def make(*, sizes: tuple[int, ...] = (96, 96, 96, 96), **groups: list[float]) -> Any:
        rows = [
            (
                f"/{name}/{place}.png",
                "good" if name == "good" else "defect",
                "" if name == "good" else name,
                value,
            )
            for name, values in groups.items()
            for place, value in enumerate(values)
        ]
        scores = pd.DataFrame(rows, columns=["path", "label", "defect", "score"]).assign(mask="", p_value=0.5)
        scores["decision"] = np.where(scores["score"] > LINE, "reject", "accept")
        counts = {label: int((scores["label"] == label).sum()) for label in ("good", "defect")}
        notes: dict[str, str] = {}
        metrics = judged.metrics | image_metrics(scores, LINE, notes)
        metrics |= {"counts": counts | {"unreadable": 0}, "notes": notes}
        provenance = judged.provenance | {"sizes": list(sizes)}
        return replace(judged, scores=scores, metrics=metrics, provenance=provenance, maps=None)

    return make


GOOD = [1.0 + place / 100 for place in range(80)]
SIZES = (90, 90, 96, 120)  # parts that are cut out to different sizes are not aligned
FOUND, MISSED = [9.0 + place / 10 for place in range(40)], [2.0] * 40


def test_a_good_inspector_is_called_good_and_has_no_next_step(scored: Any) -> None:
    found = advice(scored(good=GOOD, dent=FOUND))
    assert found.level == "good"
    assert found.headline == (
        "Good for these pictures: none of the 80 good parts is rejected and none of the 40 defects escapes."
    )
    assert found.steps == found.details == []


@pytest.mark.parametrize(
    ("escaping", "level", "headline"),
    [
        (39, "useless", "Of no use for these pictures: 98 % of the defects escape."),
        (20, "useless", "Of no use for these pictures: 50 % of the defects escape."),
        (8, "doubtful", "Doubtful for these pictures: 20 % of the defects escape."),
        (
            2,
            "good",
            "Good for these pictures: none of the 80 good parts is rejected and 5 % of the defects escape.",
        ),
    ],
)
def test_escapes(scored: Any, escaping: int, level: str, headline: str) -> None:
    found = advice(scored(good=GOOD, dent=MISSED[:escaping] + FOUND[escaping:]))
    assert (found.level, found.headline) == (level, headline)


def test_rejected_good_parts(scored: Any) -> None:
    found = advice(scored(good=[*GOOD[:30], *[3.5] * 50], dent=FOUND))
    assert found.headline == "Of no use for these pictures: 62 % of the good parts are rejected."
    assert any("so they differ from those that it learned from" in step for step in found.steps)


def test_a_broken_promise_is_doubtful(scored: Any) -> None:
    evaluation = scored(good=[*GOOD[:73], *[3.5] * 7], dent=FOUND)
    evaluation.provenance["threshold"] = evaluation.provenance["threshold"] | {"upper_bound": 0.02}
    found = advice(evaluation)
    assert found.headline == (
        "Doubtful for these pictures: 9 % of the good parts are rejected, more than the 2.0 % that the "
        "threshold promised at most."
    )


def test_few_images_are_no_proof(scored: Any) -> None:
    found = advice(scored(good=GOOD, dent=FOUND[:6]))
    assert found.headline == "Doubtful for these pictures: with 6 defects inspected, up to 46 % may escape."
    assert found.steps == [
        "Add defects to the test, which has 6: 72 without an error would show that fewer than 5 % are missed."
    ]


def test_scores_that_do_not_separate(scored: Any) -> None:
    found = advice(scored(good=[*GOOD[:40], *FOUND[:3]], dent=[*GOOD[:40], *FOUND[:3]]))
    assert "defects score hardly higher than good parts (image AUROC 0.50; chance is 0.50)" in found.headline


def test_types_that_escape_more_than_others_are_named(scored: Any) -> None:
    found = advice(scored(good=GOOD, dent=MISSED[:15] + FOUND[:5], hole=MISSED[:1] + FOUND[:19]))
    assert found.details == ["Defects that escape most: dent 15 of 20."]


class TestAnotherProduct:
    def test_another_shape(self, scored: Any, tmp_path: Any) -> None:
        evaluation = scored(dent=FOUND).measuring(other_shape=40)
        evaluation = replace(evaluation, about=replace(evaluation.about, test=Images("juice", {"dent": 40})))
        found = advice(evaluation)
        assert (found.level, found.other_product) == ("useless", True)
        assert found.headline == (
            "Of no use for these pictures: these are probably not pictures of the product that it learned "
            "(widget)."
        )
        assert found.details == [
            "40 of 40 pictures have another aspect ratio or size than those that it learned from (96 x 96 "
            "pixels, height x width).",
            "That 100 % of the defects are rejected says nothing about defects: the inspector would reject "
            "any such picture.",
        ]
        assert "`knowngood fit juice --out juice.inspector`" in found.steps[1]
        write_report(evaluation, tmp_path / "report.html", examples=0)
        page = (tmp_path / "report.html").read_text()
        for compliment in ("none escaped", "No escapes", "0.0 %", "Escapes</dt>\n      <dd><strong>0"):
            assert compliment not in page.partition("All images")[0]

    def test_good_parts_far_above_the_threshold(self, scored: Any) -> None:
        found = advice(scored(good=[20.0] * 9 + [1.0], dent=FOUND))
        assert found.other_product
        assert found.details[0].startswith("9 of 10 good parts score far above the threshold")

    def test_an_inspector_that_rejects_held_out_parts_too_is_a_bad_one(self, scored: Any) -> None:
        evaluation = replace(
            scored(good=[20.0] * 9 + [1.0], dent=[30.0] * 40), held_out=np.array([1.0] * 7 + [21.0] * 3)
        )
        found = advice(evaluation)
        assert not found.other_product
        assert found.headline == "Of no use for these pictures: 90 % of the good parts are rejected."

    def test_good_parts_just_above_it_are_a_broken_promise(self, scored: Any) -> None:
        assert not advice(scored(good=[3.4] * 10, dent=FOUND)).other_product

    def test_another_shape_does_not_matter_where_good_parts_are_accepted(self, scored: Any) -> None:
        assert advice(scored(good=GOOD, dent=FOUND).measuring(other_shape=120)).level == "good"

    def test_a_few_pictures_of_another_shape(self, scored: Any) -> None:
        assert not advice(scored(good=[3.4] * 80, dent=FOUND).measuring(other_shape=50)).other_product

    def test_without_good_parts_no_escape_is_no_compliment(self, scored: Any) -> None:
        found = advice(scored(dent=FOUND))
        assert found.headline == (
            "Doubtful for these pictures: no good part was inspected, and perhaps it rejects every picture."
        )
        assert found.steps[-1].startswith("Add good parts to the test, which has none")


class TestSteps:
    def test_more_detail_where_pictures_are_reduced(self, scored: Any) -> None:
        evaluation = scored(good=GOOD, dent=MISSED, sizes=(384, 384, 384, 400))
        evaluation.provenance["recipe"] = {"input_size": 96}
        steps = advice(evaluation).steps
        assert steps[0] == (
            "Give it more detail: pictures of 384 x 400 pixels are reduced to 96 x 96, in which small "
            "defects vanish. Fit with `--detail fine` or `--set input_size=192`."
        )

    @pytest.mark.parametrize(
        ("own", "words"),
        [
            (
                {"detail": "detail fast"},
                "pictures of 384 x 400 pixels are reduced to 96 x 96, in which small "
                "defects vanish. Fit with `--detail normal`.",
            ),
            ({"detail": "smallest defect 9%"}, "Fit with a smaller `--smallest-defect`."),
            ({"tiles": [192, 24]}, "tiles of 192 x 192 pixels are reduced to 96 x 96"),
            (
                {"pairs": True, "input_shape": [192, 96]},
                "pictures of 384 x 400 pixels are reduced to 96 x 96",
            ),
            ({"task": "classification"}, "Fit with `--set input_size=192`."),
        ],
    )
    def test_more_detail_as_it_was_looked(self, scored: Any, own: dict[str, Any], words: str) -> None:
        evaluation = scored(good=GOOD, dent=MISSED, sizes=(384, 384, 384, 400))
        evaluation.provenance.update({"recipe": {"input_size": 96}, **own})
        assert words in " ".join(advice(evaluation).steps)

    def test_no_other_detector_compares_with_references(self, scored: Any) -> None:
        evaluation = scored(good=GOOD, dent=MISSED)
        evaluation.provenance.update({"method": "reference", "pairs": True})
        assert not any("another detector" in step for step in advice(evaluation).steps)

    def test_no_more_detail_than_pictures_have(self, scored: Any) -> None:
        evaluation = scored(good=GOOD, dent=MISSED)
        evaluation.provenance["recipe"] = {"input_size": 96}
        assert not any("detail" in step for step in advice(evaluation).steps)

    @pytest.mark.parametrize(("method", "other"), [("gaussian", "patchcore"), ("patchcore", "padim")])
    def test_another_detector(self, scored: Any, method: str, other: str) -> None:
        evaluation = scored(good=GOOD, dent=MISSED)
        evaluation.provenance["method"] = method
        assert not any("padim" in step for step in advice(scored(good=GOOD, dent=MISSED, sizes=SIZES)).steps)
        assert any(
            f"another detector: `{other}`" in step or f"such as `{other}`" in step
            for step in advice(evaluation).steps
        )

    def test_learning_from_enough_defects(self, scored: Any) -> None:
        def steps(number: int) -> str:
            return " ".join(advice(scored(good=GOOD, dent=MISSED[:number], hole=MISSED[:number])).steps)

        assert "Learn from the 20 defects of 2 types at hand: `knowngood train widget --out" in steps(10)
        assert "knowngood train" not in steps(4)

    def test_commands_work_where_the_evaluation_ran(self, scored: Any) -> None:
        evaluation = scored(good=GOOD, dent=MISSED)
        test = replace(evaluation.about.test, path="../my parts/widget")
        about = replace(evaluation.about, test=test, inspector="line 1/widget.inspector")
        evaluation = replace(evaluation, about=about, held_out=np.linspace(0.8, 1.9, 24))
        steps = " ".join(advice(evaluation).steps)
        assert "`knowngood train '../my parts/widget' --out" in steps
        assert "`knowngood threshold 'line 1/widget.inspector' --max" in steps

    def test_a_classifier_needs_more_of_the_type_that_escapes(self, scored: Any) -> None:
        evaluation = scored(good=GOOD, dent=MISSED[:20], hole=FOUND[:20])
        evaluation.provenance["task"] = "classification"
        steps = advice(evaluation).steps
        assert "Collect more defects of the type dent, of which 100.0 % escape, and train again." in steps
        assert not any("detector" in step for step in steps)

    @pytest.mark.parametrize(("dents", "moved"), [(9.0, True), (4.2, False)])
    def test_a_higher_threshold_where_defects_are_still_found(
        self, scored: Any, dents: float, moved: bool
    ) -> None:
        evaluation = scored(good=GOOD[:68] + [4.0] * 12, dent=[dents] * 40)
        evaluation.provenance["threshold"] = evaluation.provenance["threshold"] | {"upper_bound": 0.2}
        steps = advice(replace(evaluation, held_out=np.linspace(0.8, 6.0, 200))).steps
        assert any(step.startswith("Move the threshold") for step in steps) == moved

    def test_another_threshold_where_it_helps(self, scored: Any) -> None:
        # Of 24 held-out scores from 0.8 to 3.5, two may be above the threshold for 10 %: it is 3.27.
        evaluation = scored(good=GOOD, dent=[3.0] * 10 + FOUND[:30])
        held_out = np.linspace(0.8, 2.9, 24)
        steps = advice(replace(evaluation, held_out=held_out)).steps
        assert steps[0] == (
            "Move the threshold (`knowngood threshold widget.inspector --max-false-reject 0.01`): 0 of 40 "
            "defects escape and 0 of 80 good parts are rejected, where 10 escaped."
        )

    def test_and_where_it_does_not(self, scored: Any) -> None:
        evaluation = replace(
            scored(good=GOOD, dent=[1.0] * 20 + FOUND[:20]), held_out=np.linspace(0.8, 2.9, 24)
        )
        assert any(
            "Another threshold alone helps little: with 10 % false rejects allowed, 20 of 40 defects escape"
            in step
            for step in advice(evaluation).steps
        )

    def test_more_good_images_for_a_threshold_from_few(self, scored: Any) -> None:
        few = scored(good=GOOD, dent=MISSED)
        step = "Add good images: the threshold comes from 24 held-out good parts"
        assert any(text.startswith(step) for text in advice(few).steps)
        many = replace(few, held_out=np.linspace(0.8, 3.5, 200))
        assert not any(text.startswith("Add good images") for text in advice(many).steps)
