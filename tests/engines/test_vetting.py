"""Graphs that no inspector has are refused before an engine sees them, each with its reason and at once."""

import subprocess
import sys
import time

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from knowngood.engines.engine import ENGINES, compile_graph
from knowngood.engines.export import blank, to_onnx
from knowngood.engines.vetting import check, check_graph, check_outputs, onnx_file
from knowngood.engines.vetting.operators import OPERATORS
from knowngood.features.nearest import MemoryBank
from knowngood.features.patches import smooth
from knowngood.features.trees import Forest

FLOAT, INT = np.float32, np.int64
SIDE = 8
SECONDS = 2
"""A refusal takes less time of the processor."""


def node(op, inputs, outputs, **attributes):
    return helper.make_node(op, inputs.split(), outputs.split(), **attributes)


def described(name, dtype, shape):
    return helper.make_tensor_value_info(name, dtype, shape)


IMAGES = described("images", TensorProto.UINT8, ["n", SIDE, SIDE, 3])
SCORE = described("score", TensorProto.FLOAT, ["n"])
HEAD = [node("Cast", "images", "x", to=TensorProto.FLOAT)]
TAIL = [
    node("Flatten", "y", "flat", axis=1),
    node("ReduceMean", "flat", "score", axes=[1], keepdims=0),
]


def graph(nodes, constants=None, *, inputs=(IMAGES,), outputs=(SCORE,), opset=17, **parts):
    """A graph from `x`, the images `(n, 8, 8, 3)` as floats, to `y`, of which the score is the mean."""
    tensors = [numpy_helper.from_array(np.asarray(array), name) for name, array in (constants or {}).items()]
    made = helper.make_graph([*HEAD, *nodes, *TAIL], "g", list(inputs), list(outputs), tensors, **parts)
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def refused(model, reason):
    """The graph is refused for a reason, and at once."""
    content = model if isinstance(model, bytes) else model.SerializeToString()
    start = time.process_time()
    with pytest.raises(ValueError, match=reason) as caught:
        check_graph(content)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 1000
    assert time.process_time() - start < SECONDS


def vector(*numbers):
    return np.array(numbers, INT)


SAME = node("Relu", "x", "y")


def test_a_plain_graph_is_taken_and_runs_as_it_was_worked_out():
    content = graph([SAME]).SerializeToString()
    shapes = check_graph(content)
    assert shapes == {"score": (1,)}
    for engine in ENGINES:
        compiled = compile_graph(content, engine)
        given = compiled(np.full((1, SIDE, SIDE, 3), 7, np.uint8))
        check_outputs(dict(zip(compiled.outputs, given, strict=True)), 1, shapes)
        assert given[0].tolist() == [7]


class TestPlaces:
    """Whatever is taken by its place is known to be there."""

    @pytest.mark.parametrize("place", [8, 10**6, 2**62, -1, -9, -(2**63)])
    @pytest.mark.parametrize("op", ["Gather", "GatherElements"])
    def test_outside_of_what_they_are_taken_from(self, op, place):
        shape = (1, SIDE, SIDE, 3) if op == "GatherElements" else (1,)
        nodes = [node(op, "x places", "y", axis=1)]
        refused(graph(nodes, {"places": np.full(shape, place, INT)}), "places from")

    def test_inside(self):
        check_graph(graph([node("Gather", "x p", "y", axis=1)], {"p": vector(0, 7)}).SerializeToString())

    @pytest.mark.parametrize("high", [7, 8])
    def test_worked_out_from_bounds(self, high):
        """A place that depends on the image is taken where its bounds are within, as in a forest."""
        nodes = [
            node("ReduceMax", "x", "one", axes=[1, 2, 3], keepdims=0),
            node("Greater", "one zero", "is"),
            node("Cast", "is", "number", to=TensorProto.INT64),
            node("Mul", "number high", "places"),
            node("Gather", "x places", "y", axis=1),
        ]
        model = graph(nodes, {"zero": FLOAT(0), "high": INT(high)})
        if high == 7:
            check_graph(model.SerializeToString())
        else:
            refused(model, "places from 0 to 8, of 8")

    def test_from_the_image(self):
        nodes = [node("Cast", "images", "p", to=TensorProto.INT64), node("Gather", "x p", "y", axis=1)]
        refused(graph(nodes), "places from 0 to 255, of 8")

    def test_from_numbers_that_are_not_known(self):
        nodes = [node("Cast", "x", "p", to=TensorProto.INT64), node("Gather", "x p", "y", axis=1)]
        refused(graph(nodes), "places that are not known")

    def test_that_overflow(self):
        nodes = [
            node("Mul", "big big", "square"),
            node("Mul", "square square", "p"),
            node("Gather", "x p", "y", axis=1),
        ]
        refused(graph(nodes, {"big": vector(2**16)}), "places that are not known")

    @pytest.mark.parametrize("op", ["GatherND", "ScatterElements", "ScatterND"])
    def test_by_operators_that_no_inspector_has(self, op):
        inputs = "x places" if op == "GatherND" else "x places x"
        refused(graph([node(op, inputs, "y")], {"places": np.full((1, 1), -3, INT)}), "no inspector has this")

    def test_of_one_hot(self):
        nodes = [node("OneHot", "p depth two", "hot", axis=-1), SAME]
        constants = {"p": vector(5), "depth": INT(4), "two": np.array([0, 1], FLOAT)}
        refused(graph(nodes, constants), "places from 5 to 5, of 4")

    @pytest.mark.parametrize("count", [0, -1, 4, 2**62])
    def test_more_than_there_are(self, count):
        refused(
            graph([node("TopK", "x k", "y at", axis=3)], {"k": vector(count)}), "more elements than there"
        )


