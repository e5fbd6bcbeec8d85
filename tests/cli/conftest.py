"""Run the program as its entry point does, and a small inspector to run it on."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from knowngood.cli.app import main
from knowngood.detectors import make_detector
from knowngood.inspector.fit import fit


class Outcome(NamedTuple):
    """What a run of the program left."""

    status: int
    out: str
    err: str


SMALL = ["--set", "input_size=128", "--set", "coreset=200"]


@pytest.fixture
def run(monkeypatch, capsys):
    """Run a command line; a failure must come in words, not as a traceback."""

    def run(*arguments) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["knowngood", *map(str, arguments)])
        with pytest.raises(SystemExit) as exit:
            main()
        captured = capsys.readouterr()
        assert "Traceback" not in captured.err
        # How many lines of progress there are depends on the machine.
        err = re.sub(r"^.+: \d+ of \d+\n", "", captured.err, flags=re.MULTILINE)
        return Outcome(int(exit.value.code or 0), captured.out, err)

    return run


@pytest.fixture(scope="session")
def fitted(widget: Path, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("cli") / "widget.inspector"
    fit(widget, make_detector("patchcore", {"input_size": 128, "coreset": 200})).save(path)
    return path


@pytest.fixture
def inspector(fitted: Path, tmp_path: Path) -> Path:
    """A copy that a test may change."""
    path = tmp_path / "my widget.inspector"
    path.write_bytes(fitted.read_bytes())
    return path
