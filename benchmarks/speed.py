"""Speed beside anomalib's, in pairs of the same run, and how a fit grows; writes the results table.

    python benchmarks/speed.py [--pairs 3]    # about 10 minutes a pair; `make bench` makes anomalib ready
    python benchmarks/speed.py growth         # fits of 500, 2,000 and 20,000 images
    python benchmarks/speed.py alone          # one image at a time, in processes that only judge
    python benchmarks/speed.py beside         # on idle cores, and beside a busy process for each, in turn
    python benchmarks/speed.py ... --avx2     # any of these, as on a processor with AVX2 alone

Both sides take the same 1024² transistors, one network (EfficientNet-Lite0) with the same weights, and
PatchCore on the CPU. anomalib keeps as many patches as one of our two memory banks: its default, a tenth of
all, would take most of an hour for the coreset alone. Our times are those of whole cold processes, start-up
included, unless the figure says `running`; anomalib's are counted inside its process: the fit with its
imports, the prediction when all is loaded. ONNX Runtime has no switch that keeps it from newer instructions,
but does no arithmetic in these figures.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
from pathlib import Path
from typing import Any

import pandas as pd

import transistors
from knowngood.engines.processor import instruction_set, processor
from process import AVX2_ALONE, busy_cores, run

HERE = Path(__file__).resolve().parent
TABLE = HERE / "results" / "speed.csv"
KNOWNGOOD = str(Path(sys.executable).parent / "knowngood")
PEER_PYTHON = HERE.parent / ".venv-anomalib" / "bin" / "python"
CORESET = 3000
SIZES = (500, 2_000, 20_000)

ASKED = {
    "png: anomalib / fit": "at least 20",
    "png: anomalib / score, running": "at least 10",
    "png: score, running / fastest decoder": "at least 0.7",
    "jpeg: score, running throughput": "at least 60",
    "png: one decoded image": "at most 15",
    "png: one decoded image, in a process that only judges": "at most 15",
    "png: score, running / fp32 peak": "at least 0.6",
    "png: fit, peak memory": "at most 1.5",
    "20000 images: peak memory": "at most 2",
    "20000 images: coreset": "at most 0.5",
    "png: knowngood --help": "at most 0.25",
    "png: score of one image, whole process": "at most 1",
    "png: 8 bits / float32, graph": "at most 2",
    "png: 8 bits / float32, distances while learning": "at most 2",
    "png: fit, beside busy processes / on idle cores, processor time": "at most 1.2",
}
"""What was asked of a figure, where something was."""


def ours(root: Path, peer_python: Path) -> dict[str, float]:
    """Our figures of one run; the first fit finds an empty cache, as on a fresh machine."""
    with tempfile.TemporaryDirectory() as folder:
        cache, inspector, table = (Path(folder) / name for name in ("cache", "out.inspector", "scores.csv"))
        fit = [KNOWNGOOD, "fit", str(root), "--out", str(inspector)]
        first = run(fit, cache)
        again = run(fit, cache)
        score = run([KNOWNGOOD, "score", str(inspector), str(root / "test"), "--out", str(table)], cache)
        one = next((root / "test" / "good").iterdir())
        one_image = run([KNOWNGOOD, "score", str(inspector), str(one)], cache)
        start_up = run([KNOWNGOOD, "--help"], cache)
        scores = pd.read_csv(table)
        warm = json.loads(
            run([sys.executable, str(HERE / "measures.py"), "warm", str(root)], cache).last_line
        )
        python = str(peer_python) if peer_python.exists() else sys.executable
        others = json.loads(run([python, str(HERE / "decoders.py"), str(root)], cache).last_line)
    return {
        "first fit on a machine [s]": first.seconds,
        "fit [s]": again.seconds,
        "fit, processor time [s]": again.processor_seconds,
        "fit, peak memory [GB]": max(first.memory, again.memory),
        "score of all test images, whole process [s]": score.seconds,
        "score, whole process [ms/image]": 1e3 * score.seconds / len(scores),
        "score, running [ms/image]": 1e3 / warm["score"],
        "score, running throughput [images/s]": warm["score"],
        "score, peak memory [GB]": score.memory,
        "decode only [images/s]": warm["decode only"],
        **{f"decode only, {name} [images/s]": rate for name, rate in others.items()},
        "score, running / fastest decoder [share]": warm["score"]
        / max(warm["decode only"], *others.values()),
        "graph only [images/s]": warm["graph only"],
        **({} if warm["backbone only"] is None else {"backbone only [images/s]": warm["backbone only"]}),
        "graph / fp32 peak [share]": warm["graph / limit"],
        "score, running / fp32 peak [share]": warm["score / limit"],
        "fp32 peak [GFLOP/s]": warm["float32 limit"],
        "one decoded image [ms]": warm["one image"],
        "one decoded image, 95th percentile [ms]": warm["one image, 95 %"],
        "score of one image, whole process [s]": one_image.seconds,
        "knowngood --help [s]": start_up.seconds,
        "image AUROC [1]": auroc(scores),
    }


def auroc(scores: pd.DataFrame) -> float:
    """Image AUROC of a table of `knowngood score`, by the names of the images' folders."""
    from knowngood.metrics.ranking import auroc as of_labels

    return of_labels([Path(path).parent.name != "good" for path in scores["path"]], scores["score"])


