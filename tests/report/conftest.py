"""A stand-in for an evaluation of the synthetic widget parts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from PIL import Image

from knowngood.classifiers import make_classifier
from knowngood.inspector.about import About, Images
from knowngood.inspector.evaluation import Evaluation, evaluate
from knowngood.inspector.regions import HeatScale
from knowngood.inspector.train import train
from knowngood.report.style import style
from knowngood.training.record import Epoch, Layer, TrainingRecord
from knowngood.training.records import Records

NO_DEFECTS = "There are no defects among the judged images."
NO_GOOD = "There are no good parts among the judged images."
NO_MAPS = "The detector makes no anomaly maps."
THRESHOLD = 3.21
PAGE, SLIDE = ((10.8, 3.6), 9.5), ((12.2, 5.0), 14)  # inches across and down, and points of the type


@dataclass(frozen=True)
class Judged:
    """The fields of an evaluation that a report reads."""

    metrics: dict[str, Any]
    scores: pd.DataFrame
    maps: np.ndarray | None
    provenance: dict[str, Any]
    held_out: np.ndarray
    records: Records = Records()  # noqa: RUF009 (it is frozen)
    reconstructions: pd.DataFrame | None = None
    classification: None = None
    about: About = About()  # noqa: RUF009 (it is frozen)
    unreadable: tuple[()] = ()
    images: None = None
    roi: None = None

    image = Evaluation.image

    @property
    def heat_scale(self) -> HeatScale:
        """As of a detector whose scores are values of its maps."""
        return HeatScale(float(np.median(self.held_out)), self.metrics["threshold"])

    def rows(self, kept: pd.Series) -> Judged:
        """Keep some of the judged images; the metrics stay as they are."""
        maps = None if self.maps is None else self.maps[kept.to_numpy()]
        return replace(self, scores=self.scores[kept], maps=maps)

    def measuring(self, **changes: Any) -> Judged:
        """Change some metrics."""
        return replace(self, metrics=self.metrics | changes)


def table_of(
    rng: np.random.Generator, count: int, label: str, difference: float, channels: int = 3
) -> pd.DataFrame:
    """A table of reconstructions of random images that are off by about so much, the worst first."""
    rows = []
    for number in range(count):
        original = rng.integers(0, 256, (28, 28, channels), dtype=np.uint8)
        rebuilt = np.clip(original / 255 + difference * rng.uniform(0, 2), 0, 1).astype(np.float32)
        differences = np.abs(original / 255 - rebuilt)
        rows.append(
            {
                "path": f"{label}/{number:03}.png",
                "label": label,
                "score": float(differences.sum()),
                "sum_of_differences": float(differences.sum()),
                "mean_difference": float(differences.mean()),
                "ssim": 1 - difference,
                "original": original,
                "reconstruction": rebuilt,
                "difference": differences.sum(axis=-1).astype(np.float32),
            }
        )
    columns = ["path", "label", "score", "sum_of_differences", "mean_difference", "ssim"]
    table = pd.DataFrame(rows, columns=[*columns, "original", "reconstruction", "difference"])
    return table.sort_values("sum_of_differences", ascending=False, ignore_index=True)


@pytest.fixture(params=[PAGE, SLIDE], ids=["page", "slide"])
def figure(request: pytest.FixtureRequest) -> Iterator[Figure]:
    """An empty figure in which charts are drawn, as on a page and as on a slide."""
    size, points = request.param
    with style(points):
        yield Figure(figsize=size, layout="constrained")


@pytest.fixture
def in_class() -> pd.DataFrame:
    return table_of(np.random.default_rng(0), 14, "good", 0.05)


@pytest.fixture
def out_of_class() -> pd.DataFrame:
    return table_of(np.random.default_rng(1), 12, "bent", 0.3)


@pytest.fixture
def record() -> TrainingRecord:
    pictures = np.random.default_rng(2).integers(0, 256, (24, 8, 28, 28, 3), dtype=np.uint8)
    return TrainingRecord(
        layers=[
            Layer("encoder.0", "Conv2d 3 → 16, kernel 4, stride 2", (16, 14, 14), 784),
            Layer("decoder.0", "Linear 32 → 1568", (1568,), 51744),
        ],
        epochs=[Epoch(number, 1 / number, 1.1 / number + (number == 100)) for number in range(1, 101)],
        best=99,
        learning_rate=1e-3,
        validation=[1, 5],
        originals=pictures[0],
        rebuilt={5 * number: pictures[number] for number in range(1, 21)},
    )


@pytest.fixture
def judged(widget: Path) -> Judged:
    """Eight good parts, one of them rejected, and six scratched ones, two of them accepted."""
    good = sorted((widget / "test" / "good").iterdir())
    scratched = sorted((widget / "test" / "scratch").iterdir())
    masks = [widget / "ground_truth" / "scratch" / f"{path.stem}_mask.png" for path in scratched]
    scores = np.array([1.0, 1.2, 1.4, 1.6, 1.8, 2.0, 2.2, 4.5, 2.5, 5.0, 6.0, 7.0, 1.1, 8.0])
    table = pd.DataFrame(
        {
            "path": [str(path) for path in good + scratched],
            "label": ["good"] * 8 + ["defect"] * 6,
            "defect": [""] * 8 + ["scratch"] * 3 + ["dent"] + ["scratch"] * 2,
            "mask": [""] * 8 + [str(path) for path in masks],
            "score": scores,
            "p_value": np.linspace(1, 0.01, 14),
            "decision": np.where(scores > THRESHOLD, "reject", "accept"),
        }
    )
    maps = np.random.default_rng(0).uniform(0, 1, size=(14, 12, 12)).astype(np.float32)
    maps[:, 3, 8] = scores
    metrics = {
        "image_auroc": 0.90625,
        "image_ap": 0.9123,
        "image_f1_max": 0.8,
        "pixel_auroc": 0.9731,
        "pixel_ap": 0.6123,
        "pixel_f1_max": 0.5871,
        "pixel_f1_max_threshold": 2.75,
        "pixel_aupro": 0.9312,
        "pixel_aupro_5": 0.7421,
        "pixel_spro_5": 0.7421,
        "pixel_aupimo": 0.4312,
        "threshold": THRESHOLD,
        "false_reject_rate": 0.125,
        "false_reject_rate_low": 0.0032,
        "false_reject_rate_high": 0.5265,
        "escape_rate": 2 / 6,
        "escape_rate_low": 0.0433,
        "escape_rate_high": 0.7772,
        "confusion": {"true_accept": 7, "false_reject": 1, "escape": 2, "true_reject": 4},
        "per_defect": {
            "dent": {"count": 1, "image_auroc": 1.0, "escape_rate": 0.0},
            "scratch": {"count": 5, "image_auroc": 0.8875, "escape_rate": 0.4},
        },
        "counts": {"good": 8, "defect": 6, "unreadable": 0},
        "images_per_second": 41.2,
        "other_shape": 0,
        "notes": {},
        "warnings": [],
    }
    provenance = {
        "task": "detection",
        "method": "patchcore",
        "recipe": {"neighbours": 1, "scales": [1, 2]},
        "backbone": {"name": "tf_efficientnet_lite0", "weights": "package"},
        "weights_hash": "3f9c2d5b7e1a4c60",
        "input_shape": [96, 96],
        "sizes": [96, 96, 96, 96],
        "cut_size": None,
        "tiles": [],
        "pairs": False,
        "detail": "detail normal",
        "seed": 7,
        "versions": {"knowngood": "0.1.0"},
        "bits": 16,
        "created": "2026-01-31 12:00 UTC",
        "training_images": 24,
        "fingerprint": [f"{number:016x}" for number in range(24)],
        "review": None,
        "threshold": {
            "value": THRESHOLD,
            "rule": "false rejects at most 0.05",
            "requested": 0.05,
            "held_out": 24,
            "above": 1,
            "upper_bound": 0.1829,
            "note": "",
        },
    }
    about = About(
        inspector="widget.inspector",
        training=Images("widget", {"good": 24}, "00ff00ff00ff00ff"),
        test=Images("widget", {"good": 8, "dent": 1, "scratch": 5}, "11ee11ee11ee11ee"),
        user="ada",
        time="2026-02-01T09:30+01:00",
    )
    return Judged(metrics, table, maps, provenance, held_out=np.linspace(0.8, 3.5, 24), about=about)


PIXELS = ["pixel_auroc", "pixel_ap", "pixel_f1_max", "pixel_f1_max_threshold"]
PIXELS += ["pixel_aupro", "pixel_aupro_5", "pixel_spro_5", "pixel_aupimo"]


@pytest.fixture
def only_good(judged: Judged) -> Judged:
    """The same evaluation without any defects."""
    missing = ["image_auroc", "image_ap", "image_f1_max", *PIXELS]
    missing += ["escape_rate", "escape_rate_low", "escape_rate_high"]
    return judged.rows(judged.scores["label"] == "good").measuring(
        **dict.fromkeys(missing),
        notes=dict.fromkeys(missing, NO_DEFECTS),
        confusion={"true_accept": 7, "false_reject": 1, "escape": 0, "true_reject": 0},
        counts={"good": 8, "defect": 0, "unreadable": 0},
        per_defect={},
    )


@pytest.fixture
def only_defects(judged: Judged) -> Judged:
    """The same evaluation without any good parts."""
    missing = ["image_auroc", "image_ap", "image_f1_max"]
    missing += ["false_reject_rate", "false_reject_rate_low", "false_reject_rate_high"]
    return judged.rows(judged.scores["label"] == "defect").measuring(
        **dict.fromkeys(missing),
        notes=dict.fromkeys(missing, NO_GOOD),
        confusion={"true_accept": 0, "false_reject": 0, "escape": 2, "true_reject": 4},
        counts={"good": 0, "defect": 6, "unreadable": 0},
        per_defect={"scratch": {"count": 6, "image_auroc": None, "escape_rate": 2 / 6}},
    )


@pytest.fixture
def without_maps(judged: Judged) -> Judged:
    """The same evaluation of a detector that makes no anomaly maps."""
    missing = PIXELS
    return replace(judged, maps=None).measuring(
        **dict.fromkeys(missing), notes=dict.fromkeys(missing, NO_MAPS)
    )


# --- classifiers that were really trained, on synthetic parts

NAMES = ["good", "dent", "scratch"]
SIDE = 64


def part(rng: np.random.Generator, kind: str) -> np.ndarray:
    """A grey disc with noise; a dent is a dark spot, a scratch a bright line."""
    y, x = np.mgrid[:SIDE, :SIDE]
    image = 60.0 + 80 * (np.hypot(y - SIDE / 2, x - SIDE / 2) < 26)
    across, down = rng.integers(22, 42, 2)
    if kind == "dent":
        image[np.hypot(y - down, x - across) < 6] = 20
    if kind == "scratch":
        image[down : down + 3, across - 10 : across + 10] = 250
    noise = rng.normal(0, 5, (SIDE, SIDE, 1))
    return np.clip(image[..., None].repeat(3, axis=2) + noise, 0, 255).astype(np.uint8)


@pytest.fixture(scope="session")
def table(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    """Twelve good parts and eight of each defect to learn from, six of each kind to test."""
    folder, rng, rows = tmp_path_factory.mktemp("parts"), np.random.default_rng(0), []
    for split, sizes in (("train", (12, 8, 8)), ("test", (6, 6, 6))):
        for kind, size in zip(NAMES, sizes, strict=True):
            for number in range(size):
                path = folder / f"{split}_{kind}_{number}.png"
                Image.fromarray(part(rng, kind)).save(path)
                label = "good" if kind == "good" else "defect"
                rows.append(
                    {
                        "path": str(path),
                        "split": split,
                        "label": label,
                        "defect": kind if label == "defect" else "",
                    }
                )
    return pd.DataFrame(rows)


@pytest.fixture(scope="session")
def probe(table: pd.DataFrame) -> Evaluation:
    return evaluate(train(table, make_classifier("linear_probe", {"input_size": SIDE})), table)


@pytest.fixture(scope="session")
def tuned(table: pd.DataFrame) -> Evaluation:
    settings = {"input_size": SIDE, "epochs": 2, "head_epochs": 1}
    return evaluate(train(table, make_classifier("finetune", settings)), table)


@pytest.fixture(scope="session")
def two_kinds(table: pd.DataFrame) -> Evaluation:
    recipe = make_classifier("linear_probe", {"input_size": SIDE})
    return evaluate(train(table, recipe, by="label"), table)
