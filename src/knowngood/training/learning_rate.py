"""The learning-rate range test."""

from __future__ import annotations

from tempfile import TemporaryDirectory

import lightning
from lightning.pytorch.tuner.tuning import Tuner

from knowngood.errors import TrainingError
from knowngood.training.data import StoredData
from knowngood.training.learner import Learner
from knowngood.training.run import interruptible, lightning_devices

STEPS = 100
RANGE = (1e-6, 0.1)


def find_learning_rate(learner: Learner, data: StoredData, *, device: str) -> float:
    """Raise the learning rate step by step and choose the one at which the loss falls fastest.

    Smith, "Cyclical Learning Rates for Training Neural Networks", arXiv:1506.01186, section 3.3. The weights
    are restored afterwards.

    Raises:
        TrainingError: The loss falls at no rate.
    """
    with TemporaryDirectory(prefix="knowngood-") as folder, interruptible():
        trainer = lightning.Trainer(
            **lightning_devices(device),
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            default_root_dir=folder,
        )
        found = Tuner(trainer).lr_find(
            learner,
            datamodule=data,
            min_lr=RANGE[0],
            max_lr=RANGE[1],
            num_training=STEPS,
            early_stop_threshold=None,  # it compares with a multiple of the loss, which may be negative
            update_attr=False,
        )
    suggestion = found.suggestion() if found else None
    if suggestion is None:
        raise TrainingError("no learning rate was found at which the loss falls; give learning_rate yourself")
    return float(suggestion)