class TestWholeNumbers:
    @pytest.mark.parametrize("op", ["Div", "Mod"])
    def test_of_which_engines_find_another_quotient(self, op):
        """Of -5 and 3, a quotient is -1 or -2, and a remainder 1 or -2."""
        nodes = [node(op, "a b", "p"), node("Add", "p two", "q"), node("Gather", "x q", "y", axis=1)]
        constants = {"a": vector(-5), "b": vector(3), "two": vector(1)}
        refused(graph(nodes, constants), "places from -1 to")
        check_graph(graph(nodes, constants | {"two": vector(2)}).SerializeToString())

    @pytest.mark.parametrize("op", ["Div", "Mod"])
    @pytest.mark.parametrize("divisor", [0, -1])
    def test_divided_by_what_is_not_positive(self, op, divisor):
        nodes = [node(op, "least by", "z"), node("Cast", "z", "f", to=1), node("Add", "x f", "y")]
        constants = {"least": vector(-(2**63)), "by": vector(divisor)}
        refused(graph(nodes, constants), "divides whole numbers by what may not be positive")

    def test_divided_by_what_is_not_known(self):
        nodes = [node("Cast", "images", "i", to=7), node("Div", "i i", "z"), node("Cast", "z", "y", to=1)]
        refused(graph(nodes), "divides whole numbers by what may not be positive")

    def test_steps_that_are_not_positive(self):
        for step in (0.0, -1.0, np.nan, np.inf):
            nodes = [node("QuantizeLinear", "x s z", "q"), node("DequantizeLinear", "q s z", "y")]
            refused(graph(nodes, {"s": FLOAT(step), "z": np.uint8(0)}), "steps are not positive")


def subgraph():
    return helper.make_graph([node("Identity", "x", "inner")], "inner", [], [described("inner", 1, None)])


