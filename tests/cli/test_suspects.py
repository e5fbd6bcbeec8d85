import shlex

from ..report.test_page import Page
from ..support.parts import write_parts


def test_fit_writes_a_page_of_suspects(run, tmp_path):
    folder = write_parts(tmp_path / "nuts", {"good": 12, "hole": 1})
    (folder / "hole/000.png").rename(folder / "good/odd.png")
    out, page = tmp_path / "nuts.inspector", tmp_path / "suspects.html"
    words = ["fit", folder, "--out", out, "--detector", "gaussian", "--set", "input_size=64"]
    page.write_text("mine")
    refused = run(*words, "--suspects", page)
    assert refused.status == 1
    assert not out.exists()
    page.unlink()
    fitted = run(*words, "--suspects", page)
    assert fitted.status == 0, fitted.err
    assert fitted.out.splitlines()[-1] == f"suspects: {page}"
    found = Page(page.read_text("utf-8"))
    command = next(piece for piece in found.pieces if "--suspects" in piece)
    assert shlex.join(map(str, words[1:])) in command
