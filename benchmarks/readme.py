"""Make the README's table of results from the committed figures.

python benchmarks/readme.py
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

HERE = Path(__file__).resolve().parent
README = HERE.parent / "README.md"
BEGIN, END = "<!-- results: made by benchmarks/readme.py -->", "<!-- end of results -->"
COLUMNS = {
    "image_auroc": "image AUROC",
    "pixel_auroc": "pixel AUROC",
    "pixel_aupro": "AUPRO",
    "false_reject_rate": "false rejects",
    "false_reject_bound": "promised at most",
    "escape_rate": "escapes",
}
NAMES = {"elpv": "ELPV solar cells, mono", "screw": "MVTec screw", "transistor": "MVTec transistor"}


def table() -> str:
    """The table in Markdown: mean ± standard deviation over the seeds."""
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


def with_table(text: str) -> str:
    """The README's text with the table put between its marks."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{table()}\n{END}{after}"


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
    README.write_text(with_table(README.read_text(encoding="utf-8")), encoding="utf-8")
