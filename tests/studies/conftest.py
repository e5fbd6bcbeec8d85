"""Data sets in small, in the formats in which the real ones come, and checks of every study's results."""

from __future__ import annotations

import contextlib
import gzip
import io
import re
from pathlib import Path

import matplotlib
import nbformat
import numpy as np
from pptx import Presentation

from knowngood.output import MARK
from knowngood.studies.study import QUICK


def write_idx(path: Path, array: np.ndarray) -> None:
    header = bytes([0, 0, 8, array.ndim]) + b"".join(side.to_bytes(4, "big") for side in array.shape)
    path.write_bytes(gzip.compress(header + array.tobytes()))


def run_notebook(path: Path) -> dict[str, object]:
    """Run a notebook's code from top to bottom, in its folder, and give the names that it has defined."""
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert MARK in notebook.cells[0].source
    names: dict[str, object] = {}
    backend = matplotlib.get_backend()
    import matplotlib.pyplot as plt

    plt.switch_backend("agg")
    try:
        with contextlib.chdir(path.parent), contextlib.redirect_stdout(io.StringIO()):
            for cell in notebook.cells:
                if cell.cell_type == "code":
                    exec(compile(cell.source, str(path), "exec"), names)
    finally:
        plt.close("all")
        plt.switch_backend(backend)
    return names


def check_slides(out: Path) -> list[list[str]]:
    """Check the editable slides of a quick study; the paragraphs of each, its title first."""
    slides = Presentation(out / "slides.pptx").slides
    pages = len(re.findall(rb"/Type\s*/Page\b", (out / "slides.pdf").read_bytes()))
    assert len(slides) == pages
    found = []
    for slide in slides:
        texts = [shape.text_frame.text for shape in slide.shapes if shape.has_text_frame]
        texts += [cell.text for shape in slide.shapes if shape.has_table for cell in shape.table.iter_cells()]
        assert QUICK in texts
        title = slide.shapes.title.text_frame.text
        assert title
        words = (" ".join(text.split()) for text in texts if text not in (title, QUICK))
        found.append([title, *words])
    titles = [texts[0] for texts in found]
    assert titles[1].startswith("Data: ")
    assert titles[-1].startswith("Conclusion")
    assert not any("the document" in text.lower() for texts in found for text in texts)
    for slide in slides:  # none has one sentence alone
        shapes = [shape for shape in slide.shapes if not shape.is_placeholder]
        if not any(shape.has_table or shape.shape_type == 13 for shape in shapes) and slide != slides[0]:
            assert max(len(shape.text_frame.paragraphs) for shape in shapes) > 1
    return found
