import re
import subprocess
import sys
from types import ModuleType, SimpleNamespace

import pytest

import knowngood
from knowngood.notebook import followed, notebook_bar
from knowngood.types import silent


class Display:
    """Keeps what `IPython.display.display` was given, and what its handle was updated with."""

    def __init__(self):
        self.first, self.updates = [], []

    def __call__(self, content, *, raw, display_id):
        assert raw
        assert display_id
        self.first.append(content)
        return self

    def update(self, content, *, raw):
        assert raw
        self.updates.append(content)


@pytest.fixture
def display():
    return Display()


@pytest.fixture
def notebook(monkeypatch, display):
    """A Python in which IPython runs a notebook's kernel."""
    ipython = ModuleType("IPython")
    ipython.get_ipython = lambda: SimpleNamespace(kernel=object())
    ipython.display = SimpleNamespace(display=display)
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    return ipython


def test_one_bar_for_all_stages_a_few_times_a_second(display):
    seconds = iter([0, 0.1, 0.3, 0.35, 0.4, 0.45])
    progress = notebook_bar(display, clock=lambda: next(seconds))
    for stage, done, total in (
        ("a", 1, 9),
        ("a", 2, 9),
        ("a", 3, 9),
        ("a", 9, 9),
        ("<b>", 1, 0),
        ("<b>", 2, 0),
    ):
        progress(stage, done, total)
    assert [content["text/plain"] for content in display.first] == ["a: 1 of 9"]
    assert [content["text/plain"] for content in display.updates] == ["a: 3 of 9", "a: 9 of 9", "<b>: 1"]
    assert display.updates[0]["text/html"] == "<progress value='3' max='9'></progress> a: 3 of 9"
    assert display.updates[2]["text/html"] == "&lt;b&gt;: 1"


def test_a_progress_that_was_asked_for_is_taken(notebook):
    assert followed(silent) is silent


def test_a_notebook_shows_what_is_done(notebook, display, good_images):
    inspector = knowngood.fit(good_images, "gaussian", input_size=64)
    assert re.fullmatch(r"[a-z ]+: \d+ of \d+", display.first[0]["text/plain"])
    assert "text/html" in display.updates[-1]
    inspector.inspect(list(good_images[:3]))
    assert display.updates[-1]["text/plain"] == "inspecting images: 3 of 3"
    inspector.inspect(image for image in good_images[:3])
    assert display.first[-1]["text/plain"] == "inspecting images: 1"


def test_a_terminal_shows_nothing(notebook, monkeypatch):
    monkeypatch.setattr(notebook, "get_ipython", lambda: SimpleNamespace())
    assert followed(None) is silent
    monkeypatch.setattr(notebook, "get_ipython", lambda: None)
    assert followed(None) is silent


def test_without_ipython_it_is_not_imported():
    program = (
        "import sys; from knowngood.notebook import followed; followed(None); print('IPython' in sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "False"
