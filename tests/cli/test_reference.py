"""The reference pages say what the commands and the methods say of themselves."""

import pytest
from typer.main import get_group

import make_commands
import make_settings
from knowngood.cli.app import app


@pytest.mark.parametrize(
    ("maker", "text"), [(make_commands, make_commands.reference), (make_settings, make_settings.page)]
)
def test_a_page_is_made_from_what_it_describes(maker, text):
    made = text()
    assert maker.PAGE.read_text(encoding="utf-8") == made, f"run python docs/{maker.__name__}.py"


def test_every_command_has_its_usage():
    page = make_commands.reference()
    for command in get_group(app).commands:
        assert f"## knowngood {command}\n\n    Usage: knowngood {command} " in page