class TestOperators:
    """None but those that our exporter gives, and so none that branches, loops or is a user's own."""

    @pytest.mark.parametrize("op", ["If", "Loop", "Scan"])
    def test_with_a_graph_inside(self, op):
        attributes = {
            "If": {"then_branch": subgraph(), "else_branch": subgraph()},
            "Loop": {"body": subgraph()},
            "Scan": {"body": subgraph(), "num_scan_inputs": 1},
        }[op]
        refused(graph([node(op, "x", "y", **attributes)]), "a graph inside an operation")

    @pytest.mark.parametrize(
        "op", ["Tile", "NonZero", "StringNormalizer", "RandomNormal", "Loop", "Relu6", ""]
    )
    def test_that_are_not_known(self, op):
        refused(graph([node(op, "x", "y")]), "no inspector has this operator")

    def test_of_other_domains(self):
        for domain in ("com.microsoft", "ai.onnx.ml", "evil", "org.openvinotoolkit"):
            refused(graph([node("Relu", "x", "y", domain=domain)]), "not one of ONNX's own")

    def test_functions(self):
        model = graph([SAME])
        opsets = [helper.make_opsetid("", 17)]
        model.functions.append(helper.make_function("d", "F", ["a"], ["b"], [node("Relu", "a", "b")], opsets))
        refused(model, "functions of its own")

    @pytest.mark.parametrize(
        ("op", "attributes"),
        [
            ("Softmax", {"axis": 9}),
            ("Relu", {"alpha": 1.0}),
            ("LeakyRelu", {"alpha": 1}),
            ("Flatten", {"axis": "1"}),
            ("Flatten", {"axis": [1]}),
            ("Flatten", {"axis": numpy_helper.from_array(np.zeros((9, 1), FLOAT))}),
            ("Transpose", {"perm": [0, 1, 2, 2]}),
            ("Transpose", {"perm": [0, 1, 2]}),
            ("Transpose", {}),
            ("Cast", {"to": TensorProto.STRING}),
            ("Cast", {}),
        ],
    )
    def test_with_attributes_that_no_inspector_has(self, op, attributes):
        refused(graph([node(op, "x", "y", **attributes)]), rf"^{op} \(y\): (no inspector|it names|it does)")

    @pytest.mark.parametrize("opset", [1, 16, 18, 2**40])
    def test_of_other_versions(self, opset):
        refused(graph([SAME], opset=opset), "operators are of version")

    def test_of_two_versions(self):
        model = graph([SAME])
        model.opset_import.append(helper.make_opsetid("ai.onnx", 1))
        refused(model, "operators are of version")

    def test_of_another_format(self):
        model = graph([SAME])
        model.ir_version = 3
        refused(model, "version 3 of the ONNX format")

    @pytest.mark.parametrize("inputs", ["", "x x x"])
    def test_with_another_number_of_inputs(self, inputs):
        refused(graph([node("Add", inputs, "y")]), "inputs")

    def test_with_another_number_of_outputs(self):
        refused(graph([node("Relu", "x", "y z")]), "gives 1 outputs, not 2")

    def test_of_numbers_of_another_type(self):
        refused(graph([node("Relu", "images", "y")]), "takes numbers of type uint8")
        refused(graph([node("Add", "x d", "y")], {"d": np.float64(1)}), "differ in type")
        for dtype in (np.float16, np.uint64, np.complex64):
            refused(graph([node("Add", "x d", "y")], {"d": dtype(1)}), "is of ONNX's type")


MAPS = node("Transpose", "x", "m", perm=[0, 3, 1, 2])
WEIGHTS = {"w": np.zeros((4, 3, 3, 3), FLOAT)}
BIG = 10**5


