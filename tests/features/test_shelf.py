import errno
import gc
import weakref

import pytest
import torch

from knowngood.errors import OutputError
from knowngood.features import shelf
from knowngood.features.shelf import Shelf
from knowngood.parallel import in_parallel


@pytest.mark.parametrize("limit", [1, 10**9])
def test_what_was_put_there_comes_back_in_memory_or_from_a_file(monkeypatch, limit):
    monkeypatch.setattr(shelf, "IN_MEMORY", limit)
    kept, generator = Shelf(), torch.Generator().manual_seed(0)
    given = {number: torch.rand(3, 4, number, generator=generator) for number in (5, 2, 9)}
    for number, tensor in given.items():
        kept[number] = [tensor.half(), tensor.transpose(0, 1)]
    assert (len(kept), sorted(kept), number in kept, 1 in kept) == (3, [2, 5, 9], True, False)
    for number, (half, turned) in zip([9, 5] * 20, in_parallel(kept.__getitem__, [9, 5] * 20), strict=True):
        assert torch.equal(half, given[number].half())
        assert torch.equal(turned, given[number].transpose(0, 1))


def test_its_file_goes_with_it():
    kept = Shelf()
    kept[0] = [torch.ones(3)]
    file = weakref.ref(kept._file)
    del kept
    gc.collect()
    assert file() is None or file().closed


def test_a_full_disk_is_said(monkeypatch):
    kept = Shelf()

    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(kept._file, "write", full)
    with pytest.raises(OutputError, match=r"no room for features in .*No space left on device"):
        kept[0] = [torch.ones(3)]
