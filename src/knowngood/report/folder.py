"""Writing an evaluation as files."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from knowngood.extras import needs_extra
from knowngood.inspector.evaluation import Evaluation
from knowngood.output import MARK, check_target, make_folder, replacing, table_mark
from knowngood.report.advice import advice
from knowngood.report.subject import file_name
from knowngood.report.trade_off import choices
from knowngood.report.verdicts import write_csv
from knowngood.types import Progress, silent

RESULTS = {"metrics.json": MARK, "scores.csv": table_mark(Path("scores.csv"))}
"""The files of an evaluation beside its report, and what each holds at its beginning or end."""


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
    evaluation: Evaluation,
    folder: str | os.PathLike[str],
    *,
    overwrite: bool = False,
    progress: Progress = silent,
) -> Path:
    """Write `metrics.json`, `scores.csv` and `report-<product>-<date>.html` to a folder.

    Args:
        evaluation: Of any inspector.
        folder: It is made if it is not there; older results in it are replaced, but for reports of another
            product or day.
        overwrite: Replace files of these names that are not ours too.
        progress: Called during long work.

    Returns:
        The path of the report.

    Raises:
        OutputError: A file or the folder cannot be written, or a file is not ours to replace.
        MissingExtra: The report's libraries are not installed; the other two files are written.
    """
    folder = Path(folder)
    make_folder(folder)
    check_results(folder, overwrite=overwrite)
    with replacing(folder / "metrics.json", MARK, overwrite=overwrite) as unfinished:
        content = {"file": MARK} | evaluation.metrics | _conclusions(evaluation)
        text = json.dumps(content, indent=1, allow_nan=False, ensure_ascii=False)
        unfinished.write_text(text, encoding="utf-8", errors="backslashreplace")
    with replacing(folder / "scores.csv", RESULTS["scores.csv"], overwrite=overwrite) as unfinished:
        write_csv(
            unfinished, list(map(str, evaluation.scores.columns)), evaluation.scores.itertuples(index=False)
        )
    with needs_extra():
        from knowngood.report.page import write_report

    report = folder / file_name(evaluation)
    write_report(evaluation, report, overwrite=overwrite, progress=progress)
    return report


def _conclusions(evaluation: Evaluation) -> dict[str, Any]:
    """What an evaluation is of, what follows from it, and the trade-off, as plain values."""
    about = evaluation.about
    return {
        "about": {"product": about.product} | dataclasses.asdict(about),
        "advice": dataclasses.asdict(advice(evaluation)),
        "trade_off": [dataclasses.asdict(row) for row in choices(evaluation)],
    }
