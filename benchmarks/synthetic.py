"""What synthetic defects add to real ones in training, and how well they are distinguished from real ones.

    python benchmarks/synthetic.py

Screws, good or not, in three draws of the study `screw`; and transistors of five classes, in the first fold
of three draws of the study `transistor_classes`. The classifier is the head of `linear_probe` on its
features, which are computed once, with one view for each image. Learned from are the real training images,
alone or with synthetic defects on good training images: each type that a rule draws, real defects pasted
elsewhere, and generated ones. Test images take part in no choice. About ten minutes of processor time; the
images are in ../shared/data.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from knowngood.classifiers.frozen import summary
from knowngood.classifiers.generated import learn_generator, real_patches
from knowngood.classifiers.linear import HeadSettings, Samples, select_linear
from knowngood.classifiers.linear_probe import LevelMaps, LinearProbe
from knowngood.classifiers.realism import Realism
from knowngood.data.defect_patches import DefectPatch, put_on
from knowngood.data.imageset import ImageSet, good_first
from knowngood.data.labelled import classes_by
from knowngood.data.reading import Reading
from knowngood.data.synthetic import SyntheticDefect, Variant, on_good_images
from knowngood.data.synthetic_defects import GENERATED, TYPES
from knowngood.features.extract import extract
from knowngood.features.frozen import freeze
from knowngood.metrics.ranking import auroc
from knowngood.studies import screw, transistor_classes
from knowngood.studies.draw import Draw
from knowngood.types import silent

HERE = Path(__file__).resolve().parent
TABLE = HERE / "results" / "synthetic.csv"
SHARED = HERE.parent.parent / "shared" / "data"
COMMAND = "python benchmarks/synthetic.py"

SEEDS = 3
COUNT = 60  # good images on which defects of each type are drawn
PASTED = "pasted"
RECIPE = LinearProbe()
SHAPE = (RECIPE.input_size, RECIPE.input_size)


def main() -> None:
    """Measure each draw of both tasks, and write means, paired differences and realism."""
    found: list[dict[str, Any]] = []
    for seed in range(SEEDS):
        [draw] = screw.draws(SHARED, seed, train=(250, 10), test=(55, 11), runs=1)
        found += measure("screw", draw, "label", [*TYPES, PASTED, GENERATED])
        draw = transistor_classes.draws(SHARED, seed, per_class=10, runs=5)[0]
        found += measure("transistor_classes", draw, "type", [PASTED, GENERATED])
    rows_of(pd.DataFrame(found)).assign(command=COMMAND).round(4).to_csv(TABLE, index=False)


def rows_of(found: pd.DataFrame) -> pd.DataFrame:
    """A row for each figure: its mean over the seeds, and the paired difference from real defects alone."""
    rows = []
    for (case, metric, synthetic), own in found.groupby(["case", "metric", "synthetic"], sort=False):
        alone = found[(found["case"] == case) & (found["metric"] == metric) & (found["synthetic"] == "none")]
        gain = own["value"].to_numpy() - (alone["value"].to_numpy() if len(alone) else np.nan)
        row = {"case": case, "synthetic": synthetic, "metric": metric, "mean": own["value"].mean()}
        row |= {"sd": own["value"].std(), "gain": gain.mean(), "gain_sd": gain.std(ddof=1), "n": len(own)}
        rows.append(row)
    return pd.DataFrame(rows)


def measure(case: str, draw: Draw, by: str, types: Sequence[str]) -> list[dict[str, Any]]:
    """The figures of one draw, without and with synthetic defects of each type."""
    table = draw.samples
    train, test = (table[table["split"] == name].reset_index(drop=True) for name in ("train", "test"))
    names = good_first(set(classes_by(train, by)))
    known, tested = (look(part["path"].tolist()) for part in (train, test))
    truth = np.array([names.index(name) for name in classes_by(test, by)])
    learned = np.array([names.index(name) for name in classes_by(train, by)])
    realism = Realism(train, seed=draw.seed)
    made = list(realism.watch(drawn(train, types, draw.seed)))
    rows: list[dict[str, Any]] = []
    for name in ("none", *types):
        own = [defect for defect in made if defect.type == name]
        vectors = np.concatenate([known, look([defect.image for defect in own])]) if own else known
        more = [names.index(defect.defect if by == "type" else names[1]) for defect in own]
        groups = [*train["path"], *(defect.like or defect.name for defect in own)]
        samples = Samples(vectors[:, None], np.array([*learned, *more]), blocks(), groups)
        settings = HeadSettings("auto", "mean", False, draw.seed)
        linear, _ = select_linear(samples, names, settings, silent)
        logits = linear(torch.from_numpy(tested)).numpy()
        rows += [{"case": case, "synthetic": name, **row} for row in figures(logits, truth)]
    for one in realism.figures.to_dict("records"):
        row = {"case": case, "synthetic": one["type"], "metric": "realism_auroc", "value": one["auroc"]}
        rows.append(row)
    print(pd.DataFrame(rows).to_string(), flush=True)
    return rows


def drawn(train: pd.DataFrame, types: Sequence[str], seed: int) -> Sequence[SyntheticDefect]:
    """Synthetic defects of all types on good training images."""
    patches = real_patches(train)

    def pasted(image: NDArray[np.uint8], rng: np.random.Generator) -> Variant | None:
        patch: DefectPatch = patches[int(rng.integers(len(patches)))]
        damaged = put_on(image, patch, rng)
        return None if damaged is None else Variant(*damaged, patch.defect, patch.name, "")

    makes: dict[str, Any] = {**TYPES, PASTED: pasted, GENERATED: learn_generator(train, seed=seed)}
    chosen = {name: makes[name] for name in types}
    return list(on_good_images(train, chosen, count=COUNT, seed=seed, side=None))


def look(sources: Sequence[Any]) -> NDArray[np.float32]:
    """The features of images that the probe classifies, `(n, D)`."""
    images = ImageSet(list(sources), Reading(SHAPE, bits=None))
    looked = extract(probe(), images, device="cpu")
    return np.stack([summary([one[None] for one in maps])[0].numpy() for _, maps in looked])


def probe() -> Any:
    """The frozen network of `linear_probe`."""
    return freeze(LevelMaps, SHAPE, backbone=RECIPE.backbone, strides=RECIPE.strides)


def blocks() -> list[int]:
    """The number of features in each block."""
    return [shape[0] for shape in probe().shapes] * 3


def figures(logits: NDArray[np.float32], truth: NDArray[np.int64]) -> list[dict[str, Any]]:
    """Balanced accuracy over the classes, and the AUROC of defects against good parts."""
    predicted = logits.argmax(axis=1)
    recall = [float((predicted[truth == number] == number).mean()) for number in np.unique(truth)]
    defects = np.logaddexp.reduce(logits[:, 1:], axis=1) - logits[:, 0]
    return [
        {"metric": "balanced_accuracy", "value": float(np.mean(recall))},
        {"metric": "image_auroc", "value": auroc(truth > 0, defects)},
    ]


if __name__ == "__main__":
    main()
