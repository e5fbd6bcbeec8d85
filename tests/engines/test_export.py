import numpy as np
import onnx
import pytest
import torch
from torch import nn

from knowngood.engines.engine import ENGINES, compile_graph
from knowngood.engines.export import OPSET, blank, chain, put_before, side_by_side, to_onnx


class Noisy(nn.Module):
    def __init__(self):
        super().__init__()
        self.drop = nn.Dropout(0.5)

    def forward(self, images):
        brightness = images.float().mean(dim=(2, 3))
        return self.drop(brightness), brightness.amax(dim=1)


def test_the_graph_is_checked_named_and_takes_any_number_of_images():
    graph = onnx.load_from_string(to_onnx(Noisy(), {"images": blank((8, 12))}, ["rows", "peak"]))
    onnx.checker.check_model(graph, full_check=True)
    assert [one.version for one in graph.opset_import if one.domain == ""] == [OPSET]
    (images,) = graph.graph.input
    assert images.name == "images"
    assert images.type.tensor_type.elem_type == onnx.TensorProto.UINT8
    batch, *rest = images.type.tensor_type.shape.dim
    assert batch.dim_param == "n"
    assert [one.dim_value for one in rest] == [8, 12, 3]
    assert [one.name for one in graph.graph.output] == ["rows", "peak"]
    assert all(one.type.tensor_type.shape.dim[0].dim_param == "n" for one in graph.graph.output)


def test_nothing_of_training_gets_into_the_graph():
    module = Noisy().train()
    graph = onnx.load_from_string(to_onnx(module, {"images": blank((8, 12))}, ["rows", "peak"]))
    assert "Dropout" not in {node.op_type for node in graph.graph.node}
    assert not module.training


def test_the_same_module_gives_the_same_bytes():
    torch.manual_seed(0)
    example = {"images": blank((8, 8))}
    first = to_onnx(Noisy(), example, ["rows", "peak"])
    assert to_onnx(Noisy(), example, ["rows", "peak"]) == first


class Sum(nn.Module):
    def forward(self, rows, peak):
        return rows.sum(dim=1) + peak


@pytest.mark.parametrize("engine", ENGINES)
def test_a_module_behind_a_graph_takes_its_outputs(engine):
    graph = chain(to_onnx(Noisy(), {"images": blank((8, 12))}, ["rows", "peak"]), Sum(), ["total"])
    onnx.checker.check_model(onnx.load_from_string(graph), full_check=True)
    images = np.random.default_rng(0).integers(0, 256, size=(3, 8, 12, 3), dtype=np.uint8)
    (total,) = compile_graph(graph, engine)(images)
    rows = images.mean(axis=(2, 3))
    np.testing.assert_allclose(total, rows.sum(axis=1) + rows.max(axis=1), rtol=1e-5)


class TwoRows(nn.Module):
    """Two rows for each image: of it, and of it upside down."""

    def forward(self, images):
        both = torch.stack([images, images.flip(1)], dim=1).flatten(0, 1).float()
        return both[:, 0].mean(dim=1), both[:, 0, 0]


class Apart(nn.Module):
    """From rows to images again, however many rows there are: the larger one of each two."""

    def forward(self, colours, corners):
        return colours.reshape(-1, 2, 3).amax(dim=1), corners.sum(dim=1).reshape(-1, 2)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("count", [1, 3])
def test_a_module_behind_a_graph_that_gives_several_rows_an_image(engine, count):
    first = to_onnx(TwoRows(), {"images": blank((8, 12))}, ["colours", "corners"])
    graph = chain(first, Apart(), ["brightest", "sums"], rows=2)
    onnx.checker.check_model(onnx.load_from_string(graph), full_check=True)
    images = np.random.default_rng(0).integers(0, 256, size=(count, 8, 12, 3), dtype=np.uint8)
    brightest, sums = compile_graph(graph, engine)(images)
    edges = np.stack([images[:, 0], images[:, -1]], axis=1)
    np.testing.assert_allclose(brightest, edges.mean(axis=2).max(axis=1), rtol=1e-5)
    np.testing.assert_allclose(sums, edges[:, :, 0].sum(axis=2, dtype=np.float32), rtol=1e-5)


