import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import count, islice

import numpy as np
import pytest
import torch
from torch import nn

from knowngood.engines.engine import ENGINES, compile_graph
from knowngood.engines.export import blank, to_onnx
from knowngood.errors import RecipeError


class Small(nn.Module):
    """A convolution with normalisation in front, and the mean of its output."""

    def __init__(self):
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.convolution = nn.Conv2d(3, 5, 3, stride=2, padding=1)
        self.drop = nn.Dropout(0.5)

    def forward(self, images):
        maps = self.drop(self.convolution(images.permute(0, 3, 1, 2).float() / 255)).relu()
        return maps.mean(dim=(1, 2, 3)), maps


@pytest.fixture(scope="module")
def module():
    return Small()


@pytest.fixture(scope="module")
def graph(module):
    return to_onnx(module, {"images": blank((16, 24))}, ["score", "maps"])


@pytest.fixture(scope="module", params=list(ENGINES))
def engine(request, graph):
    return compile_graph(graph, request.param)


@pytest.fixture(scope="module")
def photos():
    return np.random.default_rng(0).integers(0, 256, size=(20, 16, 24, 3), dtype=np.uint8)


def test_every_engine_gives_what_torch_gives(engine, module, photos):
    with torch.inference_mode():
        expected = module.eval()(torch.from_numpy(photos))
    given = engine(photos)
    assert [output.dtype for output in given] == [np.float32, np.float32]
    for ours, theirs in zip(expected, given, strict=True):
        np.testing.assert_allclose(theirs, ours.numpy(), rtol=1e-5, atol=1e-6)


def test_outputs_do_not_depend_on_the_batch(engine, photos):
    together = engine(photos)
    for index in (0, 7, 19):
        for one, of_all in zip(engine(photos[index : index + 1]), together, strict=True):
            np.testing.assert_allclose(one[0], of_all[index], rtol=1e-6, atol=1e-7)


class TestStream:
    def test_order_and_tags_are_kept(self, engine, photos):
        scores, maps = engine(photos)
        tags = [f"part {index}" for index in range(len(photos))]
        pairs = zip(tags, photos[:, None], strict=True)
        streamed = [(tag, [output.copy() for output in outputs]) for tag, outputs in engine.stream(pairs)]
        assert [tag for tag, _ in streamed] == tags
        np.testing.assert_allclose(np.concatenate([one for _, (one, _) in streamed]), scores, rtol=1e-6)
        np.testing.assert_allclose(np.concatenate([one for _, (_, one) in streamed]), maps, atol=1e-6)

    def test_nothing_in_nothing_out(self, engine):
        assert list(engine.stream([])) == []

    def test_few_images_are_read_ahead(self, engine, photos):
        taken = []

        def endless():
            for index in count():
                taken.append(index)
                yield index, photos[index % len(photos)][None]

        assert [tag for tag, _ in islice(engine.stream(endless()), 5)] == [0, 1, 2, 3, 4]
        assert len(taken) < 5 + 64

    def test_the_images_may_be_overwritten_once_they_are_taken(self, engine, photos):
        def reused():
            buffer = np.empty((1, 16, 24, 3), np.uint8)
            for photo in photos:
                buffer[0] = photo
                yield None, buffer

        streamed = np.concatenate([scores.copy() for _, (scores, _) in engine.stream(reused())])
        np.testing.assert_allclose(streamed, engine(photos)[0], rtol=1e-6)

    def test_leaving_early_leaves_the_engine_usable(self, engine, photos):
        expected = engine(photos[:1])[0]
        for _ in range(5):
            stream = engine.stream((None, photo[None]) for photo in photos)
            next(stream)
            stream.close()
        np.testing.assert_array_equal(engine(photos[:1])[0], expected)

    def test_an_error_in_the_source_comes_through(self, engine, photos):
        def failing():
            yield None, photos[:1]
            raise OSError("the camera is gone")

        with pytest.raises(OSError, match="the camera is gone"):
            list(engine.stream(failing()))
        assert len(engine(photos[:2])[0]) == 2


@pytest.mark.parametrize("name", ENGINES)
@pytest.mark.parametrize("content", [b"", b"not a graph", b"\x00" * 64])
def test_what_is_no_graph_is_refused_in_one_line(name, content):
    with pytest.raises(ValueError, match=r"cannot read the graph: [^E]") as raised:
        compile_graph(content, name)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("name", ENGINES)
def test_a_graph_that_was_cut_off_is_refused(graph, name):
    with pytest.raises(ValueError, match="cannot read the graph"):
        compile_graph(graph[: len(graph) // 2], name)


def test_an_unknown_engine_is_named_with_those_that_exist(graph):
    with pytest.raises(
        RecipeError, match="engine='tensorrt' is not known; choose one of openvino, onnxruntime"
    ):
        compile_graph(graph, "tensorrt")


def test_running_a_graph_needs_no_torch():
    code = "import sys, knowngood.engines.engine; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_threads_that_judge_an_image_each_get_their_own_answer(graph):
    images = np.random.default_rng(0).integers(0, 256, size=(40, 1, 16, 24, 3), dtype=np.uint8)
    engine = compile_graph(graph)
    expected = [engine(image)[0].tolist() for image in images]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda image: engine(image)[0].tolist(), images)) == expected


def test_what_was_compiled_is_kept_for_the_next_process(graph, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    images = np.random.default_rng(0).integers(0, 256, size=(2, 16, 24, 3), dtype=np.uint8)
    compile_graph(graph)(images)
    assert not list(tmp_path.rglob("*"))
    first = compile_graph(graph, keep=True)(images)
    (kept,) = (path for path in tmp_path.rglob("*") if path.is_file())
    written = kept.stat().st_ino
    again = compile_graph(graph, keep=True)(images)
    for one, other in zip(first, again, strict=True):
        np.testing.assert_array_equal(one, other)
    assert kept.stat().st_ino == written
