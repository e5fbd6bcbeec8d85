"""Make the README's tables of results from the committed figures.

python benchmarks/readme.py
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from knowngood.engines.processor import LIMIT

HERE = Path(__file__).resolve().parent
README = HERE.parent / "README.md"
BEGIN, END = "<!-- {}: made by benchmarks/readme.py -->", "<!-- end of {} -->"
COLUMNS = {
    "image_auroc": "image AUROC",
    "pixel_auroc": "pixel AUROC",
    "pixel_aupro": "AUPRO",
    "false_reject_rate": "false rejects",
    "false_reject_bound": "95 % bound",
    "escape_rate": "escapes",
}
REBUILDING = {
    "image_auroc": "all four types",
    "image_auroc[misplaced]": "misplaced",
    "image_auroc[bent_lead]": "bent lead",
    "image_auroc[cut_lead]": "cut lead",
    "image_auroc[damaged_case]": "damaged case",
}
CLASSIFYING = {
    "small-0.0": "the document's CNN, no label smoothing",
    "small-0.1": "label smoothing 0.1",
    "small-0.2": "label smoothing 0.2",
    "rotnet": "RotNet, the same CNN",
    "rotnet-moved": "the same, digits moved at random",
    "cnn": "`class_confidence`, `network=cnn`",
    "rotation": "`rotation`, `network=cnn`",
    "rotation-moved": "the same, `shift=2`",
}
SHIPPED = {
    "rotnet-moved": "distance",
    "cnn": "mahalanobis",
    "rotation": "mahalanobis",
    "rotation-moved": "mahalanobis",
}
SUPERVISED = {
    "screw": ("screws: good or not, 250 + 50 images", "accuracy", "79.1 %"),
    "transistor_classes": ("transistors: five classes, ten images each", "class_accuracy", "70 %"),
    "semiconductor": ("solar cells: good or not, 1,556 images", "balanced_accuracy", "–"),
}
NAMES = {"elpv": "ELPV solar cells, mono", "screw": "MVTec screw", "transistor": "MVTec transistor"}


SPEED = {
    "png: anomalib / fit": "fitting to 213 images, times as fast as anomalib",
    "png: anomalib / first fit on a machine": "the same, the first time on a machine",
    "png: anomalib / score, running": "scoring PNG files, times as fast as anomalib",
    "png: fit": "fitting, start-up included",
    "png: fit, beside busy processes / on idle cores": "fitting on busy cores, times as long",
    "png: fit, beside busy processes / on idle cores, processor time": "the same, times the processor time",
    "png: score, running throughput": "scoring PNG files",
    "jpeg: score, running throughput": "scoring JPEG files",
    "png: score, running / fastest decoder": "scoring PNG files, share of the fastest decoder alone",
    "png: score, running / fp32 peak": "arithmetic while scoring, share of the machine's float32 maximum",
    "png: 8 bits / float32, graph": "the graph in 8 bits, share of its time in float32",
    "png: 8 bits / float32, distances while learning": "8-bit distances while fitting, share of float32",
    "png: one decoded image": "one decoded image to its verdict, in a process that has just fitted",
    "png: one decoded image, in a process that only judges": "the same in a process that only scores",
    "png: score of one image, whole process": "`knowngood score` on one image, start-up included",
    "png: fit, peak memory": "peak memory of fitting to 213 images",
    "20000 images: peak memory": "peak memory of fitting to 20,000 images",
    "20000 images: fit": "fitting to 20,000 images",
}


def speed() -> str:
    """The speed table in Markdown: median, least and largest of the runs, for each instruction set."""
    table = pd.read_csv(HERE / "results" / "speed.csv", keep_default_na=False)
    # The one that a switch limits is shown last.
    sets = sorted(table["instructions"].unique(), key=lambda name: LIMIT in name)
    heads = [name.replace(f" ({LIMIT})", " alone") for name in sets]
    lines = [f"| figure | {' | '.join(heads)} | target |", "|---" * (len(sets) + 2) + "|"]
    for name, words in SPEED.items():
        rows = table[table["figure"] == name].set_index("instructions")
        cells = [_measured(rows.loc[[one]].iloc[0]) if one in rows.index else "–" for one in sets]
        lines.append(f"| {words} | {' | '.join(cells)} | {rows['asked'].iloc[0] or '–'} |")
    return "\n".join(lines)


def _measured(row: pd.Series[Any]) -> str:
    """One figure of the speed table with its unit and spread."""
    unit = "" if row["unit"] in ("ratio", "share") else f" {row['unit']}"
    spread = "one run" if row["runs"] == 1 else f"{row['min']:.3g} to {row['max']:.3g}"
    return f"{row['median']:.3g}{unit} ({spread})"


def accuracy() -> str:
    """The accuracy table in Markdown: mean ± standard deviation over the seeds."""
    figures = pd.read_csv(HERE / "results" / "main_job.csv").set_index(["case", "metric"])
    lines = [
        "| images | detector | " + " | ".join(COLUMNS.values()) + " |",
        "|---|---|" + "---|" * len(COLUMNS),
    ]
    for case in figures.index.get_level_values("case").unique():
        data, _, detector = str(case).partition(":")
        cells = [_cell(figures, str(case), metric) for metric in COLUMNS]
        lines.append(f"| {NAMES[data]} | {detector or 'patchcore'} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def reconstruction() -> str:
    """The table of the reconstruction family in Markdown: image AUROC on transistors."""
    figures = pd.read_csv(HERE / "results" / "reconstruction.csv").set_index(["case", "metric"])
    lines = [
        "| detector | " + " | ".join(REBUILDING.values()) + " | fit time |",
        "|---|" + "---|" * (len(REBUILDING) + 1),
    ]
    of_transistors = figures["mean"].unstack("metric").filter(like="transistor:", axis=0)
    for case in of_transistors.sort_values("image_auroc", ascending=False).index:
        cells = [_cell(figures, str(case), metric) for metric in REBUILDING]
        seconds = float(of_transistors["fit_seconds"][case])
        cells.append("–" if np.isnan(seconds) else f"{seconds:.0f} s")
        lines.append(f"| `{str(case).partition(':')[2]}` | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def classification() -> str:
    """The table of the detectors that classify in Markdown: MNIST, 0 to 3 against 7 to 9."""
    figures = pd.read_csv(HERE / "results" / "class_confidence.csv").set_index(["case", "metric"])
    lines = ["| network | image AUROC of | the document | here, five seeds |", "|---|---|---|---|"]
    for case, words in CLASSIFYING.items():
        of_case = figures.loc[case].filter(like="image AUROC, ", axis=0)
        # What the document gives, and of our own networks the score that is shipped and the best.
        shown = of_case.index[of_case["document"].notna()].tolist()
        if not shown:
            shown = [f"image AUROC, {SHIPPED[case]}", str(of_case["mean"].idxmax())]
        for metric in dict.fromkeys(shown):
            document = of_case.loc[metric, "document"]
            given = f"{document:.3f}" if document > 0 else "–"
            score = metric.removeprefix("image AUROC, ")
            lines.append(f"| {words} | `{score}` | {given} | {_cell(figures, case, metric)} |")
    return "\n".join(lines)


def supervised() -> str:
    """The table of the classifiers in Markdown: a row a study and method, the one chosen first."""
    figures = pd.read_csv(HERE / "results" / "supervised.csv")
    lines = [
        "| images | classifier | accuracy | image AUROC | runs | the document |",
        "|---|---|---|---|---|---|",
    ]
    for case, (words, metric, document) in SUPERVISED.items():
        of_case = figures[figures["case"] == case]
        for method, own in of_case.groupby("method", sort=False):
            mean, sd = own.set_index("metric")["mean"], own.set_index("metric")["sd"]
            first = bool(own["chosen"].any())
            name = f"**{method}** (chosen)" if first else str(method)
            runs = int(own["n"].iloc[0])
            right, ranked = f"{mean[metric]:.1%}", f"{mean['image_auroc']:.3f}"
            if runs > 1:
                right, ranked = f"{right} ± {sd[metric]:.1%}", f"{ranked} ± {sd['image_auroc']:.3f}"
            given = document if first else ""
            lines.append(f"| {words} | {name} | {right} | {ranked} | {runs} | {given} |")
    return "\n".join(lines)


def with_tables(text: str) -> str:
    """The README's text with the tables put between their marks."""
    for name, table in (
        ("results", accuracy()),
        ("reconstruction", reconstruction()),
        ("classification", classification()),
        ("supervised", supervised()),
        ("speed", speed()),
    ):
        begin, end = BEGIN.format(name), END.format(name)
        before, _, rest = text.partition(begin)
        _, _, after = rest.partition(end)
        text = f"{before}{begin}\n{table}\n{end}{after}"
    return text


def _cell(figures: pd.DataFrame, case: str, metric: str) -> str:
    """One figure: shares as percentages, AUROC and AUPRO as they are."""
    if (case, metric) not in figures.index:
        return "–"
    mean, spread = figures.loc[(case, metric), ["mean", "sd"]]
    if metric == "false_reject_bound":
        return f"{mean:.1%}"
    if metric.endswith("_rate"):
        return f"{mean:.1%} ± {spread:.1%}"
    return f"{mean:.4f} ± {spread:.4f}"


if __name__ == "__main__":
    README.write_text(with_tables(README.read_text(encoding="utf-8")), encoding="utf-8")
