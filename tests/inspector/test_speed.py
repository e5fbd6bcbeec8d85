import math

import numpy as np
import onnx
import pytest
from onnx import TensorProto
from onnx.helper import make_graph, make_model, make_node, make_opsetid, make_tensor_value_info

import knowngood
from knowngood.engines.engine import compile_graph
from knowngood.engines.flops import multiply_adds
from knowngood.errors import DataError
from knowngood.inspector import speed as module
from knowngood.inspector.speed import feature_graph, measure_speed


@pytest.fixture(scope="module")
def stages():
    return {}


@pytest.fixture(scope="module")
def measured(widget, recipe, stages):
    return measure_speed(
        widget, recipe, progress=lambda stage, done, total: stages.update({stage: done / total})
    )


@pytest.fixture(scope="module")
def values(measured):
    return {name: figure.value for name, figure in measured.figures.items()}


def test_every_figure_is_there_and_positive(measured, values, inspector):
    assert measured.conditions.startswith("patchcore on ")
    assert measured.conditions.endswith("; 38 images per round")
    assert measured.figures["fit"].meaning.startswith("24 files to a saved inspector, ")
    assert measured.figures["decode only"].meaning == "files to 128 x 128 pixels"
    for name, value in values.items():
        assert math.isfinite(value), name
        assert value > 0, name
    assert values["one image, 95 %"] >= values["one image"]
    assert values["arithmetic"] == multiply_adds(inspector.core) / 1e9


def test_the_shares_are_ratios_of_the_figures(values):
    assert values["score / decode"] == values["score"] / values["decode only"]
    per_image = 2 * values["arithmetic"] / values["float32 limit"]
    assert values["graph / limit"] == pytest.approx(per_image * values["graph only"])
    assert values["score / limit"] == pytest.approx(per_image * values["score"])


def test_progress_tells_of_the_measuring_too(measured, stages):
    assert stages["measuring throughput"] == 1


def test_of_a_long_table_some_images_are_read_from_all_over_it(widget, monkeypatch, recipe, inspector):
    monkeypatch.setattr(module, "MOST", 10)
    monkeypatch.setattr(module, "fit", lambda *_, **__: inspector)
    assert measure_speed(widget, recipe).conditions.endswith("; 10 images per round")


def test_images_that_cannot_be_read_are_named(widget, recipe, tmp_path, monkeypatch, inspector):
    monkeypatch.setattr(module, "fit", lambda *_, **__: inspector)
    samples = knowngood.load_samples(widget)
    samples.loc[len(samples) - 1, "path"] = str(tmp_path / "gone.png")
    with pytest.raises(DataError, match=r"gone\.png"):
        measure_speed(samples, recipe)


# --- the part of a graph that computes features


@pytest.fixture(scope="module")
def graph():
    """A graph as a detector's is: named features, and a head that reads them."""
    nodes = [
        make_node("Cast", ["images"], ["features/pixels"], to=TensorProto.FLOAT),
        make_node("ReduceMax", ["features/pixels"], ["features/output0"], axes=[3], keepdims=0),
        make_node("ReduceMin", ["features/pixels"], ["features/output1"], axes=[3], keepdims=0),
        make_node("Sub", ["features/output0", "features/output1"], ["map"]),
        make_node("ReduceMax", ["map"], ["score"], axes=[1, 2], keepdims=0),
    ]
    images = make_tensor_value_info("images", TensorProto.UINT8, ["n", 8, 12, 3])
    score = make_tensor_value_info("score", TensorProto.FLOAT, ["n"])
    model = make_model(
        make_graph(nodes, "small", [images], [score]), opset_imports=[make_opsetid("", 17)], ir_version=8
    )
    onnx.checker.check_model(model, full_check=True)
    return model.SerializeToString()


@pytest.mark.parametrize("engine", ["openvino", "onnxruntime"])
def test_the_features_are_those_of_the_whole_graph(graph, engine):
    photos = np.random.default_rng(0).integers(0, 256, (2, 8, 12, 3), dtype=np.uint8)
    brightest, darkest = compile_graph(feature_graph(graph), engine)(photos)
    np.testing.assert_array_equal(brightest, photos.max(axis=3))
    np.testing.assert_array_equal(darkest, photos.min(axis=3))


def test_the_part_is_valid_and_holds_nothing_more(graph):
    part = onnx.load_from_string(feature_graph(graph))
    onnx.checker.check_model(part, full_check=True)
    names = [name for node in part.graph.node for name in node.output]
    assert names == ["features/pixels", "features/output0", "features/output1"]


def test_a_graph_that_names_no_features(graph):
    model = onnx.load_from_string(graph)
    for node in model.graph.node:
        for names in (node.input, node.output):
            names[:] = [name.replace("features/output", "channel") for name in names]
    assert feature_graph(model.SerializeToString()) is None
