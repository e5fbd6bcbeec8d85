"""Short names of images, for files that leave the house, and the images that names stand for."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path, PurePath
from typing import TypeGuard

from knowngood.data.decoding import Source, listed, name_of
from knowngood.errors import DataError
from knowngood.inputs import printable


def names_of(sources: Sequence[Source]) -> list[str]:
    """Name images by their paths from the folder that all files share, which does not say whose they are.

    An image that is no file has the name `[position]`. What is not printable is written as Python does.

    Example:
        >>> names_of(["/home/ann/parts/a.png", "/home/ann/parts/b/a.png"]), names_of([b""])
        (['a.png', 'b/a.png'], ['[0]'])
    """
    paths = {place: Path(source).absolute() for place, source in enumerate(sources) if _is_file(source)}
    anchors = {path.anchor for path in paths.values()}
    shared = os.path.commonpath([path.parent for path in paths.values()]) if len(anchors) == 1 else ""
    return [
        printable(paths[place].relative_to(shared).as_posix() if place in paths else name_of(source, place))
        for place, source in enumerate(sources)
    ]


def places(wanted: Sequence[str | Path], sources: Sequence[Source], names: Sequence[str]) -> set[int]:
    """The places of images that are wanted by their name, by their path, or by the last parts of it.

    Raises:
        DataError: A name is that of no image, or of several.

    Example:
        >>> places(["b/a.png", "c.png"], ["x/b/a.png", "x/a.png", "x/c.png"], ["b/a.png", "a.png", "c.png"])
        {0, 2}
    """
    found = set()
    for name in map(str, wanted):
        at = [place for place, known in enumerate(names) if name == known] or [
            place for place, source in enumerate(sources) if _is_file(source) and _ends(source, name)
        ]
        if len(at) > 1:
            several = "\n".join(listed([names[place] for place in at]))
            raise DataError(f"{name!r} is the name of {len(at)} good images; name one of them:\n{several}")
        if not at:
            raise DataError(
                f"{name!r} is not one of the {len(sources)} good images, so it cannot be left out"
            )
        found.add(at[0])
    return found


def _is_file(source: Source) -> TypeGuard[str | Path]:
    """Whether an image is given by its path."""
    return isinstance(source, str | Path)


def _ends(path: str | Path, name: str) -> bool:
    """Whether a name is a path, or the last parts of it."""
    parts, last = Path(path).absolute().parts, PurePath(name).parts
    return bool(last and parts[-len(last) :] == last) or Path(path).resolve() == Path(name).resolve()
