"""The quick form of the fuzz job: all that it has found before, and some cases of each sort."""

from pathlib import Path

import pytest

from . import runner
from .faulty import FAULTS
from .runner import corpus, prepared, run

QUICK = {"kills": 1, "graphs": 15, "files": 6, "tables": 6, "names": 6, "pictures": 30}
"""Cases of each sort beside those of the corpus."""

pytestmark = pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="it reads Linux's /proc")


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
    if fault == "hang":
        monkeypatch.setattr(runner, "SECONDS", 1.0)
        monkeypatch.setattr(runner, "STARTING", 9.0)
    (root / "fault").write_text(fault)
    cases = [("faulty", 0)] * (2 if fault == "crash" else 1)  # a crash ends its process alone
    results = list(run(cases, root))
    assert len(results) == len(cases)
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
