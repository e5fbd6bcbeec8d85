"""Shared fixtures: the real images when they are there, and a small synthetic set that is always there."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings
from PIL import Image

from .support.parts import part, scratch

# Before torch is imported: its threads spin while they wait for each other, and on cores that they share with
# other programs a training would take many times as long.
os.environ.setdefault("GOMP_SPINCOUNT", "1000")

# Beside other programs and other workers an example may take any time.
settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")

WORKERS = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
if WORKERS > 1:
    # Workers share the cores: as many threads as if each had all of them would wait for each other.
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // WORKERS)))


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep what shares fixtures on one worker: a file, and in the contracts what tests one method."""
    for item in items if WORKERS > 1 else ():
        group = item.nodeid.partition("::")[0]
        if group.startswith("tests/contract/"):
            method = getattr(item, "callspec", None)
            group += "" if method is None else f"::{method.params.get('name')}"
        item.add_marker(pytest.mark.xdist_group(group))


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep converted networks out of the user's cache folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real images beside the checkout."""
    folder = Path(__file__).resolve().parents[2] / "shared" / "data"
    if not (folder / "mvtec").is_dir():
        pytest.skip("the real images (shared/data beside the checkout) are not on this machine")
    return folder


@pytest.fixture(scope="session")
def good_images() -> np.ndarray:
    """Good parts, uint8 (24, 96, 96, 3)."""
    rng = np.random.default_rng(0)
    return np.stack([part(rng) for _ in range(24)])


@pytest.fixture(scope="session")
def defect_masks() -> np.ndarray:
    """Where the scratches of ``defect_images`` are, bool (6, 96, 96)."""
    rng = np.random.default_rng(1)
    return np.stack([scratch(rng) for _ in range(6)])


@pytest.fixture(scope="session")
def defect_images(defect_masks: np.ndarray) -> np.ndarray:
    """Scratched parts, uint8 (6, 96, 96, 3)."""
    rng = np.random.default_rng(2)
    images = np.stack([part(rng) for _ in defect_masks])
    images[defect_masks] = 235
    return images


@pytest.fixture(scope="session")
def widget(
    tmp_path_factory: pytest.TempPathFactory,
    good_images: np.ndarray,
    defect_images: np.ndarray,
    defect_masks: np.ndarray,
) -> Path:
    """A folder in the MVTec layout: 24 good images to train on, 8 good and 6 scratched ones to test on."""
    folder = tmp_path_factory.mktemp("data") / "widget"
    rng = np.random.default_rng(3)
    images = {
        "train/good/{:03}.png": good_images,
        "test/good/{:03}.png": np.stack([part(rng) for _ in range(8)]),
        "test/scratch/{:03}.png": defect_images,
        "ground_truth/scratch/{:03}_mask.png": defect_masks.astype(np.uint8) * 255,
    }
    for name, stack in images.items():
        for number, image in enumerate(stack):
            path = folder / name.format(number)
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(path)
    return folder
