"""How fast other libraries decode the same files, as one JSON line of images a second.

    python decoders.py FOLDER

Runs in any environment, with those of the libraries that it has: each reads at most a hundred of the images
at full size, on all cores.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from statistics import median

import cv2
import numpy as np

MOST = 100
ROUNDS = 3

Decode = Callable[[bytes], object]


def main(folder: Path) -> None:
    """Measure each decoder."""
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    files = files[:: -(-len(files) // MOST)]
    print(json.dumps({name: rate(decode, files) for name, decode in decoders(files[0].suffix).items()}))


def decoders(suffix: str) -> dict[str, Decode]:
    """The decoders for a kind of file that can be imported here."""
    cv2.setNumThreads(1)  # the files are what is done at once
    found: dict[str, Decode] = {
        "opencv": lambda content: cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR_RGB)
    }
    with suppress(ImportError):
        import imagecodecs

        found["imagecodecs"] = imagecodecs.png_decode if suffix == ".png" else imagecodecs.jpeg_decode
    if suffix == ".png":
        with suppress(ImportError):
            import opencodecs

            found["opencodecs"] = opencodecs.get_codec("png").decode
        with suppress(ImportError):
            import pyspng

            found["pyspng"] = pyspng.load
        with suppress(ImportError):
            from kornia_rs import image

            found["kornia-rs"] = image.Image.decode
    else:
        with suppress(ImportError):
            import simplejpeg

            found["simplejpeg"] = simplejpeg.decode_jpeg
    return found


def rate(decode: Decode, files: list[Path]) -> float:
    """Images a second, the median of a few rounds; the first one, which makes all ready, is not counted."""
    rates = []
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for _ in range(1 + ROUNDS):
            start = time.perf_counter()
            done = sum(1 for _ in pool.map(lambda file: decode(file.read_bytes()), files))
            rates.append(done / (time.perf_counter() - start))
    return median(rates[1:])


if __name__ == "__main__":
    main(Path(sys.argv[1]))
