"""What all studies have in common: settings, the arguments of a run, where images come from."""

import json
from datetime import date

import pytest

from knowngood.errors import DataError, OutputError, RecipeError
from knowngood.report.slide import Deck
from knowngood.studies import registry, screw
from knowngood.studies.ece157a import QUICK, STUDY
from knowngood.studies.origins import MNIST, MVTEC, Origin, origins_table
from knowngood.studies.study import ARGUMENTS, find, keep_arguments, run, with_settings
from knowngood.types import silent

ARGUMENTS_OF = {"study": "ece157a", "quick": True, "seed": 0, "settings": {}}


class TestSettings:
    def test_each_is_for_all_methods_that_have_it(self):
        changed = with_settings(STUDY, {"epochs": "50"})
        assert [method.recipe.epochs for method in changed.methods] == [50, 50]
        assert [method.recipe.input_size for method in changed.methods] == [28, 128]
        assert [method.recipe.epochs for method in STUDY.methods] == [30, 100]

    def test_methods_without_it_stay_as_they_are(self):
        changed = with_settings(screw.STUDY, {"rounds": 30})
        for before, after in zip(screw.STUDY.methods, changed.methods, strict=True):
            assert (before == after) == (before.name != "scattering_boost")
        assert changed.methods[-1].recipe.rounds == 30

    def test_one_that_no_method_has_is_refused(self):
        with pytest.raises(RecipeError, match="no method of this study has a setting 'coreset'; they have "):
            with_settings(STUDY, {"coreset": "50"})

    def test_a_value_out_of_range_is_refused(self):
        with pytest.raises(RecipeError, match="epochs=0 must be at least 1"):
            with_settings(STUDY, {"epochs": "0"})


class TestArguments:
    def test_the_same_run_may_be_repeated(self, tmp_path):
        keep_arguments(tmp_path / "out", ARGUMENTS_OF)
        keep_arguments(tmp_path / "out", ARGUMENTS_OF)
        assert json.loads((tmp_path / "out" / ARGUMENTS).read_text()) == ARGUMENTS_OF

    @pytest.mark.parametrize(
        ("other", "words"),
        [
            ({"seed": 1}, "seed 0, not 1"),
            ({"quick": False}, "quick true, not false"),
            ({"study": "kaist"}, "study ece157a, not kaist"),
            ({"settings": {"epochs": "50"}}, "settings none, not epochs=50"),
        ],
    )
    def test_another_run_wants_another_folder(self, tmp_path, other, words):
        keep_arguments(tmp_path, ARGUMENTS_OF)
        with pytest.raises(RecipeError, match=f"holds a run with {words}; name another folder"):
            keep_arguments(tmp_path, ARGUMENTS_OF | other)
        assert json.loads((tmp_path / ARGUMENTS).read_text()) == ARGUMENTS_OF

    @pytest.mark.parametrize("content", ["", "[]", "{", '{"seed": 0}'])
    def test_a_damaged_file_is_written_again(self, tmp_path, content):
        (tmp_path / ARGUMENTS).write_text(content)
        keep_arguments(tmp_path, ARGUMENTS_OF)
        assert json.loads((tmp_path / ARGUMENTS).read_text()) == ARGUMENTS_OF


def test_where_images_come_from():
    origins = [
        Origin(MNIST, "data/mnist", [("training images", 400), ("test images", 20)]),
        Origin(MVTEC, "data/transistor", [("images", 3000)]),
    ]
    assert str(origins[0]).startswith("MNIST from data/mnist: 400 training images; 20 test images. ")
    assert "Licence: CC BY-NC-SA 4.0" in str(origins[1])
    table = origins_table(origins)
    assert table.title == "Data: 3,420 images of MNIST and MVTec AD"
    assert ["folder", "data/mnist"] in table.texts
    assert ["images used", "3,000 images"] in table.texts


def test_the_deck_has_title_name_course_and_day(monkeypatch, tmp_path):
    seen = {}

    def run(study, data, out, **options):
        seen.update(options, study=study)

    monkeypatch.setattr("knowngood.studies.study.run", run)
    registry.run_study(
        "ece157a", tmp_path, tmp_path, quick=True, author="Ada", title="Mine", settings={"epochs": 2}
    )
    deck = seen["deck"]
    assert (deck.title, deck.author, deck.course, deck.day) == ("Mine", "Ada", STUDY.course, date.today())
    assert deck.mark == "QUICK RUN, NOT A RESULT"
    assert seen["arguments"] == ARGUMENTS_OF | {"settings": {"epochs": "2"}}
    assert [method.recipe.epochs for method in seen["study"].methods] == [2, 2]
    registry.run_study("ece157a", tmp_path, tmp_path)
    assert (seen["deck"].mark, seen["deck"].title) == ("", STUDY.title)
    assert QUICK.is_quick
    assert not STUDY.is_quick


def test_slides_that_were_edited_are_not_replaced(tmp_path):
    """A program that saves them drops our mark; this is found before anything is fitted."""

    class Small(type(STUDY)):
        def jobs(self, data, seed):
            return []

    study = Small(title="", course="", methods=[], wanted={})
    (tmp_path / "slides.pptx").write_bytes(b"PK, saved by another program")
    with pytest.raises(
        OutputError, match=r"slides\.pptx' exists and is not a result of this type; name another"
    ):
        run(
            study,
            tmp_path,
            tmp_path,
            deck=Deck("", []),
            arguments=ARGUMENTS_OF,
            device="cpu",
            progress=silent,
        )


def test_data_are_found_where_they_were_got(tmp_path):
    with pytest.raises(DataError, match="holds no folder mvtec/screw or screw"):
        find(tmp_path, "mvtec/screw", "screw")
    for folder in ("mvtec-loco/juice_bottle", "mvtec-ad/screw", "screw", "mvtec/screw"):
        (tmp_path / folder).mkdir(parents=True)
        names = ("juice_bottle",) if "bottle" in folder else ("mvtec/screw", "screw")
        assert find(tmp_path, *names) == tmp_path / folder
