import pandas as pd
import pytest
from PIL import Image

from knowngood.data.copies import Copies, find_copies
from knowngood.data.images import read_image
from knowngood.data.near_duplicates import thumbnail


@pytest.fixture
def found(widget, tmp_path):
    """Find copies among the widget's good parts and others that are put beside them."""
    parts = sorted((widget / "train/good").iterdir())

    def found(*others):
        rows = [(str(part), "train", "good") for part in parts]
        for number, (part, changed, split, name) in enumerate(others):
            path = tmp_path / f"{number}.{'jpg' if changed else 'png'}"
            if changed:
                Image.open(parts[part]).save(path, quality=94 + number)
            else:
                path.write_bytes(parts[part].read_bytes())
            rows.append((str(path), split, name))
        table = pd.DataFrame(rows, columns=["path", "split", "class_name"])
        copies = find_copies(table, {path: thumbnail(read_image(path)) for path in table["path"]})
        short = {str(part): number for number, part in enumerate(parts)}
        short |= {row[0]: f"other {number}" for number, row in enumerate(rows[len(parts) :])}
        return {
            name: tuple(tuple(short[file] for file in group) for group in groups)
            for name, groups in vars(copies).items()
        }

    return found


NONE = dict.fromkeys(("duplicates", "leaks", "contradictions", "near_duplicates", "near_leaks"), ())


def test_none(found):
    assert found() == NONE


def test_exact_copies_are_not_near_ones(found):
    assert found((0, False, "train", "good")) == NONE | {"duplicates": ((0, "other 0"),)}
    assert found((0, False, "test", "good")) == NONE | {"leaks": ((0, "other 0"),)}


def test_near_copies_in_a_split_and_across(found):
    assert found((0, True, "train", "good")) == NONE | {"near_duplicates": ((0, "other 0"),)}
    assert found((0, True, "test", "good")) == NONE | {"near_leaks": ((0, "other 0"),)}


def test_a_near_copy_of_an_exact_copy_in_the_other_split_is_a_leak(found):
    copies = found((0, False, "test", "good"), (0, True, "train", "good"))
    assert copies == NONE | {"leaks": ((0, "other 0"),), "near_leaks": ((0, "other 1"),)}
    copies = found((0, True, "train", "good"), (0, True, "train", "good"))
    assert copies == NONE | {"near_duplicates": ((0, "other 0", "other 1"),)}


def test_contradictions(found):
    copies = found((0, False, "train", "dent"), (1, False, "train", "good"))
    assert copies == NONE | {
        "duplicates": ((0, "other 0"), (1, "other 1")),
        "contradictions": ((0, "other 0"),),
    }
    copies = found((0, False, "test", "dent"), (0, False, "test", "nick"))
    assert copies["contradictions"] == ((0, "other 0", "other 1"),)


def test_no_images():
    empty = pd.DataFrame({"path": [], "split": [], "class_name": []}).astype(str)
    assert find_copies(empty, {}) == Copies((), (), (), (), ())
