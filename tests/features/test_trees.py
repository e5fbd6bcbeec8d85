import json

import numpy as np
import onnxruntime
import pytest
import torch
import xgboost
from torch import nn

from knowngood.engines.engine import ENGINES, compile_graph
from knowngood.engines.export import blank, to_onnx
from knowngood.errors import RecipeError
from knowngood.features.trees import DEEPEST, Forest, boost


def samples(count, classes, columns=12, seed=0):
    """Features of which many are whole numbers, so that they fall on thresholds; and labels."""
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(count, columns)).astype(np.float32)
    features[:, ::2] = np.round(4 * features[:, ::2])
    noisy = features[:, 0] + 2 * features[:, 1] * features[:, 3] + rng.normal(size=count)
    edges = np.quantile(noisy, np.arange(1, classes) / classes)
    return features, np.searchsorted(edges, noisy).astype(np.int64)


def trained(count, classes, **options):
    features, labels = samples(count, classes)
    known = {"rounds": 20, "depth": 4, "learning_rate": 0.3} | options
    return boost(features, labels, classes, weights=np.ones(count, np.float32), **known)


def by_xgboost(content, features):
    booster = xgboost.Booster(model_file=bytearray(content))
    margins = booster.predict(xgboost.DMatrix(features), output_margin=True)
    return margins if margins.ndim == 2 else np.stack([np.zeros_like(margins), margins], axis=1)


def changed(content, *keys, to):
    """The JSON with one entry of a learner replaced."""
    model = json.loads(content)
    entry = model["learner"]
    for key in keys[:-1]:
        entry = entry[key]
    entry[keys[-1]] = to
    return json.dumps(model).encode()


