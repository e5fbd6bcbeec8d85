"""What to do about a folder whose layout is not known."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Sequence
from pathlib import Path, PurePath, PurePosixPath

from knowngood.data.decoding import listed
from knowngood.data.meanings import place


def advice(images: Sequence[PurePosixPath], folder: str | Path) -> str:
    """Say what was seen in a folder that has no known layout, and which command makes a table of it."""
    sets = sorted({image.parts[0] for image in images if len(image.parts) > 3 and place(image, 1).split})
    if len(sets) > 1:
        return f"it holds several data sets ({', '.join(sets)}); name one of them, or fit all with --products"
    folders = [one for one, _ in Counter(str(image.parent) for image in images).most_common(2)]
    endings = Counter(image.suffix for image in images)
    good, defect = (f"{one}/*{endings.most_common(1)[0][0]}" for one in (folders * 2)[:2])
    command = [
        "knowngood",
        "table",
        str(folder),
        "--good",
        good,
        "--defect",
        defect,
        "--mask",
        "{stem}_mask.png",
    ]
    return "\n".join(
        [
            "which images are good is not known, since no folder's name says so. Its deepest folders:",
            *deepest_folders(images),
            f"Say it by --good PATTERN, such as --good '{folders[0]}/*', and where needed --defect, --mask, "
            "--ignore (in Python load_samples(folder, Patterns(good=...))); or make a table, such as:",
            f"  {shlex.join([*command, '--out', 'table.csv'])}",
        ]
    )


def deepest_folders(images: Sequence[PurePath]) -> list[str]:
    """Write a line for each folder with images: how many there are, and how their names end.

    Example:
        >>> deepest_folders([PurePosixPath("a/1.jpg"), PurePosixPath("a/2.jpg"), PurePosixPath("a/1.png")])
        ['  a: 3 (2 .jpg, 1 .png)']
    """
    found: dict[str, Counter[str]] = {}
    for image in images:
        found.setdefault(str(image.parent), Counter())[image.suffix] += 1
    lines = []
    for folder, endings in sorted(found.items()):
        tally = ", ".join(f"{count} {ending}" for ending, count in endings.most_common())
        lines.append(f"{folder}: {endings.total()}" + (f" ({tally})" if len(endings) > 1 else ""))
    return listed(lines)
