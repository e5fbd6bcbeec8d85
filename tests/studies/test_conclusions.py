"""What is concluded follows from the figures, whichever way they are."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from knowngood.studies.conclusions import conclusions
from knowngood.studies.findings import Findings
from knowngood.studies.supervised_tables import HELD_OUT


def evaluation(area):
    return SimpleNamespace(metrics={"image_auroc": area}, records=SimpleNamespace(training=None))


def findings(accuracies, spread=0.01, document=None, detectors=None, experiments=None):
    means = pd.DataFrame(
        {
            "method": ["probe", "forest"],
            HELD_OUT: [0.9, 0.8],
            "accuracy": accuracies,
            "accuracy_sd": spread,
            "runs": 5,
        }
    )
    return Findings(
        draw=None,
        facts=[],
        choices=[],
        means=means,
        results=means,
        evaluations={"probe": evaluation(0.95), "forest": evaluation(0.9)},
        detectors=detectors or {},
        experiments=experiments,
        experimented={},
        document=document or {},
        is_quick=False,
    )


def said(found):
    return " ".join(conclusions(found, HELD_OUT, ["accuracy"]))


def test_the_choice_and_the_test():
    text = said(findings([0.9, 0.7]))
    assert (
        "probe was chosen by the image AUROC, held-out training images: 0.900, before forest with 0.800."
        in text
    )
    assert "No other method has a higher accuracy on the test images." in text
    assert "its accuracy is 0.900 ± 0.010 over 5 runs." in text
    assert "document" not in text


def test_another_method_may_be_better_in_the_test():
    text = said(findings([0.7, 0.9]))
    assert "On the test images forest has the higher accuracy, 0.900." in text
    assert "No other" not in text


@pytest.mark.parametrize(
    ("known", "words"),
    [
        (0.895, "0.005 above the document's 0.895, no more than one standard deviation"),
        (0.8, "0.100 above the document's 0.800, more than one standard deviation"),
        (0.95, "0.050 below the document's 0.950, more than one standard deviation"),
    ],
)
def test_the_document(known, words):
    assert words in said(findings([0.9, 0.7], document={"accuracy": known}))


def test_one_run_has_no_deviation():
    assert "its accuracy is 0.900 over 5 runs." in said(findings([0.9, 0.7], spread=np.nan))


def test_detectors():
    found = findings([0.9, 0.7], detectors={"knn": evaluation(0.8), "vae": evaluation(0.6)})
    assert "From good images alone, knn separates best, with an image AUROC of 0.800" in said(found)
    unknown = findings([0.9, 0.7], detectors={"knn": evaluation(None)})
    assert "could not be measured" in said(unknown)


def test_experiments_with_made_images_are_no_key_factor():
    experiments = pd.DataFrame(
        {
            "change": ["", "epochs=1 → 4", "pasted=0 → 16"],
            "validation_accuracy": [0.5, 0.6, 0.9],
            "validation_loss": 1.0,
            "test_class_accuracy": 0.5,
        }
    )
    text = said(findings([0.9, 0.7], experiments=experiments))
    assert "Key factor: epochs=1 → 4 moves the validation accuracy most, from 50.0 % to 60.0 %." in text
    assert "Best by validation: epochs=1 → 4 (60.0 %)" in text
