"""The evidence on whether a line may be released, in one object."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pandas as pd

from knowngood.brief import brief
from knowngood.capability.gauge import Gauge, Limits
from knowngood.capability.gauge import gauge as study_of
from knowngood.capability.page import Answer
from knowngood.capability.plan import check_limits
from knowngood.capability.pod import Pod, pod_of
from knowngood.capability.proof_answer import Asked, answer_of, bounds_of, not_shown
from knowngood.data.captured import days_of
from knowngood.data.samples import Samples, data_path, load_samples, sha256_of
from knowngood.engines.processor import instruction_set, processor
from knowngood.errors import DataError
from knowngood.inspector.evaluation import Evaluation, evaluate
from knowngood.inspector.file import check_loaded
from knowngood.inspector.inspector import Inspector
from knowngood.notebook import followed
from knowngood.types import Progress


@dataclass(frozen=True, eq=False)
class Proof:
    """The evidence on an inspector and a sample.

    Args:
        answer: Whether the line may be released, and why.
        asked: The limits.
        bounds: One row for good parts and for each type of defect: `what`, `parts`, `errors`, `rate`, `bound`
            (one-sided, exact binomial, at the confidence that was asked), `limit`, `needed` (the parts that
            would show the limit with as many errors) and `state`; empty cells where there is no part.
        evaluation: Of the inspector on the test images.
        gauge: The study of repeated pictures; None without one.
        pod: The probability of detection by size, or why it is not known.
        files: One row per test image: what `Evaluation.scores` has, `part`, `day` and `sha256`.
        versions: What inspected, by name, with the fingerprints of the inspector.
        data: SHA-256 of the table of the data; empty for a folder or images in memory.
        not_shown: What this sample does not show, in sentences.
    """

    answer: Answer
    asked: Asked
    bounds: pd.DataFrame
    evaluation: Evaluation
    gauge: Gauge | None
    pod: Pod | str
    files: pd.DataFrame
    versions: dict[str, str]
    data: str
    not_shown: list[str]

    __repr__ = brief


def prove(
    inspector: Inspector,
    data: Samples,
    *,
    gauge: str | os.PathLike[str] | pd.DataFrame | None = None,
    people: Sequence[str] = (),
    max_false_reject: float = 0.05,
    max_escape: float = 0.1,
    confidence: float = 0.95,
    progress: Progress | None = None,
) -> Proof:
    """Gather the evidence on whether a line may be released, from test images that took part in no choice.

    A limit is shown where the exact binomial bound is within it, not where the rate is. Parts count, not
    pictures: a part with several, by the column `group`, is decided wrong if any of them is. A good part that
    is left to a review counts as rejected, a defect that is does not escape.

    Args:
        inspector: Any inspector.
        data: As of `knowngood.evaluate`.
        gauge: The table of a gauge study, as of `knowngood.gauge`; None for none.
        people: Columns of that table with the decisions of people.
        max_false_reject: The largest share of good parts that may be rejected.
        max_escape: The largest share of the defects of each type that may be accepted.
        confidence: With which both must be shown.
        progress: Called during long work.

    Raises:
        DataError: There is no test image, or the table of the gauge study cannot be used.
        RecipeError: A limit is out of range.

    Example::

        proof = knowngood.prove(inspector, "widget/", max_false_reject=0.05, max_escape=0.1)
        print(proof.answer.headline)
        knowngood.write_proof(proof, "proof/")
    """
    check_loaded(inspector)
    asked = Asked(max_false_reject, max_escape, confidence)
    check_limits(*asked)
    progress = followed(progress)
    samples = load_samples(data)
    limits = Limits(misses=max_escape, false_alarms=max_false_reject)
    study = None
    if gauge is not None:
        study = study_of(inspector, gauge, people=people, limits=limits, progress=progress)
    evaluation = evaluate(inspector, samples, progress=progress)
    files = _files(evaluation, samples, progress)
    bounds = bounds_of(files, asked)
    sizes: Pod | str
    try:
        sizes = pod_of(evaluation)
    except DataError as error:
        sizes = str(error)
    table = Path(data_path(samples))
    return Proof(
        answer=answer_of(bounds, asked, evaluation, study, files, inspector),
        asked=asked,
        bounds=bounds,
        evaluation=evaluation,
        gauge=study,
        pod=sizes,
        files=files,
        versions=_versions(inspector),
        data=sha256_of([str(table)])[0] if table.is_file() else "",
        not_shown=list(not_shown(bounds, asked, evaluation, study, sizes, files)),
    )


def _files(evaluation: Evaluation, samples: pd.DataFrame, progress: Progress) -> pd.DataFrame:
    """The test images with their parts, days and fingerprints."""
    sources = [evaluation.image(row)[0] for row in range(len(evaluation.scores))]
    scores = evaluation.scores.reset_index(drop=True)
    part = scores["path"].astype(str)
    if "group" in samples:
        part = part.map(dict(zip(samples["path"].astype(str), samples["group"].astype(str), strict=True)))
    return scores.assign(part=part, day=days_of(sources), sha256=sha256_of(sources, progress=progress))


def _versions(inspector: Inspector) -> dict[str, str]:
    """What inspected, and the fingerprints of the inspector."""
    manifest, file = inspector.manifest, Path(inspector.file)
    try:
        engine = f"{inspector.engine} {version(inspector.engine)}"
    except PackageNotFoundError:
        engine = inspector.engine
    found = {
        "knowngood": version("knowngood"),
        "engine": engine,
        "Python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()}",
        "processor": ", ".join(filter(None, [processor(), instruction_set()])),
        "inspector": f"{manifest.method}, made {manifest.created}, seed {manifest.seed}",
        "fitted with": ", ".join(f"{name} {number}" for name, number in manifest.versions.items()),
        "graph, SHA-256": manifest.graph_hash,
    }
    if inspector.file and file.is_file():
        found |= {"inspector file": file.name, "file, SHA-256": sha256_of([str(file)])[0]}
    return found
