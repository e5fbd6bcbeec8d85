"""Where the images of the studies come from, and under which licence."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from knowngood.report.exhibits import Table
from knowngood.report.slide import facts_table


class DataSet(NamedTuple):
    """A data set that others published."""

    name: str
    source: str
    licence: str


MNIST = DataSet(
    "MNIST",
    "Y. LeCun, C. Cortes and C. J. C. Burges, handwritten digits, 28 × 28, grey",
    "CC BY-SA 3.0 (as usually stated)",
)
MVTEC = DataSet(
    "MVTec AD",
    "P. Bergmann et al., CVPR 2019, doi 10.1109/CVPR.2019.00982",
    "CC BY-NC-SA 4.0: no commercial use",
)
ELPV = DataSet(
    "ELPV",
    "C. Deitsch et al., Solar Energy 185, 2019, doi 10.1016/j.solener.2019.02.067; package elpv-dataset",
    "CC BY-NC-SA 4.0: no commercial use",
)
MVTEC_LOCO = DataSet(
    "MVTec LOCO AD",
    "P. Bergmann et al., International Journal of Computer Vision 130, 2022, doi 10.1007/s11263-022-01578-9",
    "CC BY-NC-SA 4.0: no commercial use",
)
MAGNETIC_TILES = DataSet(
    "Magnetic tile defects",
    "Y. Huang, C. Qiu and K. Yuan, The Visual Computer 36, 2020, doi 10.1007/s00371-018-1588-5",
    "research use",
)


@dataclass(frozen=True)
class Origin:
    """The images of a data set that a study really used."""

    data: DataSet
    folder: str | os.PathLike[str]
    counts: Sequence[tuple[str, int]]  # what and how many, such as `("training images of the digit 1", 400)`

    @property
    def used(self) -> str:
        """The counts in words.

        Example:
            >>> Origin(MNIST, "mnist", [("training images", 4000), ("test images", 20)]).used
            '4,000 training images; 20 test images'
        """
        return "; ".join(f"{count:,} {what}" for what, count in self.counts)

    def __str__(self) -> str:
        data = self.data
        return (
            f"{data.name} from {os.fspath(self.folder)}: {self.used}. {data.source}. Licence: {data.licence}."
        )


def origins_table(origins: Sequence[Origin]) -> Table:
    """Make a table of where the images come from."""
    total = sum(count for origin in origins for _, count in origin.counts)
    facts = []
    for origin in origins:
        facts += [
            (origin.data.name, origin.data.source),
            ("folder", os.fspath(origin.folder)),
            ("images used", origin.used),
            ("licence", origin.data.licence),
        ]
    names = " and ".join(origin.data.name for origin in origins)
    return facts_table(f"Data: {total:,} images of {names}", facts)