def theirs(root: Path, python: Path, our: dict[str, float]) -> dict[str, float]:
    """anomalib's figures of one run, and the ratios to ours of the same pair."""
    command = [str(python), str(HERE / "anomalib_peer.py"), str(root), "--coreset", str(CORESET)]
    with tempfile.TemporaryDirectory() as cache:
        peer = json.loads(run(command, Path(cache)).last_line)
    per_image = 1e3 * peer["predict"] / peer["images"]
    return {
        "anomalib: fit [s]": peer["fit"],
        "anomalib: its imports, within the fit [s]": peer["import"],
        "anomalib: predict [ms/image]": per_image,
        "anomalib: fit, peak memory [GB]": peer["fit_memory"],
        "anomalib: patches kept [1]": peer["memory_bank"],
        "anomalib: image AUROC [1]": peer["image_auroc"],
        "anomalib / first fit on a machine [ratio]": peer["fit"] / our["first fit on a machine [s]"],
        "anomalib / fit [ratio]": peer["fit"] / our["fit [s]"],
        "anomalib / score, whole process [ratio]": per_image / our["score, whole process [ms/image]"],
        "anomalib / score, running [ratio]": per_image / our["score, running [ms/image]"],
    }


def compare(options: argparse.Namespace, folder: Path) -> list[dict[str, float]]:
    """All figures of each pair of runs: ours, then anomalib's, ours, then anomalib's."""
    roots = {kind: transistors.make(folder, kind, options.limit) for kind in transistors.KINDS}
    runs = []
    for pair in range(options.pairs):
        for kind, root in roots.items():
            figures = ours(root, options.peer_python)
            if kind == "png":
                rounded = run([sys.executable, str(HERE / "measures.py"), "arithmetic", str(root)], folder)
                for part, ratio in json.loads(rounded.last_line).items():
                    figures[f"8 bits / float32, {part} [ratio]"] = ratio
            if kind == "png" and pair < options.peer_runs:
                figures |= theirs(root, options.peer_python, figures)
            runs.append({f"{kind}: {name}": value for name, value in figures.items()})
            print(pd.Series(runs[-1]).round(4).to_string(), flush=True)
    return runs


def grow(options: argparse.Namespace, folder: Path) -> list[dict[str, float]]:
    """Seconds, peak memory and the coreset's share of fits of more and more images."""
    root = transistors.make(folder, "png", options.limit)
    runs = []
    for size in sorted({min(size, options.limit or size) for size in SIZES}):
        many = transistors.repeat(root, folder / str(size), size)
        done = run([sys.executable, str(HERE / "measures.py"), "growth", str(many)], folder / "cache")
        fit: dict[str, Any] = json.loads(done.last_line)
        figures = {
            "fit [s]": fit["fit"],
            "peak memory [GB]": done.memory,
            "coreset [share]": fit["coreset_share"],
        }
        figures |= {f"until the end of {stage!r} [s]": end for stage, end in fit["stage_ends"].items()}
        runs.append({f"{size} images: {name}": value for name, value in figures.items()})
        print(pd.Series(runs[-1]).round(4).to_string(), flush=True)
    return runs


