"""Inspector files with something changed and a right seal, and checkpoints of trainings."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import zipfile
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

import knowngood
from knowngood.errors import KnowngoodError
from knowngood.inspector.inspector import Inspector
from knowngood.training.journal import CHECKPOINT, DIGESTS, digest
from knowngood.training.run import Run

from .base import INSPECTORS, detector
from .case import Random, altered, altered_bytes, check, command, odd_text, one_of
from .graphs import inspect
from .pictures import crafted_picture

_SEAL = 64


def files(random: Random, folder: Path, base: Path) -> None:
    """Change an inspector file or a checkpoint, and use it in every way."""
    if random.random() < 0.03:
        _checkpoint(random, folder, base)
        return
    path = folder / "crafted.inspector"
    path.write_bytes(_crafted((base / f"{one_of(random, *INSPECTORS)}.inspector").read_bytes(), random))
    before = path.read_bytes()
    inspect(path, base, random)
    status, text = command(random, "info", path)
    check(len(text) < 1 << 20, f"info prints {len(text)} letters")
    draw = random.random()
    if status == 0 and draw < 0.15:
        command(random, "evaluate", path, base / "widget", "--out", folder / "report")
    elif status == 0 and draw < 0.4:
        command(
            random,
            "score",
            path,
            base / "widget/test",
            "--heatmaps",
            folder / "heat",
            "--out",
            folder / "scores.csv",
        )
    check(path.read_bytes() == before, "the inspector was changed")
    if draw > 0.9:
        command(random, "threshold", path, "--max-false-reject", "0.1")


def _crafted(content: bytes, random: Random) -> bytes:
    """An inspector file with members or the zip around them changed; nearly always with a right seal."""
    members = _members(content)
    for _ in range(int(random.integers(1, 3))):
        _change(members, random)
    body = _zip(members, random)
    if random.random() < 0.25:
        body = altered_bytes(body, random) if random.random() < 0.5 else _changed_directory(body, random)
    return body + hashlib.sha256(body).hexdigest().encode() if random.random() < 0.97 else body


@lru_cache
def _unpacked(content: bytes) -> list[tuple[str, bytes]]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return [(name, archive.read(name)) for name in archive.namelist()]


def _members(content: bytes) -> list[tuple[str, bytes]]:
    return list(_unpacked(content))


def _change(members: list[tuple[str, bytes]], random: Random) -> None:
    """Change one member, most often a value somewhere in a JSON."""
    texts = [at for at, (name, _) in enumerate(members) if name.endswith(".json")]
    pictures = [at for at, (name, _) in enumerate(members) if name.endswith(".png")]
    at = int(random.integers(len(members)))
    name, content = members[at]
    match int(random.integers(12)):
        case 0:
            members[at] = (
                one_of(
                    random, odd_text(random)[:10000], "training/x", "example9.png", "../../x", name.upper()
                ),
                content,
            )
        case 1:
            members.append((name, content))
        case 2:
            del members[at]
        case 3:
            members[at] = name, altered_bytes(content, random)
        case 4 if pictures:
            at = one_of(random, *pictures)
            members[at] = members[at][0], crafted_picture(random)[0]
        case 5 if pictures:
            one, other = one_of(random, *pictures), one_of(random, *pictures)
            members[one] = members[one][0], members[other][1]
        case _ if texts:
            at = one_of(random, *texts)
            name, content = members[at]
            members[at] = name, _json(altered(_parsed(content), random), random)


def _parsed(content: bytes) -> Any:
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return {}


def _json(value: Any, random: Random) -> bytes:
    """JSON of a value; at times with huge numbers, nested deeply, or in another encoding."""
    text = json.dumps(value) if _short(value) else "1" + "0" * 5000
    if random.random() < 0.05:
        text = one_of(
            random,
            "[" * 100_000,
            text.replace("1", "1" * 5000),
            text.replace(":", ":" + '{"a":' * 2000),
            text * 2,
        )
    return text.encode(one_of(random, "utf-8", "utf-8", "utf-8", "utf-8", "utf-16"), "surrogatepass")


def _short(value: Any) -> bool:
    """Whether Python writes the numbers in a value."""
    try:
        json.dumps(value)
    except ValueError:
        return False
    return True


def _zip(members: list[tuple[str, bytes]], random: Random) -> bytes:
    """A zip without its seal: as ours, or compressed."""
    buffer = io.BytesIO()
    method = one_of(random, *[zipfile.ZIP_STORED] * 9, zipfile.ZIP_DEFLATED)
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, content in members:
            info = zipfile.ZipInfo(name or "x")
            info.compress_type = method
            try:
                archive.writestr(info, content)
            except UnicodeEncodeError:
                archive.writestr(zipfile.ZipInfo("y"), content)
        archive.comment = b"0" * _SEAL
    return buffer.getvalue()[:-_SEAL]


def _changed_directory(body: bytes, random: Random) -> bytes:
    """A zip whose directory, at its end, has something changed: names, sizes, places, flags."""
    begin = body.rfind(b"PK\x01\x02", 0, body.find(b"PK\x01\x02") + 2000)
    return body[:begin] + altered_bytes(body[begin:], random)


def _checkpoint(random: Random, folder: Path, base: Path) -> None:
    """Go on with a finished training whose files were changed: refused, or the same inspector."""
    run = folder / "run"
    shutil.copytree(base / "run", run)
    at = run / one_of(random, CHECKPOINT, CHECKPOINT, CHECKPOINT, *sorted(os.listdir(run)))  # noqa: PTH208
    if at.is_file():
        at.write_bytes(altered_bytes(at.read_bytes(), random))
    sealed = random.random() < 0.6
    if sealed:
        (run / DIGESTS).write_text(digest(run / CHECKPOINT))
    try:
        again = knowngood.fit(base / "widget", detector("autoencoder"), run=Run(run))
    except KnowngoodError as error:
        check(len(str(error)) < 2000, "an error that is too long")
        return
    if not sealed and at.name == CHECKPOINT:
        first = Inspector.load(base / "autoencoder.inspector")
        check(again.graph == first.graph, "a changed checkpoint gave another inspector")
    check(np.isfinite(again.threshold.value), "a threshold that is not finite")
