"""The description of a data set in words."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import pandas as pd

from knowngood.cells import spelt
from knowngood.data.copies import Copies, Groups
from knowngood.data.decoding import listed
from knowngood.data.expectations import balance, expectations
from knowngood.errors import UnreadableImage

WIDTH = 120
"""Letters of a line; only one with the name of a file may be longer."""

MOST_LINES, LONGEST_FACT = 100, 600
"""Lines of a description on classes, and letters of a fact: a table may have a million classes."""

MANY_COPIES = 0.05
"""The share of images in groups of copies from which on they are probably photographs of the same parts."""

_MOST_SIZES = 4
_PIXELS = {"1": "black and white", "L": "grey", "I;16": "grey", "RGB": "colour", "RGBA": "colour with alpha"}


@dataclass(frozen=True)
class Description(Copies):
    """The contents of a data set.

    Args:
        samples: The table of samples, as `knowngood.data.samples.load_samples` returns it.
        layout: How the folder is laid out, in words, or "table".
        counts: Images per split and class, where a class is "good" or a defect type.
        sizes: Images per height and width.
        modes: Images per pixel type in Pillow's words, such as ``RGB``, with "16 bit" where it applies.
        suffixes: Images per file ending.
        bits: Bits that the 16-bit images really use; None where there are none.
        broken: Images that cannot be read.
        mask_problems: A line per mask that cannot be read or has another size than its image.
        without_mask: Defect images that have no mask.
        unmarked: Defect images whose masks mark nothing.
        marked_good: Good images whose masks mark something.
        similar_names: A rare class and a frequent one whose name it seems to misspell.
        ignored: Files in the folder that are neither images of a class nor masks.
        notes: Sentences on what was left out, or may have been misunderstood.
        split_made: Whether the split was made here, as the data have none.
    """

    samples: pd.DataFrame = field(repr=False, compare=False)
    layout: str
    counts: dict[tuple[str, str], int]
    sizes: dict[tuple[int, int], int]
    modes: dict[str, int]
    suffixes: dict[str, int]
    bits: int | None
    broken: tuple[UnreadableImage, ...]
    mask_problems: tuple[str, ...]
    without_mask: tuple[str, ...]
    unmarked: tuple[str, ...]
    marked_good: tuple[str, ...]
    similar_names: tuple[tuple[str, str], ...]
    ignored: tuple[str, ...]
    notes: tuple[str, ...]
    split_made: bool

    def __repr__(self) -> str:
        return "\n".join(self.lines())

    def lines(self) -> list[str]:
        """Summarise in words: a line per fact, and below each problem a line per file, of the first files."""
        problems = self.problems()
        facts = [*self.facts(), *(f"note: {note}" for note in self.notes)]
        if problems and (folder := self._folder):
            facts.append(f"files are named below from the folder {folder!r}")
        found = [line for fact in facts for line in _wrapped(fact)]
        for problem, files in problems.items():
            found += _wrapped(f"{problem}: {len(files)}")
            found += [line for file in listed(files) for line in _wrapped(file.strip(), "  ")]
        expected = (line for one in self.expected() for line in _wrapped(one, "  "))
        return [*found, "what to expect:", *expected]

    def problems(self) -> dict[str, list[str]]:
        """List what is wrong, each with the files where it is; what is nowhere wrong is left out."""
        return {problem: found for problem, files in self._problems().items() if (found := list(files))}

    def expected(self) -> list[str]:
        """Say what the data mean for training and testing, a sentence each."""
        return _bounded(expectations(self.counts, split_made=self.split_made)) + self._on_copies()

    def to_json(self) -> dict[str, Any]:
        """Return all as values of JSON; files are named from the folder `folder`."""
        return {
            "folder": spelt(self._folder),
            "layout": self.layout,
            "images": [
                {"split": split, "class": name, "images": count}
                for (split, name), count in self.counts.items()
            ],
            "sizes": [
                {"height": height, "width": width, "images": count}
                for (height, width), count in self.sizes.items()
            ],
            "pixels": dict(self.modes),
            "files": dict(self.suffixes),
            "bits": self.bits,
            "problems": {problem: list(map(spelt, files)) for problem, files in self.problems().items()},
            "notes": list(map(spelt, self.notes)),
            "expect": self.expected(),
        }

    def facts(self) -> list[str]:
        """Say what there is."""
        defects = sum(count for (_, name), count in self.counts.items() if name != "good")
        masked = defects - len(self.without_mask)
        facts = [
            f"{sum(self.counts.values())} images, laid out as: {self.layout}",
            *_bounded([f"{split}, {name}: {count}" for (split, name), count in self.counts.items()]),
            *_bounded(balance(self.counts)),
            "sizes (height x width): " + _sizes(self.sizes),
            "pixels: " + _tally({_in_words(mode): count for mode, count in self.modes.items()}),
            "files: " + _tally(self.suffixes),
        ]
        if self.bits is not None:
            facts.append(f"the 16-bit images use {self.bits} bits")
        if masked:
            facts.append(f"masks: for {masked} of {defects} defects")
        elif defects:
            facts.append("no masks: the position of defects cannot be checked")
        return facts

    def _problems(self) -> dict[str, Iterable[str]]:
        """Say what is wrong, and with which files."""
        no_masks = len(self.without_mask) == sum(n for (_, name), n in self.counts.items() if name != "good")
        same, copy = "images with the same bytes as another", "images that look like copies of another"
        return {
            "images that cannot be read": (
                f"{self._name(failure.path)}: {failure.reason}" for failure in self.broken
            ),
            "masks that cannot be used": self.mask_problems,
            "defect images without a mask": () if no_masks else map(self._name, self.without_mask),
            "defect images whose mask is black": map(self._name, self.unmarked),
            "good images whose mask marks a defect": map(self._name, self.marked_good),
            "classes whose name looks misspelt": (
                f"{rare!r} beside {name!r}" for rare, name in self.similar_names
            ),
            "images with several labels": self._joined(" = ", self.contradictions),
            f"{same}, in train and test (a leak)": self._joined(" = ", self.leaks),
            f"{same}, within a split": self._joined(" = ", self.duplicates),
            f"groups of {copy}, in train and test (a leak)": self._joined(" ~ ", self.near_leaks),
            f"groups of {copy}, within a split": self._joined(" ~ ", self.near_duplicates),
            "files ignored": map(self._name, self.ignored),
        }

    def _on_copies(self) -> list[str]:
        """Advise on a column `group` where many images are probably photographs of the same parts."""
        groups = self.near_leaks + self.near_duplicates
        copies = sum(map(len, groups))
        if "group" in self.samples or copies < MANY_COPIES * len(self.samples):
            return []
        return [
            f"{copies} images in {len(groups)} groups look like photographs of the same parts: write a table "
            "with a column `group` that names the part of each image (the user guide shows how); then no "
            "part is in both train and test, and each counts once in the threshold and its bound"
        ]

    @cached_property
    def _folder(self) -> str:
        """The deepest folder that all images are in; else empty."""
        try:
            return str(os.path.commonpath([os.path.dirname(path) for path in self.samples["path"]]))  # noqa: PTH120
        except ValueError:  # none, or relative paths beside absolute ones
            return ""

    def _name(self, path: str) -> str:
        """Name a file from the folder that all images are in."""
        folder = self._folder
        inside = folder and path.startswith(os.path.join(folder, ""))  # noqa: PTH118
        return repr(os.path.relpath(path, folder) if inside else path)

    def _joined(self, sign: str, groups: Groups) -> Iterable[str]:
        """Write the first two files of each group, such as `'a.png' = 'b.png'`."""
        for files in groups:
            more = f" and {len(files) - 2} more" if len(files) > 2 else ""
            yield sign.join(map(self._name, files[:2])) + more


def _wrapped(text: str, indent: str = "") -> list[str]:
    """Break a text into lines of at most 120 letters, at its spaces."""
    if len(indent + text) <= WIDTH:
        return [indent + text]
    return textwrap.wrap(
        text,
        WIDTH,
        initial_indent=indent,
        subsequent_indent=f"{indent}  ",
        break_long_words=False,
        break_on_hyphens=False,
    )


def _bounded(lines: list[str]) -> list[str]:
    """Cut lines on classes, and each of them, to a length that can be read."""
    more = [f"and {len(lines) - MOST_LINES} more lines on classes"] if len(lines) > MOST_LINES else []
    return [textwrap.shorten(line, LONGEST_FACT, placeholder=" ...") for line in lines[:MOST_LINES]] + more


def _sizes(sizes: Mapping[tuple[int, int], int]) -> str:
    """Write the most frequent sizes, and how small and large the others are."""
    frequent = sorted(sizes, key=lambda size: -sizes[size])
    shown = _tally({f"{h} x {w}": sizes[h, w] for h, w in frequent[:_MOST_SIZES]})
    if len(sizes) <= _MOST_SIZES:
        return shown
    heights, widths = zip(*sizes, strict=True)
    return (
        f"{shown} and {len(sizes) - _MOST_SIZES} more, "
        f"{min(heights)} to {max(heights)} high and {min(widths)} to {max(widths)} wide"
    )


def _in_words(mode: str) -> str:
    """Write a pixel type of Pillow's, such as `L`, in words."""
    name, comma, depth = mode.partition(",")
    return _PIXELS.get(name, name) + comma + depth


def _tally(counts: Mapping[str, int]) -> str:
    """Write counts in a row, the most frequent first."""
    return ", ".join(f"{name} ({n})" for name, n in sorted(counts.items(), key=lambda item: -item[1]))
