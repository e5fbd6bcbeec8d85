"""Tables of samples, recipes, grids and rules made of nasty pieces."""

from __future__ import annotations

import io
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet

import knowngood
from knowngood.classifiers import CLASSIFIERS
from knowngood.detectors import DETECTORS
from knowngood.errors import KnowngoodError
from knowngood.inspector.comparison import read_grid
from knowngood.inspector.inspector import Inspector

from .case import NUMBERS, Random, altered_bytes, check, command, odd_text, one_of

COLUMNS = ("path", "label", "split", "defect", "mask", "group", "class")
USUAL = {
    "label": ["good", "defect", "OK", "ng", "0", "1", "Good "],
    "split": ["train", "test", "Train", "validation", ""],
    "defect": ["", "scratch", "hole", "value", "good"],
    "mask": ["", "widget/ground_truth/scratch/000_mask.png"],
    "group": ["", "1", "a"],
    "class": ["", "a", "b"],
}
ODD_PATHS = [
    "/dev/zero",
    "/proc/self/mem",
    "/dev/stdin",
    ".",
    "",
    "/",
    "a\0b",
    "x" * 5000,
    "http://x/y.png",
    "~",
    "nul",
]
ENCODINGS = ("utf-8", "utf-8", "utf-8", "utf-8-sig", "utf-16", "utf-16-le", "latin-1", "cp932", "utf-7")


def tables(random: Random, folder: Path, base: Path) -> None:
    """Read a table, recipe, grid or rule through every door that there is."""
    (folder / "widget").symlink_to(base / "widget")
    one_of(random, _csv, _csv, _csv, _parquet, _parquet, _yaml, _yaml, _rule)(random, folder, base)


def _doors(table: Path, random: Random, folder: Path, base: Path) -> None:
    """All that reads a table."""
    _refused_or_done(lambda: knowngood.load_samples(table))
    command(random, "describe", table)
    draw = random.random()
    if draw < 0.3:
        command(random, "evaluate", base / "patchcore.inspector", table, "--out", folder / "report")
    elif draw < 0.4:
        command(
            random,
            "cross-validate",
            table,
            "--out",
            folder / "cv.csv",
            "--classifier",
            "linear_probe",
            "--set",
            "input_size=0",
        )
    elif draw < 0.6:
        rule = one_of(random, "f1-max", "youden", "cost=1:20", "recall=.9")
        _refused_or_done(lambda: knowngood.threshold_by_rule(_inspector(base), rule, table, anyway=True))


def _refused_or_done(work: Any) -> None:
    """Run something, which may end in an error of ours."""
    try:
        work()
    except KnowngoodError as error:
        check(len(str(error)) < 2000, f"an error of {len(str(error))} letters: {str(error)[:300]!r}")
        check(
            "\x1b" not in str(error) and str(error).count("\n") < 30,
            f"an error that controls: {str(error)[:300]!r}",
        )


@lru_cache
def _inspector(base: Path) -> Inspector:
    return Inspector.load(base / "patchcore.inspector")


def _columns(random: Random, base: Path) -> dict[str, list[Any]]:
    """Columns of texts, right in most cells, and odd in some."""
    paths = [
        f"widget/{path.relative_to(base / 'widget')}" for path in sorted((base / "widget").rglob("0*.png"))
    ]
    rows = one_of(random, 0, 1, 5, len(paths), len(paths))
    columns: dict[str, list[Any]] = {"path": paths[:rows]}
    for name in COLUMNS[1:]:
        if name == "label" or random.random() < 0.5:
            columns[name] = [one_of(random, *USUAL[name]) for _ in range(rows)]
    columns["label"] = ["good" if "good" in path else "defect" for path in columns["path"]]
    for _ in range(one_of(random, 0, 0, 1, 3)):
        name, row = one_of(random, *columns), int(random.integers(rows + 1))
        if row < rows:
            odd = one_of(random, *ODD_PATHS) if name in ("path", "mask") else odd_text(random)
            columns[name][row] = odd
    if random.random() < 0.2:
        columns[one_of(random, odd_text(random), "Path", " label ", "defect", "p_value")] = ["1"] * rows
    if random.random() < 0.1:
        columns.pop(one_of(random, *columns))
    if random.random() < 0.05:
        columns |= {f"c{place}": ["1"] * rows for place in range(2000)}
    return columns


def _csv(random: Random, folder: Path, base: Path) -> None:
    columns = _columns(random, base)
    separator = one_of(random, ",", ",", ";", "\t", "|", ", ")
    rows = [list(columns), *zip(*columns.values(), strict=True)]
    if random.random() < 0.03:
        rows += [rows[-1]] * 30_000
    quote = one_of(random, '"', '"', "", "'")
    end = one_of(random, "\n", "\r\n", "\r", "\n\n")
    text = end.join(separator.join(f"{quote}{cell}{quote}" for cell in row) for row in rows)
    if random.random() < 0.15:
        at = int(random.integers(len(text) + 1))
        text = text[:at] + one_of(random, '"', separator * 3, "\0", end, "\ufeff", "#", "\\") + text[at:]
    content = text.encode(one_of(random, *ENCODINGS), "replace")
    if random.random() < 0.15:
        content = altered_bytes(content, random)
    path = folder / one_of(random, "table.csv", "table.CSV", "table.parquet")
    path.write_bytes(content)
    _doors(path, random, folder, base)


