"""Parts with masks of every sort, for what hands them on."""

import numpy as np
import pandas as pd
from PIL import Image

from knowngood.data.runs import runs_cell


def disc(radius, hole=0):
    rows, columns = np.mgrid[:64, :80]
    distance = np.hypot(rows - 30.3, columns - 41.7)
    return (distance < radius) & (distance >= hole)


def block(rows, columns):
    marked = np.zeros((64, 80), bool)
    marked[rows, columns] = True
    return marked


def marks():
    two = block(slice(2, 12), slice(3, 7)) | block(slice(50, 64), slice(60, 80))
    two[30, 30] = True  # a speck
    return {"disc": disc(20), "ring": disc(25, 8), "two": two}


def write_marked(folder):
    """Write good parts and defects with masks of every sort, and return their table."""
    rng = np.random.default_rng(0)
    rows = []
    for name in ("g0", "g1", "g2", "disc", "ring", "two", "inline"):
        Image.fromarray(rng.integers(0, 255, (64, 80, 3), np.uint8)).save(folder / f"{name}.png")
        rows.append({"path": f"{name}.png", "label": "good" if name[0] == "g" else "defect", "defect": ""})
    for name, mask in marks().items():
        Image.fromarray(mask.astype(np.uint8) * 255).save(folder / f"{name}_mask.png")
    table = pd.DataFrame(rows)
    table.loc[3:5, "mask"] = ["disc_mask.png", "ring_mask.png", "two_mask.png"]
    table.loc[3:, "defect"] = ["dent", "cut_lead", "dent", "dent"]
    inline = runs_cell(marks()["two"], "rust: or dirt") + "|" + runs_cell(disc(9), "dent")
    table.loc[6, "mask"] = inline
    table["split"] = ["train", "train", "test", "train", "test", "test", "train"]
    table.to_csv(folder / "parts.csv", index=False)
    return folder / "parts.csv"


EXPECTED = {
    "disc": [("dent", disc(20))],
    "ring": [("cut_lead", disc(25, 8))],
    "two": [("dent", block(slice(2, 12), slice(3, 7))), ("dent", block(slice(50, 64), slice(60, 80)))],
    "inline": [("rust: or dirt", marks()["two"]), ("dent", disc(9))],
}


def same(found, wanted):
    """Whether two lists of classes and masks are the same but for a hundredth of each mask."""
    pairs = list(zip(found, wanted, strict=True))
    return all(one == other and (a & b).sum() >= 0.99 * (a | b).sum() for (one, a), (other, b) in pairs)
