"""Tensors that are needed again later: few in memory, more of them in a temporary file."""

from __future__ import annotations

import tempfile
import weakref
from collections.abc import Iterator, Sequence
from threading import Lock

import numpy as np
import torch
from torch import Tensor

from knowngood.errors import OutputError

IN_MEMORY = 128_000_000
"""Bytes from which on all are in the file: the features of some hundred images."""


class Shelf:
    """Lists of tensors of float16 or float32 by a number, each put there once; threads may read them at once.

    Example:
        >>> shelf = Shelf()
        >>> shelf[7] = [torch.ones(2, 3), torch.zeros(1)]
        >>> shelf[7][0].sum().item(), sorted(shelf)
        (6.0, [7])
    """

    def __init__(self) -> None:
        self._file = tempfile.SpooledTemporaryFile(IN_MEMORY)  # noqa: SIM115 - open as long as the shelf lives
        weakref.finalize(self, self._file.close)
        self._lock = Lock()
        self._end = 0
        self._known: dict[int, tuple[int, list[tuple[torch.Size, str]]]] = {}

    def __len__(self) -> int:
        return len(self._known)

    def __iter__(self) -> Iterator[int]:
        return iter(self._known)

    def __setitem__(self, number: int, tensors: Sequence[Tensor]) -> None:
        arrays = [tensor.contiguous().numpy() for tensor in tensors]
        try:
            with self._lock:
                self._file.seek(self._end)
                for array in arrays:
                    self._file.write(array.tobytes())
        except OSError as error:
            raise OutputError(
                f"no room for features in {tempfile.gettempdir()!r}: {error.strerror}"
            ) from error
        shapes = [(tensor.shape, str(array.dtype)) for tensor, array in zip(tensors, arrays, strict=True)]
        self._known[number] = self._end, shapes
        self._end += sum(array.nbytes for array in arrays)

    def __getitem__(self, number: int) -> list[Tensor]:
        begin, shapes = self._known[number]
        tensors = []
        with self._lock:
            self._file.seek(begin)
            for shape, dtype in shapes:
                content = bytearray(self._file.read(shape.numel() * np.dtype(dtype).itemsize))
                tensors.append(torch.from_numpy(np.frombuffer(content, dtype)).view(shape))
        return tensors
