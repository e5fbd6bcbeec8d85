import contextlib
import json
import os
import signal
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from knowngood.data.imageset import ImageSet
from knowngood.data.reading import Reading
from knowngood.errors import OutputError, RecipeError, TrainingError
from knowngood.training import journal
from knowngood.training.journal import digest, load_checkpoint
from knowngood.training.learner import TrainingSettings
from knowngood.training.run import Run
from knowngood.training.store import store_images
from knowngood.training.train import train

from .conftest import SIDE, Exploding, make


def told(record):
    """The epochs of a training, without how long they took."""
    return [epoch._replace(seconds=None) for epoch in record.epochs]


def run(store, network=None, **changes):
    network = network or make()
    settings = {"epochs": 4, "batch_size": 8, "learning_rate": 1e-2, "patience": 10}
    options = {"seed": 0, "device": "cpu"}
    for name, value in changes.items():
        (settings if name in TrainingSettings.__dataclass_fields__ else options)[name] = value
    return network, train(network, store, TrainingSettings(**settings), **options)


def same_weights(one, other):
    return all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))


class TestTraining:
    def test_the_weights_move_and_the_loss_falls(self, store):
        network, record = run(store)
        assert not same_weights(network, make())
        assert [epoch.epoch for epoch in record.epochs] == [1, 2, 3, 4]
        assert record.losses["train"].is_monotonic_decreasing
        assert record.losses["validation"].iloc[-1] < record.losses["validation"].iloc[0]
        assert record.learning_rate == 1e-2

    def test_the_best_epochs_weights_are_kept(self, store):
        network, record = run(store, epochs=12, learning_rate=0.3)
        losses = record.losses.set_index("epoch")["validation"]
        assert record.best == losses.idxmin()
        assert losses.nunique() > 1
        with torch.no_grad():
            held_out = torch.from_numpy(np.stack([store.samples[row] for row in store.validation]))
            assert float(network.losses(held_out, torch.zeros(len(held_out)))["loss"]) == pytest.approx(
                losses.min(), rel=1e-5
            )

    def test_the_same_seed_gives_the_same_result(self, store):
        (one, first), (other, second) = run(store), run(store)
        assert same_weights(one, other)
        assert told(first) == told(second)
        assert told(run(store, seed=1)[1]) != told(first)

    def test_it_stops_when_there_is_no_progress(self, store):
        _, record = run(store, epochs=50, learning_rate=0.5, patience=2)
        assert len(record.epochs) < 50
        assert len(record.epochs) == record.best + 2

    def test_what_it_leaves_of_the_surroundings(self, store):
        before = torch.get_rng_state()
        filters = list(warnings.filters)
        run(store)
        assert torch.equal(torch.get_rng_state(), before)
        assert not torch.are_deterministic_algorithms_enabled()
        assert warnings.filters == filters

    def test_the_learning_rate_falls_or_stays(self, store, tmp_path):
        rates = {}
        for schedule in ("cosine", "constant"):
            _, record = run(store, schedule=schedule, run=Run(tmp_path / schedule))
            assert record.epochs[0].rates == (1e-2,)
            saved = torch.load(tmp_path / schedule / "last.ckpt", weights_only=True)
            rates[schedule] = saved["optimizer_states"][0]["param_groups"][0]["lr"]
        assert rates["cosine"] < 1e-2 / 4
        assert rates["constant"] == 1e-2

    def test_the_rates_of_a_cycle_rise_and_fall(self, store):
        _, record = run(store, schedule="one_cycle", epochs=4)
        rates = [rate for epoch in record.epochs for rate in epoch.rates]
        assert max(rates) == pytest.approx(1e-2, rel=0.01)
        highest = int(np.argmax(rates))
        assert rates[:highest] == sorted(rates[:highest])
        assert rates[highest:] == sorted(rates[highest:], reverse=True)

    def test_mixed_precision_comes_near(self, store):
        _, exact = run(store)
        network, mixed = run(store, run=Run(precision="bf16-mixed"))
        assert told(mixed) != told(exact)
        assert mixed.epochs[-1].validation == pytest.approx(exact.epochs[-1].validation, rel=0.05)
        assert next(network.parameters()).dtype == torch.float32

    def test_the_learning_rate_finder(self, store):
        network, record = run(store, learning_rate=None)
        assert 1e-5 < record.learning_rate < 0.1
        rates = [rate for rate, _ in record.range_test]
        assert (len(rates), rates == sorted(rates)) == (90, True)
        assert 1e-6 < rates[0] < rates[-1] <= 0.1
        assert record.learning_rate in rates
        assert record.losses["validation"].iloc[-1] < record.losses["validation"].iloc[0]
        assert same_weights(network, run(store, learning_rate=None)[0])