def _parquet(random: Random, folder: Path, base: Path) -> None:
    columns = _columns(random, base)
    for _ in range(one_of(random, 0, 1, 1, 2)):
        name = one_of(random, *columns)
        columns[name] = _typed(len(columns[name]), random)
    buffer = io.BytesIO()
    try:
        made = pyarrow.table(
            {
                name.replace("\ud800", ""): list(values) if isinstance(values, list) else values
                for name, values in columns.items()
            }
        )
        pyarrow.parquet.write_table(
            made, buffer, compression=one_of(random, "snappy", "none", "gzip", "zstd")
        )
    except (pyarrow.ArrowException, UnicodeEncodeError, OverflowError, TypeError):
        return  # of such values there is no file
    content = buffer.getvalue()
    if random.random() < 0.4:
        tail = min(len(content) - 1, 3000)
        content = (
            content[:-tail] + altered_bytes(content[-tail:], random)
            if random.random() < 0.7
            else altered_bytes(content, random)
        )
    path = folder / "table.parquet"
    path.write_bytes(content)
    _doors(path, random, folder, base)


def _typed(rows: int, random: Random) -> Any:
    """A column of values of another type, some of them missing."""
    values = one_of(
        random, [1, None], [True, None], [1.5, float("nan")], [b"\xff\xfe", b""], [[1], None], [{"a": 1},
        None],
        [None], ["a", None], [2**63 - 1], [np.datetime64("2020-01-01", "s"), None], [np.float16(1)],
        [float("inf")],
    )  # fmt: skip
    array = pyarrow.array([values[row % len(values)] for row in range(rows)])
    return (
        array.dictionary_encode()
        if random.random() < 0.2 and not pyarrow.types.is_nested(array.type)
        else array
    )


PIECES = [
    "2020-02-30", "!!int abc", "!!binary x", "!!python/object:os.system {}", "!!timestamp x", "&a [*a]",
    "*a", "[" * 30,
    "{" * 300, "1" * 5000, "0x" + "f" * 3000, ".inf", ".nan", "1e400", "null", "~", "yes", "[1, 2]",
    "{a: 1}", "? [a]",
    "!!set {a}", "<<: 1", "|\n  text", "'", '"\\ud800"', "%YAML 3", "---", "\t", "1:2:3", "-1", "0", "3",
    "0.5", "gaussian",
]  # fmt: skip
"""Values and beginnings of values in YAML."""

KEYS = (
    "detector",
    "classifier",
    "settings",
    "experiments",
    "input_size",
    "coreset",
    "epochs",
    "backbone",
    "weights",
    "a",
    "?",
    "<<",
    "1",
)


def _yaml(random: Random, folder: Path, base: Path) -> None:
    """A recipe or a grid: read, and checked by all methods."""
    lines = [
        f"{one_of(random, *KEYS)}: {one_of(random, *PIECES, *map(str, NUMBERS))}"
        for _ in range(int(random.integers(1, 6)))
    ]
    if random.random() < 0.5:
        lines = [
            f"classifier: {one_of(random, *CLASSIFIERS, 'x')}",
            "experiments:",
            *(f"  - {line}" for line in lines),
        ]
    if random.random() < 0.1:
        lines += [
            f"a{place}: &b{place} [{', '.join([f'*b{place - 1}'] * 9 if place else ['x'] * 9)}]"
            for place in range(9)
        ]
    if random.random() < 0.05:
        lines *= one_of(random, 100, 10_000)
    content = "\n".join(lines).encode(one_of(random, "utf-8", "utf-8", "utf-16", "latin-1"), "replace")
    path = folder / "recipe.yaml"
    path.write_bytes(altered_bytes(content, random) if random.random() < 0.2 else content)
    name = one_of(random, None, *DETECTORS)
    _refused_or_done(
        lambda: DETECTORS.choose(name, path, [f"{one_of(random, *KEYS)}={one_of(random, *PIECES)}"])
    )
    _refused_or_done(lambda: CLASSIFIERS.choose(None, path, []))
    _refused_or_done(lambda: read_grid(path))
    status, _ = command(random, "fit", folder / "nothing", "--out", folder / "x.inspector", "--recipe", path)
    check(status == 1, "nothing was fitted")


def _rule(random: Random, folder: Path, base: Path) -> None:
    """A rule for the threshold, as its text."""
    names = [
        "f1-max",
        "youden",
        "even-odds",
        "recall=",
        "cost=",
        "cost=1:",
        "cost=1:2,",
        "cost=1:2,hole:",
        "=",
        "",
    ]
    numbers = [
        "0",
        "-1",
        "1",
        "2",
        "nan",
        "inf",
        "1e400",
        "0x1",
        "1_0",
        "١",
        "1:2:3",
        "1,2",
        ":",
        "hole:3",
        "",
    ]
    rule = (
        one_of(random, *names) + one_of(random, *numbers) + one_of(random, "", "", "", ",", odd_text(random))
    )
    _refused_or_done(
        lambda: knowngood.threshold_by_rule(_inspector(base), rule, base / "widget", anyway=True)
    )
    rate = float(one_of(random, *NUMBERS, float("nan")))
    _refused_or_done(lambda: knowngood.threshold_at(_inspector(base), rate))
    _refused_or_done(lambda: knowngood.threshold_by_value(_inspector(base), rate))
