"""What cases of all sorts share: how they run a command, what they alter, and what must stay as it was."""

from __future__ import annotations

import hashlib
import io
import os
import re
import stat
import sys
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

from knowngood.cli.app import main

Random = np.random.Generator

CODE_PAGES = ("utf-8", "cp1252", "cp932", "cp437", "ascii")
LONGEST_LINE = 2000
LETTERS = [
    "",
    "a",
    "-",
    "--out",
    "é",
    "零件",
    "\n",
    "\r",
    "\t",
    "\x1b[2J",
    "\u202e",
    "=1+1",
    "'",
    '"',
    ",",
    ";",
]
NUMBERS = [0, -1, 1, 2, 255, 2**31 - 1, 2**31, 2**32, 2**63 - 1, 2**63, -(2**63), 1e308, 1e-320, 0.1]


class Finding(Exception):
    """What a case found."""


def check(right: object, what: str) -> None:
    """Raise a Finding that says what is wrong."""
    if not right:
        raise Finding(what)


def one_of(random: Random, *choices: Any) -> Any:
    """Choose one of some values, as it is."""
    return choices[int(random.integers(len(choices)))]


def command(random: Random, *arguments: object, statuses: tuple[int, ...] = (0, 1, 2)) -> tuple[int, str]:
    """Run the program with a console of some code page; its status, and all that it printed."""
    page = one_of(random, *CODE_PAGES)
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding=page, write_through=True) for _ in "ab")
    words = [
        "knowngood",
        *(os.fsdecode(word) if isinstance(word, bytes) else str(word) for word in arguments),
    ]
    with redirect_stdout(out), redirect_stderr(err), mock.patch.object(sys, "argv", words):
        try:
            main()
        except SystemExit as done:
            status = done.code
    shown, said = (stream.buffer.getvalue().decode(page, "replace") for stream in (out, err))
    check(status in statuses, f"status {status} of {words[1]}")
    check(status == 0 or said, f"{words[1]} fails without a word")
    check("Traceback" not in said and "Warning:" not in said, f"{words[1]} says {said[-1500:]}")
    check(
        max(map(len, [*said.splitlines(), ""])) < LONGEST_LINE,
        f"{words[1]} says a line too long: {said[:300]!r}",
    )
    check(
        not re.search(r"[\x00-\x08\x0b-\x1f\x7f]", shown + said),
        f"{words[1]} prints controls: {(shown + said)!r:.600}",
    )
    return int(status), shown + said


State = tuple[object, ...]


def snapshot(folder: Path) -> dict[bytes, State]:
    """What is below a folder: of each path its type, mode and content."""
    found: dict[bytes, State] = {}
    for here, folders, files in os.walk(os.fsencode(folder)):
        for name in folders + files:
            path = os.path.join(here, name)  # noqa: PTH118
            state = os.lstat(path)
            content: object = None
            if stat.S_ISLNK(state.st_mode):
                content = os.readlink(path)  # noqa: PTH115
            elif stat.S_ISREG(state.st_mode):
                with open(path, "rb") as file:  # noqa: PTH123
                    content = (
                        state.st_nlink,
                        state.st_size > 1 << 30 or hashlib.file_digest(file, "sha256").digest(),
                    )
            found[path] = state.st_mode, content
    return found


def compare(before: dict[bytes, State], after: dict[bytes, State], allowed: Callable[[bytes], bool]) -> None:
    """Check that nothing was lost, changed or added but where it is allowed."""
    for path in before.keys() | after.keys():
        if before.get(path) != after.get(path) and not allowed(path):
            what = "lost" if path not in after else "changed" if path in before else "added"
            raise Finding(f"{what}: {path!r}")


def altered_bytes(content: bytes, random: Random, *, within: int | None = None) -> bytes:
    """Flip, replace, cut out, double or add some bytes; only among the first ones with `within`."""
    made = bytearray(content)
    for _ in range(int(random.integers(1, 5))):
        if not made:
            break
        place = int(random.integers(min(len(made), within or len(made))))
        size = min(int(random.integers(1, 1 << int(random.integers(1, 12)))), len(made) - place)
        match int(random.integers(9)):
            case 0 | 1 | 2:
                made[place] ^= 1 << int(random.integers(8))
            case 3:
                made[place] = one_of(random, 0, 1, 127, 128, 255)
            case 4:
                width = one_of(random, 2, 4, 8)
                number = one_of(
                    random, 0, 1, 2 ** (8 * width) - 1, 2 ** (8 * width - 1), 2 ** (4 * width) - 1
                )
                made[place : place + width] = number.to_bytes(width, one_of(random, "big", "little"))
            case 5:
                del made[place : place + size]
            case 6:
                made[place:place] = made[place : place + size] * int(random.integers(1, 4))
            case 7:
                made[place : place + size] = random.bytes(size)
            case _:
                made = made[:place] if random.random() < 0.5 else made + random.bytes(size)
    return bytes(made)


def odd_text(random: Random) -> str:
    """A text of nasty pieces, at times a long one."""
    text = "".join(one_of(random, *LETTERS) for _ in range(int(random.integers(1, 6))))
    return text * one_of(random, 1, 1, 1, 1, 1, 300, 300_000)


def odd_value(random: Random) -> Any:
    """A value for JSON or YAML that is hardly ever right."""
    number = one_of(random, *NUMBERS)
    return one_of(
        random, None, True, number, -number, float("nan"), float("inf"), 10**400, odd_text(random), [], {},
        [number],
        [[[[[number]]]]], [0] * 100_000, {"": number}, "\ud800", ["x"] * 5000,
    )  # fmt: skip


def altered(value: Any, random: Random) -> Any:
    """A value from JSON with something changed somewhere inside."""
    if not isinstance(value, dict | list) or not value or random.random() < 0.1:
        if isinstance(value, int | float) and not isinstance(value, bool) and random.random() < 0.5:
            return one_of(random, -value, value + 1, value * 1000, value // 3, 0.5, str(value))
        return odd_value(random)
    if isinstance(value, list):
        place = int(random.integers(len(value)))
        match int(random.integers(8)):
            case 0:
                return value[:place]
            case 1:
                return value * one_of(random, 2, 2, 10_000 // len(value) + 1)
            case 2:
                return value[::-1]
        return [*value[:place], altered(value[place], random), *value[place + 1 :]]
    key = one_of(random, *value)
    match int(random.integers(10)):
        case 0:
            return {name: one for name, one in value.items() if name != key}
        case 1:
            return {**value, odd_text(random): odd_value(random)}
    return {**value, key: altered(value[key], random)}
