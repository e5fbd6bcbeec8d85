"""Writing an evaluation as files."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path

from knowngood.extras import needs_extra
from knowngood.inspector.evaluation import Evaluation
from knowngood.output import MARK, check_target, make_folder, replacing, table_mark
from knowngood.report.verdicts import write_csv

RESULTS = {"metrics.json": MARK, "scores.csv": table_mark(Path("scores.csv")), "report.html": MARK}
"""The files of an evaluation, and what each holds at its beginning or end."""


def check_results(
    folder: Path, *, overwrite: bool = False, inputs: Iterable[str | os.PathLike[str]] = ()
) -> None:
    """Check before a long work that its results can be written to a folder.

    Raises:
        OutputError: One of them cannot, or would replace a file that is not ours or that is read.
    """
    for name, mark in RESULTS.items():
        check_target(folder / name, mark, overwrite=overwrite, inputs=inputs)


def write_evaluation(
    evaluation: Evaluation, folder: str | os.PathLike[str], *, overwrite: bool = False
) -> Path:
    """Write `metrics.json`, `scores.csv` and `report.html` to a folder, and return the path of the report.

    Args:
        evaluation: Of any inspector.
        folder: It is made if it is not there; older results in it are replaced.
        overwrite: Replace files of these names that are not ours too.

    Raises:
        OutputError: A file or the folder cannot be written, or a file is not ours to replace.
        MissingExtra: The report's libraries are not installed; the other two files are written.
    """
    folder = Path(folder)
    make_folder(folder)
    check_results(folder, overwrite=overwrite)
    with replacing(folder / "metrics.json", MARK, overwrite=overwrite) as unfinished:
        text = json.dumps({"file": MARK} | evaluation.metrics, indent=1, allow_nan=False, ensure_ascii=False)
        unfinished.write_text(text, encoding="utf-8", errors="backslashreplace")
    with replacing(folder / "scores.csv", RESULTS["scores.csv"], overwrite=overwrite) as unfinished:
        write_csv(
            unfinished, list(map(str, evaluation.scores.columns)), evaluation.scores.itertuples(index=False)
        )
    with needs_extra():
        from knowngood.report.page import write_report

    report = folder / "report.html"
    write_report(evaluation, report, overwrite=overwrite)
    return report
