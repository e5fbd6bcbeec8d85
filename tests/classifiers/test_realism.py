"""Whether synthetic defects are distinguished from real ones: figures, groups, and what is missing."""

import numpy as np
import pytest

from knowngood.classifiers import realism as module
from knowngood.classifiers.realism import Realism, realism
from knowngood.data.samples import load_samples
from knowngood.data.splits import folds
from knowngood.data.synthetic import SyntheticDefect
from knowngood.errors import DataError

from ..support.parts import part, scratch


def scratched(count, seed, grey=235):
    """Scratched parts and their masks."""
    rng = np.random.default_rng(seed)
    pairs = []
    for _ in range(count):
        image, mask = part(rng), scratch(rng)
        image[mask] = grey
        pairs.append((image, mask))
    return pairs


def as_synthetic(pairs, name, like=None):
    return [
        SyntheticDefect(f"{name} {number}", name, image, mask, like=like(number) if like else "")
        for number, (image, mask) in enumerate(pairs)
    ]


@pytest.fixture(scope="module")
def table():
    pairs = scratched(30, 0)
    images, masks = zip(*pairs, strict=True)
    return load_samples(list(images), labels=["scratch"] * 30, masks=list(masks)).assign(split="train")


def test_the_same_process_is_not_distinguished_and_another_one_is(table):
    made = as_synthetic(scratched(30, 1), "same") + as_synthetic(scratched(30, 2, grey=20), "dark")
    found = realism(made + as_synthetic(scratched(4, 3), "few"), table).set_index("type")
    assert found.loc["same", "low"] < 0.5 < found.loc["same", "high"]
    assert found.loc["dark", "low"] > 0.9
    assert found.loc["dark", ["synthetic", "real"]].tolist() == [30, 30]
    assert "distinguishes 30 synthetic defects from 30 real ones" in found.loc["dark", "words"]
    assert np.isnan(found.loc["few", "auroc"])
    assert found.loc["few", "words"] == "few: 4 synthetic defects are too few; draw at least 10"


def test_no_source_is_on_both_sides(table, monkeypatch):
    learned, fit = [], module.fit_linear

    def spy(samples, *others):
        learned.append(samples.features[:, 0, 0].astype(int).tolist())
        return fit(samples, *others)

    monkeypatch.setattr(module, "fit_linear", spy)
    paths = table["path"].tolist()
    check = Realism(table)
    made = as_synthetic(scratched(40, 4), "varied", like=lambda number: paths[number % 30])
    list(check.watch([one._replace(name=f"good {number % 35}") for number, one in enumerate(made)]))
    crops = [*check.real, *check.synthetic["varied"]]
    is_synthetic = np.arange(len(crops)) >= 30
    features = np.arange(len(crops), dtype=np.float32)[:, None].repeat(2, axis=1)
    assert module._out_of_fold(crops, features, is_synthetic, 0).shape == (70,)
    fold_of = folds(70, 5, 0, [crop.group for crop in crops], is_synthetic.astype(int).tolist())
    for fold, rows in enumerate(learned):
        tested = set().union(*(crops[row].sources for row in np.flatnonzero(fold_of == fold)))
        assert rows
        assert not any(crops[row].sources & tested for row in rows)


def test_no_real_defects_to_compare_with(table):
    words = "at least 10 real defects with masks in the train split are needed, and there are {}"
    with pytest.raises(DataError, match=words.format(9)):
        Realism(table[:9])
    with pytest.raises(DataError, match=words.format(0)):
        Realism(np.zeros((3, 32, 32), np.uint8))
    with pytest.raises(DataError, match="there is no synthetic defect to compare"):
        realism([], table)
