"""What a user sees at the terminal before any work: help, completion, and mistakes found in a second."""

import subprocess
import sys

import pytest

from knowngood.detectors import DETECTORS

MISTAKES = (
    ("fit DATA --out x.inspector --detector patchcor", "detector 'patchcor' is not known"),
    ("fit DATA --out x.inspector --recipe no.yaml", "recipe 'no.yaml' cannot be read"),
    ("fit DATA --out x.inspector --set coreset", "must be NAME=VALUE"),
    ("fit DATA --out x.inspector --device tpu", "device='tpu' is not known"),
    ("fit DATA --out x.inspector --precision 64", "precision='64' is not known"),
    ("fit DATA --out none/x.inspector", "make the folder 'none' first"),
    ("fit nothing --out x.inspector", "'nothing' does not exist"),
    ("train DATA --out x.inspector --classifier probe", "classifier 'probe' is not known"),
    ("train DATA --out x.inspector --by class", "by='class' is not known"),
    ("cross-validate DATA --classifier probe", "classifier 'probe' is not known"),
    ("leaderboard DATA --detectors padim,patchcor", "detector 'patchcor' is not known"),
    ("leaderboard DATA --budget soon", "budget='soon' is no time"),
    ("bench DATA --detector patchcor", "detector 'patchcor' is not known"),
    ("evaluate no.inspector DATA --out report", "'no.inspector' cannot be opened"),
    ("score INSPECTOR DATA --engine tensorrt", "engine='tensorrt' is not known"),
    ("study kaizt --data . --out study", "study 'kaizt' is not known"),
)

ALL_IN_ONE = """
import sys
from knowngood.cli.app import main

for line in sys.argv[1:]:
    sys.argv = ["knowngood", *line.split("\\t")]
    try:
        main()
    except SystemExit as done:
        print(done.code, "torch" in sys.modules)
"""


def test_a_mistake_is_named_before_torch_is_imported(inspector, widget, tmp_path):
    words = {"DATA": str(widget), "INSPECTOR": str(inspector)}
    lines = ["\t".join(words.get(word, word) for word in line.split()) for line, _ in MISTAKES]
    done = subprocess.run(
        [sys.executable, "-c", ALL_IN_ONE, *lines], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    for (line, reason), outcome, error in zip(MISTAKES, done.stdout.splitlines(), errors, strict=True):
        assert outcome == "1 False", line
        assert reason in error, line


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("knowngood desc", {"describe"}),
        ("knowngood fit widget/ --detector ", set(DETECTORS)),
        ("knowngood train widget/ --classifier lin", {"linear_probe"}),
        ("knowngood train widget/ --by ", {"auto", "type", "label"}),
        ("knowngood fit widget/ --device c", {"cpu", "cuda"}),
        ("knowngood score widget.inspector new/ --engine o", {"openvino", "onnxruntime"}),
    ],
)
def test_a_shell_completes_commands_and_names(run, monkeypatch, typed, words):
    monkeypatch.setenv("_KNOWNGOOD_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", typed)
    monkeypatch.setenv("COMP_CWORD", str(len(typed.split(" ")) - 1))
    assert set(run().out.split()) == words


@pytest.mark.parametrize("command", [(), ("fit",), ("score",)])
def test_the_help_shows_no_type_for_flags(run, command):
    lines = run(*command, "--help").out.splitlines()
    assert any("--help" in line for line in lines)
    assert not any("bool" in line for line in lines)
