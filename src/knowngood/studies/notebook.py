"""A notebook that makes a study's tables again from the files in its folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from knowngood.output import MARK, replacing


class Step(NamedTuple):
    """A sentence for the reader, and the code that does it; the last expression of the code is displayed."""

    text: str
    code: str = ""


START = (
    Step(
        "Run this notebook in the folder in which it was written: it reads the files beside it.",
        "from pathlib import Path\n\nimport pandas as pd\n\nimport knowngood\n\nfolder = Path()",
    ),
    Step(
        "What the study was run with, and its main figures.",
        'print((folder / "arguments.json").read_text())\n'
        'figures = pd.read_csv(folder / "figures.csv")\nfigures',
    ),
    Step(
        "The inspectors that were fitted. Each can be used by `knowngood score` and `knowngood evaluate`.",
        """inspectors = {
    path.relative_to(folder).with_suffix("").as_posix(): knowngood.Inspector.load(path)
    for path in sorted(folder.rglob("*.inspector"))
}
pd.DataFrame(
    {
        name: {
            "method": inspector.manifest.method,
            "seed": inspector.manifest.seed,
            "training images": len(inspector.manifest.training),
            "threshold": inspector.threshold.value,
        }
        for name, inspector in inspectors.items()
    }
).T""",
    ),
)
"""The first steps of every study."""


def write_notebook(title: str, steps: Sequence[Step], path: Path) -> None:
    """Write a notebook; the same steps make the same file.

    Raises:
        OutputError: The file cannot be written.
    """
    note = f"This file was {MARK}, which replaces it when the study runs again: edit a copy."
    cells = [new_markdown_cell(f"# {title}\n\n{note}")]
    for text, code in steps:
        cells.append(new_markdown_cell(text))
        if code:
            cells.append(new_code_cell(code))
    for number, cell in enumerate(cells):
        cell["id"] = f"cell-{number}"  # in place of a random one
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    notebook = new_notebook(cells=cells, metadata={"kernelspec": kernel})
    with replacing(path, MARK) as unfinished:
        nbformat.write(notebook, unfinished)
