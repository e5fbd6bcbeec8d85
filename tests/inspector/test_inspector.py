import dataclasses
import hashlib
import io
import json
import os
import subprocess
import sys
import zipfile

import cv2
import numpy as np
import onnx
import onnxruntime
import pandas as pd
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from knowngood.data.images import read_image, resize
from knowngood.engines.resizing import with_resizing
from knowngood.errors import DataError, InspectorError, RecipeError
from knowngood.features.patches import smooth
from knowngood.inspector.file import write_inspector
from knowngood.inspector.inspector import Inspector
from knowngood.metrics.calibration import p_values
from knowngood.metrics.thresholds import Threshold

ROUNDED = {"rtol": 0.1, "atol": 0.5}
"""How far an 8-bit graph may be apart in two engines, which round in other places; defects score above 20."""


def assert_equal(one, other):
    """Hold two verdicts equal to the last bit, whatever they were given."""
    assert (one.score, one.p_value, one.decision) == (other.score, other.p_value, other.decision)
    np.testing.assert_array_equal(one.map, other.map)


# --- save and load


def test_round_trip_to_the_last_bit(inspector, saved, test_images):
    loaded = Inspector.load(saved)
    assert loaded.graph == inspector.graph
    assert loaded.manifest == inspector.manifest
    for one, other in zip(inspector.inspect(test_images), loaded.inspect(test_images), strict=True):
        assert_equal(one, other)


def test_second_save_is_the_same_file(saved, tmp_path):
    Inspector.load(str(saved)).save(tmp_path / "again.inspector")
    assert (tmp_path / "again.inspector").read_bytes() == saved.read_bytes()


def test_saved_over_another(inspector, saved):
    before = saved.read_bytes()
    threshold = dataclasses.replace(inspector.manifest.threshold, value=1.5)
    inspector.with_threshold(threshold, validation=["ab"]).save(saved)
    assert saved.read_bytes() != before
    loaded = Inspector.load(saved).manifest
    assert (loaded.threshold.value, loaded.validation) == (1.5, ["ab"])
    assert inspector.manifest.threshold.value != 1.5


# --- one inference path


def test_the_graph_runs_in_stock_onnxruntime(inspector, saved, test_images):
    with zipfile.ZipFile(saved) as archive:
        session = onnxruntime.InferenceSession(archive.read("model.onnx"), providers=["CPUExecutionProvider"])
    (pictures,) = session.get_inputs()
    assert (pictures.name, pictures.type) == ("pictures", "tensor(uint8)")
    assert pictures.shape == ["n", "height", "width", 3]
    for verdict in inspector.inspect(test_images):
        score, maps = session.run(["score", "map"], {"pictures": read_image(verdict.source)[None]})
        np.testing.assert_allclose(score, [verdict.score], **ROUNDED)
        np.testing.assert_allclose(maps, [verdict.patch_map], **ROUNDED)


def test_the_scores_of_the_pictures_in_the_file(inspector, saved):
    with zipfile.ZipFile(saved) as archive:
        pictures = [archive.read(f"example{number}.png") for number in (1, 2, 3)]
        session = onnxruntime.InferenceSession(archive.read("model.onnx"), providers=["CPUExecutionProvider"])
    expected = inspector.manifest.example_scores
    assert [inspector.inspect(picture)[0].score for picture in pictures] == expected
    assert [Inspector.load(saved).inspect(picture)[0].score for picture in pictures] == expected
    height, width = inspector.manifest.input_shape
    sizes = {read_image(picture).shape[:2] for picture in pictures}
    assert len(sizes) == 3
    assert (height, width) not in sizes
    in_onnxruntime = [session.run(["score"], {"pictures": read_image(one)[None]})[0][0] for one in pictures]
    np.testing.assert_allclose(in_onnxruntime, expected, **ROUNDED)


