import csv
import json
import re
import shutil

import numpy as np
import pytest
from PIL import Image

from knowngood.report.words import MISSING

from ..support.parts import SIDE, write_parts

FAST = ["--detector", "gaussian", "--set", "input_size=64"]


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    """Discs, and their negatives with a bright ring."""
    folder = write_parts(
        tmp_path_factory.mktemp("parts"), {"disc/train/good": 8, "disc/test/good": 3, "disc/test/scratch": 3}
    )
    shutil.copytree(folder / "disc", folder / "ring")
    for path in (folder / "ring").rglob("*.png"):
        y, x = np.mgrid[:SIDE, :SIDE]
        ring = 120 * (np.abs(np.hypot(y - SIDE / 2, x - SIDE / 2) - 30) < 6)
        Image.fromarray(np.maximum(255 - np.array(Image.open(path)), ring[..., None]).astype(np.uint8)).save(
            path
        )
    return folder


@pytest.fixture(scope="module")
def table(parts):
    """The same samples as a table."""
    rows = ["path,label,split,product"]
    for path in sorted(parts.rglob("*.png")):
        product, split, label, _ = path.relative_to(parts).parts
        rows.append(f"{path.relative_to(parts)},{label.replace('scratch', 'defect')},{split},{product}")
    (parts / "parts.csv").write_text("\n".join(rows))
    return parts / "parts.csv"


@pytest.fixture(scope="module")
def several_fitted(parts, tmp_path_factory):
    import knowngood

    path = tmp_path_factory.mktemp("cli") / "parts.inspector"
    knowngood.fit_products(parts, "gaussian", input_size=64).save(path)
    return path


@pytest.fixture
def several(several_fitted, tmp_path):
    return shutil.copy(several_fitted, tmp_path / "parts.inspector")


def test_a_table_with_products_is_fitted_to_one_file(run, table, tmp_path):
    fit = run("fit", table, "--out", tmp_path / "a.inspector", "--without", "ring/train/good/000.png", *FAST)
    assert fit.status == 0, fit.err
    lines = fit.out.splitlines()
    assert lines[0] == "recognised     15 of 15 held-out good images"
    assert lines[1].startswith("stranger       beyond a distance of ")
    table = [line.split()[:3] for line in lines if " gaussian " in line]
    assert table == [["disc", "gaussian", "8"], ["ring", "gaussian", "7"]]
    info = run("info", tmp_path / "a.inspector")
    words, informed = (" ".join(text.split()) for text in (fit.out, info.out))
    untimed, times = re.subn(r"; \d+ ms an image on this machine, beside reading it", "", words)
    assert times == 2
    assert untimed == f"{informed} inspector {tmp_path / 'a.inspector'}"
    assert "detail ring: images of 96 x 96 as 64 x 64 (detail normal), for defects of about" in informed
    one = run("info", tmp_path / "a.inspector", "--product", "ring")
    assert "learned from   7 good images" in one.out
    assert "left out       000.png" in one.out


def test_a_folder_of_products_is_one_where_the_user_says_so(run, parts, tmp_path):
    without = run("fit", parts, "--out", tmp_path / "a.inspector", *FAST)
    assert without.status == 1
    assert "it holds several data sets (disc, ring)" in without.err
    assert "--products" in without.err
    wrong = run("fit", parts / "disc", "--products", "--out", tmp_path / "a.inspector", *FAST)
    assert wrong.status == 1
    assert "the folder of a class or a split, not of a product" in wrong.err


def test_images_are_scored_as_the_product_that_they_show(run, several, parts, tmp_path):
    noise = tmp_path / "new" / "noise.png"
    noise.parent.mkdir()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (90, 90, 3), dtype=np.uint8)).save(noise)
    shutil.copy(parts / "ring/test/good/000.png", tmp_path / "new" / "a.png")
    scored = run("score", several, tmp_path / "new", "--out", tmp_path / "s.csv")
    assert scored.status == 0, scored.err
    with (tmp_path / "s.csv").open(encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file))
    assert [row["product"] for row in rows] == ["ring", "stranger"]
    assert rows[1]["decision"] == "reject"
    assert "1 of these images are strangers" in scored.err
    named = run("score", several, tmp_path / "new/a.png", "--product", "disc")
    assert named.out.split()[0] == "reject"
    assert "  disc  " in named.out
    for unknown in (
        run("score", several, noise, "--product", "nut"),
        run("info", several, "--product", "nut"),
    ):
        assert unknown.status == 1
        assert "product 'nut' is not known; choose one of disc, ring" in unknown.err


def test_a_table_of_images_names_their_products(run, several, parts, tmp_path):
    image = (parts / "ring/test/good/000.png").resolve()
    (tmp_path / "new.csv").write_text(f"Path,product\n{image},disc\n")
    scored = run("score", several, tmp_path / "new.csv")
    assert "  disc  " in scored.out
    (tmp_path / "new.csv").write_text(f"path\n{image}\n")
    assert "  ring  " in run("score", several, tmp_path / "new.csv").out
    assert run("score", several, tmp_path / "new.csv", image).status == 2


def test_products_are_evaluated_with_a_table_and_a_report_each(run, several, parts, tmp_path):
    evaluated = run("evaluate", several, parts, "--products", "--out", tmp_path / "report")
    assert evaluated.status == 0, evaluated.err
    assert "Of 6 good parts the recogniser would have given 6 to their product" in evaluated.out
    metrics = json.loads((tmp_path / "report/metrics.json").read_text("utf-8"))
    assert metrics["products"].keys() == {"disc", "ring"}
    assert metrics["counts"] == {"good": 6, "defect": 6}
    page = (tmp_path / "report/products.html").read_text("utf-8")
    for product in ("disc", "ring"):
        [report] = (tmp_path / "report" / product).glob("report-*.html")
        assert f'href="{product}/{report.name}"' in page
        assert f"parts.inspector --product {product} --max-false-reject" in report.read_text("utf-8")
    one = run("evaluate", several, parts / "ring", "--product", "ring", "--out", tmp_path / "one")
    assert one.status == 0, one.err


