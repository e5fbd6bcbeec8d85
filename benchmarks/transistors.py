"""The images of the speed benchmark: MVTec's transistors, enlarged to 1024²."""

from __future__ import annotations

import os
from itertools import cycle, islice
from pathlib import Path

import cv2

from knowngood.data.images import read_image

SOURCE = Path(__file__).resolve().parent.parent.parent / "shared" / "data" / "mvtec" / "transistor"
SIDE = 1024
KINDS = ("png", "jpeg")


def make(folder: Path, kind: str, limit: int | None = None) -> Path:
    """Write the training and test images, 213 and 100, in the MVTec layout.

    Args:
        folder: Where to make the folder of images.
        kind: `png` or `jpeg`, of quality 90.
        limit: The most images of each folder, for a dry run.
    """
    root = folder / kind
    for split in ("train", "test"):
        for source in sorted((SOURCE / split).iterdir()):
            target = root / split / source.name
            target.mkdir(parents=True)
            for file in sorted(source.glob("*.png"))[:limit]:
                pixels = read_image(file)[..., ::-1]
                image = cv2.resize(pixels, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
                settings = [] if kind == "png" else [cv2.IMWRITE_JPEG_QUALITY, 90]
                cv2.imwrite(str(target / f"{file.stem}.{kind}"), image, settings)
    return root


def repeat(root: Path, folder: Path, count: int) -> Path:
    """Make a folder of that many good images out of the training images, under other names."""
    target = folder / "train" / "good"
    target.mkdir(parents=True)
    for number, file in enumerate(islice(cycle(sorted((root / "train" / "good").iterdir())), count)):
        os.link(file, target / f"{number:06}{file.suffix}")
    return folder
