"""Shared fixtures: the real images when they are there, and a small synthetic set that is always there."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

# Before torch is imported: its threads spin while they wait for each other, and on cores that they share with
# other programs a training would take many times as long.
os.environ.setdefault("GOMP_SPINCOUNT", "1000")

SIDE = 96


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


def part(rng: np.random.Generator) -> np.ndarray:
    """Photograph one good part: a shaded disc on a dark table with surface noise, uint8 (96, 96, 3)."""
    y, x = np.mgrid[:SIDE, :SIDE]
    centre_y, centre_x = SIDE / 2 + rng.uniform(-2, 2, size=2)
    radius = np.hypot(y - centre_y, x - centre_x)
    disc = 1 / (1 + np.exp(radius - 36))
    shade = 40 + disc * (90 + 0.3 * x + 12 * np.cos(radius / 3))
    colour = shade[..., None] * np.array([1.0, 0.92, 0.8])
    return np.clip(colour + rng.normal(0, 4, size=(SIDE, SIDE, 3)), 0, 255).astype(np.uint8)


def scratch(rng: np.random.Generator) -> np.ndarray:
    """Choose where a scratch lies on the disc: bool (96, 96)."""
    y, x = np.mgrid[:SIDE, :SIDE]
    angle = rng.uniform(0, np.pi)
    centre_y, centre_x = SIDE / 2 + rng.uniform(-12, 12, size=2)
    along = (y - centre_y) * np.sin(angle) + (x - centre_x) * np.cos(angle)
    across = (y - centre_y) * np.cos(angle) - (x - centre_x) * np.sin(angle)
    return (np.abs(along) < 14) & (np.abs(across) < 2)


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
