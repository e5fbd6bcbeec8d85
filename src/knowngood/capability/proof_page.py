"""The evidence on a release as a page, as a PDF to sign, and as tables."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd

from knowngood.capability import gauge_page, pod_page
from knowngood.capability.page import Page, check_study, write_study
from knowngood.capability.plan import SHARES, chances
from knowngood.capability.proof import Proof
from knowngood.capability.proof_answer import GOOD, SHOWN
from knowngood.data.images import image_size, read_mask
from knowngood.errors import DataError
from knowngood.extras import needs_extra
from knowngood.inspector.evaluation import Evaluation
from knowngood.output import MARK, check_target
from knowngood.report import words
from knowngood.report.exhibits import Cell, Chart, Exhibit, Picture, Pictures, Table, Text
from knowngood.report.subject import product_name, subject
from knowngood.report.words import count, percent, range_of, score

PAGE = "proof"

PDF = f"{PAGE}.pdf"

WORST = 6
"""Good parts with the highest scores, and defects with the lowest, that are shown."""

ROLES = ("Prepared by", "Checked by", "Released by")


def check_proof(folder: str | os.PathLike[str], *, overwrite: bool = False) -> None:
    """Check before a long work that the page and the PDF can be written to a folder.

    Raises:
        OutputError: They cannot.
    """
    check_study(folder, PAGE, {}, overwrite=overwrite)
    check_target(Path(folder) / PDF, MARK, overwrite=overwrite)


def write_proof(proof: Proof, folder: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
    """Write the evidence as `proof.html`, `proof.pdf` and tables: the same exhibits on a page and to sign.

    The tables are `files.csv` (each test image with its score, its decision and its SHA-256), `bounds.csv`,
    `comparisons.csv`, and those of the gauge study and of the probability of detection, where there are such.

    Returns:
        The path of the page.

    Raises:
        OutputError: A file cannot be written, or is not ours to replace.
        MissingExtra: The libraries of reports are not installed; the tables are written.
    """
    tables = {"files": proof.files, "bounds": proof.bounds, "comparisons": _comparisons(proof)}
    if proof.gauge is not None:
        own = gauge_page.tables_of(proof.gauge)
        tables |= {f"gauge-{name}": table for name, table in own.items()}
    if not isinstance(proof.pod, str):
        tables |= {f"pod-{name}": table for name, table in pod_page.tables_of(proof.pod).items()}
    about = proof.evaluation.about
    subtitle = " · ".join(filter(None, [product_name(about), "evidence on a release", about.time[:10]]))
    title = f"Release of {product_name(about)}" if product_name(about) else "Release of a line"
    exhibits = list(exhibits_of(proof))
    path = write_study(
        Page(PAGE, title, subtitle, proof.answer, exhibits), tables, folder, overwrite=overwrite
    )
    with needs_extra():
        from knowngood.report.deck import write_deck
        from knowngood.report.slide import Deck
    first = Text(proof.answer.headline, proof.answer.details, subtitle)
    day = date.fromisoformat(about.time[:10]) if about.time else None
    write_deck(Deck(title, [first, *exhibits], day=day, cover=False), Path(folder) / PDF, overwrite=overwrite)
    return path


def exhibits_of(proof: Proof) -> Iterator[Exhibit]:
    """All that supports the answer, what is not shown, and where to sign."""
    with needs_extra():
        from knowngood.report.detection import detection_exhibits
    yield _limits(proof)
    yield Text("What is not shown", proof.not_shown)
    yield _plan(proof)
    yield _data(proof)
    yield _rates(proof)
    for exhibit in detection_exhibits(proof.evaluation):
        # There two charts share the width of the page.
        yield replace(exhibit, size=Chart.size) if isinstance(exhibit, Chart) else exhibit
    yield _exchangeability(proof)
    yield from _worst(proof.evaluation)
    if proof.gauge is not None:
        yield Text("Gauge study", [proof.gauge.answer.headline, *proof.gauge.answer.details])
        yield from gauge_page.exhibits_of(proof.gauge)
    if not isinstance(proof.pod, str):
        yield Text("Sizes of defects", [proof.pod.answer.headline, *proof.pod.answer.details])
        yield from pod_page.exhibits_of(proof.pod)
    yield _facts("What inspected", proof.versions)
    yield _signatures(proof)


def _limits(proof: Proof) -> Table:
    """What was asked, and what the sample supports."""
    rows: list[list[str | Cell]] = []
    for row in proof.bounds.to_dict("records"):
        state = row["state"] if row["state"] == SHOWN else Cell(row["state"], "wrong")
        found = [str(row["errors"]), str(row["parts"]), percent(row["rate"]), percent(row["bound"])]
        rows.append([_noun(row["what"]), *found, percent(row["limit"]), state])
    bound = f"bound ({100 * proof.asked.confidence:g} %)"
    heads = ["what", "errors", "parts", "share", bound, "limit", "the limit is"]
    note = (
        "Errors are good parts that are rejected or left to a review, and defects that are accepted. The "
        "bound is one-sided, exact binomial (Clopper-Pearson). A limit is shown where the bound is within "
        "it, and missed where the share of this sample is above it."
    )
    return Table("What was asked, and what the sample supports", heads, rows, numbers=6, note=note)


def _plan(proof: Proof) -> Table:
    """Whether the sample was large enough."""
    rows: list[list[str | Cell]] = []
    for row in proof.bounds.to_dict("records"):
        parts, needed = row["parts"], row["needed"]
        passing = chances(parts, row["errors"], row["limit"])[0] if parts else None
        enough = f"{parts}" if parts >= needed else Cell(f"{parts}", "wrong")
        rows.append([_noun(row["what"]), percent(row["limit"]), str(row["errors"]), f"{needed:,}", enough])
        rows[-1].append(percent(passing))
    heads = ["what", "limit", "errors", "parts needed", "parts", f"chance at {SHARES[0]:g} of the limit"]
    note = (
        "Parts needed: so many show the limit with as many errors as were made. The last column is the "
        "chance that a line whose true rate is half of the limit makes no more errors in such a sample; "
        "knowngood plan weighs it beforehand."
    )
    return Table("Was the sample large enough?", heads, rows, numbers=5, note=note)


def _data(proof: Proof) -> Table:
    """What was tested, and its fingerprints."""
    facts = dict(subject(proof.evaluation))
    if proof.data:
        facts["SHA-256 of the table"] = proof.data
    facts["SHA-256 of each image"] = f"in files.csv, beside this file, for {count(len(proof.files), 'image')}"
    return _facts("Data, and their fingerprints", facts)


def _rates(proof: Proof) -> Table:
    """All rates, held out and of the test, with two-sided intervals."""
    metrics, rows = proof.evaluation.metrics, []
    threshold = proof.evaluation.provenance["threshold"]
    if threshold["upper_bound"] is not None:
        above, total = threshold["above"], threshold["held_out"]
        bound = f"at most {percent(threshold['upper_bound'])} (one-sided)"
        rows.append(
            ["held-out good parts above the threshold", f"{above} of {total}", percent(above / total)]
        )
        rows[-1].append(bound)
    counts = metrics["confusion"]
    good, defects = metrics["counts"]["good"], metrics["counts"]["defect"]
    for name, rate, number, total in (
        ("good test images rejected", "false_reject_rate", counts["false_reject"], good),
        ("good test images left to a review", "good_review_rate", counts.get("good_review"), good),
        ("defects accepted", "escape_rate", counts["escape"], defects),
        ("defects left to a review", "defect_review_rate", counts.get("defect_review"), defects),
    ):
        if metrics.get(rate) is not None:
            ends = range_of(metrics[f"{rate}_low"], metrics[f"{rate}_high"])
            rows.append([name, f"{number} of {total}", percent(metrics[rate]), ends])
    basis = words.basis(metrics, threshold)
    note = f"{basis} Intervals are exact (Clopper-Pearson), two-sided, for 95 %, and of images."
    heads = ["what", "counted", "share", "95 % interval"]
    return Table("Held-out and test figures", heads, rows, numbers=3, note=note)


def _comparisons(proof: Proof) -> pd.DataFrame:
    """Which good test images were compared with the held-out ones."""
    columns = ["by", "name", "images", "p_value", "superiority", "apart"]
    return pd.DataFrame(proof.evaluation.metrics["exchangeability"]["compared"], columns=columns)


def _exchangeability(proof: Proof) -> Exhibit:
    """Whether good test images are like those held out."""
    found = proof.evaluation.metrics["exchangeability"]
    state = proof.evaluation.provenance.get("grouped") or "groups of held-out good images were not compared"
    note = f"{_sentence(found['in_words'])} Of the held-out good images: {_sentence(state)}"
    title = "Are these the good parts of the fit?"
    if not found["compared"]:
        return Text(title, ["No good test image was compared with the held-out ones.", _sentence(state)])
    rows: list[list[str | Cell]] = [
        [
            "all good test images" if one["by"] == "all" else f"{one['by']} {one['name']}",
            str(one["images"]),
            percent(one["superiority"]),
            Cell(f"{one['p_value']:.2g}", "wrong") if one["apart"] else f"{one['p_value']:.2g}",
        ]
        for one in found["compared"]
    ]
    heads = ["good test images", "number", "score above a held-out one", "p"]
    return Table(title, heads, rows, numbers=3, note=note)


def _worst(evaluation: Evaluation) -> Iterator[Pictures]:
    """The good parts with the highest scores, and the defects with the lowest."""
    scores = evaluation.scores.reset_index(drop=True)
    order = np.argsort(scores["score"].to_numpy(np.float64), kind="stable")
    for title, label, rows in (
        ("Good parts with the highest scores", GOOD, order[::-1]),
        ("Defects with the lowest scores", "defect", order),
    ):
        chosen = [int(row) for row in rows if scores["label"].iloc[row] == label][:WORST]
        shown = [picture for row in chosen for picture in _pictures(evaluation, row)]
        if shown:
            note = "Beside each image is its heatmap." if evaluation.maps is not None else ""
            if label != GOOD:
                note = f"{note} Defects with a mask are outlined.".strip()
            yield Pictures(title, [shown], note=note)


def _pictures(evaluation: Evaluation, row: int) -> list[Picture]:
    """A test image with its mask and its heatmap."""
    from knowngood.report.cards import pictures_of_row
    from knowngood.report.pictures import outline

    source, mask = evaluation.image(row)
    facts = evaluation.scores.iloc[row]
    name = f"{facts['defect'] or facts['label']}/{Path(str(facts['path'])).name}"
    caption = f"{name}\n{facts['decision']}, score {score(facts['score'])}"
    try:
        found = pictures_of_row(evaluation, row)
        if len(mask):
            found["image"] = outline(found["image"], read_mask(mask, image_size(source)))
    except DataError as error:
        return [Picture(np.full((8, 8), 160, np.uint8), caption, f"cannot be shown: {error}")]
    first, *others = found.values()
    return [
        Picture(first, caption, name),
        *(Picture(one, "\nheatmap", f"heatmap of {name}") for one in others),
    ]


def _facts(title: str, facts: dict[str, str]) -> Table:
    """Names and values, in lines that fit on a page."""
    with needs_extra():
        from knowngood.report.slide import facts_table
    return facts_table(title, list(facts.items()))


def _signatures(proof: Proof) -> Table:
    """Where to sign, and what."""
    rows = [[f"\n{role}\n", "", "", ""] for role in ROLES]
    heads = ["", "name".ljust(24), "date".ljust(16), "signature".ljust(32)]
    graph = proof.versions["graph, SHA-256"][:16]
    note = (
        f"This is signed: {proof.answer.headline} It is of the inspector whose graph has the fingerprint "
        f"{graph}, and of the images in files.csv. No conformity with a standard is claimed."
    )
    return Table("Signatures", heads, rows, note=note)


def _noun(what: str) -> str:
    return "good parts rejected" if what == GOOD else f"{what} accepted"


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."
