"""Two products: discs as in `widget`, and stripes; and images that show neither."""

import dataclasses
import io
import zipfile

import numpy as np
import pandas as pd
import pytest

import knowngood
from knowngood.errors import DataError, InspectorError
from knowngood.inspector.file import Parts, pack, read_inspector, unpack, write_inspector
from knowngood.inspector.inspector import Inspector
from knowngood.inspector.products import Products, load_inspector
from knowngood.report.products import held_out_in_words

from ..support.parts import part

SMALL = {"detector": "gaussian", "input_size": 64}


def stripes(rng):
    """Photograph one bright sheet with dark stripes of some width, uint8 (80, 120, 3)."""
    wave = np.sin(2 * np.pi * (np.arange(120) + rng.uniform(0, 4)) / rng.uniform(10, 30)) > 0
    sheet = np.where(wave, 200, 90)[None, :, None] + rng.normal(0, 4, size=(80, 120, 3))
    return np.clip(sheet, 0, 255).astype(np.uint8)


def noise(rng):
    """Photograph nothing known."""
    return rng.integers(0, 256, size=(90, 90, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def photos():
    rng = np.random.default_rng(0)
    return {"disc": [part(rng) for _ in range(12)], "sheet": [stripes(rng) for _ in range(12)]}


@pytest.fixture(scope="module")
def tables(photos):
    return {
        name: knowngood.load_samples(images, labels=["good"] * len(images)).assign(split="train")
        for name, images in photos.items()
    }


@pytest.fixture(scope="module")
def products(tables):
    return knowngood.fit_products(tables, **SMALL)


@pytest.fixture(scope="module")
def new():
    rng = np.random.default_rng(1)
    return [stripes(rng), part(rng), noise(rng), part(rng), np.zeros((64, 64), np.uint8)]


EXPECTED = ["sheet", "disc", "stranger", "disc", "stranger"]


def test_each_image_is_inspected_by_the_inspector_of_its_product(products, new):
    verdicts = products.inspect(new)
    assert [verdict.product for verdict in verdicts] == EXPECTED
    assert [verdict.index for verdict in verdicts] == [0, 1, 2, 3, 4]
    for verdict, image in zip(verdicts, new, strict=True):
        if verdict.product == "stranger":
            assert verdict.decision == "reject"
            assert verdict.patch_map is None
            assert verdict.score > products.recogniser.threshold.value
        else:
            [alone] = products[verdict.product].inspect([image])
            assert (verdict.score, verdict.decision) == (alone.score, alone.decision)
    assert list(verdicts[0].row())[:2] == ["path", "product"]


def test_a_product_is_taken_as_given(products, new):
    assert [verdict.product for verdict in products.inspect(new[:2], product="disc")] == ["disc", "disc"]
    named = products.inspect(new[:2], product=["disc", "sheet"])
    assert [verdict.product for verdict in named] == ["disc", "sheet"]
    assert named[0].decision == "reject"
    with pytest.raises(InspectorError, match="product 'nut' is not known; choose one of disc, sheet"):
        products.inspect(new, product="nut")
    with pytest.raises(DataError, match="1 products came for more images"):
        products.inspect(new, product=["disc"])


def test_many_images_are_inspected_in_order(products, photos, monkeypatch):
    monkeypatch.setattr("knowngood.inspector.products.AT_ONCE", 3)
    mixed = [image for pair in zip(*photos.values(), strict=True) for image in pair][:8]
    verdicts = products.inspect(mixed)
    assert [verdict.product for verdict in verdicts] == ["disc", "sheet"] * 4
    assert [verdict.index for verdict in verdicts] == list(range(8))


def test_images_that_cannot_be_read_are_named_by_their_position(products, new, monkeypatch):
    monkeypatch.setattr("knowngood.inspector.products.AT_ONCE", 2)
    images, failed = [*new[:3], b"none", new[1]], []
    verdicts = list(products.stream(images, on_unreadable=failed.append))
    assert [verdict.index for verdict in verdicts] == [0, 1, 2, 4]
    assert [failure.path for failure in failed] == ["[3]"]
    with pytest.raises(DataError, match=r"1 images cannot be read:\n.*\[3\]"):
        products.inspect(images)
    with pytest.raises(DataError, match="1 images cannot be read"):
        list(products.stream([b"none"], on_unreadable=failed.append))


def test_held_out_images_say_how_well_products_are_recognised(products):
    assert products.held_out == (24, 24)
    line = products.recogniser.threshold
    assert held_out_in_words(products)["recognised"] == "24 of 24 held-out good images"
    assert line.rule == "half the distance between products"
    assert line.above == 0
    assert line.held_out == 24


def test_what_is_saved_is_loaded(products, new, tmp_path):
    products.save(tmp_path / "parts.inspector")
    loaded = Products.load(tmp_path / "parts.inspector")
    assert loaded.names == ["disc", "sheet"]
    assert [one.score for one in loaded.inspect(new)] == [one.score for one in products.inspect(new)]
    again = tmp_path / "again.inspector"
    loaded.save(again)
    assert again.read_bytes() == (tmp_path / "parts.inspector").read_bytes()
    with pytest.raises(InspectorError, match="holds several products; load it by"):
        Inspector.load(again)


def test_the_inspector_of_a_product_is_a_file_that_stands_alone(products, tmp_path, new):
    products.save(tmp_path / "parts.inspector")
    with zipfile.ZipFile(tmp_path / "parts.inspector") as archive:
        (tmp_path / "sheet.inspector").write_bytes(archive.read("products/2.inspector"))
    alone = Inspector.load(tmp_path / "sheet.inspector")
    assert alone.inspect(new[:1])[0].score == products["sheet"].inspect(new[:1])[0].score
    with pytest.raises(InspectorError, match="is of one product"):
        Products.load(tmp_path / "sheet.inspector")


def altered(path, change):
    """Write the file again, with other members and a right seal, as a stranger might."""
    parts = read_inspector(path)
    members = dict(parts.members)
    change(members)
    write_inspector(path, parts.manifest, parts.graph, members)


def without_seal(members):
    members["products/1.inspector"] = members["products/1.inspector"][:-1] + b"x"


def other_graph(members):
    one = unpack(io.BytesIO(members["products/1.inspector"]), "")
    members["products/1.inspector"] = pack(one.manifest, one.graph + b" ", one.members)


def inside_itself(members):
    one = unpack(io.BytesIO(members["products/1.inspector"]), "")
    members["products/1.inspector"] = pack(
        one.manifest, one.graph, {**one.members, "products/1.inspector": b""}
    )


def bigger(members):
    members["products/3.inspector"] = members["products/1.inspector"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (without_seal, "product disc' was cut off or altered"),
        (other_graph, "product disc': its graph is not the one"),
        (inside_itself, "product disc' holds several products"),
        (bigger, "other products than its recogniser names"),
        (lambda members: members.pop("products/2.inspector"), "other products than its recogniser names"),
    ],
)
def test_each_part_of_a_file_is_checked(products, tmp_path, change, said):
    products.save(tmp_path / "parts.inspector")
    altered(tmp_path / "parts.inspector", change)
    with pytest.raises(InspectorError, match=said):
        load_inspector(tmp_path / "parts.inspector")


def test_products_stand_beside_an_inspector_without_classes_nowhere(products, tmp_path):
    one = products["disc"]
    manifest, graph, members = one.parts
    inside = {"products/1.inspector": pack(*one.parts)}
    write_inspector(tmp_path / "x.inspector", *Parts(manifest, graph, members | inside))
    with pytest.raises(InspectorError, match="other products than its recogniser names"):
        load_inspector(tmp_path / "x.inspector")


def test_the_threshold_of_one_product_is_changed_alone(products):
    changed = products.changed({"disc": knowngood.threshold_by_value(products["disc"], 3.5)})
    assert changed["disc"].threshold.value == 3.5
    assert changed["sheet"].threshold == products["sheet"].threshold
    assert products["disc"].threshold.value != 3.5
    with pytest.raises(InspectorError, match="'nut' is not known"):
        products.changed({"nut": products["disc"]})


def test_similar_products_keep_the_promise_on_good_parts():
    rng = np.random.default_rng(2)
    images = {"a": [stripes(rng) for _ in range(8)], "b": [stripes(rng) for _ in range(8)]}
    alike = knowngood.fit_products(
        {name: knowngood.load_samples(some, labels=["good"] * 8) for name, some in images.items()}, **SMALL
    )
    right, count = alike.held_out
    assert right < count
    assert alike.recogniser.threshold.rule == "false rejects at most 0.01"


def test_one_image_in_two_products_is_refused(photos):
    both = {
        "a": knowngood.load_samples(photos["disc"][:3], labels=["good"] * 3).assign(split="train"),
        "b": knowngood.load_samples(photos["disc"][1:4], labels=["good"] * 3).assign(split="train"),
    }
    with pytest.raises(
        DataError, match=r"'\[0\]' of product 'b' is the same image as '\[1\]' of product 'a'"
    ):
        knowngood.fit_products(both, **SMALL)


def test_too_few_products_and_images_are_refused(tables):
    with pytest.raises(DataError, match="there is one product, 'disc'"):
        knowngood.fit_products({"disc": tables["disc"]}, **SMALL)
    with pytest.raises(DataError, match="product 'sheet': "):
        knowngood.fit_products({"disc": tables["disc"], "sheet": tables["sheet"].iloc[:0]}, **SMALL)


@pytest.fixture(scope="module")
def test_set(new):
    rng = np.random.default_rng(3)
    images = {"disc": [part(rng), part(rng), noise(rng)], "sheet": [stripes(rng), stripes(rng)]}
    labels = {"disc": ["good", "good", "dent"], "sheet": ["good", "good"]}
    return {
        name: knowngood.load_samples(some, labels=labels[name]).assign(split="test")
        for name, some in images.items()
    }


def test_each_product_is_evaluated_by_its_own_inspector(products, test_set):
    found = knowngood.evaluate_products(products, test_set)
    alone = knowngood.evaluate(products["disc"], test_set["disc"])
    assert found.evaluations["disc"].metrics["confusion"] == alone.metrics["confusion"]
    assert found.metrics["mean"]["image_auroc"] == alone.metrics["image_auroc"] == 1.0
    assert found.metrics["counts"] == {"good": 4, "defect": 1}
    assert found.metrics["recognition"] == {
        "good": {"images": 4, "recognised": 4, "stranger": 0},
        "defect": {"images": 1, "recognised": 0, "stranger": 1},
    }
    assert found.scores["product"].tolist() == ["disc"] * 3 + ["sheet"] * 2
    assert found.evaluations["disc"].about.one_of == "disc"


def test_without_names_products_are_recognised_and_strangers_rejected(products, test_set):
    table = pd.concat(list(test_set.values()), ignore_index=True)
    table["path"] = [f"[{row}]" for row in range(len(table))]
    found = knowngood.evaluate_products(products, table)
    assert found.metrics["recognition"] is None
    assert found.metrics["strangers"] == {"good": 0, "defect": 1}
    assert found.metrics["confusion"]["true_reject"] == 1
    assert sorted(found.scores["product"]) == ["disc", "disc", "sheet", "sheet", "stranger"]


def test_an_unknown_product_of_a_test_is_named(products, test_set):
    with pytest.raises(
        DataError, match="product 'nut' of the test is not known; the inspector has disc, sheet"
    ):
        knowngood.evaluate_products(products, {"nut": test_set["disc"]})


def test_products_show_themselves(products, test_set):
    assert repr(products) == "Products(disc, sheet)"
    assert "24 of 24 held-out good images" in products._repr_html_()
    evaluation = knowngood.evaluate_products(products, test_set)
    assert repr(evaluation).startswith("ProductEvaluation(disc, sheet, mean image_auroc 1")
    assert "<table>" in evaluation._repr_html_()


def test_only_detectors_stand_beside_others(products, tmp_path):
    broken = Products(products.recogniser, dict(products.inspectors) | {"sheet": products.recogniser})
    broken.save(tmp_path / "x.inspector")
    with pytest.raises(InspectorError, match="is a classifier of defects"):
        load_inspector(tmp_path / "x.inspector")


def test_a_name_that_no_product_can_have_is_refused(products, tmp_path):
    record = dataclasses.replace(products.recogniser.classifier, names=["disc", "stranger"])
    records = dataclasses.replace(products.recogniser.records, classifier=record)
    recogniser = Inspector(products.recogniser.manifest, products.recogniser.graph, records)
    named = Products(recogniser, {"disc": products["disc"], "stranger": products["sheet"]})
    named.save(tmp_path / "x.inspector")
    with pytest.raises(InspectorError, match="'stranger' stands for an image of no known product"):
        load_inspector(tmp_path / "x.inspector")
