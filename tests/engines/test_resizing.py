import dataclasses
import hashlib

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from knowngood.data.images import resize
from knowngood.data.reading import Reading
from knowngood.data.roi import Roi
from knowngood.engines.engine import compile_graph
from knowngood.engines.native import import_onnxruntime, import_openvino
from knowngood.engines.resizing import PICTURES, with_resizing, without_resizing
from knowngood.engines.vetting.protobuf import encoded
from knowngood.inspector.checked_graph import crop_of

SHAPES = [(64, 64), (48, 96)]
SIZES = [
    (64, 64),  # nothing to do for one shape
    (128, 192),  # halved
    (96, 192),
    (131, 77),  # odd
    (100, 390),  # one side shrinks by more than two
    (20, 30),  # enlarged
    (20, 300),  # one side enlarged, one reduced
    (8, 8),
    (256, 256),  # halved twice
    (960, 1344),  # halved, then areas
    (3072, 3072),  # halved as often as may be, and still too large
]


def pixels_of(shape, name="images"):
    """A graph that gives the pixels that it takes."""
    nodes = [helper.make_node("Cast", [name], ["pixels"], to=TensorProto.FLOAT)]
    taken = helper.make_tensor_value_info(name, TensorProto.UINT8, ["n", *shape, 3])
    given = helper.make_tensor_value_info("pixels", TensorProto.FLOAT, ["n", *shape, 3])
    graph = helper.make_graph(nodes, "graph", [taken], [given])
    return helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8
    ).SerializeToString()


def photo(size):
    """Smooth stripes with noise, uint8 `(*size, 3)`."""
    rows, columns = np.mgrid[: size[0], : size[1]]
    stripes = 120 + 90 * np.sin(rows / 7 + columns / 11)[..., None] * [1, 0.9, 0.7]
    return np.clip(stripes + np.random.default_rng(0).normal(0, 15, stripes.shape), 0, 255).astype(np.uint8)


def runner(graph, engine="onnxruntime"):
    """A function from pictures to the first output of a graph of any size."""
    if engine == "onnxruntime":
        session = import_onnxruntime().InferenceSession(graph, providers=["CPUExecutionProvider"])
        return lambda pictures: session.run(None, {PICTURES: pictures})[0]
    core = import_openvino().Core()
    compiled = core.compile_model(core.read_model(graph), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return lambda pictures: compiled([pictures])[0]


@pytest.mark.parametrize("engine", ["openvino", "onnxruntime"])
@pytest.mark.parametrize("shape", SHAPES)
def test_graphs_resize_as_images_are_read(engine, shape):
    run = runner(with_resizing(pixels_of(shape), shape), engine)
    for size in SIZES:
        picture = photo(size)
        given, expected = run(picture[None])[0], resize(picture, shape)
        difference = np.abs(given - expected.astype(float))
        assert difference.max() <= 1, size
        assert difference.mean() < 0.02, size


def drawn(size):
    """A region with an oblique edge and a hole."""
    rows, columns = np.mgrid[: size[0], : size[1]] / np.array(size)[:, None, None]
    return (rows > 0.2) & (rows < 0.9) & (columns > 0.3 * rows) & (columns < 0.7) & (abs(rows - 0.5) > 0.05)


@pytest.mark.parametrize("engine", ["openvino", "onnxruntime"])
@pytest.mark.parametrize("size", [(480, 640), (131, 177), (40, 50)])
def test_graphs_cut_to_a_region_as_images_are_read(engine, size):
    reading = Reading((64, 96), roi=dataclasses.replace(Roi.of(drawn(size)), fill=(10, 130, 250)))
    run = runner(with_resizing(pixels_of((64, 96)), (64, 96), crop_of(reading)), engine)
    for times in (1, 1.5, 3):  # a region is also valid for pictures of another size
        picture = photo((round(size[0] * times), round(size[1] * times)))
        given, expected = run(picture[None])[0], reading.read(picture).pixels
        difference = np.abs(given - expected.astype(float))
        assert difference.max() <= 1, times
        assert difference.mean() < 0.02, times
        assert (expected == [10, 130, 250]).all(axis=-1).sum() > 500


def test_the_cutting_is_taken_off_again():
    crop = crop_of(Reading((64, 96), roi=Roi.of(drawn((480, 640)))))
    graph = without_resizing(with_resizing(pixels_of((64, 96)), (64, 96), crop), (64, 96), crop)
    assert graph == without_resizing(with_resizing(pixels_of((64, 96)), (64, 96)), (64, 96))
    onnx.checker.check_model(onnx.load_from_string(with_resizing(graph, (64, 96), crop)), full_check=True)
    for other in (None, crop._replace(fill=(1, 2, 3)), crop._replace(box=(0, 0, 9, 9))):
        with pytest.raises(ValueError, match="does not begin by resizing"):
            without_resizing(with_resizing(graph, (64, 96), crop), (64, 96), other)


def test_several_pictures_at_once():
    run = runner(with_resizing(pixels_of((64, 64)), (64, 64)))
    pictures = np.stack([photo((90, 70)), photo((90, 70))[::-1]])
    given = run(pictures)
    for picture, of_picture in zip(pictures, given, strict=True):
        np.testing.assert_array_equal(run(picture[None])[0], of_picture)


def test_the_graph_is_valid_and_takes_pictures_of_any_size():
    model = onnx.load_from_string(with_resizing(pixels_of((64, 96)), (64, 96)))
    onnx.checker.check_model(model, full_check=True)
    [taken] = model.graph.input
    assert taken.name == "pictures"
    assert [side.dim_param or side.dim_value for side in taken.type.tensor_type.shape.dim] == [
        "n",
        "height",
        "width",
        3,
    ]
    assert [given.name for given in model.graph.output] == ["pixels"]


def test_the_resizing_is_taken_off_again():
    graph = without_resizing(with_resizing(pixels_of((64, 96)), (64, 96)), (64, 96))
    onnx.checker.check_model(onnx.load_from_string(graph), full_check=True)
    picture = photo((64, 96))
    np.testing.assert_array_equal(compile_graph(graph)(picture[None])[0][0], picture)
    assert without_resizing(with_resizing(graph, (64, 96)), (64, 96)) == graph


def test_the_bytes_stay_the_same():
    # Inspectors that were made before are known by them: another resizing needs another format.
    alone = with_resizing(encoded(7, b""), (448, 448))
    assert hashlib.sha256(alone).hexdigest()[:16] == "3d11918ad264fe86"


@pytest.mark.parametrize("graph", [b"", b"no graph", pixels_of((64, 96))])
def test_a_graph_without_it(graph):
    with pytest.raises(ValueError, match=r"damaged|does not begin by resizing pictures to 64 x 96 pixels"):
        without_resizing(graph, (64, 96))


def test_a_graph_that_resizes_to_another_shape():
    with pytest.raises(ValueError, match="does not begin by resizing pictures to 64 x 96 pixels"):
        without_resizing(with_resizing(pixels_of((64, 64)), (64, 64)), (64, 96))