class Mirrored(nn.Module):
    """An image from left to right, and it again, one after the other."""

    def forward(self, images):
        return torch.stack([images, images.flip(2)], dim=1).flatten(0, 1)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", ["images", "seen/images", "given"])
def test_a_graph_before_a_graph_gives_it_its_images(engine, name):
    first = to_onnx(Mirrored(), {"images": blank((8, 12))}, [name if name != "images" else "out"])
    second = to_onnx(Corner(), {"images": blank((8, 12))}, ["corner", "row"])
    graph = put_before(second, first)
    model = onnx.load_from_string(graph)
    onnx.checker.check_model(model, full_check=True)
    assert [one.name for one in model.graph.input] == ["images"]
    assert [one.name for one in model.graph.output] == ["corner", "row"]
    images = np.random.default_rng(0).integers(0, 256, size=(3, 8, 12, 3), dtype=np.uint8)
    corner, row = compile_graph(graph, engine)(images)
    seen = np.stack([images, images[:, :, ::-1]], axis=1).reshape(6, 8, 12, 3)
    np.testing.assert_array_equal(corner, seen[:, 0, 0].astype(np.float32))
    np.testing.assert_allclose(row, seen[:, 0].mean(axis=1), rtol=1e-5)


class Corner(nn.Module):
    def forward(self, images):
        return images[:, 0, 0].float(), images[:, 0].float().mean(dim=1)


def test_a_graph_may_stand_before_one_that_was_made_the_same_way():
    """Names inside both are alike, and must not meet."""
    mirrored = to_onnx(Mirrored(), {"images": blank((8, 12))}, ["images/mirrored"])
    graph = put_before(
        put_before(to_onnx(Corner(), {"images": blank((8, 12))}, ["corner", "row"]), mirrored), mirrored
    )
    onnx.checker.check_model(onnx.load_from_string(graph), full_check=True)
    images = np.random.default_rng(0).integers(0, 256, size=(2, 8, 12, 3), dtype=np.uint8)
    corner, _ = compile_graph(graph)(images)
    seen = np.stack([images, images[:, :, ::-1]], axis=1).reshape(4, 8, 12, 3)
    seen = np.stack([seen, seen[:, :, ::-1]], axis=1).reshape(8, 8, 12, 3)
    np.testing.assert_array_equal(corner, seen[:, 0, 0].astype(np.float32))


def test_what_stands_behind_a_graph_stands_before_none():
    """Only a graph that gives one tensor gives images."""
    two = to_onnx(TwoRows(), {"images": blank((8, 12))}, ["colours", "corners"])
    with pytest.raises(ValueError, match="shorter"):
        put_before(to_onnx(Corner(), {"images": blank((8, 12))}, ["corner", "row"]), two)


@pytest.mark.parametrize("engine", ENGINES)
def test_two_graphs_of_the_same_images(engine):
    """Names inside both are alike, and must not meet."""
    corner = to_onnx(Corner(), {"images": blank((8, 12))}, ["corner", "row"])
    graph = side_by_side(corner, corner, ["again", "row again"])
    model = onnx.load_from_string(graph)
    onnx.checker.check_model(model, full_check=True)
    assert [one.name for one in model.graph.input] == ["images"]
    assert [one.name for one in model.graph.output] == ["corner", "row", "again", "row again"]
    images = np.random.default_rng(0).integers(0, 256, size=(2, 8, 12, 3), dtype=np.uint8)
    first, row, again, row_again = compile_graph(graph, engine)(images)
    np.testing.assert_array_equal(first, images[:, 0, 0].astype(np.float32))
    np.testing.assert_array_equal(again, first)
    np.testing.assert_allclose(row, images[:, 0].mean(axis=1), rtol=1e-5)
    np.testing.assert_array_equal(row_again, row)
