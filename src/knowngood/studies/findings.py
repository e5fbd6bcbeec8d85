"""What the slides of a study of classifiers are made of, and the slides that all such studies share."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from knowngood.data.class_names import class_of_each
from knowngood.data.expectations import expectations
from knowngood.inspector.evaluation import Evaluation
from knowngood.report.balance import balance_exhibit
from knowngood.report.class_pictures import enlarged_exhibit
from knowngood.report.classification import classification_exhibits
from knowngood.report.exhibits import Exhibit, Table, Text
from knowngood.report.slide import facts_table
from knowngood.report.supervised_slides import choices_exhibit, classes_exhibit, named, results_exhibit
from knowngood.report.training import training_exhibits
from knowngood.studies.draw import Draw


@dataclass(frozen=True, eq=False, kw_only=True)
class Findings:
    """The results of a study.

    Args:
        draw: The images of the first run.
        facts: Names and values: the data, the protocol.
        choices: What was chosen, and on which images.
        means: The table `summary`, the method that was chosen first.
        results: The figures for slides, with the document's in the last row if it has any.
        evaluations: Of the first run, by classifier, in the order of `means`.
        detectors: Evaluations of methods that learned from good images alone.
        experiments: The table `experiments`, if there are any.
        experimented: Evaluations of the experiments by what they changed, the original one first.
        document: The document's figures, as far as they are of the same images.
        is_quick: Whether this is a quick run, which is compared with no document.
    """

    draw: Draw
    facts: Sequence[tuple[str, str]]
    choices: Sequence[tuple[str, str]]
    means: pd.DataFrame
    results: pd.DataFrame
    evaluations: Mapping[str, Evaluation]
    detectors: Mapping[str, Evaluation]
    experiments: pd.DataFrame | None
    experimented: Mapping[str, Evaluation]
    document: Mapping[str, float]
    is_quick: bool

    @property
    def chosen(self) -> tuple[str, Evaluation]:
        """The method that was chosen, and its evaluation."""
        return next(iter(self.evaluations.items()))

    @property
    def trained(self) -> tuple[str, Evaluation]:
        """The first method whose network was trained, and its evaluation."""
        return next((name, one) for name, one in self.evaluations.items() if one.records.training is not None)

    @property
    def defects_seen(self) -> dict[str, float]:
        """The image AUROC of the method that was chosen, which also learned from defects, if it is known."""
        name, evaluation = self.chosen
        area = evaluation.metrics["image_auroc"]
        return {} if area is None else {name: area}

    def image_auroc(self, method: str) -> float | None:
        """The image AUROC of a detector or classifier in the first run; None where it is not known."""
        evaluation = self.detectors.get(method) or self.evaluations.get(method)
        area: float | None = None if evaluation is None else evaluation.metrics["image_auroc"]
        return area

    @property
    def one_change_at_a_time(self) -> pd.DataFrame | None:
        """The experiments that learn from the same images as the original one."""
        if self.experiments is None:
            return None
        return self.experiments[~self.experiments["change"].str.startswith("pasted")]

    def data(self) -> Iterator[Exhibit]:
        """Show the images, their classes, and what is to be expected of them."""
        yield facts_table("The data and the protocol", self.facts)
        yield classes_exhibit(self.chosen[1])
        yield balance_exhibit(self.draw.counts, "Images of the first run by class and by what they are for.")
        yield enlarged_exhibit(self.draw.table)
        classes = zip(self.draw.table["split"], class_of_each(self.draw.table), strict=True)
        yield _expected(expectations(Counter(classes)))

    def training(self) -> Iterator[Exhibit]:
        """Show what the methods chose for themselves, and how networks were trained."""
        yield choices_exhibit(self.evaluations)
        for name, evaluation in self.evaluations.items():
            if evaluation.records.training is not None:
                exhibits = training_exhibits(evaluation.records)
                # What the sentences say is in the table of choices.
                yield from named(name, [one for one in exhibits if not isinstance(one, Text)])

    def outcome(self) -> Iterator[Exhibit]:
        """Show the figures of all methods, and on which images each choice was made."""
        yield results_exhibit(self.results)
        yield facts_table("Which images each choice was made on", self.choices)

    def predictions(self) -> Iterator[Exhibit]:
        """Show the predictions of the method that was chosen."""
        name, evaluation = self.chosen
        yield from named(name, classification_exhibits(evaluation))


def _expected(problems: Sequence[str]) -> Table:
    """Show the problems to be expected, each a fact and what follows, divided by a colon."""
    rows = [
        [textwrap.fill(part, 52) for part in (fact[:1].upper() + fact[1:], follows)]
        for fact, _, follows in (problem.replace("`", "").partition(": ") for problem in problems)
    ]
    title = f"{len(rows)} problems to be expected, from the numbers of images"
    return Table(title, ["fact", "what follows"], rows)
