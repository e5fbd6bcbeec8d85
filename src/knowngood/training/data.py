"""The data module: batches of stored samples in an order that seed and epoch alone decide."""

from __future__ import annotations

from typing import Any

import lightning
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from knowngood.training.imbalance import epoch_rows
from knowngood.training.store import Store

LEAST_STEPS = 10
"""Steps of an epoch: a small set is passed more than once, so that validation does not dominate the time."""

EXAMPLES = 8
"""Images in the fixed validation batch whose reconstructions are kept."""


class StoredBatches(Dataset[tuple[Tensor, Tensor]]):
    """Batches of stored samples and their labels, from the rows of each batch."""

    def __init__(self, store: Store, batches: list[NDArray[np.int64]]) -> None:
        self.samples = store.samples
        self.labels = store.labels
        self.batches = batches

    def __len__(self) -> int:
        return len(self.batches)

    def __getitem__(self, number: int) -> tuple[Tensor, Tensor]:
        # Beyond the last batch the list raises the IndexError that ends an iteration.
        rows = np.sort(self.batches[number])
        samples = np.stack([self.samples[row] for row in rows])
        return torch.from_numpy(samples), torch.from_numpy(self.labels[rows])


class StoredData(lightning.LightningDataModule):
    """Training and validation batches.

    The order depends on the seed and the epoch's number alone, so that it is the same after a restart. A
    batch is shared evenly among all devices, so that no step is left with a single sample; their number
    changes the result only by rounding and by layers that look at a batch as a whole. `sampling` is one of
    `knowngood.training.imbalance.METHODS`, by which the samples of a pass are drawn.
    """

    def __init__(self, store: Store, *, batch_size: int, seed: int, sampling: str = "none") -> None:
        super().__init__()
        self.store = store
        self.batch_size = batch_size
        self.seed = seed
        self.sampling = sampling

    @property
    def examples(self) -> tuple[Tensor, Tensor]:
        """The fixed validation batch, and its labels."""
        return StoredBatches(self.store, [self.store.validation[:EXAMPLES]])[0]

    def train_dataloader(self) -> DataLoader[Any]:
        """The batches of the current epoch."""
        epoch = self.trainer.current_epoch if self.trainer else 0
        rng = np.random.default_rng([self.seed, epoch])

        def draw() -> NDArray[np.int64]:
            return epoch_rows(self.sampling, self.store.labels, self.store.train, rng)

        first = draw()
        steps = -(-len(first) // self.batch_size)
        passes = [first, *(draw() for _ in range(-(-LEAST_STEPS // steps) - 1))]
        return self._loader(np.concatenate(passes), steps * len(passes))

    def val_dataloader(self) -> DataLoader[Any]:
        """The held-out samples."""
        return self._loader(self.store.validation, -(-len(self.store.validation) // self.batch_size))

    def _loader(self, rows: NDArray[np.int64], steps: int) -> DataLoader[Any]:
        """This process's share of batches of about equal size."""
        rank, ranks = (self.trainer.global_rank, self.trainer.world_size) if self.trainer else (0, 1)
        # A device without a sample would wait for ever: in small batches rows are repeated.
        rows = np.resize(rows, max(len(rows), steps * ranks))
        shares = [batch[rank::ranks] for batch in np.array_split(rows, steps)]
        return DataLoader(StoredBatches(self.store, shares), batch_size=None)
