"""The images of one run of a study of classifiers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from knowngood.data.class_names import class_of_each
from knowngood.data.images import image_size


@dataclass(frozen=True, eq=False)
class Draw:
    """The images of one run."""

    name: str  # such as `seed0` or `fold3`; names its files
    seed: int
    table: pd.DataFrame  # samples with their split
    validation: pd.DataFrame | None = None  # samples of neither split
    known_good: pd.DataFrame | None = None  # good training images beside those of the table

    def __post_init__(self) -> None:
        for table in (self.table, self.validation):
            if table is not None:
                table.attrs.clear()  # its split is given by the study, not made for lack of one

    @property
    def samples(self) -> pd.DataFrame:
        """All training and test samples."""
        if self.known_good is None:
            return self.table
        return pd.concat([self.known_good, self.table], ignore_index=True)

    @property
    def good(self) -> pd.DataFrame:
        """The good training images for methods that see no defect: those beside the table, or its own."""
        if self.known_good is not None:
            return self.known_good
        return self.table[(self.table["split"] == "train") & (self.table["label"] == "good")]

    @property
    def unknown(self) -> pd.DataFrame:
        """The samples that test a method which learned from `good`, all in the test split."""
        table = self.table if self.known_good is not None else self.table[self.table["split"] == "test"]
        return table.assign(split="test")

    @property
    def counts(self) -> dict[str, dict[str, int]]:
        """The number of images of each class by the name of their use."""
        parts = {
            "good alone": self.known_good,
            "training": self.table[self.table["split"] == "train"],
            "validation": self.validation,
            "test": self.table[self.table["split"] == "test"],
        }
        return {
            name: {str(key): int(count) for key, count in class_of_each(part).value_counts().items()}
            for name, part in parts.items()
            if part is not None
        }

    def words(self, runs: int) -> Mapping[str, str | int]:
        """The counts and names that facts of a study with so many runs stand for."""
        classes = class_of_each(self.table)
        per_class = classes.value_counts()
        height, width = image_size(self.table["path"].iloc[0])
        few, many = per_class.min(), per_class.max()
        defects = [name for name in sorted(per_class.index) if name != "good"]
        return {
            "train": counted(self.samples[self.samples["split"] == "train"]),
            "test": counted(self.table[self.table["split"] == "test"]),
            "validation": counted(self.validation if self.validation is not None else self.table[:0]),
            "known_good": 0 if self.known_good is None else len(self.known_good),
            "all": counted(self.table),
            "classes": f"{len(per_class)}: {', '.join(['good', *defects])}",
            "per_class": str(few) if few == many else f"{few} to {many}",
            "size": f"{height} × {width}",
            "runs": runs,
        }


def counted(table: pd.DataFrame) -> str:
    """Say how many samples are good, how many are defective, and of how many types."""
    defects = table[table["label"] == "defect"]
    types = defects["defect"].nunique()
    words = f"{len(table) - len(defects):,} good, {len(defects):,} defective"
    return f"{words} ({types} types)" if types > 1 else words
