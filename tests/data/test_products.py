import pandas as pd
import pytest

from knowngood.data.product_names import folder_names
from knowngood.data.products import load_products
from knowngood.data.selection import good_sources
from knowngood.errors import DataError

from ..support.parts import write_parts


def test_each_folder_is_a_product_with_a_layout_of_its_own(tmp_path):
    write_parts(tmp_path, {"nut/train/good": 2, "nut/test/scratch": 1, "bolt": 2, ".hidden": 1})
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "a.txt").write_text("")
    tables = load_products(tmp_path)
    assert list(tables) == ["bolt", "nut"]
    assert tables["bolt"][["split", "label"]].to_numpy().tolist() == [["train", "good"]] * 2
    assert sorted(tables["nut"]["label"]) == ["defect", "good", "good"]


@pytest.mark.parametrize("inside", ["train/good", "good", "test/good", "ground_truth"])
def test_folders_of_classes_and_splits_are_never_products(tmp_path, inside):
    write_parts(tmp_path, {inside: 2, "dent": 2})
    with pytest.raises(DataError, match="the folder of a class or a split, not of a product"):
        load_products(tmp_path)


def test_a_folder_without_folders_has_no_products(tmp_path):
    write_parts(tmp_path, {".": 2})
    with pytest.raises(DataError, match="no folder with images in it"):
        load_products(tmp_path)


def test_a_table_names_the_product_of_each_image(tmp_path):
    (tmp_path / "parts.csv").write_text("path,label,Product\na.png,good,nut\nb.png,good,7\nc.png,ng,nut\n")
    tables = load_products(tmp_path / "parts.csv")
    assert {name: len(table) for name, table in tables.items()} == {"7": 1, "nut": 2}
    assert all(table.attrs["data"] == name for name, table in tables.items())


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({"path": ["a.png"], "label": ["good"]}, "has no column 'product'"),
        ({"path": ["a.png"], "label": ["good"], "product": [""]}, "'a.png' has no product"),
        ({"path": ["a.png"], "label": ["good"], "product": ["stranger"]}, "no known product"),
        ({"path": ["a.png"], "label": ["good"], "product": ["x" * 300]}, "is no name of a product"),
    ],
)
def test_what_is_wrong_with_a_table_is_said(table, said):
    with pytest.raises(DataError, match=said):
        load_products(pd.DataFrame(table))


def test_what_is_wrong_with_a_product_names_it(tmp_path):
    with pytest.raises(DataError, match=r"^product 'nut': .*does not exist"):
        load_products({"nut": tmp_path / "nowhere"})


def test_no_inspector_of_one_product_is_fitted_to_several():
    table = pd.DataFrame({"path": list("abcd"), "label": "good", "split": "train", "product": list("xxyy")})
    with pytest.raises(DataError, match="the table names 2 products"):
        good_sources(table)


def test_folders_of_products_have_names_of_their_own():
    assert folder_names(["a/b", "a b", "A-B", "..", ""]) == ["a-b", "a-b-2", "A-B-3", "product", "product-2"]
