"""Write the reference of the command line, `docs/commands.md`, from the commands' own help.

python docs/make_commands.py
"""

from __future__ import annotations

from pathlib import Path

from typer.testing import CliRunner

from knowngood.cli.app import app

PAGE = Path(__file__).resolve().parent / "commands.md"


def reference() -> str:
    """The page's text."""
    # Plain, and as wide wherever it is made.
    runner = CliRunner(env={"COLUMNS": "100", "TERM": "dumb", "NO_COLOR": "1"})
    lines = ["# Commands", "", "Made from the commands' own help by `python docs/make_commands.py`.", ""]
    for command in app.registered_commands:
        name = command.callback.__name__ if command.callback else ""
        text = runner.invoke(app, [name, "--help"], prog_name="knowngood").output
        body = [f"    {line}".rstrip() for line in text.strip().splitlines()]
        lines += [f"## knowngood {name}", "", *body, ""]
    return "\n".join(lines)


if __name__ == "__main__":
    PAGE.write_text(reference(), encoding="utf-8")
