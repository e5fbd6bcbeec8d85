import numpy as np
import onnx
import pytest
from onnx import TensorProto
from onnx.helper import make_graph, make_model, make_node, make_opsetid, make_tensor_value_info

from knowngood.engines.engine import compile_graph
from knowngood.engines.parts import tensors, up_to


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
def test_a_part_gives_what_the_whole_hands_on(graph, engine):
    features = tensors(graph, "features/output")
    assert features == ["features/output0", "features/output1"]
    photos = np.random.default_rng(0).integers(0, 256, (2, 8, 12, 3), dtype=np.uint8)
    brightest, darkest = compile_graph(up_to(graph, features), engine)(photos)
    np.testing.assert_array_equal(brightest, photos.max(axis=3))
    np.testing.assert_array_equal(darkest, photos.min(axis=3))


def test_a_part_is_whole_and_holds_nothing_more(graph):
    part = up_to(graph, ["features/output1"])
    onnx.checker.check_model(onnx.load_from_string(part), full_check=True)
    assert tensors(part, "") == ["features/pixels", "features/output1"]


def test_an_unknown_tensor_is_named(graph):
    with pytest.raises(ValueError, match="no_such_map"):
        up_to(graph, ["no_such_map"])


def test_a_prefix_that_no_tensor_has(graph):
    assert tensors(graph, "head/") == []
