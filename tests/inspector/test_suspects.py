import dataclasses

import numpy as np
import pytest

from knowngood.errors import DataError, InspectorError
from knowngood.inspector.fit import fit
from knowngood.inspector.suspects import not_listed, suspects
from knowngood.metrics.calibration import p_values

from ..support.parts import photograph


def test_the_list_is_that_of_the_held_out_scores(inspector):
    table, manifest = suspects(inspector), inspector.manifest
    assert table.columns.tolist() == ["rank", "name", "score", "p_value", "far_outside", "names"]
    assert table["rank"].tolist() == list(range(1, 25))
    assert table["score"].tolist() == sorted(manifest.held_out, reverse=True)
    assert table["names"].tolist() == manifest.held_out_names[::-1]
    assert table["p_value"].tolist() == [rank / 24 for rank in range(1, 25)]
    third = table["score"].drop(2)
    assert table["p_value"][2] == p_values([table["score"][2]], third)[0]
    assert table["far_outside"].sum() == len(manifest.far_outside)


def test_defects_stand_first_and_are_left_out_by_their_name():
    photos = photograph(3, good=30, line=2, square=1)
    table = suspects(fit(photos.images, "gaussian", input_size=64))
    assert sorted(table["name"][:3]) == ["[30]", "[31]", "[32]"]
    clean = fit(photos.images, "gaussian", input_size=64, without=table["name"][:3].tolist())
    assert len(suspects(clean)) == 30


def test_who_is_not_listed(inspector):
    assert not_listed(inspector.manifest) == ""
    images = photograph(4, good=12, line=0, square=0).images
    few = fit(images, "padim", input_size=64, held_out=5)
    assert len(suspects(few)) == 5
    assert not_listed(few.manifest) == (
        "7 of 12 good images are not listed: only 5 were held out, and the model has learned from the "
        "others, so that they have no score to compare; fit with held_out=12 to list them all."
    )


def test_what_has_no_list(inspector):
    with pytest.raises(DataError, match="of an older format, which does not name its images"):
        suspects(inspector.with_manifest(held_out_names=[]))
    with pytest.raises(InspectorError, match="is no inspector"):
        suspects("widget.inspector")


def test_equal_scores_have_equal_p_values(inspector):
    manifest = dataclasses.replace(inspector.manifest, held_out=[1.0] * 23 + [2.0])
    table = suspects(inspector.with_manifest(held_out=manifest.held_out))
    assert table["p_value"].tolist() == [1 / 24] + [1.0] * 23
    assert np.isfinite(table["score"]).all()