class TestMemoryAndTime:
    """What a graph takes is worked out before it is run."""

    @pytest.mark.parametrize(
        ("nodes", "constants"),
        [
            ([node("Expand", "x s", "y")], {"s": vector(10**7, 8, 8, 3)}),
            ([node("ConstantOfShape", "s", "y")], {"s": vector(2**31, 2**31)}),
            ([node("Pad", "x p", "y")], {"p": vector(0, BIG, 0, 0, 0, 0, BIG, 0)}),
            (
                [MAPS, node("Resize", "m  f", "y", mode="linear")],
                {"f": np.array([1, 1, 2**14, 2**14], FLOAT)},
            ),
            ([node("Add", "x c", "y")], {"c": np.zeros((10**6, 1, 1, 1), FLOAT)}),
        ],
    )
    def test_one_huge_tensor(self, nodes, constants):
        for one in nodes:
            if one.op_type == "Resize":
                one.input[:] = ["m", "", "f"]
        refused(graph(nodes, constants), r"bytes of")

    def test_numbers_counted_up(self):
        constants = {"a": INT(0), "b": INT(10**12), "c": INT(1)}
        nodes = [node("Range", "a b c", "r"), node("Cast", "r", "f", to=1), node("Add", "x f", "y")]
        refused(graph(nodes, constants), "counts too far")
        refused(graph(nodes, constants | {"c": INT(0)}), "counts too far")

    def test_one_hot_of_many(self):
        constants = {"depth": INT(10**10), "two": np.array([0, 1], FLOAT)}
        nodes = [node("ArgMax", "x", "p", axis=3), node("OneHot", "p depth two", "y", axis=-1)]
        refused(graph(nodes, constants), "bytes of OneHot")

    def test_doublings(self):
        nodes = [node("Concat", f"x{i} x{i}", f"x{i + 1}", axis=1) for i in range(60)]
        nodes = [node("Identity", "x", "x0"), *nodes, node("Relu", "x60", "y")]
        refused(graph(nodes), "bytes of Concat")

    def test_doublings_by_sums(self):
        nodes = [node("MatMul", "x c", "y")]
        refused(graph(nodes, {"c": np.zeros((10**4, 3, 30), FLOAT)}), "do not fit together")

    def test_many_tensors_at_one_time(self):
        nodes = [node("Expand", "x s", f"x{i}") for i in range(20)]
        nodes.append(node("Concat", " ".join(f"x{i}" for i in range(20)), "y", axis=1))
        refused(graph(nodes, {"s": vector(10**5, 8, 8, 3)}), "bytes held at")

    def test_many_constants_made_of_one(self):
        """Each is needed but once, but an engine works all of them out first."""
        nodes = []
        for i in range(20):
            before = f"y{i - 1}" if i else "x"
            nodes += [node("Expand", "c s", f"x{i}"), node("ReduceMax", f"x{i}", f"r{i}", axes=[0])]
            nodes += [node("Add", f"{before} r{i}", f"y{i}" if i < 19 else "y")]
        refused(graph(nodes, {"c": FLOAT(1), "s": vector(10**5, 8, 8, 3)}), "bytes held at")

    def test_a_huge_product(self):
        nodes = [
            node("Expand", "a s", "m"),
            node("MatMul", "m m", "p"),
            node("ReduceMax", "p", "r", axes=[0, 1]),
        ]
        nodes.append(node("Add", "x r", "y"))
        refused(graph(nodes, {"a": FLOAT(1), "s": vector(9000, 9000)}), "multiplications up to MatMul")

    def test_many_products(self):
        nodes = [node("Expand", "a s", "p0")] + [
            node("MatMul", f"p{i} p{i}", f"p{i + 1}") for i in range(1000)
        ]
        nodes += [node("ReduceMax", "p1000", "r", axes=[0, 1]), node("Add", "x r", "y")]
        refused(graph(nodes, {"a": FLOAT(1), "s": vector(1000, 1000)}), "multiplications up to MatMul")

    def test_many_elements_sorted(self):
        nodes = [node("Expand", "x s", "m"), node("TopK", "m k", "y places", axis=0)]
        refused(graph(nodes, {"s": vector(10**5, 8, 8, 3), "k": vector(10**5)}), "multiplications up to TopK")

    def test_a_long_chain(self):
        nodes = [node("Identity", "x", "x0")] + [node("Relu", f"x{i}", f"x{i + 1}") for i in range(3000)]
        refused(graph([*nodes, node("Relu", "x3000", "y")]), "operations in a chain: 1,001")

    def test_a_chain_of_20000(self):
        nodes = [node("Identity", "x", "x0")] + [node("Relu", f"x{i}", f"x{i + 1}") for i in range(20_000)]
        refused(graph([*nodes, node("Relu", "x20000", "y")]), "too many of what is called 'node'")

    def test_many_inputs_of_many_nodes(self):
        nodes = [node("Concat", "x " * 9000, f"c{i}", axis=1) for i in range(100)]
        refused(graph([*nodes, SAME]), "too many of what is called 'input'")
        nodes = [node("Concat", "x " * 500, f"c{i}", axis=1) for i in range(1000)]
        refused(graph([*nodes, SAME]), "take and give more than 20000 tensors")

    def test_a_constant_that_is_not_all_there(self):
        model = graph([SAME], {"c": FLOAT(1)})
        model.graph.initializer[0].dims.extend([75_000_000])
        refused(model, r"'c' is float32 of shape \(75000000,\), but has 4 bytes")

    def test_constants_beyond_the_bound(self, monkeypatch):
        model = graph([node("Add", "x c", "y")], {"c": np.zeros((8, 8, 3), FLOAT)})
        check_graph(model.SerializeToString())
        monkeypatch.setattr(check, "LARGEST_CONSTANTS", check.Bound(700, 0, 700))
        refused(model, "bytes of constants: [0-9,]+, more than 700")

    @pytest.mark.parametrize("sides", [(16_384, 16_384), (2**40, 1), (1, 2**62)])
    def test_huge_images(self, sides):
        huge = described("images", TensorProto.UINT8, ["n", *sides, 3])
        refused(graph([SAME], inputs=[huge]), "it takes images of")

    def test_much_to_follow(self):
        """What is worked out stays small, also where each number would have to be followed."""
        nodes = [node("Add", "a b", "p0")] + [node("Add", f"p{i} p0", f"p{i + 1}") for i in range(300)]
        nodes += [node("Gather", "x p300", "y", axis=1)]
        constants = {"a": np.arange(16_384)[:, None], "b": np.arange(16_384)[None]}
        refused(graph(nodes, constants), "Add")

    def test_within_the_bounds_for_the_largest_images(self):
        large = described("images", TensorProto.UINT8, ["n", 4096, 4096, 3])
        nodes = [MAPS, node("Conv", "m w", "y", strides=[2, 2], pads=[1, 1, 1, 1])]
        check_graph(graph(nodes, {"w": np.zeros((96, 3, 3, 3), FLOAT)}, inputs=[large]).SerializeToString())


