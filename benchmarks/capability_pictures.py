"""A gauge study of real pictures with simulated takes, timed, and computed again without our statistics.

python benchmarks/capability_pictures.py DATA [PRODUCT ...], where DATA has MVTec's screw and transistor. Of
20 good and 20 defective test images, three takes: shifted by up to 3 pixels, turned by up to 1 degree,
brighter or darker by 2 % and with noise of 2 grey levels (standard deviations). Rows go to
results/capability.csv.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.linalg import lstsq
from scipy.special import betaincinv

import knowngood
from knowngood.data.images import read_image
from knowngood.metrics.variance_components import mean_squares

RESULTS = Path(__file__).resolve().parent / "results" / "capability.csv"
PARTS, TAKES = 20, 3


def take(image: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Picture a part again."""
    height, width = image.shape[:2]
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), float(rng.uniform(-1, 1)), 1.0)
    turn = np.asarray(turn, np.float64) + np.outer(rng.uniform(-3, 3, 2), [0.0, 0.0, 1.0])
    moved = cv2.warpAffine(image, turn, (width, height), borderMode=cv2.BORDER_REFLECT).astype(np.float32)
    noisy = moved * rng.normal(1, 0.02) + rng.normal(0, 2, image.shape)
    return np.clip(noisy, 0, 255).astype(np.uint8)


def table_of(product: Path, folder: Path) -> pd.DataFrame:
    """Write the takes of test images, and list them."""
    rng, rows = np.random.default_rng(0), []
    samples = knowngood.load_samples(product)
    test = samples[samples["split"] == "test"]
    for label, group in test.groupby("label"):
        for number, sample in enumerate(group.sample(PARTS, random_state=0).to_dict("records")):
            image = read_image(sample["path"])
            for number_of_take in range(1, TAKES + 1):
                path = folder / f"{label}{number}-{number_of_take}.png"
                cv2.imwrite(str(path), take(image, rng)[..., ::-1])
                rows.append([str(path), f"{label}{number}", number_of_take, sample["defect"] or "good"])
    return pd.DataFrame(rows, columns=["path", "part", "take", "truth"])


def again(pictures: pd.DataFrame) -> dict[str, float]:
    """Figures of a study from its pictures, by counting, least squares and scipy alone."""
    defect = (pictures["truth"] != "good").to_numpy()
    rejected = (pictures["decision"] == "reject").to_numpy()
    both, misses = (defect & rejected).mean(), (~rejected)[defect].mean()
    chance = rejected.mean() * defect.mean() + (1 - rejected.mean()) * (1 - defect.mean())
    right = both + (~defect & ~rejected).mean()
    good = pictures[~defect]
    parts = pd.get_dummies(good["part"]).to_numpy(float)
    _, squares, _, _ = lstsq(parts, good["score"].to_numpy())
    found = {
        "effectiveness": right,
        "misses": misses,
        "false_alarms": rejected[~defect].mean(),
        "kappa": (right - chance) / (1 - chance),
        "repeatability": float(squares) / (len(good) - parts.shape[1]),
    }
    if misses == 0:
        found["misses, bound"] = float(betaincinv(1, PARTS, 0.95))
    return found


def main(data: Path, products: list[str]) -> None:
    """Fit to each product, study it, and compare."""
    rows = []
    for product in products:
        inspector = knowngood.fit(data / product)
        with tempfile.TemporaryDirectory() as folder:
            table = table_of(data / product, Path(folder))
            start = time.perf_counter()
            study = knowngood.gauge(inspector, table)
            knowngood.write_gauge(study, Path(folder) / "out")
            seconds = time.perf_counter() - start
        figures = study.figures["inspector"]
        ours = {name: figures[name].value for name in ("effectiveness", "misses", "false_alarms", "kappa")}
        good = study.pictures[study.pictures["truth"] == "good"]
        scores = np.stack([own["score"].to_numpy() for _, own in good.groupby("part")])[:, None]
        ours |= {
            "repeatability": mean_squares(scores)["repeatability"][0],
            "misses, bound": figures["misses"].bound,
        }
        expected = again(study.pictures)
        apart = max(abs((ours[name] or 0) - value) for name, value in expected.items())
        command = f"python benchmarks/capability_pictures.py DATA {product}"
        measured = [(f"gauge study, {name}", float(value or 0)) for name, value in ours.items()]
        measured += [
            ("seconds of the study of 40 parts", seconds),
            ("largest difference from scipy alone", apart),
        ]
        rows += [["pictures", product, metric, round(value, 9), 1, command] for metric, value in measured]
        print(product, study.answer.headline, f"{seconds:.0f} s, apart {apart:.2g}")
    table = pd.DataFrame(rows, columns=["case", "setting", "metric", "value", "draws", "command"])
    before = pd.read_csv(RESULTS)
    kept = before[~((before["case"] == "pictures") & before["setting"].isin(products))]
    pd.concat([kept, table]).sort_values("case", kind="stable").to_csv(RESULTS, index=False)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:] or ["screw", "transistor"])
