"""What a user says of the files of a folder: which are good, defects, masks, or to be ignored."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, fields
from fnmatch import fnmatchcase
from pathlib import PurePosixPath

from knowngood.data.meanings import is_mask_folder
from knowngood.errors import DataError


@dataclass(frozen=True)
class Patterns:
    """Globs for the files of a folder whose names do not say what they are.

    A pattern is compared with the path of a file below the folder, where `*` stands for anything, `/` too;
    one that names a folder means all files in it, but what is a mask by its name and pixels stays a mask.
    `ignore` outweighs the others. Images that no pattern names are known by their folders; where there is a
    pattern for `good` and none for `defect`, they are defects.

    Args:
        good: One pattern or several for images of good parts.
        defect: The same for images of defects; the type of a defect is the name of its folder.
        mask: The same for masks.
        ignore: The same for files to leave out.
        reference: The same for flawless pictures of the objects that images show; see
            `knowngood.data.pairs.references_of`.

    Example:
        >>> patterns = Patterns(good="MT_Free", mask=["*.png"])
        >>> [patterns.of(PurePosixPath(file)) for file in ("MT_Free/1.jpg", "MT_Fray/1.png", "a.jpg")]
        ['good', 'mask', '']
    """

    good: Sequence[str] = field(default=())
    defect: Sequence[str] = field(default=())
    mask: Sequence[str] = field(default=())
    ignore: Sequence[str] = field(default=())
    reference: Sequence[str] = field(default=())

    def __post_init__(self) -> None:
        for one in fields(self):
            value = getattr(self, one.name)
            object.__setattr__(self, one.name, (value,) if isinstance(value, str) else tuple(value))

    def __bool__(self) -> bool:
        """Whether there is any pattern."""
        return any(getattr(self, one.name) for one in fields(self))

    def of(self, file: PurePosixPath) -> str:
        """Return what the patterns say of a file: the name of a field above, or nothing."""
        for name in ("ignore", "reference", "mask", "good", "defect"):
            if any(matches(file, pattern) for pattern in getattr(self, name)):
                return name
        return ""

    def names_images_in_mask_folder(self, file: PurePosixPath) -> bool:
        """Whether a pattern for good parts or defects names the folder itself that seems to hold masks."""
        return any(
            matches(file, pattern) and any(map(is_mask_folder, pattern.split("/")))
            for pattern in (*self.good, *self.defect)
        )

    def check(self, files: Iterable[PurePosixPath]) -> None:
        """Refuse a pattern that fits no file, and images that are named both good and a defect.

        Raises:
            DataError: There is one.
        """
        known = list(files)
        for one in fields(self):
            for pattern in getattr(self, one.name):
                if not any(matches(file, pattern) for file in known):
                    raise DataError(
                        f"the pattern --{one.name} {pattern!r} fits no image; patterns start from the folder "
                        f"that is read, as in {str(known[0])!r}"
                    )
        for file in known:
            if self.of(file) == "good" and any(matches(file, pattern) for pattern in self.defect):
                raise DataError(f"{str(file)!r} fits patterns of --good and of --defect; change one of them")


def matches(file: PurePosixPath, pattern: str) -> bool:
    """Whether a pattern names a file, or a folder that it is in.

    Example:
        >>> file = PurePosixPath("MT_Free/Imgs/1.jpg")
        >>> [matches(file, pattern) for pattern in ("*/MT_Free/*", "MT_Free", "MT_Free/", "*.jpg", "Imgs")]
        [True, True, True, True, False]
    """
    path, pattern = f"/{file}", pattern.removeprefix("./").rstrip("/")
    return any(
        fnmatchcase(path, wanted) for wanted in (pattern, f"/{pattern}", f"{pattern}/*", f"/{pattern}/*")
    )
