"""Draw accuracy against milliseconds for the three details: docs/detail.svg, from results/accuracy.csv.

python benchmarks/detail_plot.py
"""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")
import pandas as pd
from matplotlib import pyplot as plt

from cases_detail import DETAILS, SETS

HERE = Path(__file__).resolve().parent


def main() -> None:
    """Draw one line for each set, with a point for each detail."""
    table = pd.read_csv(HERE / "results" / "accuracy.csv")
    figures = table.pivot_table(index=["case", "setting"], columns="metric", values="value")
    mpl.rcParams |= {"svg.hashsalt": "detail", "svg.fonttype": "none"}
    figure, axes = plt.subplots(figsize=(7, 3.6), layout="constrained")
    for name, marker in zip(SETS, "osD", strict=True):
        points = figures.loc[[(name, f"detail={detail}") for detail in DETAILS]]
        points = points.assign(detail=DETAILS)
        # Where `fine` has no larger pictures to look at, it is `normal`, measured once more.
        grouped = points.groupby("image_auroc", sort=False)
        at = grouped["ms an image"].min().rename("ms").to_frame()
        at["words"] = grouped["detail"].agg(" = ".join)
        axes.plot(at["ms"], at.index, marker=marker, label=name)
        for accuracy, point in at.iterrows():
            place = point["ms"], accuracy
            axes.annotate(
                point["words"], place, (0, -12), textcoords="offset points", ha="center", fontsize=8
            )
    axes.set(xlabel="milliseconds an image, two cores", ylabel="image AUROC")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    figure.savefig(HERE.parent / "docs" / "detail.svg", metadata={"Date": None})


if __name__ == "__main__":
    main()
