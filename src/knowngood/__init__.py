"""Learn what a good part looks like; find what is not.

Example::

    import knowngood

    inspector = knowngood.fit("widget/")                # learn from the good images
    inspector.save("widget.inspector")                  # one file, to ship
    for verdict in inspector.inspect(["new.png"]):      # judge
        print(verdict.score, verdict.decision)
    knowngood.evaluate(inspector, "widget/").metrics    # prove

    inspector = knowngood.train("widget/")              # once defects are collected: it names their types
"""

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

# Threads that wait by spinning take ten times as long beside another program on the same cores. OpenMP looks
# at this once, when torch loads it.
os.environ.setdefault("GOMP_SPINCOUNT", "1000")

if TYPE_CHECKING:
    from knowngood.classifiers import make_classifier
    from knowngood.data.describe import describe
    from knowngood.data.samples import load_samples
    from knowngood.detectors import make_detector
    from knowngood.inspector.comparison import compare
    from knowngood.inspector.cross_validation import CrossValidation, cross_validate
    from knowngood.inspector.evaluation import Evaluation, evaluate
    from knowngood.inspector.fit import fit
    from knowngood.inspector.inspector import Inspector
    from knowngood.inspector.reconstructions import (
        read_reconstructions,
        reconstructions,
        write_reconstructions,
    )
    from knowngood.inspector.speed import Speed, measure_speed
    from knowngood.inspector.threshold import threshold_at, threshold_by_rule
    from knowngood.inspector.train import train
    from knowngood.inspector.verdict import Verdict
    from knowngood.report.folder import write_evaluation
    from knowngood.report.page import write_report
    from knowngood.studies.registry import run_study
    from knowngood.training.run import Run

__all__ = [
    "CrossValidation",
    "Evaluation",
    "Inspector",
    "Run",
    "Speed",
    "Verdict",
    "compare",
    "cross_validate",
    "describe",
    "evaluate",
    "fit",
    "load_samples",
    "make_classifier",
    "make_detector",
    "measure_speed",
    "read_reconstructions",
    "reconstructions",
    "run_study",
    "threshold_at",
    "threshold_by_rule",
    "train",
    "write_evaluation",
    "write_reconstructions",
    "write_report",
]

_HOMES = {
    "CrossValidation": "inspector.cross_validation",
    "Evaluation": "inspector.evaluation",
    "Inspector": "inspector.inspector",
    "Run": "training.run",
    "Speed": "inspector.speed",
    "Verdict": "inspector.verdict",
    "compare": "inspector.comparison",
    "cross_validate": "inspector.cross_validation",
    "describe": "data.describe",
    "evaluate": "inspector.evaluation",
    "fit": "inspector.fit",
    "load_samples": "data.samples",
    "make_classifier": "classifiers",
    "make_detector": "detectors",
    "measure_speed": "inspector.speed",
    "read_reconstructions": "inspector.reconstructions",
    "reconstructions": "inspector.reconstructions",
    "run_study": "studies.registry",
    "threshold_at": "inspector.threshold",
    "threshold_by_rule": "inspector.threshold",
    "train": "inspector.train",
    "write_evaluation": "report.folder",
    "write_reconstructions": "inspector.reconstructions",
    "write_report": "report.page",
}


def __dir__() -> list[str]:
    """Show the public names, imported yet or not."""
    return sorted(__all__)


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used: judging images must not wait for torch.

    Raises:
        MissingExtra: It needs a library that is not installed.
    """
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from knowngood.extras import needs_extra

    with needs_extra():
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
