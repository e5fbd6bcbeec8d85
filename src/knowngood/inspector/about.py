"""What an evaluation is of: the product, the inspector, the images, who evaluated it and when."""

from __future__ import annotations

import getpass
import hashlib
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from knowngood.data.class_names import class_of_each
from knowngood.data.imageset import GOOD, good_first
from knowngood.data.samples import data_name, data_path
from knowngood.inputs import TABLE_SUFFIXES

if TYPE_CHECKING:
    from knowngood.inspector.inspector import Inspector


@dataclass(frozen=True)
class Images:
    """The images that an inspector learned from, or those of a test.

    Args:
        name: Of their folder or table; empty where a program gave the images.
        classes: Number of images by class, `good` first, then the types of defect.
        fingerprint: Of all of them in their order; see `fingerprint_of`.
        path: Of their folder or table, as it was given; empty where unknown.
        left_out: Number of others there, which take no part since the inspector learned from them.
    """

    name: str = ""
    classes: dict[str, int] = field(default_factory=dict)
    fingerprint: str = ""
    path: str = ""
    left_out: int = 0


@dataclass(frozen=True)
class About:
    """What an evaluation is of.

    Args:
        inspector: The inspector's file, as it was given; empty for one that was never saved.
        one_of: The name of the product where that file is of several; else empty.
        training: The images that it learned from.
        test: The images that were inspected.
        user: Who ran the evaluation, by the name of the account; empty where unknown.
        time: When it began, in ISO 8601 with the offset of the local time.
    """

    inspector: str = ""
    training: Images = Images()
    test: Images = Images()
    user: str = ""
    time: str = ""
    one_of: str = ""

    @property
    def product(self) -> str:
        """The name of the product: that of the data which the inspector learned from, else of the test.

        Example:
            >>> About(training=Images("screws.csv"), test=Images("tray 7")).product
            'screws'
        """
        name = Path(self.training.name or self.test.name)
        return name.stem if name.suffix.lower() in TABLE_SUFFIXES else name.name


def about(inspector: Inspector, test: pd.DataFrame, left_out: int = 0) -> About:
    """Describe an evaluation that begins now, of samples with the fingerprint of each in `digest`.

    `left_out` other images of the same data take no part, since the inspector learned from them.
    """
    manifest, record = inspector.manifest, inspector.records.classifier
    counts = {GOOD: len(manifest.training)}
    if record is not None:
        counts = dict(zip(record.names, record.counts, strict=True))
    return About(
        inspector=inspector.file,
        training=Images(manifest.data, counts, fingerprint_of(manifest.training)),
        test=Images(
            data_name(test), _classes(test), fingerprint_of(list(test["digest"])), data_path(test), left_out
        ),
        user=_user(),
        time=datetime.now().astimezone().isoformat(timespec="minutes"),
    )


def fingerprint_of(images: Sequence[str]) -> str:
    """Return one fingerprint of several images, from that of each: 16 hexadecimal digits.

    Example:
        >>> fingerprint_of(["00ff", "11ee"])
        '588e76fb5def0d45'
    """
    return hashlib.sha256("".join(images).encode()).hexdigest()[:16]


def _classes(test: pd.DataFrame) -> dict[str, int]:
    """Count the images of each class, good ones first."""
    counts = Counter(class_of_each(test).tolist())
    return {name: counts[name] for name in good_first(counts)}


def _user() -> str:
    """Return the name of the user's account."""
    with suppress(OSError, KeyError, ImportError):  # an account without a name, as in some containers
        return getpass.getuser()
    return ""
