import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from knowngood.data.imageset import ImageSet
from knowngood.data.reading import Reading
from knowngood.features.backbones import Backbone
from knowngood.training.augment import Augmentation
from knowngood.training.finetuning import FineTuned, FineTuning
from knowngood.training.imbalance import METHODS, ClassLoss
from knowngood.training.learner import END, RISE, START, Cycles, Learner, TrainingSettings
from knowngood.training.run import Run
from knowngood.training.store import store_images
from knowngood.training.train import train

SIDE = 16
COUNTS = [18, 9, 6]
LABELS = np.repeat([0, 1, 2], COUNTS)


class TwoBlocks(nn.Module):
    """A stem and two blocks, named as timm names them, with maps at strides 2 and 4."""

    def __init__(self):
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.conv_stem = nn.Conv2d(3, 4, 3, stride=2, padding=1)
            self.blocks = nn.Sequential(
                nn.Sequential(nn.Conv2d(4, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU()),
                nn.Sequential(nn.Conv2d(4, 6, 3, stride=2, padding=1), nn.BatchNorm2d(6), nn.ReLU()),
            )

    def forward(self, images):
        fine = self.blocks[0](self.conv_stem(images))
        return [fine, self.blocks[1](fine)]


def make(*, counts=COUNTS, held_out=(4, 2, 1), **changes):
    options = {
        "imbalance": "none",
        "augmentation": Augmentation.none(),
        "label_smoothing": 0.0,
        "dropout": 0.0,
        "head_epochs": 0,
        "layer_decay": 0.5,
        "metric": "loss",
    }
    backbone = Backbone(
        "two",
        TwoBlocks(),
        mean=[0.5] * 3,
        std=[0.25] * 3,
        strides=(2, 4),
        channels=(4, 6),
        weights="drawn",
        weights_hash="",
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        return FineTuned(backbone, counts, held_out, FineTuning(**options | changes))


@pytest.fixture(scope="module")
def photographs():
    """Three classes that differ in brightness by less than their noise: not all are predicted correctly."""
    rng = np.random.default_rng(0)
    lights = rng.normal(110 + 30 * LABELS, 25)
    return [np.clip(light + rng.normal(0, 20, (SIDE, SIDE, 3)), 0, 255).astype(np.uint8) for light in lights]


@pytest.fixture
def store(photographs):
    with store_images(ImageSet(photographs, Reading((SIDE, SIDE)), list(map(str, LABELS))), seed=0) as kept:
        yield kept


def run(store, network, *, run=None, **changes):
    settings = {
        "epochs": 2,
        "batch_size": 4,
        "learning_rate": 1e-2,
        "schedule": "constant",
        "patience": 10,
        "head_epochs": network.settings.head_epochs,
        **changes,
    }
    return train(network, store, TrainingSettings(**settings), seed=0, device="cpu", run=run)


def tensors(module):
    return {name: tensor.clone() for name, tensor in module.state_dict().items()}


def same(before, after):
    return {name for name, tensor in before.items() if torch.equal(tensor, after[name])}


def last(folder):
    """The weights after the last step, which need not be those that are kept."""
    state = torch.load(folder / "last.ckpt", weights_only=True)["state_dict"]
    return {name.removeprefix("network."): tensor for name, tensor in state.items()}


def held_out(network, store):
    """Logits of held-out images, and their kinds."""
    batch = torch.from_numpy(np.stack([store.samples[row] for row in store.validation]))
    with torch.no_grad():
        logits = network.eval()(network.backbone.normalise(batch))[2]
    return logits, torch.from_numpy(store.labels[store.validation])


class TestHeadFirst:
    def test_the_trunk_stays_as_it_came_with_its_statistics(self, store, tmp_path):
        network = make(head_epochs=2)
        trunk, head = tensors(network.backbone), tensors(network.head)
        run(store, network, epochs=2, run=Run(tmp_path))
        after = last(tmp_path)
        assert any("running_mean" in name for name in trunk)
        for name, tensor in trunk.items():
            assert torch.equal(after[f"backbone.{name}"], tensor), name
        assert not same(head, {name: after[f"head.{name}"] for name in head})

    def test_then_all_of_it_learns(self, store, tmp_path):
        network = make(head_epochs=1)
        trunk = tensors(network.backbone)
        run(store, network, epochs=2, run=Run(tmp_path))
        after = {name: last(tmp_path)[f"backbone.{name}"] for name in trunk}
        kept = {"mean", "scale"}  # of the colours
        kept |= {name for name in trunk if "running" in name or "num_batches" in name}
        assert same(trunk, after) == kept

    def test_a_frozen_trunk_is_in_evaluation_and_has_no_gradients(self):
        network = make(head_epochs=1).train()
        network.begin_epoch(0, 3)
        assert network.training
        assert network.head.training
        assert not any(module.training for module in network.backbone.modules())
        batch = torch.randint(0, 256, (4, SIDE, SIDE, 3), generator=torch.Generator().manual_seed(0))
        network.losses(batch, torch.tensor([0, 1, 2, 0]))["loss"].backward()
        assert all(parameter.grad is None for parameter in network.backbone.parameters())
        assert network.head.weight.grad.abs().sum() > 0
        network.begin_epoch(1, 3)
        assert network.head.training
        assert not any(module.training for module in network.backbone.modules())  # statistics stay
        network.losses(batch, torch.tensor([0, 1, 2, 0]))["loss"].backward()
        stem = network.backbone.network.conv_stem
        assert all(parameter.grad.abs().sum() > 0 for parameter in stem.parameters())

    def test_a_pause_for_validation_does_not_thaw_it(self):
        network = make(head_epochs=2).train()
        network.begin_epoch(0, 3)
        network.eval()
        network.train()
        assert not any(module.training for module in network.backbone.modules())

    def test_a_loss_that_is_deferred_weighs_kinds_late(self):
        network = make()
        late = []
        for epoch in range(10):
            network.begin_epoch(epoch, 10)
            late.append(network.late)
        assert late == [False] * 6 + [True] * 4


class TestForward:
    def test_logits_are_a_linear_answer_to_mean_features(self):
        network = make(dropout=0.5).eval()
        pixels = torch.randn(3, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
        maps, means, logits = network(pixels)
        assert [tuple(level.shape) for level in maps] == [(3, 4, 8, 8), (3, 6, 4, 4)]
        expected = torch.cat([level.mean(dim=(2, 3)) for level in maps], dim=1)
        torch.testing.assert_close(means, expected)
        torch.testing.assert_close(logits, network.head(means))

    def test_features_are_left_out_while_it_learns(self):
        network = make(dropout=0.5, head_epochs=1).train()
        pixels = torch.randn(3, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            one, other = network(pixels)[2], network(pixels)[2]
        assert not torch.equal(one, other)
        network.eval()
        assert torch.equal(network(pixels)[2], network(pixels)[2])


class TestRates:
    def test_each_block_has_its_own(self):
        network = make(layer_decay=0.5)
        groups = network.groups(8e-3)
        assert [group["lr"] for group in groups] == pytest.approx([8e-3, 4e-3, 2e-3, 1e-3])
        trunk = network.backbone.network
        expected = [network.head, trunk.blocks[1], trunk.blocks[0], trunk.conv_stem]
        for group, module in zip(groups, expected, strict=True):
            assert {id(p) for p in group["params"]} == {id(p) for p in module.parameters()}

    def test_each_parameter_learns_at_one_rate(self):
        network = make()
        listed = [id(parameter) for group in network.groups(1e-3) for parameter in group["params"]]
        assert len(listed) == len(set(listed))
        assert set(listed) == {id(parameter) for parameter in network.parameters()}

    def test_a_training_learns_at_these_rates(self, store, tmp_path):
        record = run(store, make(layer_decay=0.5), epochs=1, learning_rate=8e-3, run=Run(tmp_path))
        saved = torch.load(tmp_path / "last.ckpt", weights_only=True)
        rates = [group["lr"] for group in saved["optimizer_states"][0]["param_groups"]]
        assert rates == pytest.approx([8e-3, 4e-3, 2e-3, 1e-3])
        assert record.learning_rate == 8e-3

    def test_earlier_blocks_move_less(self, store, tmp_path):
        network = make(layer_decay=0.1)
        before = tensors(network)
        run(store, network, epochs=1, learning_rate=1e-3, run=Run(tmp_path))
        after = last(tmp_path)

        def moved(name):
            return float((after[name] - before[name]).abs().max())

        trunk = "backbone.network"
        steps = [
            moved(name)
            for name in ("head.weight", f"{trunk}.blocks.1.0.weight", f"{trunk}.blocks.0.0.weight")
        ]
        assert steps[0] > 3 * steps[1] > 9 * steps[2] > 0


class TestCycles:
    def test_two_cycles_rise_and_fall(self):
        cycles = Cycles(20, 100)
        factors = [cycles(step) for step in range(100)]
        for begin, end in ((0, 20), (20, 100)):
            top = begin + round(RISE * (end - begin))
            assert factors[begin] == pytest.approx(START)
            assert factors[top] == pytest.approx(1)
            assert np.diff(factors[begin : top + 1]).min() > 0
            assert np.diff(factors[top:end]).max() < 0
            assert END < factors[end - 1] < 0.02
        assert cycles(100) == pytest.approx(END)
        assert cycles(150) == pytest.approx(END)  # a last step more, if the number was rounded

    def test_one_cycle_in_all(self):
        one = [Cycles(0, 40)(step) for step in range(40)]
        assert one.index(max(one)) == 10
        assert one[0] == pytest.approx(START)

    def test_a_training_goes_through_both(self, store, monkeypatch):
        rates = []
        monkeypatch.setattr(
            Learner,
            "on_train_batch_start",
            lambda self, *_: rates.append([g["lr"] for g in self.trainer.optimizers[0].param_groups]),
        )
        run(store, make(head_epochs=1), epochs=3, schedule="one_cycle", learning_rate=1e-2)
        rates = np.array(rates)
        steps = len(rates) // 3
        np.testing.assert_allclose(rates[:, 1] / rates[:, 0], 0.5)
        cycles = Cycles(steps, 3 * steps)
        np.testing.assert_allclose(rates[:, 0], [1e-2 * cycles(step) for step in range(3 * steps)])
        assert rates[:steps, 0].max() > 0.9e-2
        assert rates[steps, 0] == pytest.approx(1e-2 * START)


class TestHeldOut:
    """What is said of held-out images must be exact over an epoch, in however many batches they come."""

    def test_accuracies_are_those_of_a_count(self, store):
        network = make(head_epochs=0)
        record = run(store, network, epochs=3, batch_size=2)
        assert len(store.validation) > 4  # so there are batches of several sizes and kinds
        logits, truth = held_out(network, store)
        said = logits.argmax(dim=1)
        best = record.epochs[record.best - 1]
        expected = [float((said[truth == number] == number).double().mean()) for number in range(3)]
        assert best.accuracies == pytest.approx(expected)
        assert best.error == pytest.approx(float((said != truth).double().mean()))
        assert 0 < best.error < 1

    @pytest.mark.parametrize("batch_size", [2, 100])
    def test_the_loss_gives_each_kind_the_same_weight(self, store, batch_size):
        counts = np.bincount(store.labels[store.validation]).tolist()
        assert len(set(counts)) == 3
        network = make(held_out=counts)
        record = run(store, network, epochs=1, batch_size=batch_size)
        logits, truth = held_out(network, store)
        each = F.cross_entropy(logits, truth, reduction="none")
        expected = np.mean([float(each[truth == number].mean()) for number in range(3)])
        assert record.epochs[0].validation == pytest.approx(expected, rel=1e-4)
        assert float(each.mean()) != pytest.approx(expected, rel=1e-2)

    def test_made_samples_do_not_change_what_a_kind_weighs(self, store):
        few, many = (make(counts=counts, held_out=[4, 2, 1]) for counts in ([14, 7, 5], [14, 700, 5]))
        batch = torch.from_numpy(np.stack([store.samples[row] for row in store.validation]))
        labels = torch.from_numpy(store.labels[store.validation])
        many.load_state_dict(few.state_dict() | {k: v for k, v in many.state_dict().items() if "loss." in k})
        with torch.no_grad():
            one, other = (network.eval().losses(batch, labels)["loss"] for network in (few, many))
        assert float(one) == pytest.approx(float(other))

    def test_a_kind_without_held_out_images_has_no_accuracy(self, photographs):
        labels = LABELS[:27].tolist()
        with store_images(
            ImageSet(photographs[:27], Reading((SIDE, SIDE)), list(map(str, labels))), seed=0
        ) as store:
            record = run(store, make(metric="balanced_error"), epochs=1)
        accuracies = record.epochs[0].accuracies
        assert accuracies[2] is None
        assert all(0 <= share <= 1 for share in accuracies[:2])

    @pytest.mark.parametrize("method", METHODS)
    def test_is_judged_in_the_same_way_whatever_the_method(self, store, method):
        batch = torch.from_numpy(np.stack([store.samples[row] for row in store.validation]))
        labels = torch.from_numpy(store.labels[store.validation])
        with torch.no_grad():
            plain = make().eval().losses(batch, labels)
            other = make(imbalance=method, label_smoothing=0.1).eval().losses(batch, labels)
        assert float(other["loss"]) == float(plain["loss"])

    def test_a_batch_that_is_learned_from_has_the_methods_loss(self, store):
        batch = torch.from_numpy(np.stack([store.samples[row] for row in store.train[::3]]))
        labels = torch.from_numpy(store.labels[store.train[::3]])
        network = make(imbalance="class_weights").train()
        losses = network.losses(batch, labels)
        assert set(losses) == {"loss", "error"}
        logits = network(network.backbone.normalise(batch))[2]
        expected = ClassLoss("class_weights", COUNTS)(logits, labels)
        torch.testing.assert_close(losses["loss"], expected)


SEEN = {
    "validation/loss": 0.7,
    "validation/monitored": 0.7,
    "validation/error": 0.25,
    "validation/accuracy_0": 1.0,
    "validation/accuracy_1": 0.4,
    "validation/accuracy_2": float("nan"),
    "train/loss": 9.0,
}


class TestMetric:
    @pytest.mark.parametrize(
        ("metric", "expected"), [("loss", 0.7), ("error", 0.25), ("balanced_error", 1 - (1.0 + 0.4) / 2)]
    )
    def test_what_an_epoch_is_judged_by(self, metric, expected):
        assert make(metric=metric).objective(SEEN) == pytest.approx(expected)

    def test_chooses_the_epoch_that_is_kept(self, store):
        found = {}
        for metric in ("loss", "error", "balanced_error"):
            network = make(metric=metric)
            found[metric] = record = run(store, network, epochs=6, learning_rate=0.05)
            balanced = [1 - np.mean(epoch.accuracies) for epoch in record.epochs]
            judged = {
                "loss": [epoch.validation for epoch in record.epochs],
                "error": [epoch.error for epoch in record.epochs],
                "balanced_error": [round(error, 6) for error in balanced],
            }
            assert record.best == 1 + int(np.argmin(judged[metric]))
            logits, truth = held_out(network, store)
            kept = record.epochs[record.best - 1]
            assert float((logits.argmax(dim=1) != truth).double().mean()) == pytest.approx(kept.error)
        losses = [[epoch.validation for epoch in record.epochs] for record in found.values()]
        assert losses[0] == losses[1] == losses[2]  # it chooses, and changes nothing else
        assert len({record.best for record in found.values()}) > 1


class TestStandardised:
    def test_the_head_sees_standardised_features(self, photographs):
        network, images = make(), torch.from_numpy(np.stack(photographs))
        network.learn_scale(images)
        network.eval()
        with torch.inference_mode():
            _, means, logits = network(network.backbone.normalise(images))
            standard = network.standardise(means)
            weight, bias = network.linear
            torch.testing.assert_close(logits, network.head(standard))
            torch.testing.assert_close(logits, F.linear(means, weight, bias), rtol=1e-4, atol=1e-4)
        assert standard.mean(dim=0).abs().max() < 1e-3
        assert ((standard.std(dim=0) > 0.5) | (means.std(dim=0) < 1e-3)).all()

    def test_it_learns_in_learning_mode_afterwards(self, photographs, store):
        network = make(augmentation=Augmentation(brightness=0.5))
        network.learn_scale(torch.from_numpy(np.stack(photographs)))
        modes = []
        network.augment.register_forward_hook(lambda module, *_: modes.append(module.training))
        run(store, network)
        assert any(modes)  # while it learns, and not while it judges held-out images
        assert not all(modes)
