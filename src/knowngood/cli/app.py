"""The `knowngood` program: its commands, and what a user sees when something goes wrong."""

from __future__ import annotations

import codecs
import io
import os
import sys
import warnings
from importlib import import_module
from typing import Annotated, Any, NoReturn

import typer
from platformdirs import user_cache_path
from typer.core import TyperCommand, TyperGroup

from knowngood import PATIENCE
from knowngood.errors import KnowngoodError, escaped
from knowngood.extras import needs_extra

COMMANDS = {
    "Learn and inspect": ("fit", "evaluate", "score", "threshold", "info", "detectors", "bench"),
    "Learn from collected defects": ("train", "cross_validate", "classifiers"),
    "Choose a method": ("compare", "leaderboard", "study"),
    "Prepare data and hand them on": ("describe", "table", "split", "synthetic", "propose", "export", "data"),
    "Release a line and watch it": ("plan", "gauge", "pod", "prove", "shadow", "monitor", "recalibrate"),
    "Run a line": ("station",),
}
"""The commands, under the headings of the help; the module of each name has a function of that name."""

GROUPS = {
    "data": ("list", "get"),
    "station": ("demo", "verify", "replay", "backup", "restore"),
}
"""Groups of commands; the module of `data` has a function `data_list`, and `data`, whose text is the help."""

WITHOUT_ARGUMENTS = (
    *("detectors", "classifiers", "bench", "plan"),
    *("data_list", "station", "station_demo", "station_verify"),
)
"""The commands that need none; the others show their help."""

PLAIN = {
    **{"–": "-", "−": "-", "·": "-", "±": "+-", "→": "->", "×": "x", "…": "...", "°": " degrees", "²": "^2"},
    **{"\u00a0": " ", "“": '"', "”": '"', "’": "'"},
}
"""Letters of our own texts, and what stands for them where a code page lacks them."""


class _FlagsWithoutType:
    """A command whose help shows no type of value for flags, which take none."""

    def get_params(self, context: Any) -> list[Any]:
        """Return the options, the one for help included."""
        found: list[Any] = super().get_params(context)  # type: ignore[misc]
        for one in found:
            one.metavar = "" if getattr(one, "is_flag", False) else one.metavar
        return found


class _Command(_FlagsWithoutType, TyperCommand):
    pass


class _Program(_FlagsWithoutType, TyperGroup):
    pass


app = typer.Typer(name="knowngood", cls=_Program, no_args_is_help=True, pretty_exceptions_enable=False)


def _version(wanted: bool) -> None:
    """Print the version and stop."""
    if wanted:
        from importlib.metadata import version

        typer.echo(version("knowngood"))
        raise typer.Exit


@app.callback()
def _program(
    _: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Learn what a good part looks like; find what is not."""


def _add(name: str, heading: str) -> None:
    """Add a command, or a group of them."""
    module = import_module(f"knowngood.cli.{name}")
    command, parts = getattr(module, name), GROUPS.get(name, ())
    if not parts:
        shows_help = name not in WITHOUT_ARGUMENTS
        app.command(cls=_Command, no_args_is_help=shows_help, rich_help_panel=heading)(command)
        return
    alone = name in WITHOUT_ARGUMENTS
    group = typer.Typer(cls=_Program, no_args_is_help=not alone, invoke_without_command=alone)
    group.callback()(command)
    for part in parts:
        own = f"{name}_{part}"
        shows_help = own not in WITHOUT_ARGUMENTS
        group.command(part, cls=_Command, no_args_is_help=shows_help)(getattr(module, own))
    app.add_typer(group, name=name, rich_help_panel=heading)


for heading, names in COMMANDS.items():
    for name in names:
        _add(name, heading)


def quieten() -> None:
    """Keep the image libraries from printing.

    Both warn of invalid metadata, and Pillow of large images, without naming the file; errors that matter are
    found where images are decoded.
    """
    warnings.filterwarnings("ignore", module=r"PIL\.")
    for variable, value in {"OPENCV_LOG_LEVEL": "ERROR", **PATIENCE}.items():
        os.environ.setdefault(variable, value)


def keep_to_the_cache() -> None:
    """Let matplotlib and torch keep what they make in our cache folder.

    They would make folders in the user's home folder and in that for temporary files.
    """
    folder = user_cache_path("knowngood", appauthor=False)
    for variable, name in {"MPLCONFIGDIR": "matplotlib", "TORCHINDUCTOR_CACHE_DIR": "torch"}.items():
        os.environ.setdefault(variable, str(folder / name))


def show_all_letters() -> None:
    """Let the terminal show in other letters, or as an escape, what its code page lacks."""
    codecs.register_error("knowngood", _in_other_letters)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="knowngood")


def _in_other_letters(error: UnicodeError) -> tuple[str | bytes, int]:
    """Replace letters that a code page lacks: ours by plain ones, those of file names by escapes."""
    if isinstance(error, UnicodeEncodeError) and (plain := PLAIN.get(error.object[error.start])):
        return plain, error.start + 1
    return codecs.backslashreplace_errors(error)


def main() -> NoReturn:
    """Run the program and exit with 0 for success, 1 for a failure, 2 for a wrong command line."""
    quieten()
    keep_to_the_cache()
    show_all_letters()
    try:
        with needs_extra():
            app()
    except SystemExit as done:
        if done.code == 130:
            print("interrupted; nothing half-written is left", file=sys.stderr)
        raise
    except KnowngoodError as error:
        print("error:", "\n".join(map(escaped, str(error).split("\n"))), file=sys.stderr)
    except BrokenPipeError:
        # The reader, such as `head`, has seen enough; Python must not complain when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(1)
