"""Models of normality (T.-A. Vu, "Anomaly detection using transfer learning in semiconductors", section 1).

The document sorts detection from normal images into five approaches (after Pimentel et al., "A review of
novelty detection", doi 10.1016/j.sigpro.2013.12.026), and holds that features of a pretrained network serve
them all. Here detectors of each approach learn from the same good images of semiconductors and other parts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from knowngood.data.elpv import load_elpv
from knowngood.data.samples import load_samples
from knowngood.data.selection import good_train
from knowngood.data.splits import assign_split
from knowngood.detectors import make_detector
from knowngood.inspector.evaluation import evaluate
from knowngood.inspector.fit import fit
from knowngood.inspector.inspector import Inspector
from knowngood.report.exhibits import Exhibit
from knowngood.studies.normality_slides import FIGURES, conclusion, exhibits
from knowngood.studies.notebook import Step
from knowngood.studies.origins import ELPV, MAGNETIC_TILES, MVTEC, MVTEC_LOCO, DataSet, Origin
from knowngood.studies.study import Job, Method, Result, Study, figure_table, find
from knowngood.types import Progress

APPROACHES = {
    "distance-based": ["prototype", "knn", "patch_dictionary", "patchcore", "composition"],
    "probabilistic": ["gaussian", "padim", "gmm", "sparse", "flow"],
    "reconstruction-based": ["subspace", "feature_autoencoder", "autoencoder"],
    "domain-based": ["ocsvm", "deep_svdd"],
    "information-theoretic": ["information"],
}
"""The document's approaches, and the detectors here that are of each."""

STEPS = [
    Step(
        "The means over the seeds again, from the figures of each run.",
        """runs = pd.read_csv(folder / "runs.csv")
means = runs.groupby(["task", "set", "figure"], sort=False)["value"].mean()
kept = figures.set_index(["task", "set", "figure"])["value"]
assert ((means - kept).abs() < 1e-9).all()
means.unstack("figure").round(3)""",
    ),
    Step(
        "The image AUROC of each detector on each set, and the best detector of each approach.",
        """areas = means.xs("image AUROC", level="figure").unstack("set")
approach = figures.drop_duplicates("task").set_index("task")["approach"]
display = areas.assign(approach=approach).groupby("approach", sort=False).max()
display.round(3)""",
    ),
]
"""The steps of the notebook."""


@dataclass(frozen=True)
class Normality:
    """A set of images: its name, its place in the data folder, how it is loaded, and its origin."""

    name: str
    folder: Sequence[str]  # the first that exists; none for images that are installed
    load: Callable[[Path, int], pd.DataFrame]  # from its folder and the seed
    data: DataSet


def load_tiles(folder: Path, seed: int) -> pd.DataFrame:
    """Load magnetic tiles, 70 % of the good ones to learn from."""
    return assign_split(load_samples(folder), 0.7, seed=seed)


def load_bottles(folder: Path, _: int) -> pd.DataFrame:
    """Load juice bottles; where the test has no good ones, those of the validation take their place."""
    samples = load_samples(folder)
    tested = (samples["split"] == "test") & (samples["label"] == "good")
    if tested.any():
        return samples
    validation = samples["path"].astype(str).str.contains("/validation/")
    return samples.assign(split=samples["split"].mask(validation, "test"))


SETS = [
    Normality("solar cells", (), lambda _, seed: load_elpv("mono", seed=seed), ELPV),
    Normality("transistor", ("mvtec/transistor", "transistor"), lambda at, _: load_samples(at), MVTEC),
    Normality("screw", ("mvtec/screw", "screw"), lambda at, _: load_samples(at), MVTEC),
    Normality("magnetic tile", ("magnetic-tile",), load_tiles, MAGNETIC_TILES),
    Normality("juice bottle", ("juice_bottle",), load_bottles, MVTEC_LOCO),
]