class TestShapes:
    """Every shape is worked out."""

    @pytest.mark.parametrize(
        ("made", "constants"),
        [
            (node("Reshape", "x s", "y"), {"s": vector(-1, -1)}),
            (node("Reshape", "x s", "y"), {"s": vector(-1, 7)}),
            (node("Reshape", "x s", "y"), {"s": vector(-1, 0, 0, 0, 0)}),
            (node("Reshape", "x s", "y"), {"s": vector(-2, -96)}),
            (node("Reshape", "x x", "y"), {}),
            (node("Slice", "x a b", "y"), {"a": vector(0, 9), "b": vector(1, 9)}),
            (
                node("Slice", "x a b c d", "y"),
                {"a": vector(0), "b": vector(1), "c": vector(7), "d": vector(1)},
            ),
            (
                node("Slice", "x a b c d", "y"),
                {"a": vector(0), "b": vector(1), "c": vector(1), "d": vector(0)},
            ),
            (node("Split", "x s", "y z", axis=1), {"s": vector(9, -1)}),
            (node("Split", "x s", "y z", axis=1), {"s": vector(4, 5)}),
            (node("Split", "x s", "y z", axis=5), {"s": vector(4, 4)}),
            (node("Pad", "x p", "y"), {"p": vector(0, 0, 0, 0, 0, 0, 0, -1)}),
            (node("Pad", "x p", "y", mode="reflect"), {"p": vector(0, 8, 0, 0, 0, 0, 0, 0)}),
            (node("Pad", "x p", "y"), {"p": vector(0, 0)}),
            (node("Concat", "x c", "y", axis=1), {"c": np.zeros((1, 1, 1, 1), FLOAT)}),
            (node("Concat", "x c", "y", axis=3), {"c": np.zeros((1, 8, 8), FLOAT)}),
            (node("Concat", "x x", "y", axis=4), {}),
            (node("Squeeze", "x s", "y"), {"s": vector(1)}),
            (node("Unsqueeze", "x s", "y"), {"s": vector(1, 1)}),
            (node("Unsqueeze", "x s", "y"), {"s": vector(1, 2, 3, 4, 5)}),
            (node("MatMul", "x c", "y"), {"c": np.zeros((4, 4), FLOAT)}),
            (node("Gemm", "x c", "y"), {"c": np.zeros((4, 4), FLOAT)}),
            (node("Conv", "x w", "y"), WEIGHTS),
            (node("Conv", "x x", "y"), {}),
            (node("ReduceMax", "x", "y", axes=[4]), {}),
            (node("ReduceSum", "x s", "y"), {"s": vector(1, -3)}),
            (node("AveragePool", "x", "y", kernel_shape=[9, 9], count_include_pad=1), {}),
            (node("BatchNormalization", "x c c c c", "y"), {"c": np.zeros(7, FLOAT)}),
        ],
    )
    def test_what_cannot_be_worked_out(self, made, constants):
        refused(graph([made], constants), rf"^{made.op_type} \(y.*\): ")

    @pytest.mark.parametrize(
        "attributes",
        [
            {"strides": [0, 1]},
            {"strides": [1]},
            {"pads": [3, 0, 0, 0]},
            {"pads": [-1, 0, 0, 0]},
            {"group": 2},
            {"group": 0},
            {"kernel_shape": [2, 2]},
            {"dilations": [3, 3]},
            {"auto_pad": "SAME_UPPER"},
        ],
    )
    @pytest.mark.parametrize("op", ["Conv", "ConvTranspose"])
    def test_convolutions(self, op, attributes):
        weights = {"w": np.zeros((3, 3, 3, 3), FLOAT)}
        check_graph(graph([MAPS, node(op, "m w", "y")], weights).SerializeToString())
        refused(graph([MAPS, node(op, "m w", "y", **attributes)], weights), rf"^{op} \(y\): ")

    def test_a_batch_that_is_not_one_score_an_image(self):
        nodes = [node("Concat", "x x", "y", axis=0)]
        refused(graph(nodes), r"it gives a score of float32 \(2,\)")


def with_outputs(nodes, *outputs):
    model = graph([SAME, *nodes])
    model.graph.output.extend(outputs)
    return model


