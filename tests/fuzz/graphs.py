"""Graphs of ours with something changed, in a file that is otherwise right: refused, or run to the end."""

from __future__ import annotations

import hashlib
import json
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import AttributeProto, TensorProto, helper, numpy_helper

from knowngood.engines.engine import ENGINES
from knowngood.engines.resizing import with_resizing, without_resizing
from knowngood.engines.vetting.operators import OPERATORS
from knowngood.errors import KnowngoodError
from knowngood.inspector.file import read_inspector, write_inspector
from knowngood.inspector.inspector import Inspector

from ..engines.test_vetting import changed
from .base import INSPECTORS
from .case import Random, altered_bytes, check, odd_text, one_of

HOSTILE = [
    "If",
    "Loop",
    "Scan",
    "Tile",
    "NonZero",
    "GatherND",
    "ScatterElements",
    "RandomNormal",
    "Compress",
    "",
]


def graphs(random: Random, folder: Path, base: Path) -> None:
    """Change a graph, put it into a file with a right hash and seal, load that and inspect two images."""
    name = one_of(random, "small", "small", "small", "autoencoder", "patchcore")
    manifest, whole, members = _parts(base / f"{name}.inspector")
    core = without_resizing(whole, INSPECTORS[name])
    for _ in range(one_of(random, 1, 1, 1, 2, 3)):
        core = _changed(core, random)
    values = json.loads(manifest)
    try:
        graph = with_resizing(core, INSPECTORS[name])
    except ValueError:
        graph, values["format"] = core, one_of(random, 5, 6)
    if random.random() < 0.07:
        graph = altered_bytes(graph, random, within=one_of(random, None, 20_000))
    values["graph_hash"] = hashlib.sha256(graph).hexdigest()
    path = folder / "crafted.inspector"
    write_inspector(path, json.dumps(values).encode(), graph, members)
    inspect(path, base, random)


def inspect(path: Path, base: Path, random: Random) -> None:
    """Load an inspector and inspect two images with some engine; right figures, or an error of ours."""
    try:
        inspector = Inspector.load(path, engine=one_of(random, *ENGINES))
        verdicts = inspector.inspect([base / "widget/test/good/000.png", np.zeros((40, 30, 3), np.uint8)])
    except KnowngoodError as error:
        check(
            str(error).isprintable() and len(str(error)) < 2000,
            f"an error that cannot be shown: {str(error)!r:.300}",
        )
        return
    for verdict in verdicts:
        check(
            np.isfinite(verdict.score) and 0 <= verdict.p_value <= 1,
            f"score {verdict.score}, p {verdict.p_value}",
        )
        check(verdict.patch_map is None or np.isfinite(verdict.patch_map).all(), "a map that is not finite")
        check(
            np.isfinite([*(verdict.probabilities or {}).values()]).all(), "probabilities that are not finite"
        )


@lru_cache
def _parts(path: Path) -> tuple[bytes, bytes, dict[str, bytes]]:
    return read_inspector(path)


def _changed(core: bytes, random: Random) -> bytes:
    """Change one thing in a graph; often a small one, which may be found safe to run."""
    try:
        model = onnx.load_from_string(core)
        if random.random() < 0.6:
            return changed(model, random)
    except Exception:  # noqa: BLE001 - what onnx itself cannot read is changed as bytes
        return altered_bytes(core, random)
    one_of(random, *CHANGES)(model, random)
    return model.SerializeToString()


def _node(model: onnx.ModelProto, random: Random) -> onnx.NodeProto:
    return one_of(random, *model.graph.node)


def _vector(model: onnx.ModelProto, random: Random, dtype: type = np.int64) -> str:
    """Add a constant of a few numbers, some of them extreme; its name."""
    numbers = [
        one_of(random, -(2**63), -2, -1, 0, 1, 2, 3, 8, 10**4, 10**9, 2**62)
        for _ in range(int(random.integers(5)))
    ]
    array = np.array(numbers, np.int64) if dtype is np.int64 else np.array(numbers).astype(dtype)
    name = f"added{len(model.graph.initializer)}"
    model.graph.initializer.append(numpy_helper.from_array(array, name))
    return name


