import inspect
import pickle
import re
from pathlib import Path

import pytest

from knowngood import errors
from knowngood.errors import DataError, KnowngoodError, RecipeError, UnreadableImage


def drawn_tree():
    """Read each name's parent and words from the tree in the module's docstring."""
    above, tree = [], {}
    for line in errors.__doc__.splitlines():
        drawn = re.match(r"    ((?:│   |    )*)(?:├── |└── )?(\w+)(?: +(.*))?$", line)
        if drawn and drawn[2] in vars(errors):
            depth = len(drawn[1]) // 4 + ("──" in line)
            tree[drawn[2]] = (above[depth - 1] if depth else "Exception", drawn[3])
            above[depth:] = [drawn[2]]
    return tree


def classes():
    found = inspect.getmembers(errors, inspect.isclass)
    return {name: error for name, error in found if error.__module__ == errors.__name__}


def test_the_tree_that_is_drawn_is_the_tree():
    actual = {name: error.__base__.__name__ for name, error in classes().items()}
    assert {name: parent for name, (parent, _) in drawn_tree().items()} == actual
    assert len(actual) == 10


def test_the_words_in_the_tree_are_those_of_the_classes():
    for name, (_, words) in drawn_tree().items():
        if words is not None:
            summary = classes()[name].__doc__.splitlines()[0]
            assert summary.lower() == f"{words}.".lower()


@pytest.mark.parametrize("name", sorted(classes()))
def test_one_handler_catches_all(name):
    assert issubclass(classes()[name], KnowngoodError)


def test_errors_carry_what_they_name():
    refused = RecipeError("coreset=0 must be at least 1", setting="coreset", value=0)
    assert (str(refused), refused.setting, refused.value) == ("coreset=0 must be at least 1", "coreset", 0)
    assert (RecipeError("no").setting, RecipeError("no").value, DataError("no").path) == (None, None, None)
    assert DataError("no", path=Path("a")).path == "a"


@pytest.mark.parametrize("path", ["a b/ü.png", Path("a b/ü.png")])
def test_an_unreadable_image_names_the_file_and_the_reason(path):
    failure = UnreadableImage(path, "the file is empty (0 bytes)")
    assert isinstance(failure, DataError)
    assert (failure.path, failure.reason) == ("a b/ü.png", "the file is empty (0 bytes)")
    assert str(failure) == "'a b/ü.png': the file is empty (0 bytes)"


def test_an_error_survives_a_process():
    failure = pickle.loads(pickle.dumps(UnreadableImage("a.png", "it is empty")))  # noqa: S301
    assert (failure.path, failure.reason, str(failure)) == ("a.png", "it is empty", "'a.png': it is empty")