def judge_alone(options: argparse.Namespace, folder: Path) -> list[dict[str, float]]:
    """Milliseconds for one decoded image, in a fresh process each time."""
    root = transistors.make(folder, "png", options.limit)
    run([KNOWNGOOD, "fit", str(root), "--out", str(root / "fitted.inspector")], folder / "cache")
    command = [sys.executable, str(HERE / "measures.py"), "alone", str(root)]
    runs = [json.loads(run(command, folder / "cache").last_line) for _ in range(options.pairs)]
    return [{"png: one decoded image, in a process that only judges [ms]": one["latency"]} for one in runs]


def beside(options: argparse.Namespace, folder: Path) -> list[dict[str, float]]:
    """A fit and a run of `score` on idle cores, and beside a busy process for each core, in turn."""
    root = transistors.make(folder, "png", options.limit)
    inspector, table = str(root / "fitted.inspector"), str(root / "scores.csv")
    commands = {
        "fit": [KNOWNGOOD, "fit", str(root), "--out", inspector],
        "score": [KNOWNGOOD, "score", inspector, str(root / "test"), "--out", table],
    }
    for command in commands.values():
        run(command, folder / "cache")  # not counted: what is converted and compiled is kept
    runs = []
    for _ in range(options.pairs):
        idle = {name: run(command, folder / "cache") for name, command in commands.items()}
        with busy_cores():
            shared = {name: run(command, folder / "cache") for name, command in commands.items()}
        figures = {}
        for name in commands:
            words = f"png: {name}, beside busy processes / on idle cores"
            figures[f"{words} [ratio]"] = shared[name].seconds / idle[name].seconds
            processor_times = (shared[name].processor_seconds, idle[name].processor_seconds)
            figures[f"{words}, processor time [ratio]"] = processor_times[0] / processor_times[1]
        runs.append(figures)
        print(pd.Series(runs[-1]).round(4).to_string(), flush=True)
    return runs


def write(runs: list[dict[str, float]], command: str, out: Path) -> None:
    """Put the least, median and largest value of each figure into the table, in place of older ones."""
    rows = []
    table = pd.DataFrame(runs)
    for column in table:
        name, _, unit = str(column).removesuffix("]").partition(" [")
        values = table[column].dropna()
        rows.append(
            {
                "figure": name,
                "unit": unit,
                "min": float(f"{values.min():.4g}"),
                "median": float(f"{values.median():.4g}"),
                "max": float(f"{values.max():.4g}"),
                "runs": len(values),
                "asked": ASKED.get(name, ""),
                "instructions": instruction_set(),
                "command": command,
                "machine": f"{processor() or platform.machine()}, {os.cpu_count()} cores",
            }
        )
    new = pd.DataFrame(rows)
    if out.exists():
        before = pd.read_csv(out, keep_default_na=False)
        replaced = before["figure"].isin(new["figure"]) & (before["instructions"] == instruction_set())
        new = pd.concat([before[~replaced], new])
    new.to_csv(out, index=False)


MEASURES = {"compare": compare, "growth": grow, "alone": judge_alone, "beside": beside}


def main() -> None:
    """Measure what is asked for and write the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", nargs="?", choices=tuple(MEASURES), default="compare")
    parser.add_argument("--pairs", type=int, default=3, help="runs of ours and anomalib's, in turn")
    parser.add_argument("--peer-runs", type=int, help="pairs in which anomalib runs; without it all")
    parser.add_argument("--peer-python", type=Path, default=PEER_PYTHON, help="anomalib's Python")
    parser.add_argument("--avx2", action="store_true", help="keep all libraries from newer instructions")
    parser.add_argument("--limit", type=int, help="images of each folder, for a dry run; needs --out")
    parser.add_argument("--out", type=Path, default=TABLE, help="the table to write")
    options = parser.parse_args()
    if options.peer_runs is None:
        options.peer_runs = options.pairs
    if options.limit is not None and options.out == TABLE:
        parser.error("a dry run (--limit) must not replace the committed table; give --out")
    if options.what == "compare" and options.peer_runs and not options.peer_python.exists():
        parser.error(f"anomalib's environment is not there ({options.peer_python}); `make bench` makes it")
    if options.avx2:
        os.environ.update(AVX2_ALONE)
    words = ["python benchmarks/speed.py", options.what, f"--pairs {options.pairs}"]
    words += ["--avx2"] if options.avx2 else []
    with tempfile.TemporaryDirectory() as folder:
        write(MEASURES[options.what](options, Path(folder)), " ".join(words), options.out)


if __name__ == "__main__":
    main()