class TestInputsAndOutputs:
    @pytest.mark.parametrize(
        ("name", "dtype", "shape"),
        [
            ("pixels", TensorProto.UINT8, ["n", 8, 8, 3]),
            ("images", TensorProto.FLOAT, ["n", 8, 8, 3]),
            ("images", TensorProto.UINT8, ["n", 8, 8, 4]),
            ("images", TensorProto.UINT8, ["n", 8, 3]),
            ("images", TensorProto.UINT8, ["n", "h", 8, 3]),
            ("images", TensorProto.UINT8, [4, 8, 8, 3]),
            ("images", TensorProto.UINT8, ["n", 0, 8, 3]),
            ("images", TensorProto.UINT8, ["n", -8, -8, 3]),
        ],
    )
    def test_another_input(self, name, dtype, shape):
        refused(graph([SAME], inputs=[described(name, dtype, shape)]), "takes|shape")

    def test_none_and_two(self):
        refused(graph([SAME], inputs=[]), "it takes nothing")
        refused(graph([SAME], inputs=[IMAGES, described("more", 1, [1])]), "too many")

    def test_another_output(self):
        refused(graph([SAME], outputs=[described("flat", 1, ["n", 192])]), "gives 'flat', which no inspector")
        refused(graph([SAME], outputs=[]), "it gives no score")
        refused(graph([SAME], outputs=[SCORE, SCORE]), "two things")

    @pytest.mark.parametrize(
        ("made", "output"),
        [
            (node("ReduceMax", "x", "map", axes=[3], keepdims=1), described("map", 1, ["n", 8, 8, 1])),
            (node("Cast", "images", "map", to=TensorProto.INT64), described("map", 7, ["n", 8, 8, 3])),
            (node("ReduceMax", "x", "map", axes=[3], keepdims=0), described("map", 7, ["n", 8, 8])),
            (node("ReduceMax", "x", "map", axes=[3], keepdims=0), described("map", 1, ["n", 8, 9])),
            (node("ReduceMax", "x", "map", axes=[3], keepdims=0), described("map", 1, [1, 8, 8])),
            (
                node("ReduceMax", "x", "rebuilt", axes=[1], keepdims=1),
                described("rebuilt", 1, ["n", 1, 8, 3]),
            ),
            (node("Concat", "x x", "rebuilt", axis=3), described("rebuilt", 1, ["n", 8, 8, 6])),
        ],
    )
    def test_outputs_of_another_type_or_shape(self, made, output):
        refused(with_outputs([made], output), "it gives a (map|rebuilt) of")

    @pytest.mark.parametrize("dtype", [TensorProto.STRING, TensorProto.FLOAT16, TensorProto.UNDEFINED])
    def test_of_a_type_that_there_is_not(self, dtype):
        refused(
            with_outputs([SAME], described("map", dtype, ["n", 8, 8])), "is of ONNX's type|stands for two"
        )

    def test_a_score_that_is_always_the_same(self):
        nodes = [node("Constant", "", "c", value=numpy_helper.from_array(np.zeros((1, 2), FLOAT)))]
        refused(graph([*nodes, node("Relu", "c", "y")]), "it gives a score of")

    def test_what_is_not_what_the_graph_says(self):
        check_graph(graph([SAME], value_info=[described("y", 1, ["n", 8, 8, 3])]).SerializeToString())
        refused(
            graph([SAME], value_info=[described("y", 1, ["n", 8, 9, 3])]), "'y' is not what the graph says"
        )


class TestNames:
    def test_twice(self):
        refused(graph([SAME, SAME]), "'y' stands for two things")
        refused(graph([SAME], {"x": FLOAT(0)}), "'x' stands for two things")
        refused(graph([SAME], {"images": FLOAT(0)}), "'images' stands for two things")
        model = graph([SAME], {"c": FLOAT(0)})
        model.graph.initializer.append(model.graph.initializer[0])
        refused(model, "'c' stands for")

    def test_of_nothing(self):
        refused(graph([node("Relu", "z", "y")]), "nothing before it gives 'z'")
        refused(graph([SAME], outputs=[SCORE, described("map", 1, ["n", 8, 8])]), "nothing gives its output")

    def test_in_a_circle(self):
        refused(graph([node("Add", "x b", "a"), node("Relu", "a", "b"), SAME]), "nothing before it gives 'b'")

    @pytest.mark.parametrize("name", ["\x1b[2J", "a\nb", "a\0b", "\u202e", "x" * 2000])
    def test_that_cannot_be_shown(self, name):
        refused(graph([helper.make_node("Relu", ["x"], ["y"], name=name)]), "a name of")