def test_without_names_a_test_is_recognised(run, several, table, tmp_path):
    text = table.read_text().replace(",product", "").replace(",disc", "").replace(",ring", "")
    (table.parent / "unnamed.csv").write_text(text)
    evaluated = run("evaluate", several, table.parent / "unnamed.csv", "--out", tmp_path / "report")
    assert "Each image was inspected as the product that was recognised." in evaluated.out
    named = run("evaluate", several, table, "--out", tmp_path / "named")
    assert "Each image was inspected as the product that the test names." in named.out


def test_thresholds_of_all_products_or_of_one_are_moved(run, several, parts):
    moved = run("threshold", several, "--max-false-reject", "0.2")
    assert moved.out.count("false rejects at most 0.2") == 2
    one = run("threshold", several, "--product", "ring", "--value", "7")
    assert one.out.startswith("product        ring\n")
    table = [line for line in run("info", several).out.splitlines() if " gaussian " in line]
    assert table[0].split()[-3] != "7"
    assert table[1].split()[-3] == "7"
    assert run("threshold", several, "--value", "7").status == 2
    by_rule = run("threshold", several, "--rule", "youden", "--validation", parts, "--products", "--anyway")
    assert by_rule.out.count("Youden, on 3 good and 3 defective validation images") == 2
    unnamed = run("threshold", several, "--rule", "youden", "--validation", parts / "disc", "--anyway")
    assert "the validation images name no product 'disc'" in unnamed.err


def test_a_file_of_one_product_has_no_others(run, inspector, widget, tmp_path):
    for command in (
        ["info", inspector, "--product", "disc"],
        ["score", inspector, widget / "test/good/000.png", "--product", "disc"],
        ["threshold", inspector, "--product", "disc", "--max-false-reject", "0.1"],
        ["evaluate", inspector, widget, "--product", "disc", "--out", tmp_path],
    ):
        outcome = run(*command)
        assert outcome.status == 1
        assert "is of one product; leave out --product" in outcome.err


def test_a_region_is_that_of_each_product_and_of_the_recogniser(run, parts, tmp_path):
    import knowngood

    (tmp_path / "roi.json").write_text('{"shapes": [{"rectangle": [8, 16, 80, 64]}]}')
    out = tmp_path / "region.inspector"
    fit = run("fit", parts, "--products", "--roi", tmp_path / "roi.json", "--out", out, *FAST)
    assert fit.status == 0, fit.err
    assert [line.split()[1] for line in fit.out.splitlines() if line.startswith("region ")] == [
        "disc:",
        "ring:",
    ]
    products = knowngood.Products.load(out)
    boxes = [one.manifest.roi.box for one in (products.recogniser, *products.inspectors.values())]
    assert boxes == [(16, 8, 64, 80)] * 3
    image = np.array(Image.open(parts / "disc/test/good/000.png"))
    elsewhere = image.copy()
    elsewhere[:16] = elsewhere[:, 88:] = 255
    verdicts = products.inspect([image, elsewhere])
    assert verdicts[0].product == verdicts[1].product == "disc"
    assert verdicts[0].score == verdicts[1].score


def test_three_answers_of_each_product(run, several, parts):
    done = run("threshold", several, "--max-false-reject", "0.3", "--max-review", "0.5")
    assert done.status == 0, done.err
    assert done.out.count("review         above ") == 2
    assert "rejects at most  review above\n" in run("info", several).out
    scored = run("score", several, parts / "disc", "--product", "disc")
    assert scored.err.splitlines()[1].startswith("disc: review above ")
    reviewed = scored.out.count("review  ")
    assert reviewed
    assert f"for review {reviewed}" in scored.err
    few = run("threshold", several, "--max-review", "0.01")
    assert few.status == 1
    assert "product 'disc': 8 held-out good parts are too few" in few.err
    assert run("threshold", several, "--product", "ring", "--no-review").status == 0
    [row] = [line for line in run("info", several).out.splitlines() if line.startswith("ring ")]
    assert row.endswith(f" {MISSING}")


def test_the_evaluation_of_three_answers(run, several, parts, tmp_path):
    run("threshold", several, "--max-false-reject", "0.3", "--max-review", "0.3")
    done = run("evaluate", several, parts, "--products", "--out", tmp_path / "report")
    assert done.status == 0, done.err
    assert done.out.splitlines()[0].endswith("false rejects  escapes  good reviewed  defects reviewed")
    metrics = json.loads((tmp_path / "report/metrics.json").read_text())
    each = [one["confusion"] for one in metrics["products"].values()]
    assert metrics["confusion"] == {name: sum(one[name] for one in each) for name in each[0]}
    assert metrics["good_review_rate"] == metrics["confusion"]["good_review"] / metrics["counts"]["good"]
    assert "defects reviewed" in (tmp_path / "report/products.html").read_text()


def test_suspects_are_those_of_one_product(run, parts, tmp_path):
    out = tmp_path / "a.inspector"
    refused = run("fit", parts, "--products", "--out", out, "--suspects", tmp_path / "page.html", *FAST)
    assert refused.status == 2
    assert "--suspects goes with one product" in refused.err
    assert not out.exists()
