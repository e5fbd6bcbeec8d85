"""Learn what a good part looks like; find what is not.

Example::

    import knowngood

    inspector = knowngood.fit("widget/")                # learn from the good images
    inspector.save("widget.inspector")                  # one file, to ship
    for verdict in inspector.inspect(["new.png"]):      # inspect
        print(verdict.score, verdict.decision)
    knowngood.evaluate(inspector, "widget/").metrics    # evaluate

    inspector = knowngood.train("widget/")              # with collected defects: it predicts their types
"""

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__: str
"""The version of the installed package."""

PATIENCE = {"GOMP_SPINCOUNT": "1000"}
"""Threads that wait by spinning take ten times as long beside another program on the same cores. OpenMP reads
this variable of the environment once, when torch loads it.
"""

if TYPE_CHECKING:
    from knowngood.capability.drift import Drift as Drift
    from knowngood.capability.drift import Monitor as Monitor
    from knowngood.capability.drift import monitor as monitor
    from knowngood.capability.drift_page import write_drift as write_drift
    from knowngood.capability.gauge import Gauge as Gauge
    from knowngood.capability.gauge import Limits as Limits
    from knowngood.capability.gauge import gauge as gauge
    from knowngood.capability.gauge_page import write_gauge as write_gauge
    from knowngood.capability.plan import Plan as Plan
    from knowngood.capability.plan import plan as plan
    from knowngood.capability.plan import write_plan as write_plan
    from knowngood.capability.pod import Pod as Pod
    from knowngood.capability.pod import pod as pod
    from knowngood.capability.pod_page import write_pod as write_pod
    from knowngood.capability.proof import Proof as Proof
    from knowngood.capability.proof import prove as prove
    from knowngood.capability.proof_page import write_proof as write_proof
    from knowngood.capability.recalibrate import recalibrate as recalibrate
    from knowngood.capability.shadow import Shadow as Shadow
    from knowngood.capability.shadow import shadow as shadow
    from knowngood.capability.shadow import write_shadow as write_shadow
    from knowngood.classifiers import make_classifier as make_classifier
    from knowngood.classifiers.realism import Realism as Realism
    from knowngood.classifiers.realism import realism as realism
    from knowngood.data.describe import describe as describe
    from knowngood.data.exports import export as export
    from knowngood.data.geometry import Geometry as Geometry
    from knowngood.data.globs import table as table
    from knowngood.data.named import data_sets as data_sets
    from knowngood.data.named import get_data as get_data
    from knowngood.data.pairs import Pair as Pair
    from knowngood.data.patterns import Patterns as Patterns
    from knowngood.data.products import load_products as load_products
    from knowngood.data.samples import load_samples as load_samples
    from knowngood.data.split import split as split
    from knowngood.detectors import make_detector as make_detector
    from knowngood.inspector.comparison import compare as compare
    from knowngood.inspector.cross_validation import CrossValidation as CrossValidation
    from knowngood.inspector.cross_validation import cross_validate as cross_validate
    from knowngood.inspector.evaluation import Evaluation as Evaluation
    from knowngood.inspector.evaluation import evaluate as evaluate
    from knowngood.inspector.fit import fit as fit
    from knowngood.inspector.fit_products import fit_products as fit_products
    from knowngood.inspector.inspector import Inspector as Inspector
    from knowngood.inspector.product_evaluation import ProductEvaluation as ProductEvaluation
    from knowngood.inspector.product_evaluation import evaluate_products as evaluate_products
    from knowngood.inspector.products import Products as Products
    from knowngood.inspector.proposals import propose as propose
    from knowngood.inspector.reconstructions import read_reconstructions as read_reconstructions
    from knowngood.inspector.reconstructions import reconstructions as reconstructions
    from knowngood.inspector.reconstructions import write_reconstructions as write_reconstructions
    from knowngood.inspector.speed import Speed as Speed
    from knowngood.inspector.speed import measure_speed as measure_speed
    from knowngood.inspector.suspects import suspects as suspects
    from knowngood.inspector.suspects import suspects_among as suspects_among
    from knowngood.inspector.synthetic import synthetic as synthetic
    from knowngood.inspector.threshold import review_at as review_at
    from knowngood.inspector.threshold import review_by_defects as review_by_defects
    from knowngood.inspector.threshold import threshold_at as threshold_at
    from knowngood.inspector.threshold import threshold_by_rule as threshold_by_rule
    from knowngood.inspector.threshold import threshold_by_value as threshold_by_value
    from knowngood.inspector.threshold import without_review as without_review
    from knowngood.inspector.train import train as train
    from knowngood.inspector.verdict import Verdict as Verdict
    from knowngood.leaderboards.leaderboard import leaderboard as leaderboard
    from knowngood.leaderboards.standings import Leaderboard as Leaderboard
    from knowngood.report.card import write_card as write_card
    from knowngood.report.folder import write_evaluation as write_evaluation
    from knowngood.report.page import write_report as write_report
    from knowngood.report.suspects import write_suspects as write_suspects
    from knowngood.report.synthetic import write_synthetic as write_synthetic
    from knowngood.studies.registry import run_study as run_study
    from knowngood.training.run import Run as Run

