"""The reference pages say what the commands and the methods say of themselves."""

import pytest
from typer.main import get_group

import make_commands
import make_detectors
import make_settings
from knowngood.cli.app import app
from knowngood.detectors import DETECTORS


@pytest.mark.parametrize(
    ("maker", "text"),
    [
        (make_commands, make_commands.reference),
        (make_detectors, make_detectors.page),
        (make_settings, make_settings.page),
    ],
)
def test_a_page_is_made_from_what_it_describes(maker, text):
    made = text()
    assert maker.PAGE.read_text(encoding="utf-8") == made, f"run python docs/{maker.__name__}.py"


def test_every_command_has_its_usage():
    page = make_commands.reference()
    for command in get_group(app).commands:
        assert f"## knowngood {command}\n\n    Usage: knowngood {command} " in page


def test_every_detector_says_when_to_choose_it_and_its_figures_are_those_of_the_tables():
    page = make_detectors.page()
    for name in DETECTORS.classes:
        assert DETECTORS[name].when.endswith("."), name
        section = page.partition(f"\n## {name}\n")[2].partition("\n## ")[0]
        assert f"**Choose it when:** {DETECTORS[name].when}\n" in section
        assert ("| images | image AUROC |" in section) != ("It has not been measured." in section)
    assert "| MVTec screw | 0.5380 ± 0.0000 | – | – | 51.2% ± 8.5% |" in page.partition("\n## gaussian\n")[2]
