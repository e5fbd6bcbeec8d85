"""Write the page of detectors, `docs/detectors.md`, from their own declarations and the measured figures.

python docs/make_detectors.py
"""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from knowngood.detectors import DETECTORS
from knowngood.recipe import settings_of

HERE = Path(__file__).resolve().parent
PAGE = HERE / "detectors.md"
RESULTS = HERE.parent / "benchmarks" / "results"
SETS = {
    "transistor": "MVTec transistor",
    "screw": "MVTec screw",
    "magnetic-tile": "magnetic tiles",
    "elpv": "ELPV solar cells, mono",
    "juice_bottle": "MVTec LOCO juice bottle",
    "mnist": "MNIST, digit 1 against 9, `input_size=28`, `epochs=30`",
}
METRICS = {
    "image_auroc": "image AUROC",
    "pixel_auroc": "pixel AUROC",
    "pixel_aupro": "AUPRO",
    "false_reject_rate": "false rejects",
    "escape_rate": "escapes",
}
CLASSIFYING = {"cnn": "class_confidence", "rotation": "rotation"}
"""The cases of `class_confidence.csv` that are a detector of ours, with a network for digits."""

FIGURES = ["detector", "images", "metric", "mean", "sd", "n", "file"]


def figures() -> pd.DataFrame:
    """All measured figures of detectors at their defaults: a row for each detector, set of images and metric;
    of a figure in several tables, the first.
    """
    found = []
    for name in ("main_job", "reconstruction"):
        table = _results(name)
        names = table["case"].str.partition(":")
        found.append(table.assign(images=names[0], detector=names[2].replace("", DETECTORS.default)))
    measured = {"value": "mean", "spread": "sd", "seeds": "n", "case": "images", "setting": "detector"}
    for name in ("normality", "accuracy"):
        table = _results(name).rename(columns=measured)
        found.append(table.replace({"detector": {"defaults": DETECTORS.default}}))
    digits = _results("class_confidence").assign(images="MNIST, 0 to 3 against 7 to 9, `network=cnn`")
    for case, detector in CLASSIFYING.items():
        of_score = f"image AUROC, {settings_of(DETECTORS[detector])['score'].default}"
        own = digits[(digits["case"] == case) & (digits["metric"] == of_score)]
        found.append(own.assign(detector=detector, metric="image_auroc"))
    rows = pd.concat(found)[FIGURES]
    rows = rows[rows["detector"].isin(list(DETECTORS.classes)) & rows["metric"].isin(list(METRICS))]
    return rows.drop_duplicates(["detector", "images", "metric"])


def _results(name: str) -> pd.DataFrame:
    """A table of committed figures, with its name."""
    return pd.read_csv(RESULTS / f"{name}.csv").assign(file=name)


def page() -> str:
    """The page's text."""
    measured = figures()
    lines = [
        "# Detectors",
        "",
        "Made from the detectors' own declarations and `benchmarks/results` by",
        "`python docs/make_detectors.py`. `--detector NAME` fits one, in Python `knowngood.fit(DATA, NAME)`.",
        "Figures are of the defaults, which were chosen on transistors and screws, on test images: mean ±",
        "standard deviation over the runs, with the threshold at 5 % false rejects.",
        "",
        "| detector | choose it when |",
        "|---|---|",
    ]
    lines += [f"| [{name}](#{name}) | {DETECTORS[name].when} |" for name in DETECTORS.classes]
    for name in DETECTORS.classes:
        lines += ["", f"## {name}", "", *_section(name, measured[measured["detector"] == name])]
    return "\n".join(lines) + "\n"


def _section(name: str, measured: pd.DataFrame) -> Iterator[str]:
    """What a detector learns, when to choose it, where it comes from, its figures, and its settings."""
    summary, _, rest = (inspect.getdoc(DETECTORS[name]) or "").partition("\n")
    yield from (summary, "", f"**Choose it when:** {DETECTORS[name].when}", "")
    text = rest.partition("Example:\n")[0]
    for paragraph in text.strip().split("\n\n"):
        yield from (*textwrap.wrap(" ".join(paragraph.split()), 140, break_long_words=False), "")
    yield from _table(measured)
    yield from _published(name)
    yield from ("", f"[Its settings](settings.md#{name}).")


def _table(measured: pd.DataFrame) -> Iterator[str]:
    """The figures of a detector: a row for each set of images."""
    if measured.empty:
        yield "It has not been measured."
        return
    yield f"| images | {' | '.join(METRICS.values())} | runs | figures |"
    yield f"|---|{'---|' * (len(METRICS) + 2)}"
    order = [*SETS, *measured["images"]]
    for images in sorted(set(measured["images"]), key=order.index):
        rows = measured[measured["images"] == images].set_index("metric")
        cells = [_cell(rows, metric) for metric in METRICS]
        files = [f"[{file}](../benchmarks/results/{file}.csv)" for file in dict.fromkeys(rows["file"])]
        runs = " or ".join(str(number) for number in sorted(set(map(int, rows["n"]))))
        yield f"| {SETS.get(images, images)} | {' | '.join(cells)} | {runs} | {', '.join(files)} |"


def _published(name: str) -> Iterator[str]:
    """What others report for the method: a sentence for each source."""
    table = _results("published")
    for (source, backbone), rows in table[table["detector"] == name].groupby(["source", "backbone"]):
        values = [
            f"{SETS[images]} {value:.3f}" for images, value in zip(rows["images"], rows["value"], strict=True)
        ]
        yield from ("", f"Published image AUROC: {', '.join(values)} ({backbone}; {source}).")


def _cell(rows: pd.DataFrame, metric: str) -> str:
    """One figure: rates in per cent, AUROC and AUPRO as they are; of one run without a spread."""
    if metric not in rows.index:
        return "–"
    mean, spread, runs = (float(rows[column].loc[metric]) for column in ("mean", "sd", "n"))
    digits = ".1%" if metric.endswith("_rate") else ".4f"
    return format(mean, digits) + (f" ± {format(spread, digits)}" if runs > 1 else "")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
