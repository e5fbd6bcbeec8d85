"""Image files on disk."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from knowngood.data.images import IMAGE_SUFFIXES
from knowngood.errors import DataError
from knowngood.output import is_heatmap


def search(folder: Path) -> tuple[list[Path], list[Path]]:
    """Find the images below a folder, through links but without loops.

    Hidden files and folders are skipped, and heatmaps that knowngood wrote.

    Returns:
        The images and the other files, each sorted.

    Raises:
        DataError: A folder cannot be listed.
    """
    images: list[Path] = []
    others: list[Path] = []

    def walk(here: Path, trail: frozenset[str]) -> None:
        real = os.path.realpath(here)
        if real in trail:
            return
        try:
            children = [(child, child.is_dir()) for child in here.iterdir() if child.name[0] != "."]
        except OSError as error:
            raise DataError(
                f"folder {str(here)!r} cannot be listed ({error.strerror}); "
                "change its permissions or move it",
                path=here,
            ) from error
        for child, is_folder in children:
            if is_folder:
                walk(child, trail | {real})
            else:
                suffix = child.suffix.lower()
                is_image = suffix in IMAGE_SUFFIXES and not (suffix == ".png" and is_heatmap(child))
                (images if is_image else others).append(child)

    walk(folder, frozenset())
    return sorted(images), sorted(others)


def find_images(paths: Sequence[str | Path]) -> list[str]:
    """List images: files as they are named, folders by all images below them.

    Raises:
        DataError: A path is not there, a folder cannot be listed, or there is no image at all.
    """
    found: list[str] = []
    for path in map(Path, paths):
        if path.is_dir():
            found += map(str, search(path)[0])
        elif path.exists():
            found.append(str(path))
        else:
            raise DataError(f"{str(path)!r} does not exist", path=path)
    if not found:
        raise DataError(f"there is no image in {', '.join(repr(str(path)) for path in paths)}")
    return found
