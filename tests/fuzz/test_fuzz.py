"""The quick form of the fuzz job: all that it has found before, and some cases of each sort."""

import pytest

from . import runner
from .faulty import FAULTS
from .runner import corpus, prepared, run

QUICK = {"kills": 2, "graphs": 30, "files": 15, "tables": 15, "names": 15, "pictures": 60}
"""Cases of each sort beside those of the corpus."""


@pytest.fixture(scope="module")
def root():
    with prepared() as root:
        yield root


def test_nothing_is_found(root):
    cases = [(sort, seed) for sort in QUICK for seed in dict.fromkeys([*corpus(sort), *range(QUICK[sort])])]
    results = list(run(cases, root))
    assert len(results) == len(cases)
    assert not [f"{one.line}\n{one.what}" for one in results if one]


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_is_found(root, fault, monkeypatch):
    monkeypatch.setattr(runner, "SECONDS", 2.0)
    (root / "fault").write_text(fault)
    results = list(run([("faulty", 0), ("faulty", 0)], root))
    expected = {
        "crash": "died with -11",
        "hang": "s of the processor",
        "memory": "took 2",
        "traceback": "AssertionError",
        "outside": "wrote outside of its outputs",
        "check": "a check fails",
        "nothing": "",
    }[fault]
    assert all(expected in (one.what if one else "") and bool(one) == (fault != "nothing") for one in results)