class TestRecord:
    def test_of_the_fixed_validation_batch(self, store):
        _, record = run(store, epochs=11)
        assert list(record.rebuilt) == [5, 10, 11]
        assert record.validation == store.validation.tolist()
        np.testing.assert_array_equal(record.originals, store.samples[store.validation[:8]])
        assert all(shown.shape == record.originals.shape for shown in record.rebuilt.values())
        errors = [np.abs(shown - record.originals.astype(float)).mean() for shown in record.rebuilt.values()]
        assert errors[1] < errors[0]

    def test_of_the_layers(self, store):
        _, record = run(store, epochs=1)
        assert [tuple(layer) for layer in record.layers] == [
            ("encoder", "Conv2d 3 → 8, kernel 16, stride 1", (8, 1, 1), 3 * 8 * 256 + 8),
            ("decoder", "ConvTranspose2d 8 → 3, kernel 16, stride 1", (3, 16, 16), 3 * 8 * 256 + 3),
        ]


class TestGoingOn:
    """A training that was cut off ends as if it had not been."""

    @pytest.fixture(autouse=True)
    def _every_epoch(self, monkeypatch):
        monkeypatch.setattr(journal, "SECONDS", 0)

    @pytest.mark.parametrize("last", [1, 2, 5])
    def test_after_it_was_cut_off(self, store, tmp_path, last):
        def cut_off(_, done, __):
            if done == last:
                raise KeyboardInterrupt

        before = signal.getsignal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            run(store, epochs=6, run=Run(tmp_path), progress=cut_off)
        assert signal.getsignal(signal.SIGINT) == before
        assert len(pd.read_csv(tmp_path / "losses.csv")) == last
        network, record = run(store, epochs=6, run=Run(tmp_path))
        whole, expected = run(store, epochs=6)
        assert told(record) == told(expected)
        assert record.best == expected.best
        assert same_weights(network, whole)
        np.testing.assert_array_equal(record.rebuilt[5], expected.rebuilt[5])
        assert len(pd.read_csv(tmp_path / "losses.csv")) == 6

    @pytest.mark.parametrize("last", [1, 2, 3, 4])
    def test_patience_is_not_lost(self, store, tmp_path, last):
        def cut_off(_, done, __):
            if done == last:
                raise KeyboardInterrupt

        options = {"epochs": 50, "learning_rate": 0.5, "patience": 3}
        _, expected = run(store, **options)
        with contextlib.suppress(KeyboardInterrupt):
            run(store, **options, run=Run(tmp_path), progress=cut_off)
        _, record = run(store, **options, run=Run(tmp_path))
        assert told(record) == told(expected)
        assert list(record.rebuilt) == list(expected.rebuilt)

    def test_after_the_process_was_killed(self, images, store, tmp_path):
        code = f"""
import os, signal, sys
sys.path.insert(0, {str(Path(__file__).parents[2])!r})
import numpy as np
from knowngood.data.imageset import ImageSet
from knowngood.data.reading import Reading
from knowngood.training import journal
from knowngood.training.run import Run
from knowngood.training.store import store_images
from tests.training.conftest import SIDE, make
from tests.training.test_train import run
journal.SECONDS = 0
def progress(stage, done, total):
    if done == 3:
        os.kill(os.getpid(), signal.SIGKILL)
images = ImageSet(list(np.load({str(tmp_path / "images.npy")!r})), Reading((SIDE, SIDE)))
with store_images(images, seed=0) as store:
    run(store, epochs=5, run=Run({str(tmp_path / "run")!r}), progress=progress)
"""
        np.save(tmp_path / "images.npy", np.stack(images))
        killed = subprocess.run([sys.executable, "-c", code], check=False, stderr=subprocess.PIPE)
        assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
        network, record = run(store, epochs=5, run=Run(tmp_path / "run"))
        whole, expected = run(store, epochs=5)
        assert told(record) == told(expected)
        assert same_weights(network, whole)

    def test_a_finished_training_is_not_done_again(self, store, tmp_path):
        first, record = run(store, run=Run(tmp_path))
        before = (tmp_path / "last.ckpt").stat().st_mtime_ns
        again, same = run(store, run=Run(tmp_path))
        assert (tmp_path / "last.ckpt").stat().st_mtime_ns == before
        assert told(same) == told(record)
        assert same_weights(first, again)

    def test_its_range_test_is_kept(self, store, tmp_path):
        _, before = run(store, learning_rate=None, run=Run(tmp_path))
        _, again = run(store, learning_rate=None, run=Run(tmp_path))
        assert again.range_test == before.range_test != []

    def test_one_that_stopped_early_neither(self, store, tmp_path):
        options = {"epochs": 50, "learning_rate": 0.5, "patience": 2, "run": Run(tmp_path)}
        assert told(run(store, **options)[1]) == told(run(store, **options)[1])

    @pytest.mark.parametrize(
        ("changes", "field"),
        [
            ({"seed": 1}, "seed=0, not 1"),
            ({"recipe": {"code": 16}}, "code=32, not 16"),
            ({"recipe": {"code": 32, "width": 8}}, "width=None, not 8"),
            ({"recipe": {}}, "code=32, not None"),
        ],
    )
    def test_another_recipe_is_refused(self, store, tmp_path, changes, field):
        run(store, recipe={"code": 32}, run=Run(tmp_path))
        with pytest.raises(RecipeError, match=f"holds a training with {field}; name another folder"):
            run(store, **{"recipe": {"code": 32}, "run": Run(tmp_path), **changes})

    def test_another_precision_is_refused(self, store, tmp_path):
        run(store, run=Run(tmp_path))
        with pytest.raises(RecipeError, match="precision='32-true', not 'bf16-mixed'"):
            run(store, run=Run(tmp_path, precision="bf16-mixed"))

    def test_other_images_are_refused(self, images, store, tmp_path):
        run(store, run=Run(tmp_path))
        with (
            store_images(ImageSet(images[::-1], Reading((SIDE, SIDE))), seed=0) as other,
            pytest.raises(RecipeError, match="samples="),
        ):
            run(other, run=Run(tmp_path))

    @pytest.mark.parametrize("name", ["run.json", "last.ckpt"])
    def test_a_damaged_file_is_named(self, store, tmp_path, name):
        run(store, run=Run(tmp_path))
        (tmp_path / name).write_bytes(b"{")
        with pytest.raises(TrainingError, match=name):
            run(store, run=Run(tmp_path))

    def test_a_flipped_bit_is_noticed(self, store, tmp_path):
        run(store, run=Run(tmp_path))
        file = tmp_path / "last.ckpt"
        whole = file.read_bytes()
        for place in np.random.default_rng(0).choice(len(whole), 40, replace=False):
            file.write_bytes(whole[:place] + bytes([whole[place] ^ 16]) + whole[place + 1 :])
            with pytest.raises(TrainingError, match=r"last\.ckpt"):
                load_checkpoint(file)

    def test_a_kill_between_the_checkpoint_and_its_digest(self, store, tmp_path):
        _, first = run(store, run=Run(tmp_path))
        names = tmp_path / "last.sha256"
        names.write_text(f"{'0' * 64}\n{names.read_text()}")  # of the next checkpoint, which was not renamed
        assert told(run(store, run=Run(tmp_path))[1]) == told(first)

    def test_a_checkpoint_runs_no_code(self, store, tmp_path):
        class Harmful:
            def __reduce__(self):
                return os.mkdir, (str(tmp_path / "harm"),)

        run(store, run=Run(tmp_path))
        torch.save({"callbacks": Harmful()}, tmp_path / "last.ckpt")
        (tmp_path / "last.sha256").write_text(digest(tmp_path / "last.ckpt"))
        with pytest.raises(TrainingError, match=r"last\.ckpt"):
            run(store, run=Run(tmp_path))
        assert not (tmp_path / "harm").exists()


