"""Writing an evaluation as files."""

from __future__ import annotations

import json
import os
from pathlib import Path

from knowngood.extras import needs_extra
from knowngood.inspector.evaluation import Evaluation
from knowngood.output import make_folder, replacing


def write_evaluation(evaluation: Evaluation, folder: str | os.PathLike[str]) -> Path:
    """Write `metrics.json`, `scores.csv` and `report.html` to a folder, and return the path of the report.

    Raises:
        OutputError: A file or the folder cannot be written.
        MissingExtra: The report's libraries are not installed; the other two files are written.
    """
    folder = Path(folder)
    make_folder(folder)
    with replacing(folder / "metrics.json") as unfinished:
        text = json.dumps(evaluation.metrics, indent=1, allow_nan=False, ensure_ascii=False)
        unfinished.write_text(text, encoding="utf-8", errors="backslashreplace")
    with replacing(folder / "scores.csv") as unfinished:
        evaluation.scores.to_csv(unfinished, index=False, errors="backslashreplace")
    with needs_extra():
        from knowngood.report.page import write_report

    report = folder / "report.html"
    write_report(evaluation, report)
    return report