class TestForest:
    @pytest.mark.parametrize("classes", [2, 3, 10])
    @pytest.mark.parametrize("depth", [1, 4, 8])
    def test_margins_are_those_of_xgboost(self, classes, depth):
        content = trained(1000, classes, depth=depth)
        features, _ = samples(500, classes, seed=1)
        margins = Forest.from_json(content)(torch.from_numpy(features))
        assert margins.shape == (500, classes)
        np.testing.assert_allclose(margins, by_xgboost(content, features), rtol=1e-5, atol=1e-5)
        assert margins[:, 1].std() > 0.1

    @pytest.mark.parametrize("classes", [2, 4])
    def test_on_every_threshold_and_beside_it_too(self, classes):
        content = trained(400, classes)
        model = json.loads(content)["learner"]["gradient_booster"]["model"]
        splits = {
            (column, np.float32(threshold))
            for tree in model["trees"]
            for left, column, threshold in zip(
                tree["left_children"], tree["split_indices"], tree["split_conditions"], strict=True
            )
            if left != -1
        }
        rows = []
        for column, threshold in sorted(splits):
            for value in (threshold, np.nextafter(threshold, np.float32(np.inf)), -threshold):
                rows.append(samples(1, classes, seed=len(rows))[0][0])
                rows[-1][column] = value
            rows.append(rows[-3].copy())
            rows[-1][column] = np.nextafter(threshold, np.float32(-np.inf))
        features = np.stack(rows)
        given = Forest.from_json(content)(torch.from_numpy(features)).numpy()
        np.testing.assert_allclose(given, by_xgboost(content, features), rtol=1e-5, atol=1e-5)
        at, below = given[0::4], given[3::4]
        assert (np.abs(at - below).max(axis=1) > 1e-3).mean() > 0.3  # it matters on which side they fall

    def test_many_deep_trees(self):
        content = trained(600, 10, rounds=300, depth=8)
        forest = Forest.from_json(content)
        assert len(forest.starts[0]) == 3000
        features, _ = samples(50, 10, seed=1)
        margins = forest(torch.from_numpy(features))
        np.testing.assert_allclose(margins, by_xgboost(content, features), rtol=1e-5, atol=1e-5)

    def test_pruned_trees_and_trees_side_by_side(self):
        features, labels = samples(400, 3)
        options = {"objective": "multi:softprob", "num_class": 3, "num_parallel_tree": 3, "subsample": 0.5}
        pruning = {"tree_method": "exact", "gamma": 2, "nthread": 1}
        table = xgboost.DMatrix(features, label=labels)
        booster = xgboost.train(options | pruning, table, num_boost_round=5)
        content = bytes(booster.save_raw("json"))
        trees = json.loads(content)["learner"]["gradient_booster"]["model"]["trees"]
        assert any(int(tree["tree_param"]["num_deleted"]) for tree in trees)
        given = Forest.from_json(content)(torch.from_numpy(features))
        np.testing.assert_allclose(given, by_xgboost(content, features), rtol=1e-5, atol=1e-5)

    @pytest.mark.parametrize(("classes", "base"), [(2, "7E-1"), (3, "5E-1"), (3, "[1E-1,-2E0,3E0]")])
    def test_the_base_score_may_be_a_number_or_a_list(self, classes, base):
        content = changed(trained(200, classes), "learner_model_param", "base_score", to=base)
        features, _ = samples(100, classes, seed=1)
        given = Forest.from_json(content)(torch.from_numpy(features))
        np.testing.assert_allclose(given, by_xgboost(content, features), rtol=1e-5, atol=1e-5)

    @pytest.mark.parametrize("classes", [2, 3])
    def test_labels_of_one_class_alone_give_leaves_alone(self, classes):
        features, _ = samples(50, classes)
        weights = np.ones(50, np.float32)
        known = {"weights": weights, "rounds": 3, "depth": 3, "learning_rate": 0.3}
        content = boost(features, np.ones(50, np.int64), classes, **known)
        margins = Forest.from_json(content)(torch.from_numpy(features))
        np.testing.assert_allclose(margins, by_xgboost(content, features), rtol=1e-5)
        assert (margins.argmax(dim=1) == 1).all()

    def test_margins_do_not_depend_on_the_batch(self):
        forest = Forest.from_json(trained(200, 3))
        features = torch.from_numpy(samples(20, 3, seed=1)[0])
        assert torch.equal(forest(features), torch.cat([forest(row[None]) for row in features]))

    @pytest.mark.parametrize("classes", [2, 5])
    def test_the_graph_gives_the_same_for_any_number_of_rows(self, classes):
        forest = Forest.from_json(trained(300, classes, depth=6))
        graph = to_onnx(forest, {"features": torch.zeros(1, 12)}, ["margins"])
        session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
        for count in (1, 7):
            features, _ = samples(count, classes, seed=count)
            (given,) = session.run(None, {"features": features})
            expected = forest(torch.from_numpy(features))
            np.testing.assert_allclose(given, expected, rtol=1e-5, atol=1e-6)

    @pytest.mark.parametrize("engine", ENGINES)
    @pytest.mark.parametrize("classes", [2, 5])
    def test_a_graph_of_images_gives_the_same(self, engine, classes):
        rng = np.random.default_rng(0)
        images = rng.integers(0, 16, size=(300, 2, 4, 3), dtype=np.uint8)
        labels = (images[:, 0, 0, 0].astype(np.int64) + images[:, 1, 3, 2]) % classes
        pixels = (images // 2 * 2).reshape(300, -1).astype(np.float32)  # thresholds are odd numbers
        known = {"rounds": 10, "depth": 5, "learning_rate": 0.3}
        content = boost(pixels, labels, classes, weights=np.ones(300, np.float32), **known)
        module = OfPixels(Forest.from_json(content))
        graph = to_onnx(module, {"images": blank((2, 4))}, ["margins"])
        (given,) = compile_graph(graph, engine)(images)
        np.testing.assert_allclose(given, module(torch.from_numpy(images)), rtol=1e-5, atol=1e-6)
        expected = by_xgboost(content, images.reshape(300, -1).astype(np.float32))
        np.testing.assert_allclose(given, expected, rtol=1e-5, atol=1e-5)


class OfPixels(nn.Module):
    def __init__(self, forest):
        super().__init__()
        self.forest = forest

    def forward(self, images):
        return self.forest(images.float().flatten(1))


class TestBoost:
    def test_it_learns(self):
        content = trained(2000, 3, rounds=50)
        features, labels = samples(500, 3, seed=1)
        found = Forest.from_json(content)(torch.from_numpy(features)).argmax(dim=1).numpy()
        assert (found == labels).mean() > 0.7

    def test_the_same_samples_give_the_same_trees(self):
        assert trained(300, 3) == trained(300, 3)

    @pytest.mark.parametrize("classes", [2, 3])
    def test_rounding_sends_no_learned_sample_the_other_way(self, classes):
        features, _ = samples(400, classes)
        forest = Forest.from_json(trained(400, classes))
        expected = forest(torch.from_numpy(features))
        for towards in (-np.inf, np.inf):
            moved = np.nextafter(features, np.float32(towards))
            assert torch.equal(forest(torch.from_numpy(moved)), expected)

    def test_neighbouring_numbers_are_told_apart(self):
        features = np.array([[1.0], [np.nextafter(np.float32(1), np.float32(2))]] * 20, np.float32)
        known = {"weights": np.ones(40, np.float32), "rounds": 5, "depth": 1, "learning_rate": 0.3}
        content = boost(features, np.tile([0, 1], 20), 2, **known)
        margins = Forest.from_json(content)(torch.from_numpy(features))
        assert margins.argmax(dim=1).tolist() == [0, 1] * 20

    @pytest.mark.parametrize("classes", [2, 3])
    def test_the_learned_samples_have_the_margins_of_plain_xgboost(self, classes):
        features, labels = samples(400, classes)
        kind = {"objective": "multi:softprob", "num_class": classes}
        options = (kind if classes > 2 else {"objective": "binary:logistic"}) | {"max_depth": 4, "eta": 0.3}
        table = xgboost.DMatrix(features, label=labels)
        booster = xgboost.train(options | {"tree_method": "hist", "nthread": 2}, table, num_boost_round=20)
        expected = by_xgboost(bytes(booster.save_raw("json")), features)
        given = Forest.from_json(trained(400, classes))(torch.from_numpy(features))
        np.testing.assert_allclose(given, expected, rtol=1e-4, atol=1e-4)

    def test_weights_count(self):
        features, labels = samples(400, 2)
        known = {"rounds": 10, "depth": 3, "learning_rate": 0.3}
        shares = []
        for weight in (1, 20):
            weights = np.where(labels == 1, weight, 1).astype(np.float32)
            content = boost(features, labels, 2, weights=weights, **known)
            margins = Forest.from_json(content)(torch.from_numpy(features))
            shares.append((margins.argmax(dim=1) == 1).float().mean().item())
        assert shares[1] > shares[0] + 0.1

    def test_nothing_given_is_changed(self):
        features, labels = samples(100, 3)
        weights = np.ones(100, np.float32)
        before = features.copy(), labels.copy(), weights.copy()
        boost(features, labels, 3, weights=weights, rounds=2, depth=2, learning_rate=0.3)
        for array, copy in zip((features, labels, weights), before, strict=True):
            np.testing.assert_array_equal(array, copy)

    @pytest.mark.parametrize("depth", [0, DEEPEST + 1])
    def test_a_depth_out_of_range_is_named(self, depth):
        with pytest.raises(RecipeError, match=f"depth={depth}"):
            trained(50, 2, depth=depth)