class TestBadTraining:
    def test_a_loss_that_is_not_finite_stops_it_and_names_the_step(self, store):
        # The table of layers takes one step as well.
        with pytest.raises(TrainingError, match=r"at step 2 \(epoch 1, learning rate 0\.01\).*learning_rate"):
            run(store, make(Exploding))

    def test_a_precision_that_is_not_known(self):
        with pytest.raises(RecipeError, match="precision='8-bit' is not known; take 32-true"):
            Run(precision="8-bit")

    def test_a_folder_whose_name_is_no_text(self, tmp_path):
        with pytest.raises(OutputError, match=r"run folder .*udcff' has a name that is no text"):
            Run(tmp_path / os.fsdecode(b"\xff"))

    def test_half_precision_on_a_cpu(self, store):
        with pytest.raises(RecipeError, match="needs a GPU; take bf16-mixed"):
            run(store, run=Run(precision="16-mixed"))

    def test_an_address_that_mlflow_does_not_know(self, store):
        with pytest.raises(RecipeError, match="mlflow='nowhere://x' cannot be used"):
            run(store, run=Run(mlflow="nowhere://x"))

    def test_no_device(self):
        with pytest.raises(RecipeError, match="devices=0 must be at least 1"):
            Run(devices=0)


class TestLogs:
    def test_tensorboard_and_csv(self, store, tmp_path):
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

        _, record = run(store, run=Run(tmp_path))
        events = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
        logged = [event.value for event in events.Scalars("validation/loss")]
        np.testing.assert_allclose(logged, record.losses["validation"], rtol=1e-5)
        written = pd.read_csv(tmp_path / "losses.csv")
        assert list(written.columns) == ["epoch", "train", "validation", "seconds"]
        np.testing.assert_allclose(written["validation"], record.losses["validation"])

    def test_mlflow(self, store, tmp_path, monkeypatch):
        pytest.importorskip("mlflow")  # an extra
        monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
        _, record = run(store, run=Run(mlflow=f"file:{tmp_path}/mlruns"))
        [file] = tmp_path.glob("mlruns/*/*/metrics/validation/loss")
        logged = [float(line.split()[1]) for line in file.read_text().splitlines()]
        np.testing.assert_allclose(logged, record.losses["validation"], rtol=1e-5)


