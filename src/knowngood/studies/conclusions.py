"""What follows from the figures of a study of classifiers, in sentences that are true whatever they are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pandas as pd

from knowngood.report.experiments import best_model, key_factor, with_names
from knowngood.report.supervised_slides import NAMES
from knowngood.studies.findings import Findings


def conclusions(findings: Findings, choose_by: str, metrics: Sequence[str]) -> list[str]:
    """Compare the methods with each other, with the document, with experiments and with detectors.

    Args:
        findings: The results.
        choose_by: The figure by which the method was chosen.
        metrics: The figures on the slides, the main one first.
    """
    said = [*_of_the_choice(findings.means, choose_by, metrics[0], findings.document)]
    table = findings.one_change_at_a_time
    if table is not None:
        named = with_names(table)
        said.append(f"{key_factor(named)}. {best_model(named)}.")
    if findings.detectors:
        said.append(_of_detectors(findings))
    said.append("Pictures and curves are of the first run; the figures of methods are means over all runs.")
    return said


def _of_the_choice(
    means: pd.DataFrame, choose_by: str, main: str, document: Mapping[str, float]
) -> Iterator[str]:
    """Say what was chosen, how it did in the test, and whether another method did better."""
    chosen = means.iloc[0]
    name, by, figure = chosen["method"], NAMES.get(choose_by, choose_by), NAMES.get(main, main)
    rival = ""
    if len(means) > 1:
        rival = f", before {means.iloc[1]['method']} with {means.iloc[1][choose_by]:.3f}"
    said = f"{name} was chosen by the {by}: {chosen[choose_by]:.3f}{rival}."
    best = means.iloc[int(means[main].to_numpy().argmax())]
    if best["method"] == name:
        said += f" No other method has a higher {figure} on the test images."
    else:
        said += f" On the test images {best['method']} has the higher {figure}, {best[main]:.3f}."
    yield said
    spread = chosen[f"{main}_sd"]
    deviation = "" if np.isnan(spread) else f" ± {spread:.3f}"
    test = f"On test images its {figure} is {chosen[main]:.3f}{deviation} over {chosen['runs']} runs"
    if (known := document.get(main)) is not None:
        apart = chosen[main] - known
        size = "no more than" if np.isnan(spread) or abs(apart) <= spread else "more than"
        direction = "above" if apart >= 0 else "below"
        test += f", {abs(apart):.3f} {direction} the document's {known:.3f}, {size} one standard deviation"
    yield test + "."


def _of_detectors(findings: Findings) -> str:
    """Compare learning from good images alone with learning from defects too."""
    areas = {
        name: one.metrics["image_auroc"]
        for name, one in findings.detectors.items()
        if one.metrics["image_auroc"] is not None
    }
    if not areas:
        return "The methods that learn from good images alone could not be measured."
    best = max(areas, key=lambda name: areas[name])
    name, evaluation = findings.chosen
    ours = evaluation.metrics["image_auroc"]
    beside = "" if ours is None else f"; {name}, which also learned from defects, reaches {ours:.3f}"
    return f"From good images alone, {best} separates best, with an image AUROC of {areas[best]:.3f}{beside}."
