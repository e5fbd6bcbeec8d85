"""Write the reference of the command line, `docs/commands.md`, from the commands' own help.

python docs/make_commands.py
"""

from __future__ import annotations

from pathlib import Path

from typer.main import get_group
from typer.testing import CliRunner

from knowngood.cli.app import GROUPS, app

PAGE = Path(__file__).resolve().parent / "commands.md"


def reference() -> str:
    """The page's text."""
    # Plain, and as wide wherever it is made.
    runner = CliRunner(env={"COLUMNS": "100", "TERM": "dumb", "NO_COLOR": "1"})
    lines = ["# Commands", "", "Made from the commands' own help by `python docs/make_commands.py`.", ""]
    for name in get_group(app).commands:
        for words in ([name], *([name, part] for part in GROUPS.get(name, ()))):
            shown = runner.invoke(app, [*words, "--help"], prog_name="knowngood")
            assert shown.exit_code == 0, shown.output
            body = [f"    {line}".rstrip() for line in shown.output.strip().splitlines()]
            lines += [f"## knowngood {' '.join(words)}", "", *body, ""]
    return "\n".join(lines)


if __name__ == "__main__":
    PAGE.write_text(reference(), encoding="utf-8")