class TestBytes:
    @pytest.mark.parametrize(
        "content", [b"", b"\0", b"PK\3\4", b"\xff" * 100, b"\x3a\xff\xff\xff\xff\x0f", b"\x0b"]
    )
    def test_garbage(self, content):
        refused(content, "damaged")

    def test_cut_off(self):
        content = graph([node("Add", "x c", "y")], {"c": FLOAT(3)}).SerializeToString()
        for end in range(len(content)):
            with pytest.raises(ValueError, match=r"\w+"):
                check_graph(content[:end])

    def test_deep_nesting(self):
        content = b""
        for _ in range(2000):
            size = len(content)
            length = bytes([size & 127 | 128, size >> 7 & 127 | 128, size >> 14])
            content = b"\x3a" + length + content
        refused(content, "damaged|too many")

    def test_a_graph_given_twice(self):
        """Other readers would put both together."""
        content = graph([SAME]).SerializeToString()
        refused(content + content, "not there just once")

    def test_tensors_in_other_files(self):
        model = graph([node("Add", "x c", "y")], {"c": FLOAT(3)})
        tensor = model.graph.initializer[0]
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value="/etc/passwd")
        refused(model, "kept in another file")

    def test_tensors_in_another_encoding(self):
        model = graph([node("Add", "x c", "y")])
        model.graph.initializer.append(helper.make_tensor("c", TensorProto.FLOAT, [1], [3.0]))
        refused(model, "a constant has no field 4")

    def test_what_is_beside_a_graph(self):
        model = graph([SAME])
        model.training_info.add()
        refused(model, "a training")
        model = graph([SAME])
        model.graph.sparse_initializer.add()
        refused(model, "sparse constants")

    def test_attributes_of_two_values(self):
        model = graph([node("Flatten", "x", "y", axis=1)])
        model.graph.node[1].attribute[0].f = 2.0
        refused(model, "just one value")

    def test_numbers_are_read_as_they_were_written(self):
        numbers = {"least": INT(-(2**63)), "largest": INT(2**63 - 1), "flags": np.array([True, False])}
        read = onnx_file.read_graph(graph([SAME], numbers).SerializeToString()).constants
        assert {name: array.tolist() for name, array in read.items()} == {
            name: array.tolist() for name, array in numbers.items()
        }


SHAPES = {"score": (1,), "map": (1, 2, 2)}


class TestOutputsThatAnEngineGave:
    def given(self, **changed):
        return {"score": np.zeros(3, FLOAT), "map": np.zeros((3, 2, 2), FLOAT)} | changed

    def test_as_they_should_be(self):
        check_outputs(self.given(), 3, SHAPES)

    @pytest.mark.parametrize(
        ("changed", "reason"),
        [
            ({"score": np.zeros(2, FLOAT)}, r"score of float32 \(2,\), not float32 \(3,\)"),
            ({"score": np.zeros(0, FLOAT)}, "a score of"),
            ({"score": np.zeros(3)}, "a score of float64"),
            ({"score": np.array(["a", "b", "c"])}, "a score of <U1"),
            ({"score": np.array([0, np.nan, 0], FLOAT)}, "a score that is not a finite number"),
            ({"map": np.full((3, 2, 2), np.inf, FLOAT)}, "a map that is not a finite number"),
            ({"map": np.zeros((3, 2, 0), FLOAT)}, "a map of"),
            ({"map": np.zeros((3, 2, 2), np.float16)}, "a map of float16"),
            ({"map": np.zeros((3, 2, 2), INT)}, "a map of int64"),
            ({"more": np.zeros(3, FLOAT)}, "the graph gives score, map, more, not score, map"),
        ],
    )
    def test_otherwise(self, changed, reason):
        with pytest.raises(ValueError, match=reason):
            check_outputs(self.given(**changed), 3, SHAPES)


class Small(torch.nn.Module):
    """A bank, a forest and a blur: what takes elements by places that depend on the image, and much else."""

    def __init__(self):
        super().__init__()
        random = torch.Generator().manual_seed(0)
        self.first = torch.nn.Conv2d(3, 4, 3, padding=1)
        self.bank = MemoryBank(torch.randn(5, 4, generator=random), eight_bit=True)
        columns = torch.tensor([[0, 1, 2, 3], [0, 3, 0, 1], [0, 2, 2, 2]])
        thresholds, leaves = torch.randn(2, 3, 4, generator=random)
        self.forest = Forest(columns, thresholds, leaves, torch.zeros(3))

    def forward(self, images):
        maps = self.first(images.permute(0, 3, 1, 2).float() / 255).relu()
        heat = smooth(self.bank(maps), 1.0)
        margins = self.forest(maps.flatten(2).topk(3, dim=2).values.mean(dim=2))
        return heat.amax(dim=(1, 2)) + margins[:, 0], heat, margins[:, None]


