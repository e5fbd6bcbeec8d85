from knowngood.classifiers import CLASSIFIERS
from knowngood.training.imbalance import METHODS


def test_every_classifier_is_listed_with_what_it_learns_and_its_settings(run):
    status, out, err = run("classifiers")
    assert (status, err) == (0, "")
    lines = out.splitlines()
    for name, recipe in CLASSIFIERS.items():
        (place,) = [number for number, line in enumerate(lines) if line.split(" ")[0] == name]
        assert lines[place].split(None, 1)[1] == recipe.__doc__.splitlines()[0]
        assert lines[place + 1].startswith("    input_size=")
        assert lines[place + 2].startswith("    orientation=fixed")
        assert lines[place + 2].endswith("; one of fixed, mirrored, quarter, any")


def test_every_method_for_imbalanced_classes_is_listed_with_its_use(run):
    lines = run("classifiers").out.splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("imbalance: "))
    said = dict(line.split(None, 1) for line in lines[start + 1 :])
    assert list(said) == list(METHODS)
    assert all(len(when) > 20 for when in said.values())


def test_it_takes_no_argument(run):
    assert run("classifiers", "linear_probe").status == 2
