"""Pictures with a flawless picture of the same object: read as one, the registered reference below it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

import cv2
import numpy as np
from numpy.typing import NDArray

from knowngood.data.decoding import Source, name_of
from knowngood.data.images import Picture, read_picture
from knowngood.data.meanings import without_last_word
from knowngood.data.patterns import matches
from knowngood.errors import DataError, UnreadableImage

REFERENCE = "reference"
"""The column of a table that names the reference of each image."""

HOW = "name it in a column `reference` of a table, or give a pattern such as --reference '*_temp.jpg'"

_SMALL = 256  # pixels of the longer side at which the rough position is found
_STEPS = 30
_FINE_STEPS = 6
_ENOUGH = 1e-5  # the change of the correlation at which registration stops
_FILTER = 5  # pixels of the blur by which noise does not matter


class Pair(str):
    """The path of a picture, which has a reference: the path of a flawless picture of the same object.

    All but the detectors that compare the two read the picture alone.

    Example:
        >>> pair = Pair("07_test.png", "07_temp.png")
        >>> pair, pair.reference
        ('07_test.png', '07_temp.png')
    """

    reference: str

    def __new__(cls, path: str | Path, reference: str | Path) -> Pair:
        """Make one."""
        pair = super().__new__(cls, path)
        pair.reference = str(reference)
        return pair

    def __reduce__(self) -> tuple[type[Pair], tuple[str, str]]:
        """Copies, also in other processes, are made of both paths."""
        return Pair, (str(self), self.reference)


def check_references(sources: Sequence[Source]) -> None:
    """Refuse images without a reference.

    Raises:
        DataError: There are some.
    """
    without = [name_of(source, place) for place, source in enumerate(sources) if not isinstance(source, Pair)]
    if without:
        raise DataError(
            f"{len(without)} of {len(sources)} images have no reference, such as {without[0]!r}; {HOW}"
        )


def read_pair(source: Source, shape: tuple[int, int], *, bits: int | None = 16) -> Picture:
    """Read a picture and its reference, register the reference, and put it below the picture.

    Args:
        source: A `Pair`.
        shape: Height and width of both together.
        bits: See `knowngood.data.images.read_picture`.

    Returns:
        Pixels of both, and the size of the picture alone. What the reference does not show, since it was
        moved, is that of the picture.

    Raises:
        UnreadableImage: There is no reference, it cannot be read or has another size than the picture.
    """
    if not isinstance(source, Pair):
        raise UnreadableImage(
            source if isinstance(source, str | Path) else "image", f"it has no reference; {HOW}"
        )
    half = shape[0] // 2, shape[1]
    picture = read_picture(str(source), half, bits=bits)
    try:
        reference = read_picture(source.reference, half, bits=bits)
    except UnreadableImage as error:
        raise UnreadableImage(source, f"its reference {error}") from error
    if picture.size != reference.size:
        (height, width), (rows, columns) = reference.size, picture.size
        raise UnreadableImage(
            source,
            f"its reference {source.reference!r} is {height} x {width}, but it is {rows} x {columns} (height "
            "x width); take both with one camera, or resize one of them",
        )
    registered = register(reference.pixels, picture.pixels)
    pixels = np.concatenate([picture.pixels, registered])
    return Picture(pixels, picture.size, picture.clipped or reference.clipped)


def register(reference: NDArray[np.uint8], picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Move a reference `(H, W, 3)` onto a picture of the same shape by an affine transform.

    Phase correlation finds the shift; the correlation of both is then increased as in Evangelidis and
    Psarakis, "Parametric Image Alignment Using Enhanced Correlation Coefficient Maximization", IEEE TPAMI
    2008, doi:10.1109/TPAMI.2008.113. Where both have nothing in common, only the shift is applied.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> board = cv2.GaussianBlur(rng.integers(0, 256, (128, 128, 3), dtype=np.uint8), (9, 9), 3)
        >>> moved = np.roll(board, (3, -2), axis=(0, 1))
        >>> error = lambda image: np.abs(image[8:-8, 8:-8].astype(float) - moved[8:-8, 8:-8]).mean()
        >>> bool(error(register(board, moved)) < error(board) / 10)
        True
    """
    height, width = picture.shape[:2]
    factor = min(1.0, _SMALL / max(height, width))
    size = round(factor * width), round(factor * height)
    whole = [cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32) for image in (reference, picture)]
    small = [np.asarray(cv2.resize(one, size, interpolation=cv2.INTER_AREA), np.float32) for one in whole]
    window = cv2.createHanningWindow(small[0].shape[::-1], cv2.CV_32F)
    # OpenCV multiplies what it is given by the window, in place.
    (across, down), _ = cv2.phaseCorrelate(small[1].copy(), small[0].copy(), window)
    warp = np.array([[1, 0, across], [0, 1, down]], np.float32)
    warp = _refined(small[0], small[1], warp, _STEPS)
    warp[:, 2] /= factor
    if factor < 1:
        warp = _refined(whole[0], whole[1], warp, _FINE_STEPS)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    moved = cv2.warpAffine(reference, warp, (width, height), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    shown = cv2.warpAffine(np.ones((height, width), np.uint8), warp, (width, height), flags=flags)
    return np.where(shown[..., None] > 0, moved, picture).astype(np.uint8, copy=False)


def _refined(
    reference: NDArray[np.float32], picture: NDArray[np.float32], warp: NDArray[np.float32], steps: int
) -> NDArray[np.float32]:
    """A transform by which both correlate more; the same one where none is found."""
    criteria = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, steps, _ENOUGH)
    try:
        everywhere = np.ones(picture.shape, np.uint8)
        _, found = cv2.findTransformECC(
            picture, reference, warp.copy(), cv2.MOTION_AFFINE, criteria, everywhere, _FILTER
        )
    except cv2.error:  # it does not converge, as where one of them is constant
        return warp
    return np.asarray(found, np.float32)