RUN = """
import faulthandler, pathlib, resource, sys, time
import numpy as np
from knowngood.engines.engine import ENGINES, compile_graph
from knowngood.engines.vetting import check_graph
faulthandler.enable()
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
for path in sorted(pathlib.Path(sys.argv[1]).iterdir()):
    content = path.read_bytes()
    shapes = check_graph(content)
    side = 8
    for engine in ENGINES:
        print(path.name, engine, flush=True)
        start = time.monotonic()
        try:
            compiled = compile_graph(content, engine)
            given = compiled(np.full((1, side, side, 3), 200, np.uint8))
        except (ValueError, RuntimeError):
            continue
        except Exception as error:
            assert "onnxruntime" in type(error).__module__, error
            continue
        assert {name: array.shape for name, array in zip(compiled.outputs, given)} == shapes, path.name
        assert {array.dtype.name for array in given} == {"float32"}
        assert time.monotonic() - start < 20
print("all")
"""


def changed(model, random):
    """Change one thing in a graph, or some bytes of it."""
    model = onnx.ModelProto.FromString(model.SerializeToString())
    nodes = model.graph.node
    constants = [*model.graph.initializer, *(n.attribute[0].t for n in nodes if n.op_type == "Constant")]
    one, other = nodes[random.integers(len(nodes))], nodes[random.integers(len(nodes))]
    match random.integers(9):
        case 0 if one.input:
            one.input[random.integers(len(one.input))] = other.output[0]
        case 1 | 2:
            rule = OPERATORS[one.op_type].rule
            one.op_type = str(random.choice([op for op in OPERATORS if OPERATORS[op].rule == rule]))
        case 3:
            one.op_type = str(random.choice(list(OPERATORS)))
        case 4 if one.attribute:
            attribute = one.attribute[random.integers(len(one.attribute))]
            if attribute.ints:
                attribute.ints[random.integers(len(attribute.ints))] = random.integers(-2, 5)
            elif attribute.type == onnx.AttributeProto.INT:
                attribute.i = random.integers(-2, 5)
        case 5 | 6 | 7:
            change_tensor(constants[random.integers(len(constants))], random)
        case _:
            content = bytearray(model.SerializeToString())
            for _ in range(random.integers(1, 4)):
                content[random.integers(len(content))] ^= 1 << random.integers(8)
            return bytes(content)
    return model.SerializeToString()


def change_tensor(tensor, random):
    """Change a number of a constant, or its shape."""
    array, name = numpy_helper.to_array(tensor).copy(), tensor.name
    if array.size > 1 and random.random() < 0.2:
        array = array.reshape(-1)[: random.integers(1, array.size)]
    elif array.dtype == INT:
        array.flat[random.integers(array.size)] = random.choice(
            [-(2**63), -9, -1, 0, 1, 2, 3, 7, 2**31, 2**62]
        )
    elif array.dtype == FLOAT:
        array.flat[random.integers(array.size)] = random.choice([np.nan, np.inf, -1e30, 0, 1e-40, 1, 1e30])
    tensor.CopyFrom(numpy_helper.from_array(array, name))


def test_a_graph_with_something_changed_is_refused_or_runs(tmp_path):
    """Engines survive whatever is not refused, and give what was worked out."""
    whole = to_onnx(Small(), {"images": blank((SIDE, SIDE))}, ["score", "map", "logits"])
    assert check_graph(whole) == {"score": (1,), "map": (1, 8, 8), "logits": (1, 1, 3)}
    model, random = onnx.load_from_string(whole), np.random.default_rng(0)
    kept = {whole}
    for _ in range(300):
        content = changed(model, random)
        try:
            check_graph(content)
        except ValueError:
            continue
        kept.add(content)
    assert 20 < len(kept) < 200
    for place, content in enumerate(sorted(kept)):
        (tmp_path / f"{place:03}.onnx").write_bytes(content)
    ran = subprocess.run(
        [sys.executable, "-c", RUN, tmp_path], capture_output=True, text=True, timeout=300, check=False
    )
    assert ran.stdout.endswith("all\n"), ran.stdout[-200:] + ran.stderr[-2000:]
