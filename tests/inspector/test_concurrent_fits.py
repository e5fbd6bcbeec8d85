"""Fits in several threads of one process, and what a fit leaves of the process as it was."""

import logging
import os
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from knowngood.detectors import make_detector
from knowngood.inspector.fit import fit

RECIPES = [
    ("gaussian", {"input_size": 128}),
    ("autoencoder", {"input_size": 32, "epochs": 2}),
    ("patchcore", {"input_size": 64, "coreset": 50}),
    ("gaussian", {"input_size": 128}),
    ("vae", {"input_size": 32, "epochs": 2}),
]


@pytest.fixture(scope="module")
def learn(good_images):
    return lambda recipe: fit(good_images[:12], make_detector(*recipe))


def threads_of_a_new_thread():
    found = []
    thread = threading.Thread(target=lambda: found.append(torch.get_num_threads()))
    thread.start()
    thread.join()
    return found[0]


def process_state():
    return {
        "threads": torch.get_num_threads(),
        "threads of others": threads_of_a_new_thread(),
        "random numbers": torch.get_rng_state().tolist(),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "warnings": list(warnings.filters),
        "levels": {
            name: (logger.level, list(logger.filters))
            for name, logger in logging.root.manager.loggerDict.items()
            if isinstance(logger, logging.Logger)
        },
        "environment": dict(os.environ),
    }


def test_fits_at_once_give_what_they_give_one_after_another(learn):
    one_by_one = [learn(recipe) for recipe in RECIPES]
    before = process_state()
    with ThreadPoolExecutor(len(RECIPES)) as pool:
        at_once = list(pool.map(learn, RECIPES))
    assert process_state() == before
    for one, other in zip(one_by_one, at_once, strict=True):
        assert one.manifest.held_out == other.manifest.held_out
        assert one.graph == other.graph
