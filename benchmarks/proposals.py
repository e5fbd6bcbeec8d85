"""Proposed labels beside true masks: how many defects they hit, and how well they outline them.

    python benchmarks/proposals.py [--sets transistor,screw] [--seeds 0,1,2] [--held-out]

With the defaults of `fit`. A defect is hit if its image is rejected and the maximum of its map is in the box
around one of its true regions. Intersection over union is that of all proposed and all true pixels of an
image, 0 for one that is not rejected. Precision is the share of rejected images that show a defect. Where all
are known to be defects (`known_defects`), no image need be rejected.

With `--held-out` the defects are synthetic, on 40 good training images that the inspector has not learned
from: by these figures an idea is chosen, and the test shows what came of it.
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray

import knowngood
from accuracy_cases import merged
from accuracy_rows import rows
from cases_sets import samples_of
from knowngood.data.decoding import Source
from knowngood.data.images import image_size, read_mask
from knowngood.data.regions import regions_of
from knowngood.inspector.regions import hottest
from knowngood.inspector.verdict import Verdict

TABLE = Path(__file__).resolve().parent / "results" / "proposals.csv"
HELD_OUT = 40  # images, with one synthetic defect of each type on each

Place = tuple[float, float]


class Case(NamedTuple):
    """What an inspector learns from, and what it is shown."""

    samples: pd.DataFrame
    shown: list[Source]
    masks: list[NDArray[np.bool_] | None]  # where the defects are; None for a good image


def test_images(name: str, seed: int) -> Case:
    """The test images of a set; defects without a mask are left out."""
    samples = samples_of(name, seed)
    test = samples[(samples["split"] == "test") & ((samples["label"] == "good") | (samples["mask"] != ""))]
    masks = [
        None if mask == "" else read_mask(mask, image_size(path)) > 0
        for path, mask in zip(test["path"], test["mask"], strict=True)
    ]
    return Case(samples, test["path"].tolist(), masks)


def held_out(name: str, seed: int) -> Case:
    """Synthetic defects on good training images that are left out, and these themselves."""
    samples = samples_of(name, seed)
    good = samples[(samples["split"] == "train") & (samples["label"] == "good")].reset_index(drop=True)
    out = np.random.default_rng(seed).choice(len(good), HELD_OUT, replace=False)
    paths = good["path"].iloc[out].tolist()
    drawn = list(knowngood.synthetic(paths, count=HELD_OUT, seed=seed))
    shown = [*paths, *(one.image for one in drawn)]
    return Case(good.drop(out.tolist()), shown, [*[None] * HELD_OUT, *(one.mask for one in drawn)])


def centre(verdict: Verdict) -> Place:
    """The middle of the patch with the largest value, where a maximum was said to be before."""
    patch_map, (height, width) = verdict.checked_map()[0], verdict.size
    row, column = divmod(int(patch_map.argmax()), patch_map.shape[1])
    return (column + 0.5) * width / patch_map.shape[1], (row + 0.5) * height / patch_map.shape[0]


def cubic(verdict: Verdict) -> Place:
    """The maximum of the map where cubic interpolation has it."""
    whole = cv2.resize(verdict.checked_map()[0], verdict.size[::-1], interpolation=cv2.INTER_CUBIC)
    y, x = np.unravel_index(int(whole.argmax()), whole.shape)
    return float(x), float(y)


def interpolated(verdict: Verdict) -> Place:
    """The maximum of the map as regions and heatmaps have it."""
    return hottest(verdict.checked_map()[0], verdict.size)


PLACES = {"proposals": interpolated, "cubic maximum": cubic, "middle of the patch": centre}
"""Where the maximum of a map may be said to be, and the setting that says so."""


def measured(case: Case, seed: int) -> dict[str, dict[str, float]]:
    """Fit, propose labels, and compare: the figures of each setting."""
    inspector = knowngood.fit(case.samples, seed=seed)
    proposals = knowngood.propose(inspector, case.shown)
    known = knowngood.propose(inspector, case.shown, known_defects=True)
    hits, overlaps = defaultdict[str, list[bool]](list), defaultdict[str, list[float]](list)
    for row, verdict in enumerate(inspector.stream(case.shown)):
        if (mask := case.masks[row]) is None:
            continue
        for setting, place in PLACES.items():
            hits[setting].append(verdict.decision == "reject" and within(place(verdict), mask))
        hits["known defects"].append(within(interpolated(verdict), mask))
        overlaps["down to the line"].append(overlap(verdict.mask, mask))
        for setting, table in {"proposals": proposals, "known defects": known}.items():
            cell = table["mask"].iloc[row]
            marked = read_mask(cell, verdict.size) > 0 if cell else np.zeros_like(mask)
            overlaps[setting].append(overlap(marked, mask))
    found = defaultdict[str, dict[str, float]](dict)
    for figure, values in (("defects hit", hits), ("intersection over union", overlaps)):
        for setting, ones in values.items():
            found[setting][figure] = float(np.mean(ones))
    defective = np.array([mask is not None for mask in case.masks])
    precision = defective[proposals["label"] == "defect"].mean()
    found["proposals"]["precision of proposed images"] = float(precision)
    return found


def within(place: Place, mask: NDArray[np.bool_]) -> bool:
    """Whether a place is in the box around a region of a mask."""
    x, y = place
    boxes = [region.box for region in regions_of(mask, "", mask.shape, "")]
    return any(left <= x < left + width and top <= y < top + height for left, top, width, height in boxes)


def overlap(marked: NDArray[np.bool_], mask: NDArray[np.bool_]) -> float:
    """Intersection over union of two masks."""
    return float((marked & mask).sum() / (marked | mask).sum())


def main() -> None:
    """Measure what was asked for, and write it after each set."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sets", default="transistor,screw")
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--held-out", action="store_true")
    asked = parser.parse_args()
    for name in asked.sets.split(","):
        start = time.process_time()
        case_of, title = (held_out, f"{name}, held out") if asked.held_out else (test_images, name)
        of_seeds = [measured(case_of(name, int(seed)), int(seed)) for seed in asked.seeds.split(",")]
        seconds = time.process_time() - start
        for setting in of_seeds[0]:
            new = pd.DataFrame(rows(title, setting, [found[setting] for found in of_seeds], seconds))
            option = " --held-out" if asked.held_out else ""
            new["command"] = f"python benchmarks/proposals.py --sets {name} --seeds {asked.seeds}{option}"
            known = pd.read_csv(TABLE, keep_default_na=False) if TABLE.exists() else pd.DataFrame()
            merged(known, new).to_csv(TABLE, index=False)


if __name__ == "__main__":
    main()
