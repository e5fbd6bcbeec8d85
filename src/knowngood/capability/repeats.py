"""The table of a gauge study: pictures of parts that were taken again and again, and what people said."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np
import pandas as pd

from knowngood.data.images import read_image
from knowngood.data.meanings import BAD_WORDS, GOOD_WORDS
from knowngood.data.samples import fingerprint
from knowngood.data.tables import table_or_file
from knowngood.errors import DataError, quoted
from knowngood.types import Progress

COLUMNS = ("path", "part", "take", "station", "truth")

MOST_PICTURES = 100_000

COPY = 0.5
"""Mean difference of two pictures in grey levels of 255 below which one is a copy of the other: cameras have
more noise than that."""

_YES = GOOD_WORDS | {"accept", "accepted"}
_NO = BAD_WORDS | {"review"}


def load_repeats(data: str | os.PathLike[str] | pd.DataFrame, people: Sequence[str] = ()) -> pd.DataFrame:
    """Read and check the table of a gauge study.

    Args:
        data: A CSV or Parquet file, or a table, with the columns `path`, `part`, `take`, `truth` (good, or
            defect or a type of defect) and, for several stations or operators, `station` or `operator`.
        people: Columns that hold the decisions of people on the same parts, such as accept and reject.

    Returns:
        The columns `COLUMNS` as text, `defect` (bool), and those of people as bool, True for a reject.

    Raises:
        DataError: A column or a value is missing, there is one part or one take, a part has two truths, or
            there are no good parts or no defects.

    Example:
        >>> rows = [[f"{part}{take}.png", part, take, "ok" if part == "a" else "dent"]
        ...         for part in "ab" for take in (1, 2)]
        >>> load_repeats(pd.DataFrame(rows, columns=["path", "part", "take", "truth"]))["defect"].tolist()
        [False, False, True, True]
    """
    return table_or_file(data, partial(_checked, people=people))


def check_not_copies(table: pd.DataFrame, progress: Progress) -> None:
    """Refuse pictures that are copies of another: a frozen file always repeats its decision.

    Raises:
        DataError: Two files are the same, or two pictures of a part differ by less than `COPY`.
    """
    paths = table["path"].tolist()
    first: dict[str, str] = {}
    for path, digest in zip(paths, fingerprint(paths, progress=progress), strict=True):
        if digest and digest in first:
            raise _copy(path, first[digest], "are the same file")
        first[digest] = path
    for done, (_, rows) in enumerate(table.groupby("part", sort=False), 1):
        seen: list[tuple[str, np.ndarray]] = []
        for path in rows["path"]:
            pixels = read_image(path).mean(axis=2, dtype=np.float32)
            for other, known in seen:
                if known.shape == pixels.shape and float(np.abs(known - pixels).mean()) < COPY:
                    raise _copy(path, other, f"differ by less than {COPY:g} grey levels of 255")
            seen.append((path, pixels))
        progress("comparing takes", done, table["part"].nunique())


def _copy(path: str, other: str, reason: str) -> DataError:
    return DataError(
        f"{quoted(path)} and {quoted(other)} {reason}: a copy always repeats its decision and says nothing "
        "about the inspection. Take the part out, place it anew, and take another picture",
        path=path,
    )


def _checked(table: pd.DataFrame, people: Sequence[str]) -> pd.DataFrame:
    """Check the columns and values of a table."""
    tidy = {name: str(name).strip().lower() for name in table.columns}
    known = {*COLUMNS, "operator"} - set(table.columns)
    table = table.rename(columns={name: word for name, word in tidy.items() if word in known})
    if "operator" in table and "station" not in table:
        table = table.rename(columns={"operator": "station"})
    if "station" not in table:
        table = table.assign(station="1")
    for name in (*COLUMNS, *people):
        if name not in table:
            raise DataError(
                f"the table of the study has no column {quoted(name)}, only "
                f"{quoted(list(table.columns))}; add it"
            )
    if len(table) > MOST_PICTURES:
        raise DataError(f"the table names {len(table):,} pictures; a study has at most {MOST_PICTURES:,}")
    found = pd.DataFrame({name: _texts(table[name], name) for name in (*COLUMNS, *people)})
    found["defect"] = ~found["truth"].str.lower().isin(GOOD_WORDS)
    for name in people:
        found[name] = decisions(found[name], name)
    _check_design(found)
    return found.reset_index(drop=True)


def _texts(values: pd.Series, name: str) -> pd.Series:
    """The values of a column as text, none of which may be missing."""
    texts = ["" if pd.isna(value) else str(value).strip() for value in values]
    if "" in texts:
        raise DataError(
            f"column {quoted(name)} of the study is empty in row {texts.index('') + 1}; fill it in"
        )
    return pd.Series(
        [text.removesuffix(".0") if name in ("part", "take") else text for text in texts], dtype=object
    )


def decisions(values: pd.Series, name: str) -> pd.Series:
    """Return decisions in words as bool, True for a reject.

    Raises:
        DataError: A word is neither.
    """
    words = values.str.lower()
    if unknown := sorted(set(words) - _YES - _NO):
        raise DataError(f"column {quoted(name)} holds {quoted(unknown[0])}; write accept or reject")
    return words.isin(_NO)


def _check_design(table: pd.DataFrame) -> None:
    """Refuse a table that is no study of repetition."""
    truths = table.groupby("part", sort=False)["truth"].nunique()
    if (truths > 1).any():
        raise DataError(
            f"part {quoted(truths.index[int(np.argmax(truths > 1))])} has two truths; correct one"
        )
    if len(truths) == 1:
        raise DataError("the study has one part; it needs good parts and defects, 20 in all at least")
    again = table.duplicated(["part", "station", "take"])
    if again.any():
        part, station, take = table.loc[again, ["part", "station", "take"]].iloc[0]
        raise DataError(
            f"part {quoted(part)} has take {quoted(take)} at station {quoted(station)} twice; number takes"
        )
    if table.groupby(["part", "station"]).size().max() == 1:
        raise DataError(
            "each part was taken once at each station: repeatability needs two takes or more, better three"
        )
    parts = table.drop_duplicates("part")["defect"]
    for missing, label in ((parts.all(), "good parts"), (not parts.any(), "defects")):
        if missing:
            raise DataError(f"the study has no {label}; a decision about a line needs good parts and defects")


def stations(table: pd.DataFrame) -> list[str]:
    """The names of the stations in the order of the table."""
    return list(dict.fromkeys(table["station"]))


def by_part(table: pd.DataFrame, rejected: np.ndarray) -> pd.DataFrame:
    """Count for each part its pictures, how many were rejected, and whether it is a defect.

    Example:
        >>> table = pd.DataFrame({"part": ["a", "a", "b"], "defect": [False, False, True]})
        >>> by_part(table, np.array([True, False, True])).to_numpy().tolist()
        [[2, 1, False], [1, 1, True]]
    """
    groups = table.assign(rejected=rejected).groupby("part", sort=False)
    return groups.agg(takes=("rejected", "size"), rejected=("rejected", "sum"), defect=("defect", "first"))


def deciders(
    table: pd.DataFrame, people: Sequence[str], own: np.ndarray
) -> Mapping[str, tuple[pd.DataFrame, np.ndarray]]:
    """Whose decisions are compared: the inspector, at each station where there are several, and people."""
    found = {"inspector": (table, own)}
    if len(names := stations(table)) > 1:
        for name in names:
            chosen = (table["station"] == name).to_numpy()
            found[f"inspector at {name}"] = table[chosen], own[chosen]
    return found | {name: (table, table[name].to_numpy(bool)) for name in people}
