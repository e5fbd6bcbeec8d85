"""What every recipe in the registries must do; what is asked comes from the declarations of its settings."""

import dataclasses
import inspect
import json
import math
import re

import pytest

from knowngood.classifiers import CLASSIFIERS
from knowngood.classifiers.base import Classifier
from knowngood.detectors import DETECTORS
from knowngood.detectors.base import Detector
from knowngood.errors import RecipeError
from knowngood.recipe import as_text, settings_of

RECIPES = {name: registry[name] for registry in (DETECTORS, CLASSIFIERS) for name in registry}
SETTINGS = {
    f"{name}-{setting.name}": (kind, setting)
    for name, kind in RECIPES.items()
    for setting in settings_of(kind).values()
}
LIMITED = {key: pair for key, pair in SETTINGS.items() if pair[1].low is not None or pair[1].choices}


@pytest.fixture(params=RECIPES.values(), ids=RECIPES)
def kind(request):
    return request.param


@pytest.fixture(params=SETTINGS.values(), ids=SETTINGS)
def declared(request):
    """A kind of recipe and one of its settings."""
    return request.param


@pytest.fixture(params=LIMITED.values(), ids=LIMITED)
def limited(request):
    """A kind of recipe and one of its settings that has a range or choices."""
    return request.param


def is_number(setting):
    return setting.type in (int, float, float | None)


def neighbour(setting, bound, towards):
    """The next value of the setting's type."""
    return bound + int(math.copysign(1, towards)) if setting.type is int else math.nextafter(bound, towards)


def just_outside(setting):
    """Values that are refused, each as near to an accepted one as can be."""
    if setting.choices:
        return ["nonsense"] if setting.type is str else [min(setting.choices) - 1, max(setting.choices) + 1]
    above = [] if setting.high is None else [neighbour(setting, setting.high, math.inf)]
    return [neighbour(setting, setting.low, -math.inf), *above]


class TestKind:
    def test_is_frozen_and_hashable(self, kind):
        recipe = kind(input_size=128)
        with pytest.raises(dataclasses.FrozenInstanceError):
            recipe.input_size = 64
        assert (hash(recipe), recipe) == (hash(kind(input_size=128)), kind(input_size=128))
        assert recipe != dataclasses.replace(recipe, input_size=192)

    def test_survives_being_written_down(self, kind):
        recipe = kind(input_size=192)
        values = dataclasses.asdict(recipe)
        assert kind(**values) == recipe
        from_json = kind(**json.loads(json.dumps(values)))
        assert (from_json, hash(from_json)) == (recipe, hash(recipe))
        assert kind(**{key: as_text(value) for key, value in values.items()}) == recipe

    def test_names_an_unknown_setting(self, kind):
        with pytest.raises(
            RecipeError, match=f"^{kind.__name__} has no setting 'no_such_setting'; "
        ) as refused:
            kind(no_such_setting=1)
        assert refused.value.setting == "no_such_setting"
        with pytest.raises(RecipeError, match="did you mean input_size"):
            kind(input_sise=192)

    def test_is_described_and_names_its_source(self, kind):
        text = inspect.getdoc(kind)
        assert text not in (inspect.getdoc(Detector), inspect.getdoc(Classifier))
        assert "\nArgs:" not in text  # settings are described where they are declared
        if issubclass(kind, Detector):
            assert re.search(r"arXiv:\d{4}\.\d{4,5}|doi 10\.\d{4,}/\S+", text)


class TestSetting:
    def test_is_described_in_a_sentence(self, declared):
        _, setting = declared
        assert len(setting.description) > 10
        assert not setting.description.endswith(".")

    def test_has_a_range_if_it_is_a_number(self, declared):
        _, setting = declared
        if is_number(setting):
            assert setting.low is not None or setting.choices

    def test_is_refused_just_outside_what_is_allowed(self, limited):
        kind, setting = limited
        for value in just_outside(setting):
            message = f"{kind.__name__}: {setting.name}={value!r} must be {setting.allowed}"
            with pytest.raises(RecipeError, match=f"^{re.escape(message)}$") as refused:
                kind(**{setting.name: value})
            assert (refused.value.setting, refused.value.value) == (setting.name, value)

    def test_is_accepted_at_both_ends_of_its_range(self, limited):
        kind, setting = limited
        for bound in (setting.low, setting.high):
            if bound is not None:
                assert getattr(kind(**{setting.name: bound}), setting.name) == bound

    def test_is_refused_if_it_is_no_number(self, declared):
        kind, setting = declared
        if is_number(setting):
            for value in (math.nan, math.inf, True):
                with pytest.raises(RecipeError, match=rf"^{kind.__name__}: {setting.name}="):
                    kind(**{setting.name: value})

    def test_is_refused_if_it_is_of_the_wrong_type(self, declared):
        kind, setting = declared
        value = object()
        with pytest.raises(
            RecipeError, match=rf"^{kind.__name__}: {setting.name}=<object .* is not of type"
        ) as refused:
            kind(**{setting.name: value})
        assert refused.value.value is value
