"""Commands on odd names and places: nothing of the user's is lost or changed, nothing else is written."""

from __future__ import annotations

import os
import shutil
import socket
import stat
from pathlib import Path

from .case import Random, check, command, compare, one_of, snapshot

NAMES = [
    b"a.png", b"\xff\xfe.png", b"line\nbreak.png", b"-x.png", b"--out.png", "零件.png".encode(), b" .png",
    b"..png", b"a'b\".png",
    b"x" * 251 + b".png", b"=1+1.png", b"\x1b[2J.png", b"a.heatmap.png", b".hidden.png", b"A.PNG",
    b"~.png", b"%s.png", b"[a-z].png",
    b"a;b,c.png", b"nul.png", b"a.png.png", b"\\.png", b"$HOME.png", b"mask.png", b"{}.png",
    "\u202egnp.png".encode(),
]  # fmt: skip
QUICK = ["--detector", "autoencoder", "--set", "epochs=1", "--set", "input_size=64"]
FOLDERS = [
    b"new",
    b"\xff",
    b"-r",
    b"a b",
    "é".encode(),
    b"good",
    b"test/x\ny",
    b"x" * 200 + b"/" + b"y" * 200,
]


def names(random: Random, folder: Path, base: Path) -> None:
    """Run a command on what a user may have, and compare what was there before with what is there then."""
    user = folder / "user"
    user.mkdir()
    for one in ("patchcore", "autoencoder"):
        shutil.copy(base / f"{one}.inspector", user / f"{one}.inspector")
    shutil.copytree(base / "widget", user / "widget")
    (user / "own.txt").write_text("what the user has")
    (user / "own.csv").write_text("path,label,split\nwidget/test/good/000.png,good,test\n")
    pictures = _pictures(random, user, base)
    _specials(random, user)
    os.chdir(user)
    try:
        before = snapshot(user)
        words, written = _words(random, user, pictures)
        command(random, *words)
        compare(
            before,
            snapshot(user),
            lambda path: _may_change(path, written, before, overwrite="--overwrite" in words),
        )
    finally:
        os.chdir(folder)


def _pictures(random: Random, user: Path, base: Path) -> bytes:
    """A folder of pictures of odd names, as bytes."""
    place = os.path.join(os.fsencode(user), one_of(random, *FOLDERS))  # noqa: PTH118
    os.makedirs(place)  # noqa: PTH103
    for number in range(int(random.integers(1, 4))):
        source = base / f"widget/train/good/{number:03}.png"
        shutil.copy(source, os.path.join(place, one_of(random, *NAMES)))  # noqa: PTH118
    return place


def _specials(random: Random, user: Path) -> None:
    """Links, pipes, devices and sockets, among the pictures and beside them."""
    os.mkfifo(user / "pipe")
    os.mkfifo(user / "widget/test/good/pipe.png")
    (user / "null").symlink_to("/dev/null")
    (user / "zero.png").symlink_to("/dev/zero")
    (user / "link.csv").symlink_to("own.txt")
    (user / "latest.inspector").symlink_to("patchcore.inspector")
    (user / "dangling.inspector").symlink_to("nothing")
    (user / "circle").symlink_to("circle")
    (user / "widget/test/again").symlink_to("..")
    (user / "hard.inspector").hardlink_to(user / "autoencoder.inspector")
    (user / "readonly.csv").write_text("p_value,decision\n")
    (user / "readonly.csv").chmod(0o444)
    (user / "folder.csv").mkdir()
    (user / "results").mkdir()
    (
        user / "results" / one_of(random, "metrics.json", "scores.csv", "report.html", "run.json", "other")
    ).write_text("own")
    with (user / "sparse.csv").open("wb") as file:
        file.truncate(1 << 40)
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(user / "socket"))


OUTPUTS = [
    "new.csv", "new.jsonl", "new.parquet", "new.inspector", "own.txt", "own.csv", "link.csv", "null",
    "pipe", "socket", "circle",
    "folder.csv", "readonly.csv", "dangling.inspector", "latest.inspector", "hard.inspector",
    "patchcore.inspector", "widget",
    "widget/test/good/000.png", "widget/test/good", "results", ".", "", "/dev/full", "/dev/null",
    "missing/new.csv", "a\0b.csv",
    b"\xff.csv", "x" * 300 + ".csv", "-", "new\n.csv", "../user/own.csv", "sparse.csv", "/proc/self/mem",
    "new", "heat", "C:new.csv",
]  # fmt: skip
INPUTS = [
    "widget", "widget/test", "widget/test/good/000.png", "own.csv", "own.txt", "pipe", "null", "zero.png",
    "socket", "circle", "/dev/zero",
    "/proc/self/mem", "/proc/kmsg", "sparse.csv", "link.csv", "readonly.csv", "folder.csv", "results", "",
    "a\0b", b"\xff", "nothing", "-",
]  # fmt: skip
INSPECTORS = ["patchcore.inspector"] * 5 + [
    "autoencoder.inspector", "latest.inspector", "hard.inspector", "dangling.inspector", "pipe", "own.txt",
    "widget", "/dev/zero",
]  # fmt: skip


def _words(random: Random, user: Path, pictures: bytes) -> tuple[list[object], list[object]]:
    """A command line, and what of it names an output."""
    out, data = one_of(random, *OUTPUTS), one_of(random, pictures, pictures, "widget", *INPUTS)
    inspector = one_of(random, *INSPECTORS)
    more, written = ["--overwrite"] if random.random() < 0.2 else [], [out]
    match int(random.integers(12)):
        case 0 | 1:
            words = ["score", inspector, data, "--out", out]
        case 2 | 3:
            words = ["score", inspector, data, one_of(random, *INPUTS), "--heatmaps", out]
        case 4:
            words = ["evaluate", inspector, one_of(random, "widget", data), "--out", out]
        case 5:
            words, more, written = ["threshold", inspector, "--max-false-reject", "0.3"], [], [inspector]
        case 6:
            written = [one_of(random, "new.png", "widget/test/good/000.png", "new.svg", out)]
            words = ["describe", data, "--pictures", *written]
        case 7:
            words = ["fit", one_of(random, *INPUTS[1:]), "--out", out, *QUICK]
        case 8:
            words, more, written = ["info", inspector], [], []
        case 9:
            words = ["fit", one_of(random, "widget", data), "--out", "new.inspector", "--run", out, *QUICK]
            written = ["new.inspector", out]
        case 10:
            words = ["compare", "widget", "--grid", one_of(random, *INPUTS), "--out", out]
        case _:
            words = ["cross-validate", one_of(random, *INPUTS[3:]), "--out", out]
    return [*words, *more], written


def _may_change(
    path: bytes, written: list[object], before: dict[bytes, tuple[object, ...]], *, overwrite: bool
) -> bool:
    """Whether a path may be new or changed: an output, or below one; older ones where that was asked for."""
    mode = before.get(path, (0,))[0]
    replaced = overwrite or path.endswith(b".inspector")
    if path in before and stat.S_ISREG(int(str(mode))) and not replaced:
        return False
    if path in before and not stat.S_ISREG(int(str(mode))):
        return False
    check(not os.path.basename(path).startswith(b".knowngood"), f"left unfinished: {path!r}")  # noqa: PTH119
    for one in written:
        target = os.path.realpath(
            os.fsencode(str(one) if not isinstance(one, bytes) else one).replace(b"\0", b"")
        )
        if path == target or path.startswith(target + b"/"):
            return path not in before or path == target or b"results" in path
        if target.startswith(path + b"/") and path not in before:
            return True
    return False
