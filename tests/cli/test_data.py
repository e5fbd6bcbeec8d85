"""`data list` and `data get`."""

import hashlib
import shlex
import subprocess
import sys
from dataclasses import replace

import pytest

import knowngood
from knowngood.data.named.registry import DATA_SETS

from ..support import published


@pytest.fixture
def carried(tmp_path, monkeypatch):
    """A small archive in the place of BTAD's, which the user has carried over."""
    path = tmp_path / "btad.zip"
    path.write_bytes(published.btad())
    (old,) = DATA_SETS["btad/01"].archives
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    known = replace(old, sha256=digest, size=path.stat().st_size)
    for name in ("btad/01", "btad/02", "btad/03"):
        monkeypatch.setitem(DATA_SETS, name, replace(DATA_SETS[name], archives=(known,)))
    return path


class Terminal:
    """A person at a terminal, who answers."""

    def __init__(self, answer):
        self.answer = answer

    def isatty(self):
        return True

    def readline(self, *_):
        return self.answer


def test_all_data_sets_are_listed(run):
    status, out, err = run("data", "list")
    assert (status, err) == (0, "")
    for data in knowngood.data_sets():
        name, _, product = data.name.partition("/")
        assert name in out
        assert product in out
        assert data.licence in out
    assert "mvtec-ad/PRODUCT: objects and textures" in out
    assert "bottle (148 MB), cable (481 MB)" in out


def test_the_command_that_is_printed_works(run, carried, tmp_path):
    out = tmp_path / "my data"
    status, said, err = run("data", "get", "btad/01", "--out", out, "--from", carried, "--accept-licence")
    assert (status, err) == (0, "")
    lines = said.splitlines()
    assert lines[1].startswith("licence: CC BY-NC-SA 4.0")
    assert lines[2] == f"data: {out / 'btad/01'}"
    program, *words = shlex.split(lines[3].removeprefix("next: "))
    assert (program, *words) == ("knowngood", "describe", str(out / "btad/01"))
    status, described, _ = run(*words)
    assert status == 0
    assert "test, ko: 2" in described
    status, said, _ = run("data", "get", "btad/01", "--out", out)
    assert status == 0
    assert said.splitlines()[0] == "btad/01 is there already, and whole"


def test_the_next_command_of_several_products_is_of_the_first(run, carried, tmp_path, monkeypatch):
    monkeypatch.delitem(DATA_SETS, "btad/03")
    out = tmp_path / "data"
    said = run("data", "get", "btad", "--out", out, "--from", carried, "--accept-licence").out
    assert said.splitlines()[-2:] == [f"data: {out / 'btad'}", f"next: knowngood describe {out / 'btad/01'}"]


def test_the_licence_is_shown_and_asked_for(run, carried, tmp_path, monkeypatch):
    command = ("data", "get", "btad/01", "--out", tmp_path / "data", "--from", carried)
    status, said, err = run(*command)
    assert status == 1
    assert "licence: CC BY-NC-SA 4.0, no commercial use: https://creativecommons.org" in said
    assert err.startswith("error: btad/01 has a licence")
    assert "--accept-licence" in err
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    for answer, expected in (("n\n", 1), ("y\n", 0)):
        monkeypatch.setattr(sys, "stdin", Terminal(answer))
        status, _, err = run(*command)
        assert status == expected
        assert "Do you accept it? [y/N]" in err
        assert (tmp_path / "data").exists() == (answer == "y\n")


@pytest.mark.parametrize("name", ["nothing", "btad/04", "mvtec-ad/screws"])
def test_an_unknown_name_is_said_in_one_line(run, tmp_path, name):
    status, _, err = run("data", "get", name, "--out", tmp_path / "data")
    assert status == 1
    assert err.startswith(f"error: no data set is called {name!r}")
    assert err.count("\n") == 1
    assert not (tmp_path / "data").exists()


def test_arrays_are_for_a_study(run, tmp_path):
    folder = tmp_path / "carried"
    folder.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        data = DATA_SETS["mnist"]
        archives = []
        for archive in data.archives:
            content = published.mnist(archive.name)
            (folder / archive.name).write_bytes(content)
            digest = hashlib.sha256(content).hexdigest()
            archives.append(replace(archive, sha256=digest))
        patch.setitem(DATA_SETS, "mnist", replace(data, archives=tuple(archives)))
        out = tmp_path / "data"
        said = run("data", "get", "mnist", "--out", out, "--from", folder, "--accept-licence").out
    assert said.splitlines()[-1] == f"next: knowngood study kaist --data {out} --out kaist"


def test_the_list_and_the_help_import_nothing_heavy():
    code = (
        "import sys; from knowngood.cli.app import app\n"
        "for words in (['data', 'list'], ['data', 'get', '--help']):\n"
        "    try: app(words)\n"
        "    except SystemExit: pass\n"
        "print(sorted({'torch', 'numpy', 'cv2', 'pandas', 'openvino', 'scipy', 'PIL'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
