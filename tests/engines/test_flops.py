import pytest
import timm
import torch
from onnx import TensorProto, helper
from torch.utils.flop_counter import FlopCounterMode

from knowngood.engines.export import to_onnx
from knowngood.engines.flops import multiply_adds


def weights(name, *shape):
    count = 1
    for side in shape:
        count *= side
    return helper.make_tensor(name, TensorProto.FLOAT, shape, [0.5] * count)


def model(nodes, tensors, given, wanted):
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in (given, wanted)]
    graph = helper.make_graph(nodes, "small", ends[:1], ends[1:], tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]).SerializeToString()


def test_a_small_graph_counted_by_hand():
    graph = model(
        [
            helper.make_node("Conv", ["images", "full"], ["a"], strides=[2, 2], pads=[1, 1, 1, 1]),
            helper.make_node("Relu", ["a"], ["b"]),
            helper.make_node("Conv", ["b", "grouped"], ["c"], group=2),
            helper.make_node("Flatten", ["c"], ["d"]),
            helper.make_node("Gemm", ["d", "dense"], ["e"], transB=1),
            helper.make_node("MatMul", ["e", "last"], ["f"]),
        ],
        [
            weights("full", 4, 3, 3, 3),
            weights("grouped", 6, 2, 1, 1),
            weights("dense", 5, 120),
            weights("last", 5, 7),
        ],
        ("images", ["n", 3, 8, 10]),
        ("f", ["n", 7]),
    )
    first = (4 * 4 * 5) * (3 * 3 * 3)
    second = (6 * 4 * 5) * 2
    assert multiply_adds(graph) == first + second + 5 * 120 + 5 * 7


def test_a_product_with_its_first_factor_turned():
    graph = model(
        [helper.make_node("Gemm", ["images", "dense"], ["f"], transA=1)],
        [weights("dense", 1, 7)],
        ("images", [1, 4]),
        ("f", [4, 7]),
    )
    assert multiply_adds(graph) == 4 * 7 * 1


def test_a_backbone_counts_as_torch_counts():
    network = timm.create_model("tf_efficientnet_lite0", features_only=True).eval()
    images = torch.zeros((1, 3, 64, 128))
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        maps = network(images)
    names = [f"map{level}" for level in range(len(maps))]
    ours = multiply_adds(to_onnx(network, {"images": images}, names))
    assert 2 * ours == counter.get_total_flops()


def test_what_is_no_graph_is_refused():
    with pytest.raises(ValueError, match="cannot read the graph"):
        multiply_adds(b"not a graph")
