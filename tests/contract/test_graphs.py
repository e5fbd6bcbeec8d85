"""What all methods export is what the vetting of graphs allows: no less, and no more."""

import numpy as np
import onnx
import onnxruntime
import pytest
import timm
from safetensors.torch import save_file

from knowngood.classifiers import CLASSIFIERS, make_classifier
from knowngood.data.images import resize
from knowngood.data.imageset import ImageSet
from knowngood.data.reading import Reading
from knowngood.detectors import DETECTORS, make_detector
from knowngood.engines.vetting import check, check_graph
from knowngood.engines.vetting.onnx_file import MOST_NODES, read_graph
from knowngood.engines.vetting.operators import OPERATORS
from knowngood.inspector.exporting import export

from ..support.parts import photograph

SHAPE = (64, 64)
PHOTOS = photograph(10, 8, 5, 5)

NETWORKS = ("resnet18", "mobilenetv3_large_100", "convnext_atto")
"""One of each family of timm's networks whose operators are allowed; see `docs/decisions`."""

EXPORTS = [
    *((name, {}) for name in (*DETECTORS, *CLASSIFIERS)),
    ("patchcore", {"strides": (2,), "scales": 1}),
    ("patchcore", {"eight_bit": False}),
    ("autoencoder", {"score": "max"}),
    ("class_confidence", {"network": "cnn", "score": "odin"}),
    ("class_confidence", {"network": "small", "score": "knn"}),
    ("class_confidence", {"network": "small", "score": "entropy"}),
    ("rotation", {"network": "small", "score": "log_probability"}),
    ("rotation", {"network": "small", "score": "distance"}),
    ("anomaly_features", {"orientation": "quarter", "agreement": "vote"}),
    ("scattering_boost", {"orientation": "any"}),
    ("finetune", {"views": 8, "agreement": "vote"}),
    *(("gaussian", {"backbone": network}) for network in NETWORKS),
]
"""Methods with the settings that change what is exported."""

QUICK = {
    "finetune": {"epochs": 1, "head_epochs": 1, "batch_size": 4},
    "scattering_boost": {"rounds": 5},
}


def learned(name, settings, folder):
    """The graph of a method that learned from a few photographs."""
    if settings.get("backbone") in NETWORKS:
        weights = folder / "weights.safetensors"
        network = timm.create_model(settings["backbone"], pretrained=False)
        save_file({key: value.contiguous() for key, value in network.state_dict().items()}, weights)
        settings = settings | {"weights": str(weights)}
    if name in DETECTORS:
        quick = {"epochs": 1} if DETECTORS[name].trains else {}
        recipe, photos = make_detector(name, quick | settings), PHOTOS.images[:8]
        classes = ["ab"[place // 2 % 2] for place in range(8)]
    else:
        recipe, photos = make_classifier(name, QUICK.get(name, {}) | settings), PHOTOS.images
        classes = [["good", "line", "square"][number] for number in PHOTOS.numbers]
    images = [resize(photo, SHAPE) for photo in photos]
    fit = recipe.fit(ImageSet(images, Reading(SHAPE), classes=classes), seed=0, device="cpu")
    return export(fit.fitted, np.stack(images[:1]), typical=1.0)[0]


@pytest.fixture(scope="module")
def graphs(tmp_path_factory):
    return [learned(name, settings, tmp_path_factory.mktemp("graphs")) for name, settings in EXPORTS]


def used(graph):
    """The operators of a graph, and their attributes: with the value, where only some values are allowed."""
    for node in read_graph(graph).nodes:
        yield (node.op,)
        for name, value in node.attributes.items():
            allowed = OPERATORS[node.op].attributes[name]
            yield (node.op, name) if isinstance(allowed, type) else (node.op, name, value)


def allowed():
    """The same of all that is allowed."""
    for op, operator in OPERATORS.items():
        yield (op,)
        for name, values in operator.attributes.items():
            yield from [(op, name)] if isinstance(values, type) else [(op, name, value) for value in values]


def test_all_are_taken(graphs):
    for (name, settings), graph in zip(EXPORTS, graphs, strict=True):
        shapes = check_graph(graph)
        assert shapes["score"] == (1,), (name, settings)


def test_what_is_allowed_is_what_is_exported(graphs):
    exported = set().union(*map(used, graphs))
    assert exported == set(allowed())


def test_bounds_are_far_above_them(graphs):
    for graph in graphs:
        read = read_graph(graph)
        assert 3 * len(read.nodes) < MOST_NODES
        size = sum(constant.nbytes for constant in read.constants.values())
        assert 5 * size < check.LARGEST_CONSTANTS.base


@pytest.mark.parametrize("place", range(len(EXPORTS)), ids=lambda place: EXPORTS[place][0])
def test_every_tensor_is_what_was_worked_out(graphs, place):
    """Its type, its shape and the bounds of its whole numbers, when ONNX Runtime runs the graph as it is."""
    read = read_graph(graphs[place])
    values = check.infer_all(read)
    model = onnx.load_from_string(graphs[place])
    names = [name for node in read.nodes for name in node.outputs]
    del model.graph.output[:], model.graph.value_info[:]
    for name in names:
        model.graph.output.add(name=name)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model.SerializeToString(), options)
    image = resize(PHOTOS.images[0], SHAPE)[None]
    for name, array in zip(names, session.run(None, {"images": image}), strict=True):
        value = values[name]
        assert (array.dtype.name, array.shape) == (value.dtype, value.shape), name
        if value.bounds:
            low, high = value.bounds
            assert (low <= array).all(), name
            assert (array <= high).all(), name
