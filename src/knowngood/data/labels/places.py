"""Where the images are that label files name: their folders were often moved since."""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath

from knowngood.data.files import search


class Places:
    """The images below a folder, found by the end of a path.

    A name is looked for beside the label file, then below the folder: of images with the most folders in
    common, from the name on backwards, the one in a folder of the split, or else the only one.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._by_name: dict[str, list[str]] | None = None

    def of(self, name: str, beside: Path, split: str = "") -> str:
        """Return the file of an image; where it is not found, the file that it would be."""
        name = name.replace("\\", "/").split("://", 1)[-1]
        for folder in (beside, self._root):
            path = os.path.join(folder, name)  # noqa: PTH118 - a million images would take seconds with pathlib
            if os.path.lexists(path):
                return path
        parts = PurePosixPath(name).parts
        for start in range(len(parts) - 1, -1, -1):
            if parts[start] in ("..", "/"):
                parts = parts[start + 1 :]
                break
        found = self._named(parts[-1] if parts else "")
        common = [(_common(PurePosixPath(path).parts, parts), path) for path in found]
        best = [path for shared, path in common if shared == max(common)[0]]
        if len(best) > 1 and split:
            best = [path for path in best if split in path.lower().split("/")] or best
        return best[0] if len(best) == 1 else os.path.join(beside, name)  # noqa: PTH118

    def _named(self, name: str) -> list[str]:
        """Return the images of a name, anywhere below the folder."""
        if self._by_name is None:
            self._by_name = {}
            for path in search(self._root).images:
                self._by_name.setdefault(path.name, []).append(path.as_posix())
        return self._by_name.get(name, [])


def _common(one: tuple[str, ...], other: tuple[str, ...]) -> int:
    """Count the last parts that two paths share."""
    count = 0
    for first, second in zip(reversed(one), reversed(other), strict=False):
        if first != second:
            break
        count += 1
    return count
