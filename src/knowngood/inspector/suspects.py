"""The good training images that look least like the others: where defects among them are likeliest."""

from __future__ import annotations

import numpy as np
import pandas as pd

from knowngood.data.held import sources_of
from knowngood.data.image_names import names_of
from knowngood.errors import DataError, UnreadableImage
from knowngood.inspector.file import check_loaded
from knowngood.inspector.inspector import Inspector
from knowngood.inspector.manifest import Manifest
from knowngood.metrics.calibration import p_values
from knowngood.metrics.outliers import far_outside
from knowngood.types import Progress


def suspects(inspector: Inspector) -> pd.DataFrame:
    """List the good training parts that were held out, the one that looks least like the others first.

    Each was scored by a model that was not fitted to it, so a defect among the good images stands high in the
    list. Look at the first tenth, and leave out by `fit(without=...)` what shows a defect.

    Returns:
        One row per part: `rank` from 1; `name` of its image with the highest score, a name that `without`
        takes; `score`; `p_value`, the share of the other parts that score at least as high, see
        `knowngood.metrics.calibration.p_values`; `far_outside`, whether it is so far above the others that it
        is probably not good; and `names` of all its images.

    Raises:
        DataError: The inspector is of an older format, which does not name its images.

    Example::

        table = suspects(inspector)
        inspector = fit("widget/", without=table["name"][table["far_outside"]].tolist())
    """
    check_loaded(inspector)
    manifest = inspector.manifest
    if not manifest.held_out_names:
        raise DataError("this inspector is of an older format, which does not name its images; fit it anew")
    scores, names = np.array(manifest.held_out[::-1]), manifest.held_out_names[::-1]
    return pd.DataFrame(
        {
            "rank": np.arange(1, len(scores) + 1),
            "name": [of_part[0] for of_part in names],
            "score": scores,
            "p_value": [float(p_values([one], np.delete(scores, at))[0]) for at, one in enumerate(scores)],
            "far_outside": far_outside(scores),
            "names": names,
        }
    )


def suspects_among(
    samples: pd.DataFrame, *, seed: int = 0, device: str = "auto", progress: Progress | None = None
) -> pd.DataFrame:
    """List the good images of a data set that look least like the others: the likeliest to be mislabelled.

    The default detector is fitted to the good images of all splits, each scored by a model that has not
    learned from it. Nothing is chosen by the result: it is for people who look at the labels.

    Args:
        samples: A table of samples, such as the one of `knowngood.describe`.
        seed: The same seed on the same images gives the same list.
        device: A torch device, or `auto`.
        progress: Called during long work; without it, a notebook shows a bar.

    Returns:
        The table of `suspects`, with the column `path` of the image with the highest score of each part.

    Raises:
        DataError: There are too few good images that can be read, or they are of several products.

    Example::

        description = knowngood.describe("widget/")
        knowngood.write_card(description, "card.html", suspects=knowngood.suspects_among(description.samples))
    """
    from knowngood.inspector.fit import fit  # imports torch

    good = samples[samples["label"] == "good"].assign(split="train")
    unreadable: list[UnreadableImage] = []
    inspector = fit(good, seed=seed, device=device, on_unreadable=unreadable.append, progress=progress)
    found = suspects(inspector)
    path_of = dict(zip(names_of(sources_of(good)), good["path"], strict=True))
    return found.assign(path=found["name"].map(path_of))


def not_listed(manifest: Manifest) -> str:
    """Say how many good images are not in the list of suspects, and what would list them; or nothing.

    A method holds some images out, and has learned from the others: these have no score that can be compared.
    """
    listed, learned = sum(map(len, manifest.held_out_names)), len(manifest.training)
    if listed >= learned:
        return ""
    more = ""
    if "held_out" in manifest.recipe:
        more = f"; fit with held_out={learned} to list them all"
    return (
        f"{learned - listed} of {learned} good images are not listed: only {listed} were held out, and the "
        f"model has learned from the others, so that they have no score to compare{more}."
    )
