"""Options that must earn their place: ODIN, synthetic features, pasted defects, scattering with boosting.

    python benchmarks/options.py [scattering | synthetic | pasted | odin ...]

Each is measured beside the same method without it, on the draws of the studies `screw`, `transistor_classes`
and `semiconductor`, two seeds or folds each (one for `odin`), since they are slow; about two
hours on two cores.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import pandas as pd

HERE = Path(__file__).resolve().parent
TABLE = HERE / "results" / "options.csv"
SHARED = HERE.parent.parent / "shared" / "data"

STUDIES = ("screw", "transistor_classes", "semiconductor")
ORIENTATION = {"screw": "any", "transistor_classes": "fixed", "semiconductor": "quarter"}
RUNS = {"odin": 1, "pasted": 2, "scattering": 2, "synthetic": 2}
FIGURES = ("balanced_accuracy", "macro_f1", "image_auroc")


def variants(option: str) -> dict[str, tuple[str, dict[str, Any]]]:
    """The methods to compare, by name: a classifier and its settings."""
    methods: dict[str, dict[str, tuple[str, dict[str, Any]]]] = {
        "scattering": {"scattering_boost": ("scattering_boost", {}), "linear_probe": ("linear_probe", {})},
        "synthetic": {
            f"linear_probe, synthetic {value}": ("linear_probe", {"synthetic": value})
            for value in (False, True)
        },
        "pasted": {f"finetune, pasted {number}": ("finetune", {"pasted": number}) for number in (0, 100)},
    }
    return methods[option]


def classified(option: str) -> Iterator[dict[str, Any]]:
    """Rows of figures of classifiers with and without an option."""
    from knowngood import evaluate, make_classifier, train

    for name in STUDIES:
        if option == "pasted" and name == "semiconductor":
            continue  # the solar cells have no masks to cut defects out by
        study = import_module(f"knowngood.studies.{name}").STUDY
        for draw in study.draws(SHARED, 0)[: RUNS[option]]:
            for title, (method, settings) in variants(option).items():
                recipe = make_classifier(method, settings | {"orientation": ORIENTATION[name]})
                inspector = train(draw.samples, recipe, by=study.by, seed=draw.seed)
                metrics = evaluate(inspector, draw.samples).metrics
                figures = {key: metrics["classifier"].get(key, metrics.get(key)) for key in FIGURES}
                print(name, draw.name, title, figures, flush=True)
                yield {"case": name, "draw": draw.name, "method": title} | figures


def odin() -> Iterator[dict[str, Any]]:
    """Rows of figures of `class_confidence` by score, where two sorts of solar cell are the classes."""
    from knowngood import evaluate, fit, make_detector
    from knowngood.data.elpv import load_elpv

    for seed in range(RUNS["odin"]):
        cells = load_elpv(None, seed=seed)
        for score in ("msp", "energy", "odin"):
            recipe = make_detector("class_confidence", {"score": score, "network": "small"})
            inspector = fit(cells, recipe, seed=seed)
            figures = {"image_auroc": evaluate(inspector, cells).metrics["image_auroc"]}
            print(seed, score, figures, flush=True)
            yield {"case": "elpv", "draw": f"seed{seed}", "method": f"class_confidence, {score}"} | figures


def main(options: Sequence[str]) -> None:
    """Measure options, and put their rows into the table in place of older ones."""
    for option in options:
        runs = pd.DataFrame(odin() if option == "odin" else classified(option))
        long = runs.melt(["case", "draw", "method"], var_name="metric").dropna()
        rows = long.groupby(["case", "method", "metric"])["value"].agg(["mean", "std", "count"]).reset_index()
        rows = rows.assign(option=option, command=f"python benchmarks/options.py {option}").round(4)
        old = pd.read_csv(TABLE) if TABLE.exists() else rows.head(0)
        pd.concat([old[old["option"] != option], rows]).to_csv(TABLE, index=False)


if __name__ == "__main__":
    main(sys.argv[1:] or ["scattering", "synthetic", "pasted", "odin"])