def _insert(model: onnx.ModelProto, random: Random) -> None:
    """Put another operation between two that are there, with attributes and constants of any sort."""
    place = int(random.integers(len(model.graph.node)))
    user = model.graph.node[place]
    if not user.input:
        return
    slot = int(random.integers(len(user.input)))
    op = one_of(random, *OPERATORS, *HOSTILE)
    taken = [
        user.input[slot],
        *(
            _vector(model, random, one_of(random, np.int64, np.float32))
            for _ in range(int(random.integers(4)))
        ),
    ]
    attributes = {
        name: _attribute(random)
        for name in getattr(OPERATORS.get(op), "attributes", ())
        if random.random() < 0.5
    }
    if op in ("If", "Loop", "Scan"):
        inner = helper.make_graph([helper.make_node("Identity", taken[:1], ["inner"])], "inner", [], [])
        attributes = {"body": inner, "then_branch": inner, "else_branch": inner}
    made = helper.make_node(op, taken, [f"made{place}"], **attributes)
    user.input[slot] = f"made{place}"
    nodes = list(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend([*nodes[:place], made, *nodes[place:]])


def _attribute(random: Random) -> object:
    number = one_of(random, -(2**63), -1, 0, 1, 2, 3, 7, 2**31, 2**62)
    return one_of(
        random,
        number,
        float(number % 1000),
        [number] * int(random.integers(1, 5)),
        "reflect",
        "linear",
        [0, 1],
    )


def _chain(model: onnx.ModelProto, random: Random) -> None:
    """Many operations after another, which keep, double or square what they take."""
    user = model.graph.node[-1]
    op, twice, attributes = one_of(
        random,
        ("Relu", 1, {}),
        ("Add", 2, {}),
        ("Mul", 2, {}),
        ("Concat", 2, {"axis": 0}),
        ("MatMul", 2, {}),
        ("Identity", 1, {}),
    )
    last = user.input[0]
    for place in range(one_of(random, 3, 30, 60, 900, 3000, 20_000)):
        model.graph.node.insert(
            len(model.graph.node) - 1, helper.make_node(op, [last] * twice, [f"c{place}"], **attributes)
        )
        last = f"c{place}"
        if place > 3000:
            break
    user.input[0] = last


def _lists(graph: onnx.GraphProto) -> tuple[Any, ...]:
    """The lists of a graph of which something may be there twice, or be missing."""
    return graph.node, graph.initializer, graph.input, graph.output


def _double(model: onnx.ModelProto, random: Random) -> None:
    parts = one_of(random, *_lists(model.graph), model.opset_import)
    if parts:
        parts.append(one_of(random, *parts))


def _drop(model: onnx.ModelProto, random: Random) -> None:
    parts = one_of(random, *_lists(model.graph), _node(model, random).input)
    if parts:
        del parts[int(random.integers(len(parts)))]


def _constant(model: onnx.ModelProto, random: Random) -> None:
    """A constant of another type, shape or size than it was, or kept elsewhere."""
    if not model.graph.initializer:
        return
    tensor = one_of(random, *model.graph.initializer)
    match int(random.integers(6)):
        case 0:
            tensor.data_type = int(random.integers(25))
        case 1:
            tensor.dims.append(one_of(random, 0, 1, 2, -1, 2**31, 2**62))
        case 2 if tensor.dims:
            tensor.dims[int(random.integers(len(tensor.dims)))] = one_of(random, 0, 1, 3, -1, 75_000_000)
        case 3:
            tensor.raw_data = tensor.raw_data * one_of(random, 0, 2, 3) + random.bytes(
                int(random.integers(9))
            )
        case 4:
            tensor.data_location = TensorProto.EXTERNAL
            tensor.external_data.add(
                key="location", value=one_of(random, "/etc/passwd", "manifest.json", "/dev/zero")
            )
        case _:
            tensor.float_data.extend([1.0] * int(random.integers(1, 5)))


def _port(model: onnx.ModelProto, random: Random) -> None:
    """An input or output of another name, type or shape."""
    port = one_of(random, *model.graph.input, *model.graph.output)
    dims = port.type.tensor_type.shape.dim
    match int(random.integers(5)):
        case 0:
            port.name = one_of(
                random, "score", "map", "images", "rebuilt", "logits", _node(model, random).output[0]
            )
        case 1:
            port.type.tensor_type.elem_type = int(random.integers(20))
        case 2 if dims:
            dims[int(random.integers(len(dims)))].dim_value = one_of(random, 0, 1, 2, 16, 16_384, 2**40, -1)
        case 3:
            dims.add(dim_value=int(random.integers(4)))
        case _:
            model.graph.output.add(name=_node(model, random).output[0])


def _attributes(model: onnx.ModelProto, random: Random) -> None:
    """An attribute added, renamed or of another value."""
    one = _node(model, random)
    other = _node(model, random)
    if other.attribute and random.random() < 0.5:
        one.attribute.append(one_of(random, *other.attribute))
    elif one.attribute:
        old = one_of(random, *one.attribute)
        old.CopyFrom(helper.make_attribute(old.name, _attribute(random)))
        old.type = one_of(random, old.type, old.type, old.type, AttributeProto.GRAPH, AttributeProto.FLOATS)


def _names(model: onnx.ModelProto, random: Random) -> None:
    """Names that nobody gives: of nothing, of a megabyte, with controls, or of another thing."""
    one = _node(model, random)
    text = odd_text(random).encode("utf-8", "replace").decode()
    match int(random.integers(5)):
        case 0:
            one.op_type = text
        case 1:
            one.name, one.doc_string, one.domain = text, text, one_of(random, "", text, "com.microsoft")
        case 2 if one.input:
            one.input[0] = one_of(random, text, one.output[0], "images")
        case 3:
            one.output[0] = text
        case _:
            model.producer_name = text
            model.metadata_props.add(key=text, value=text)


def _versions(model: onnx.ModelProto, random: Random) -> None:
    if random.random() < 0.5 and model.opset_import:
        model.opset_import[0].version = one_of(random, 0, 1, 11, 18, 21, 2**40)
    else:
        model.ir_version = one_of(random, 0, 3, 7, 10, 2**31)


CHANGES = (
    _insert,
    _insert,
    _insert,
    _chain,
    _double,
    _drop,
    _constant,
    _port,
    _attributes,
    _names,
    _versions,
)