def references_of(
    images: Sequence[PurePosixPath], references: Sequence[PurePosixPath]
) -> Mapping[PurePosixPath, PurePosixPath]:
    """The reference of each image: the only one, or that whose name is the same up to the last word.

    Example:
        >>> files = list(map(PurePosixPath, ("a/7_test.png", "b/8.png", "a/7_temp.png", "c/8-ref.png")))
        >>> {str(image): str(own) for image, own in references_of(files[:2], files[2:]).items()}
        {'a/7_test.png': 'a/7_temp.png', 'b/8.png': 'c/8-ref.png'}

    Raises:
        DataError: Several are called so, and none of them is in the folder of the image.
    """
    if len(references) == 1:
        return dict.fromkeys(images, references[0])
    called: dict[str, list[PurePosixPath]] = {}
    for reference in references:
        called.setdefault(_called(reference), []).append(reference)
    found = {}
    for image in images:
        named = called.get(_called(image)) or called.get(image.stem) or []
        beside = [one for one in named if one.parent == image.parent] if len(named) > 1 else named
        if named and len(beside) != 1:
            several = f"{str(named[0])!r} or {str(named[1])!r}"
            raise DataError(f"{str(image)!r} may have the reference {several}; write a table that says which")
        if beside:
            found[image] = beside[0]
    return found


def paired(images: Sequence[str], patterns: Sequence[str]) -> list[str]:
    """Images with their references, which are those among them that fit a pattern.

    Example:
        >>> [pair] = paired(["new/7_test.png", "new/7_temp.png"], ["*_temp.png"])
        >>> pair, pair.reference
        ('new/7_test.png', 'new/7_temp.png')
    """
    files = {PurePosixPath(image): image for image in images}
    known = [file for file in files if any(matches(file, pattern) for pattern in patterns)]
    if not known:
        return list(images)
    own = references_of([file for file in files if file not in known], known)
    return [
        Pair(image, files[own[file]]) if file in own else image
        for file, image in files.items()
        if file not in known
    ]


def _called(file: PurePosixPath) -> str:
    """The name of a file without its last word."""
    return without_last_word(file.stem) or file.stem
