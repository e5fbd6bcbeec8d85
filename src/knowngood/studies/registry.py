"""The studies by name. A new one is one file and one line here."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from knowngood.errors import RecipeError
from knowngood.types import Progress, silent

if TYPE_CHECKING:
    import pandas as pd

STUDIES = {
    "ece157a": "Autoencoders that learn the digit 1 and good transistors (course homework, UCSB 2022)",
    "kaist": "Softmax confidence, temperature and rotations on MNIST (course exercise, KAIST)",
    "screw": "Good or defective screws, from 250 and 50 images (assignment, 2023)",
    "transistor_classes": "Five kinds of transistor, from ten images of each (course homework, NTHU 2024)",
    "semiconductor": "Good or defective solar cells, transfer learning (course project, HKUST)",
}
"""What each study is about; the module of that name has it as `STUDY`, and a small one as `QUICK`."""


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
    """Run a study from its data to its slides; one that was interrupted resumes.

    Args:
        name: A name in `STUDIES`.
        data: The folder that holds its data.
        out: The folder for everything that it makes; the slides are `slides.pdf`.
        seed: The same seed gives the same results.
        quick: Do too little of everything, only to see that it works.
        device: `auto`, `cpu` or `cuda`.
        progress: Called during long work.

    Returns:
        The main figures, one per row: `task`, `figure`, `value` and maybe more; also in `figures.csv`.

    Raises:
        RecipeError: There is no such study, or the folder holds a training with other settings.
        DataError: Its data are not there.

    Example::

        run_study("ece157a", "data/", "ece157a/")
    """
    if name not in STUDIES:
        raise RecipeError(f"study {name!r} is not known; choose one of {', '.join(STUDIES)}")
    from knowngood.studies.study import run

    module = import_module(f"knowngood.studies.{name}")
    study = module.QUICK if quick else module.STUDY
    return run(study, Path(data), Path(out), seed=seed, device=device, progress=progress)
