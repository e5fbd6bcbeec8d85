"""The studies by name. A new one is one file and one line here."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from knowngood.errors import RecipeError
from knowngood.recipe import as_text
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
    "semiconductor_normality": "Five models of normality, on five sets of images (the same project)",
}


def run_study(
    name: str,
    data: str | Path,
    out: str | Path,
    *,
    seed: int = 0,
    quick: bool = False,
    settings: Mapping[str, Any] | None = None,
    author: str = "",
    title: str = "",
    device: str = "auto",
    progress: Progress = silent,
) -> pd.DataFrame:
    """Run a study from its data to its slides; an interrupted study resumes.

    The folder of results gets inspectors, trainings, tables, `slides.pdf`, the same slides to edit as
    `slides.pptx`, and the notebook `study.ipynb`, which makes the tables again from these files.

    Args:
        name: A name in `STUDIES`.
        data: The folder that holds its data.
        out: The folder for all results.
        seed: The same seed gives the same results.
        quick: Use few images and short trainings, only to check that everything runs.
        settings: Settings of its methods, such as `{"epochs": 50}`, each for all methods that have it.
        author: Your name, for the title slide.
        title: A title for the slides in place of the study's own.
        device: `auto`, `cpu` or `cuda`.
        progress: Called during long work.

    Returns:
        The main figures, one per row, also in `figures.csv`: at least `task`, `figure` and `value`. Its
        `attrs["notes"]` says where the images come from, and what was changed.

    Raises:
        RecipeError: There is no such study or setting, or the folder holds a run with other settings.
        DataError: Its data are missing.

    Example::

        run_study("ece157a", "data/", "ece157a/")
    """
    if name not in STUDIES:
        raise RecipeError(f"study {name!r} is not known; choose one of {', '.join(STUDIES)}")
    # First, so that where libraries are missing the extra is named that brings all of them.
    import_module("knowngood.studies.notebook")
    from knowngood.report.slide import Deck
    from knowngood.studies.study import QUICK, run, with_settings

    module = import_module(f"knowngood.studies.{name}")
    study = with_settings(module.QUICK if quick else module.STUDY, settings or {})
    texts = {key: as_text(value) for key, value in (settings or {}).items()}
    arguments = {"study": name, "quick": quick, "seed": seed, "settings": texts}
    mark = QUICK if quick else ""
    deck = Deck(title or study.title, [], study.course, author, date.today(), mark)
    return run(study, Path(data), Path(out), deck=deck, arguments=arguments, device=device, progress=progress)
