"""`knowngood bench`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from knowngood.inspector.speed import Speed


def bench(
    data: Annotated[
        Path | None,
        typer.Argument(help="A folder of images, or a table; without it real solar cells, if installed."),
    ] = None,
    detector: Annotated[
        str | None, typer.Option(help="A name from `knowngood detectors`.", show_default="patchcore")
    ] = None,
    setting: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="One setting; may be repeated.")
    ] = None,
) -> None:
    """Measure how fast this machine learns and judges, and how far that is from its limits.

    Let nothing else run meanwhile; it takes about a minute beyond the fit.

    Example: knowngood bench widget/ --detector patchcore
    """
    from knowngood.cli.progress import progress_bars

    with progress_bars() as progress:
        from knowngood.data.elpv import load_elpv
        from knowngood.detectors import DETECTORS
        from knowngood.errors import DataError
        from knowngood.inspector.speed import measure_speed

        chosen = DETECTORS.choose(detector, None, setting or [])
        try:
            images = load_elpv() if data is None else data
        except DataError as error:
            raise DataError(f"{error}, or name a folder of your own images") from error
        speed = measure_speed(images, chosen, progress=progress)
    for line in speed_lines(speed):
        typer.echo(line)


def speed_lines(speed: Speed) -> list[str]:
    """The measurements in aligned lines: name, value, unit, and what it is."""
    import os

    height, width = speed.input_shape
    per_image = 1e3 * speed.fit / speed.learned_from
    memory = "-" if speed.memory is None else f"{speed.memory:.2f}"
    backbone = "-" if speed.backbone is None else f"{speed.backbone:.1f}"
    rows = [
        (
            "fit",
            f"{speed.fit:.1f}",
            "s",
            f"{speed.learned_from} files to a saved inspector, {per_image:.0f} ms each",
        ),
        ("peak memory", memory, "GB", "of this process, after learning and judging"),
        ("decode only", f"{speed.decode:.1f}", "images/s", f"files to {height} x {width} pixels"),
        ("backbone only", backbone, "images/s", "pixels to features"),
        ("graph only", f"{speed.graph:.1f}", "images/s", "pixels to score and map"),
        ("score", f"{speed.score:.1f}", "images/s", "files to verdicts"),
        ("one image", f"{speed.latency:.1f}", "ms", "decoded image to verdict, median"),
        ("", f"{speed.latency_95:.1f}", "ms", "95 % of the calls are faster"),
        ("arithmetic", f"{speed.multiply_adds / 1e9:.2f}", "G", "multiply-adds an image"),
        ("machine's peak", f"{speed.peak:.0f}", "GFLOP/s", "float32 matrix product, 2048 x 2048"),
        ("score / decode", f"{speed.score_of_decode:.0%}", "", "at 100 %, reading the files is the limit"),
        (
            "graph / peak",
            f"{speed.graph_of_peak:.0%}",
            "",
            "at 100 %, float32 arithmetic is the limit; 8 bits may pass it",
        ),
        ("score / peak", f"{speed.score_of_peak:.0%}", "", "the same, with the files read"),
    ]
    heading = (
        f"{speed.detector} on {os.cpu_count()} cores with {speed.instructions}; {speed.images} images a round"
    )
    return [heading, *(f"{name:15}{value:>9} {unit:9} {meaning}" for name, value, unit, meaning in rows)]
