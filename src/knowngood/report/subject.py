"""What a report is of, in words, and by what names its page and its file are known."""

from __future__ import annotations

import dataclasses
import re
import shlex
from pathlib import Path

from knowngood.inspector.about import About, Images
from knowngood.inspector.evaluation import Evaluation
from knowngood.report.words import argument, count

_LONGEST = 60  # letters of a product in the name of a file


def title(evaluation: Evaluation) -> str:
    """Return the title of the page: product, what it is, and date."""
    parts = [product_name(evaluation.about), "Inspection report", evaluation.about.time[:10]]
    return " · ".join(filter(None, parts))


def file_name(evaluation: Evaluation) -> str:
    """Return the name of the report's file, which tells it from reports of other products and days.

    It is `report-<product>-<date>.html`, in letters, digits, points, underscores and hyphens.
    """
    parts = ["report", product_name(evaluation.about)[:_LONGEST], evaluation.about.time[:10]]
    safe = (re.sub(r"[^\w.-]+", "-", part).strip("-.") for part in parts)
    return "-".join(filter(None, safe)) + ".html"


def subject(evaluation: Evaluation) -> list[tuple[str, str]]:
    """Name the product, the inspector, the images, the user and the time, each with what identifies it."""
    about, provenance = evaluation.about, evaluation.provenance
    backbone = (provenance.get("backbone") or {}).get("name")
    method = provenance["method"] + (f" on {backbone}" if backbone else "")
    inspector = [Path(about.inspector).name, method, f"made {_time(provenance['created'])}"]
    evaluated = [_time(about.time), f"by {about.user}" if about.user else ""]
    facts = {
        "Product": about.product,
        "Inspector": ", ".join(filter(None, inspector)),
        "Region": str(evaluation.roi or ""),
        "Alignment": provenance.get("alignment_note", ""),
        "Detail": provenance.get("detail_in_words", ""),
        "Learned from": " and ".join(
            filter(None, [_images(about.training), provenance.get("augmented", "")])
        ),
        "Tested on": _images(about.test),
        "Evaluated": " ".join(filter(None, evaluated)),
    }
    return [(name, text) for name, text in facts.items() if text]


def product_name(about: About) -> str:
    """Return the name of the product, with that of the test's images where it is another.

    Example:
        >>> product_name(About(training=Images("screws.csv"), test=Images("tray 7")))
        'screws on tray 7'
    """
    tested = dataclasses.replace(about, training=about.test).product
    return " on ".join(dict.fromkeys(filter(None, [about.product, tested])))


def inspector_argument(about: About) -> str:
    """Write the inspector's file for a command line, with its product where it is of several.

    Example:
        >>> inspector_argument(About(inspector="parts.inspector", one_of="nut M4"))
        "parts.inspector --product 'nut M4'"
    """
    file = argument(about.inspector, "FILE")
    return f"{file} --product {shlex.quote(about.one_of)}" if about.one_of else file


def _images(images: Images) -> str:
    """Write the name of images, their number by class, and their fingerprint."""
    if not images.classes:
        return images.name
    total = count(sum(images.classes.values()), "image")
    classes = ", ".join(f"{number} {name}" for name, number in images.classes.items())
    named = f"{images.name}: {total}" if images.name else total
    left_out = f", without {count(images.left_out, 'image')} that it learned from" if images.left_out else ""
    return f"{named} ({classes}){left_out}, fingerprint {images.fingerprint}"


def _time(moment: str) -> str:
    """Write a moment in ISO 8601 for a reader.

    Example:
        >>> _time("2026-01-31T12:05+01:00"), _time("2026-01-31T12:05:09+00:00")
        ('2026-01-31 12:05 (UTC+01:00)', '2026-01-31 12:05 (UTC+00:00)')
    """
    found = re.fullmatch(r"(\S{10})[T ](\d\d:\d\d)\S*?([+-]\d\d:\d\d)", moment)
    return f"{found[1]} {found[2]} (UTC{found[3]})" if found else moment
