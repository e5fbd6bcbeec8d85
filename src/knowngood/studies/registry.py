"""The studies by name. A new one is one file and one line here."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from knowngood.errors import RecipeError
from knowngood.types import Progress, silent

if TYPE_CHECKING:
    import pandas as pd

# The module of each name has the study as `STUDY`, and a small one as `QUICK`.
STUDIES = {
    "ece157a": "Autoencoders trained on the digit 1 and on good transistors (course homework, UCSB 2022)",
    "kaist": "Softmax confidence, temperature and rotations on MNIST (course exercise, KAIST)",
    "screw": "Good or defective screws, from 250 and 50 images (assignment, 2023)",
    "transistor_classes": "Five classes of transistors, ten images per class (course homework, NTHU 2024)",
    "semiconductor": "Good or defective solar cells, transfer learning (course project, HKUST)",
}


def run_study(
    name: str,
    data: str | Path,
    out: str | Path,
    *,
    seed: int = 0,
    quick: bool = False,
    device: str = "auto",
    progress: Progress = silent,
) -> pd.DataFrame:
    """Run a study from its data to its slides; an interrupted study resumes.

    Args:
        name: A name in `STUDIES`.
        data: The folder that holds its data.
        out: The folder for inspectors, trainings, tables and `slides.pdf`.
        seed: The same seed gives the same results.
        quick: Use few images and short trainings, only to check that everything runs.
        device: `auto`, `cpu` or `cuda`.
        progress: Called during long work.

    Returns:
        The main figures, one per row, also in `figures.csv`: at least `task`, `figure` and `value`.

    Raises:
        RecipeError: There is no such study, or the folder holds a training with other settings.
        DataError: Its data are missing.

    Example::

        run_study("ece157a", "data/", "ece157a/")
    """
    if name not in STUDIES:
        raise RecipeError(f"study {name!r} is not known; choose one of {', '.join(STUDIES)}")
    from knowngood.studies.study import run

    module = import_module(f"knowngood.studies.{name}")
    study = module.QUICK if quick else module.STUDY
    return run(study, Path(data), Path(out), seed=seed, device=device, progress=progress)