_MODULES = {
    "capability.drift": ["Drift", "Monitor", "monitor"],
    "capability.drift_page": ["write_drift"],
    "capability.gauge": ["Gauge", "Limits", "gauge"],
    "capability.gauge_page": ["write_gauge"],
    "capability.plan": ["Plan", "plan", "write_plan"],
    "capability.pod": ["Pod", "pod"],
    "capability.pod_page": ["write_pod"],
    "capability.proof": ["Proof", "prove"],
    "capability.proof_page": ["write_proof"],
    "capability.recalibrate": ["recalibrate"],
    "capability.shadow": ["Shadow", "shadow", "write_shadow"],
    "classifiers": ["make_classifier"],
    "classifiers.realism": ["Realism", "realism"],
    "data.describe": ["describe"],
    "data.exports": ["export"],
    "data.globs": ["table"],
    "data.geometry": ["Geometry"],
    "data.named": ["data_sets", "get_data"],
    "data.pairs": ["Pair"],
    "data.patterns": ["Patterns"],
    "data.products": ["load_products"],
    "data.samples": ["load_samples"],
    "data.split": ["split"],
    "detectors": ["make_detector"],
    "inspector.comparison": ["compare"],
    "inspector.cross_validation": ["CrossValidation", "cross_validate"],
    "inspector.evaluation": ["Evaluation", "evaluate"],
    "inspector.fit": ["fit"],
    "inspector.fit_products": ["fit_products"],
    "inspector.inspector": ["Inspector"],
    "inspector.product_evaluation": ["ProductEvaluation", "evaluate_products"],
    "inspector.products": ["Products"],
    "inspector.proposals": ["propose"],
    "inspector.reconstructions": ["read_reconstructions", "reconstructions", "write_reconstructions"],
    "inspector.speed": ["Speed", "measure_speed"],
    "inspector.suspects": ["suspects", "suspects_among"],
    "inspector.synthetic": ["synthetic"],
    "inspector.threshold": [
        "review_at",
        "review_by_defects",
        "threshold_at",
        "threshold_by_rule",
        "threshold_by_value",
        "without_review",
    ],
    "inspector.train": ["train"],
    "inspector.verdict": ["Verdict"],
    "leaderboards.leaderboard": ["leaderboard"],
    "leaderboards.standings": ["Leaderboard"],
    "report.card": ["write_card"],
    "report.folder": ["write_evaluation"],
    "report.page": ["write_report"],
    "report.suspects": ["write_suspects"],
    "report.synthetic": ["write_synthetic"],
    "studies.registry": ["run_study"],
    "training.run": ["Run"],
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}

__all__ = sorted(_MODULE_OF)


def __dir__() -> list[str]:
    """List the public names, whether imported yet or not."""
    return ["__version__", *__all__]


def _get(name: str) -> Any:
    """Import a public name when it is first used: inspecting images must not wait for torch.

    Raises:
        MissingExtra: It needs a library that is not installed.
    """
    if name == "__version__":
        from importlib.metadata import version

        return version(__name__)
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from knowngood.extras import needs_extra

    unset = [variable for variable in PATIENCE if variable not in os.environ]
    try:
        os.environ.update({variable: PATIENCE[variable] for variable in unset})
        with needs_extra():
            return getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
    finally:
        for variable in unset:
            os.environ.pop(variable, None)


if not TYPE_CHECKING:  # a type checker knows the names above, and shall refuse all others
    __getattr__ = _get