@dataclass(frozen=True, kw_only=True, eq=False)
class Taxonomy(Study):
    """Detectors of each approach on several sets of images, with several seeds."""

    sets: Sequence[Normality]
    runs: int
    most: int | None = None  # images of each split and label

    def jobs(self, data: Path, seed: int) -> list[Job]:
        """Make a job for every detector, set and seed."""
        seeds = range(seed, seed + self.runs)
        tables = {(one.name, number): self._load(one, data, number) for one in self.sets for number in seeds}
        jobs = []
        for method in self.methods:
            for (name, number), table in tables.items():
                good = good_train(table)
                learn = partial(fit, good, method.recipe)
                draw = f"{name.replace(' ', '_')}-seed{number}"
                jobs.append(Job(method, number, (name, table), good["path"].tolist(), learn, draw))
        return jobs

    def _load(self, one: Normality, data: Path, seed: int) -> pd.DataFrame:
        """Load a set with the split of a seed, and of each split and label as many as are wanted."""
        table = one.load(find(data, *one.folder) if one.folder else data, seed)
        if self.most is not None:
            table = table.groupby(["split", "label"], sort=False).head(self.most)
        table = table.reset_index(drop=True)
        table.attrs.clear()  # the split is the study's
        return table

    def origins(self, data: Path, jobs: Sequence[Job]) -> list[Origin]:
        """Count the images of each set in the first run."""
        tables: dict[str, pd.DataFrame] = {}
        for job in jobs:
            tables.setdefault(*job.data)
        found = []
        for one in self.sets:
            parts = tables[one.name].groupby(["split", "label"]).size()
            counts = [
                (f"{one.name}, {what}", int(parts.get(key, 0)))
                for what, key in (
                    ("good training images", ("train", "good")),
                    ("good test images", ("test", "good")),
                    ("defective test images", ("test", "defect")),
                )
            ]
            folder = find(data, *one.folder) if one.folder else Path(tables[one.name]["path"][0]).parent
            found.append(Origin(one.data, folder, counts))
        return found

    def measure(self, job: Job, inspector: Inspector, progress: Progress) -> tuple[Mapping[str, Any], None]:
        """Evaluate an inspector on its set."""
        _, table = job.data
        metrics = evaluate(inspector, table, progress=progress).metrics
        found = {title: float(metrics[name]) for title, name in FIGURES.items() if name in metrics}
        bound = inspector.threshold.upper_bound
        found["bound of false rejects"] = float("nan") if bound is None else bound
        found["ms an image"] = 1e3 / metrics["images_per_second"]
        return found, None

    def tables(self, results: Sequence[Result]) -> dict[str, pd.DataFrame]:
        """Tabulate the figures of each run, and their means over the seeds."""
        sets = [job.data[0] for job, figures, _ in results for _ in figures]
        runs = figure_table(results)
        runs.insert(1, "set", sets)
        grouped = runs.groupby(["task", "set", "figure"], sort=False)["value"]
        table = grouped.agg(value="mean", sd="std", n="count").reset_index()
        approach_of = {name: approach for approach, names in APPROACHES.items() for name in names}
        table.insert(0, "approach", table["task"].map(approach_of))
        return {"runs": runs, "figures": table}

    def exhibits(self, _: Sequence[Result], tables: Mapping[str, pd.DataFrame]) -> Iterator[Exhibit]:
        """Show the taxonomy, and how its detectors did."""
        return exhibits(tables["figures"], {one.name: one.recipe for one in self.methods})

    def conclusion(self, _: Sequence[Result], tables: Mapping[str, pd.DataFrame]) -> list[str]:
        """Say which approach is the best where, and what pretrained features bring."""
        return conclusion(tables["figures"])

    def steps(self) -> list[Step]:
        """Average the figures of the runs again."""
        return STEPS


def methods(**settings: Any) -> list[Method]:
    """Return all detectors with their defaults, but for settings that are for all which have them."""
    found = []
    for name in (name for names in APPROACHES.values() for name in names):
        recipe = make_detector(name)
        own = {key: value for key, value in settings.items() if hasattr(recipe, key)}
        found.append(Method(name, replace(recipe, **own)))
    return found


STUDY = Taxonomy(
    title="Models of normality: five approaches to detection from good images",
    course='T.-A. Vu, "Anomaly detection using transfer learning in semiconductors", project, HKUST',
    methods=methods(),
    sets=SETS,
    runs=1,
)
QUICK = replace(
    STUDY,
    methods=methods(input_size=64, epochs=1, folds=2, coreset=100, words=50, atoms=16, components=2),
    sets=[one for one in SETS if not one.folder],
    most=12,
    is_quick=True,
)
