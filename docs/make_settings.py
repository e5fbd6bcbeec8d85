"""Write the page of settings, `docs/settings.md`, from the methods' own declarations.

python docs/make_settings.py
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path

from knowngood.classifiers import CLASSIFIERS
from knowngood.detectors import DETECTORS
from knowngood.recipe import Recipe, as_text, settings_of
from knowngood.registry import Registry

PAGE = Path(__file__).resolve().parent / "settings.md"


def page() -> str:
    """The page's text."""
    lines = [
        "# Settings",
        "",
        "Made from the methods' own declarations by `python docs/make_settings.py`.",
        "`--set NAME=VALUE` changes one setting, `--recipe FILE.yaml` many.",
        "",
    ]
    for title, registry in (("Detectors", DETECTORS), ("Classifiers", CLASSIFIERS)):
        lines += [f"## {title}", "", *_tables(registry)]
    return "\n".join(lines)


def _tables(registry: Registry[Recipe]) -> Iterator[str]:
    """A heading, a sentence and a table for each method."""
    for name, recipe in ((name, registry[name]) for name in registry.classes):
        yield from (f"### {name}", "", (inspect.getdoc(recipe) or "").partition("\n")[0], "")
        yield from ("| setting | default | allowed | meaning |", "|---|---|---|---|")
        for setting in settings_of(recipe).values():
            default = as_text(setting.default)
            yield f"| `{setting.name}` | {default} | {setting.allowed} | {setting.description} |"
        yield ""


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
