"""The meaning of the names of folders and files: good parts, defects, splits, masks."""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import PurePath, PurePosixPath
from typing import NamedTuple

GOOD_WORDS = frozenset({"good", "nominal", "normal", "ok", "okay", "pass", "passed"})
BAD_WORDS = frozenset(
    {"abnormal", "anomalies", "anomalous", "anomaly", "bad", "def", "defect", "defective", "defects", "fail"}
    | {"failed", "faulty", "ko", "ng", "nok", "reject", "rejected"}
)
"""Words in lower case that mean good parts, and those that mean defects, as a name or as a part of one."""

NEGATIONS = frozenset({"free", "no", "non", "not", "without"})

VALIDATION = ("val", "valid", "validation")
SPLIT_OF = dict.fromkeys(("train", "training", *VALIDATION), "train") | dict.fromkeys(
    ("test", "testing", "test_public"), "test"
)
"""Names in lower case of folders that make a split.

Validation images are learned from: some of those are held out, and nothing else would use these."""

MASK_FOLDERS = frozenset({"ground_truth", "ground-truth", "ground truth", "groundtruth", "gt"}) | frozenset(
    {"mask", "masks", "label", "labels"}
)
"""Names in lower case of folders that hold masks."""

IMAGE_FOLDERS = frozenset({"image", "images", "img", "imgs", "rgb"})
"""Names in lower case of folders that only set images apart from masks."""

_MASK_ENDING = re.compile(r"(.+?)[\W_]+(?:masks?|gt|labels?|ground[\W_]*truth)[\W_]*\d*", re.IGNORECASE)
_LAST_WORD = re.compile(r"(.+)[\W_]+[^\W_]+")


class Place(NamedTuple):
    """What the folders of a file say."""

    split: str  # "train", "test" or unknown
    name: str  # of the folder of its class, empty for a file in none


@lru_cache(maxsize=1024)
def meaning(name: str) -> str:
    """Return what the name of a class means: `good`, `defect`, or nothing.

    The name is divided at all that is no letter. A word that means a defect outweighs one that means good,
    and a negation turns both.

    Example:
        >>> [meaning(name) for name in ("OK", "ok_front", "def_front", "not ok", "defect-free", "dent")]
        ['good', 'good', 'defect', 'defect', 'good', '']
    """
    words = set(re.findall(r"[^\W\d_]+", name.lower()))
    found = "defect" if words & BAD_WORDS else "good" if words & GOOD_WORDS else ""
    if found and words & NEGATIONS:
        return "good" if found == "defect" else "defect"
    return found


def place(file: PurePosixPath, above: int = 0) -> Place:
    """Return the split of a file and the folder of its class, below so many folders that all images share.

    Example:
        >>> place(PurePosixPath("Test/dent/rgb/0.png")), place(PurePosixPath("images/0.png"))
        (Place(split='test', name='dent'), Place(split='', name=''))
    """
    folders = [folder for folder in file.parts[:-1] if folder.lower() not in IMAGE_FOLDERS][above:]
    split = SPLIT_OF.get(folders[0].lower(), "") if folders else ""
    name = folders[1:] if split else folders
    return Place(split, name[0] if name else "")


def is_for_validation(file: PurePath) -> bool:
    """Whether a folder of a file is named as one for validation.

    Example:
        >>> [is_for_validation(PurePosixPath(file)) for file in ("Validation/good/0.png", "good/val.png")]
        [True, False]
    """
    return any(folder.lower() in VALIDATION for folder in file.parts[:-1])


def is_for_tests(file: PurePath) -> bool:
    """Whether one of the last two folders of a file, but those that only hold images, is named as a test.

    Example:
        >>> [is_for_tests(PurePosixPath(file)) for file in ("a/test/good/0.png", "test/a/good/0.png")]
        [True, False]
    """
    folders = [folder for folder in map(str.lower, file.parts[:-1]) if folder not in IMAGE_FOLDERS]
    return any(SPLIT_OF.get(folder) == "test" for folder in folders[-2:])


def is_mask_folder(name: str) -> bool:
    """Whether a folder of this name holds masks."""
    return name.lower() in MASK_FOLDERS


def without_mask_ending(stem: str) -> str:
    """Return the name of the image that a mask belongs to, if its own name says that it is a mask.

    Example:
        >>> [without_mask_ending(stem) for stem in ("000_mask", "000_GT", "part-label2", "000", "mask")]
        ['000', '000', 'part', '', '']
    """
    found = _MASK_ENDING.fullmatch(stem)
    return found[1] if found else ""


def without_last_word(stem: str) -> str:
    """Return a name without its last word, empty if it has only one.

    Example:
        >>> without_last_word("000-segmented"), without_last_word("000")
        ('000', '')
    """
    found = _LAST_WORD.fullmatch(stem)
    return found[1] if found else ""