def test_an_inspector_of_format_5_is_read(inspector, test_images, tmp_path):
    manifest = dataclasses.replace(inspector.manifest, graph_hash=hashlib.sha256(inspector.core).hexdigest())
    values = json.loads(manifest.to_json()) | {"format": 5}
    del values["example_scores"]
    write_inspector(tmp_path / "old", json.dumps(values).encode(), inspector.core)
    old = Inspector.load(tmp_path / "old")
    assert old.graph == inspector.graph
    assert old.manifest == dataclasses.replace(inspector.manifest, example_scores=[])
    old.save(tmp_path / "new")
    for one, other in zip(
        inspector.inspect(test_images), Inspector.load(tmp_path / "new").inspect(test_images), strict=True
    ):
        assert_equal(one, other)


def test_both_engines_and_the_evaluation_agree(inspector, saved, test_images, evaluation):
    verdicts = inspector.inspect(test_images)
    other_engine = Inspector.load(saved, engine="onnxruntime").inspect(test_images)
    scores = [verdict.score for verdict in verdicts]
    np.testing.assert_allclose([verdict.score for verdict in other_engine], scores, **ROUNDED)
    of_path = evaluation.scores.set_index("path")["score"]
    assert [of_path[str(path)] for path in test_images] == scores


def test_processors_without_vnni_give_the_same_scores(inspector, saved, test_images, tmp_path):
    # They multiply 8-bit numbers in 16 bits, which overflow unless the numbers are kept small enough.
    program = (
        f"from knowngood import Inspector; inspector = Inspector.load({str(saved)!r});"
        f"print(*[verdict.score for verdict in inspector.inspect({list(map(str, test_images))!r})])"
    )
    for instructions in ("AVX2", "AVX512_CORE"):
        cache = {"XDG_CACHE_HOME": str(tmp_path / instructions)}
        environment = {**os.environ, "ONEDNN_MAX_CPU_ISA": instructions, **cache}
        ran = subprocess.run(
            [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
        )
        expected = [verdict.score for verdict in inspector.inspect(test_images)]
        np.testing.assert_allclose(np.fromstring(ran.stdout, sep=" "), expected, rtol=1e-3, atol=1e-3)


def test_an_unknown_engine(inspector):
    with pytest.raises(RecipeError, match="engine='tensorrt' is not known; choose one of openvino"):
        Inspector(inspector.manifest, inspector.graph, engine="tensorrt").inspect([])


def test_judging_never_imports_the_training_side(saved, test_images):
    program = (
        "import sys; from knowngood import Inspector;"
        f"[verdict] = Inspector.load({str(saved)!r}).inspect([{str(test_images[0])!r}]);"
        "print(verdict.score, verdict.map.shape);"
        "heavy = {'torch', 'torchvision', 'timm', 'pandas', 'scipy', 'matplotlib', 'pydantic'};"
        "print(heavy & sys.modules.keys())"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    judged, imported = ran.stdout.splitlines()
    assert judged.endswith("(96, 96)")
    assert imported == "set()"
    assert ran.stderr == ""


# --- files from a stranger


def refuse(path, manifest, graph, match, *, honest=True):
    """Seal this content correctly, and hold that it is refused when it is loaded or first used."""
    if honest:
        manifest = dataclasses.replace(manifest, graph_hash=hashlib.sha256(graph).hexdigest())
    write_inspector(path, manifest.to_json(), graph)
    for engine in ("openvino", "onnxruntime"):
        with pytest.raises(InspectorError, match=match):
            Inspector.load(path, engine=engine).inspect([np.zeros((64, 64, 3), np.uint8)])


SIDES = {"score": ["n"], "mean": ["n"], "floats": ["n", 128, 128, 3], "map": ["n", 128, 128]}


def graph_of(nodes, outputs, initializers=()):
    """Build a graph on images of 128 x 128."""
    images = helper.make_tensor_value_info("images", TensorProto.UINT8, ["n", 128, 128, 3])
    infos = [helper.make_tensor_value_info(name, TensorProto.FLOAT, SIDES[name]) for name in outputs]
    graph = helper.make_graph(nodes, "graph", [images], infos, initializers)
    opset = [helper.make_opsetid("", 17)]
    model = helper.make_model(graph, opset_imports=opset, ir_version=8)
    return with_resizing(model.SerializeToString(), (128, 128))


MEAN = [
    helper.make_node("Cast", ["images"], ["floats"], to=TensorProto.FLOAT),
    helper.make_node("ReduceMean", ["floats"], ["score"], axes=[1, 2, 3], keepdims=0),
]


def test_a_graph_from_elsewhere_runs_if_it_keeps_the_rules(inspector):
    mean = Inspector(inspector.manifest, graph_of(MEAN, ["score"]))
    [verdict] = mean.inspect([np.full((40, 60), 7, np.uint8)])
    assert (verdict.score, verdict.map, verdict.size) == (7.0, None, (40, 60))


def test_another_graph_than_the_manifest_describes(inspector, tmp_path):
    graph = graph_of(MEAN, ["score"])
    match = r"x\.inspector': its graph is not the one"
    refuse(tmp_path / "x.inspector", inspector.manifest, graph, match, honest=False)


def test_a_graph_that_reads_other_files(inspector, tmp_path):
    (tmp_path / "secret").write_bytes(bytes(4))
    weight = numpy_helper.from_array(np.zeros(1, np.float32), "weight")
    onnx.external_data_helper.set_external_data(weight, location="secret")
    weight.ClearField("raw_data")
    weight.data_location = TensorProto.EXTERNAL
    nodes = [*MEAN[:1], helper.make_node("Add", ["floats", "weight"], ["score"])]
    graph = graph_of(nodes, ["score"], [weight])
    refuse(tmp_path / "x", inspector.manifest, graph, "its graph is refused: .*another file")


@pytest.mark.parametrize("graph", [b"", b"no graph", b'<?xml version="1.0"?><net name="a" version="11"/>'])
def test_no_graph_at_all(inspector, tmp_path, graph):
    refuse(tmp_path / "x", inspector.manifest, graph, "its graph is refused: it is damaged")


def test_a_graph_for_other_images(inspector, tmp_path):
    manifest = dataclasses.replace(inspector.manifest, input_shape=(64, 256))
    refuse(tmp_path / "x", manifest, inspector.graph, "its graph is refused: ")


@pytest.mark.parametrize(
    ("outputs", "reason"),
    [
        (["map"], "it gives no score"),
        (["score", "floats"], "it gives 'floats', which no inspector gives"),
        (["score", "mean"], "nothing gives its output 'mean'|it gives 'mean', which no inspector gives"),
    ],
)
def test_a_graph_with_other_outputs(inspector, tmp_path, outputs, reason):
    nodes = [*MEAN, helper.make_node("ReduceMean", ["floats"], ["map"], axes=[3], keepdims=0)]
    refuse(tmp_path / "x", inspector.manifest, graph_of(nodes, outputs), f"its graph is refused: {reason}")


def test_a_graph_that_gives_no_number(inspector, tmp_path):
    nodes = [*MEAN[:1], helper.make_node("ReduceMean", ["floats"], ["mean"], axes=[1, 2, 3], keepdims=0)]
    graph = graph_of([*nodes, helper.make_node("Div", ["mean", "mean"], ["score"])], ["score"])
    refuse(tmp_path / "x", inspector.manifest, graph, "a score that is not a finite number")


# --- what is judged


def test_decision_and_p_value_follow_from_the_score(inspector, test_images):
    verdicts = inspector.inspect(test_images)
    threshold, held_out = inspector.manifest.threshold, inspector.manifest.held_out
    for verdict in verdicts:
        assert verdict.decision == ("reject" if verdict.score > threshold.value else "accept")
        assert verdict.p_value == p_values([verdict.score], held_out)[0]
    assert {verdict.decision for verdict in verdicts} == {"accept", "reject"}


def test_a_score_on_the_line_is_accepted(inspector, test_images):
    [verdict] = inspector.inspect(test_images[0])
    for value, decision in ((verdict.score, "accept"), (np.nextafter(verdict.score, -np.inf), "reject")):
        line = Threshold(float(value), "by hand", None, 24, 0, None)
        [again] = inspector.with_threshold(line, validation=[]).inspect(test_images[0])
        assert (again.score, again.decision) == (verdict.score, decision)


@pytest.mark.parametrize(("mode", "dtype"), [("L", np.uint8), ("RGB", np.uint8), ("RGBA", np.uint8)])
def test_an_array_is_judged_as_its_file(inspector, test_images, tmp_path, mode, dtype):
    image = Image.open(test_images[9]).convert(mode)
    if mode == "RGBA":
        image.putalpha(Image.linear_gradient("L").resize(image.size))
    image.save(tmp_path / "image.png")
    from_file, from_array = inspector.inspect([tmp_path / "image.png", np.array(image)])
    assert_equal(from_file, from_array)


@pytest.mark.parametrize("channels", [1, 3])
def test_a_16_bit_array_is_judged_as_its_file(inspector, test_images, tmp_path, channels):
    image = read_image(test_images[9]).astype(np.uint16) * 257
    image = image[..., 0] if channels == 1 else image
    cv2.imwrite(str(tmp_path / "image.png"), image if channels == 1 else image[..., ::-1])
    with pytest.raises(DataError, match="16-bit pixels, but the inspector learned from 8-bit images"):
        inspector.inspect([tmp_path / "image.png", image])
    deep = Inspector(dataclasses.replace(inspector.manifest, bits=16), inspector.graph)
    from_file, from_array = deep.inspect([tmp_path / "image.png", image])
    assert_equal(from_file, from_array)
    if channels == 3:
        assert_equal(from_array, inspector.inspect(test_images[9])[0])


def test_one_path(inspector, test_images):
    [verdict] = inspector.inspect(str(test_images[0]))
    [same] = inspector.inspect(test_images[0])
    assert_equal(verdict, same)
    assert (verdict.source, same.source) == (str(test_images[0]), test_images[0])


def test_one_array_or_a_stack_of_them(inspector, good_images):
    (alone,) = inspector.inspect(good_images[0])
    assert inspector.inspect(good_images[:2])[0].score == alone.score


def test_verdicts_go_with_the_rows_of_a_sorted_column(inspector, test_images):
    column = pd.Series(list(map(str, test_images)))[::-1]
    verdicts = inspector.inspect(column)
    assert [verdict.source for verdict in verdicts] == column.tolist()
    assert [verdict.score for verdict in verdicts] == [
        verdict.score for verdict in inspector.inspect(test_images)[::-1]
    ]


def test_generators_are_inspected_as_lists_are(inspector, test_images):
    def photographs():
        for path in test_images:
            yield np.array(Image.open(path))

    scores = [verdict.score for verdict in inspector.inspect(test_images)]
    assert [verdict.score for verdict in inspector.stream(photographs())] == scores
    assert [verdict.score for verdict in inspector.stream(iter(test_images[:1]))] == [
        inspector.inspect(test_images[0])[0].score
    ]
    folder = test_images[0].parent
    assert len(inspector.inspect(folder.glob("*.png"))) == len(list(folder.iterdir()))


def test_a_generator_is_not_read_to_its_end_before_the_first_verdict(inspector, good_images):
    taken = []

    def camera():
        for number in range(1000):
            taken.append(number)
            yield good_images[number % len(good_images)]

    stream = inspector.stream(camera())
    assert taken == []
    for number in range(3):
        assert next(stream).index == number
    assert len(taken) < 100
    stream.close()


def test_images_in_memory(inspector, test_images):
    expected = inspector.inspect(test_images[0])[0].score
    data = test_images[0].read_bytes()
    forms = [data, bytearray(data), io.BytesIO(data), Image.open(test_images[0])]
    assert [inspector.inspect(form)[0].score for form in forms] == [expected] * 4
    assert [verdict.score for verdict in inspector.inspect(forms)] == pytest.approx([expected] * 4, rel=1e-5)


def test_a_photograph_that_opencv_could_not_read(inspector, test_images):
    for given in ([test_images[0], None], [test_images[0], *[test_images[1]] * 40, None]):
        with pytest.raises(DataError, match=r"image \[\d+\] is None, as cv2\.imread returns for a file that"):
            inspector.inspect(given)


def test_nothing_to_judge(inspector):
    assert inspector.inspect([]) == []


def test_order_and_independence(inspector, test_images):
    verdicts = inspector.inspect(test_images)
    assert [verdict.index for verdict in verdicts] == list(range(len(test_images)))
    assert [verdict.source for verdict in verdicts] == test_images
    for one, other in zip(verdicts[::-1], inspector.inspect(test_images[::-1]), strict=True):
        assert_equal(one, other)


def test_a_stream_may_be_left(inspector, test_images):
    stream = inspector.stream(test_images)
    assert next(stream).index == 0
    stream.close()
    assert len(inspector.inspect(test_images[:3])) == 3


@pytest.fixture
def with_broken(test_images, tmp_path):
    """Three images, the first, third and last of five files broken."""
    (tmp_path / "text.png").write_text("no image")
    (tmp_path / "half.png").write_bytes(test_images[0].read_bytes()[:2000])
    broken = [tmp_path / "text.png", tmp_path / "half.png", tmp_path / "gone.png"]
    return [broken[0], test_images[0], broken[1], test_images[1], test_images[2], broken[2]]


def test_all_unreadable_images_are_named(inspector, with_broken):
    with pytest.raises(DataError, match="3 of 6 images cannot be read") as failed:
        inspector.inspect(with_broken)
    assert all(name in str(failed.value) for name in ("text.png", "half.png", "gone.png"))


def test_unreadable_images_are_left_out_on_request(inspector, with_broken):
    failures = []
    verdicts = list(inspector.stream(with_broken, on_unreadable=failures.append))
    assert [verdict.index for verdict in verdicts] == [1, 3, 4]
    assert [verdict.source for verdict in verdicts] == [with_broken[index] for index in (1, 3, 4)]
    assert [failure.path for failure in failures] == [str(with_broken[index]) for index in (0, 2, 5)]


def test_an_array_that_is_no_image(inspector):
    with pytest.raises(DataError, match=r"shape \(64, 64\) and type float32"):
        inspector.inspect([np.zeros((64, 64), np.float32)])


# --- where the defect is


@pytest.mark.parametrize("shape", [(96, 96), (70, 200), (310, 130)])
@pytest.mark.parametrize("at", [(0.35, 0.6), (0.65, 0.4)])
def test_the_map_is_in_the_coordinates_of_the_image(inspector, good_images, shape, at):
    height, width = shape
    image = resize(good_images[0], shape).copy()
    y, x = int(at[0] * height), int(at[1] * width)
    half_y, half_x = height // 16, width // 16
    image[y - half_y : y + half_y, x - half_x : x + half_x] = (255, 0, 255)
    [verdict] = inspector.inspect([image])
    assert verdict.decision == "reject"
    assert verdict.size == shape
    assert verdict.map.shape == shape
    assert verdict.map.dtype == np.float32
    top, left = np.unravel_index(verdict.map.argmax(), shape)
    assert abs(top - y) <= half_y
    assert abs(left - x) <= half_x


def test_the_map_of_a_turned_photograph_is_upright(inspector, good_images, tmp_path):
    image = resize(good_images[0], (96, 140))
    image[20:32, 80:96] = (255, 0, 255)
    turned = Image.fromarray(np.ascontiguousarray(np.rot90(image)))
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by a quarter, clockwise, to see it upright
    turned.save(tmp_path / "turned.png", exif=exif)
    upright, from_array = inspector.inspect([tmp_path / "turned.png", image])
    assert upright.size == (96, 140)
    assert_equal(upright, from_array)


def test_the_score_is_the_maximum_of_the_smoothed_map(inspector, test_images):
    for verdict in inspector.inspect(test_images):
        smoothed = smooth(torch.from_numpy(verdict.patch_map)[None], inspector.manifest.recipe["smoothing"])
        assert verdict.score == pytest.approx(float(smoothed.max()), rel=1e-4)


def test_an_image_only_detector_gives_no_map(image_only, test_images, tmp_path):
    image_only.save(tmp_path / "image_only.inspector")
    graph = onnx.load(io.BytesIO(image_only.graph))
    assert [output.name for output in graph.graph.output] == ["score"]
    [verdict] = Inspector.load(tmp_path / "image_only.inspector").inspect(test_images[0])
    assert verdict.patch_map is None
    assert verdict.map is None
