"""The words of this house's text: the terms of the field instead of private ones."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

UNNAMED = r"(?<!knowngood[ .])(?<!import )(?<! as )(?<!def )(?<![\"`])"
"""Where a word is no name of a command: such a name stands in code or behind `knowngood`."""

TERMS = {
    r"kinds?(?!=)": "class, type",
    r"told": "the name of what it is: notes, metrics, known",
    r"rightly|wrongly": "correctly, incorrectly; accuracy, error rate",
    r"lies?(?! in wait)|lying": "is, stand; orientation, position",
    r"(look|looks|looked|looking) through": "read, search",
    rf"prov(es|ed|en|ing)|{UNNAMED}prove": "evaluate, show, verify",
    r"likewise": "also, the same way",
    r"likeness(es)?": "similarity",
    r"odd(est|ities)": "highest score",
    r"judg(e|es|ed|ing)": "inspect, score, evaluate",
    r"(teach|teaches|taught|teaching|lessons?)": "fit, train; record",
    r"(how|as) (sure|right)": "confidence, accuracy",
    r"taken? for": "predicted as",
    r"anyhow": "in any orientation",
    r"(re)?makes? up for": "balance, weigh",
    r"seen from": "view",
    r"speaks? for": "evidence for",
    r"slips?": "misspelling, error",
    r"(?<!\")peaks?(?! (memory|in GFLOP|GFLOP))": "maximum",
    r"of which nobody": "whose ... is unknown",
    r"(?-i:is none)": "is not one; say what it is",
}
"""What is not written, as a regular expression, and what is written instead."""

TEXTS = [
    *sorted(ROOT.glob("src/**/*.py")),
    *sorted(ROOT.glob("src/**/*.jinja")),
    *sorted(ROOT.glob("docs/*.md")),
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
]


@pytest.mark.parametrize("term", TERMS)
def test_the_text_uses_the_terms_of_the_field(term):
    pattern = re.compile(rf"\b({term})\b", re.IGNORECASE)
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in TEXTS
        for number, line in enumerate(path.read_text("utf-8").splitlines(), start=1)
        if pattern.search(line)
    ]
    assert not found, f"write {TERMS[term]} instead"