class TestSeveralDevices:
    def test_two_processes_learn_what_one_learns(self, images, tmp_path):
        """In a program of its own, since each process imports the one that started it."""
        np.save(tmp_path / "images.npy", np.stack(images))
        program = tmp_path / "program.py"
        program.write_text(f"""
import json, sys
sys.path.insert(0, {str(Path(__file__).parents[2])!r})
import numpy as np
from knowngood.data.imageset import ImageSet
from knowngood.data.reading import Reading
from knowngood.detectors import make_detector
from knowngood.training.run import Run

if __name__ == "__main__":
    images = list(np.load({str(tmp_path / "images.npy")!r}))
    recipe = make_detector("autoencoder", dict(input_size=16, epochs=3, width=4, code=8))
    result = {{}}
    for devices in (1, 2):
        run = Run({str(tmp_path)!r} + f"/{{devices}}", devices=devices)
        fit = recipe.fit(ImageSet(images, Reading((16, 16))), seed=0, device="cpu", run=run)
        result[devices] = [list(fit.held_out), [tuple(epoch[:3]) for epoch in fit.records.training.epochs]]
    print(json.dumps(result))
""")
        done = subprocess.run([sys.executable, program], check=False, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-3000:]
        result = json.loads(done.stdout.splitlines()[-1])
        (one, epochs), (two, shared) = result["1"], result["2"]
        assert len(shared) == 3
        np.testing.assert_allclose(two, one, rtol=0.05)
        np.testing.assert_allclose(np.array(shared), np.array(epochs), rtol=0.05)
        assert shared != epochs  # each process normalises its own half of a batch

    def test_the_learning_goes_wrong_in_a_process(self, images, tmp_path):
        np.save(tmp_path / "images.npy", np.stack(images))
        program = tmp_path / "program.py"
        program.write_text(f"""
import sys
sys.path.insert(0, {str(Path(__file__).parents[2])!r})
import numpy as np
from knowngood.data.imageset import ImageSet
from knowngood.data.reading import Reading
from knowngood.errors import TrainingError
from knowngood.training.run import Run
from knowngood.training.store import store_images
from tests.training.conftest import SIDE, Exploding, make
from tests.training.test_train import run

if __name__ == "__main__":
    images = list(np.load({str(tmp_path / "images.npy")!r}))
    with store_images(ImageSet(images, Reading((SIDE, SIDE))), seed=0) as store:
        try:
            run(store, make(Exploding), run=Run(devices=2))
        except TrainingError as error:
            print(error)
""")
        done = subprocess.run([sys.executable, program], check=False, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-3000:]
        assert done.stdout.splitlines()[-1].startswith("the loss is not a finite number at step 2")
