"""One run of a leaderboard: a detector is fitted, measured and reported in a process of its own.

So its peak memory is its own, and where the process crashes or takes too long, the other runs go on. A
finished run leaves a record, by which it is found again; nothing else of a run is read.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import warnings
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from multiprocessing import current_process, get_context, parent_process
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median
from threading import Thread
from time import monotonic, perf_counter
from typing import TYPE_CHECKING, Any, NamedTuple

import pandas as pd

from knowngood import PATIENCE
from knowngood.data.held import sources_of
from knowngood.data.product_names import folder_names
from knowngood.errors import KnowngoodError, RecipeError, shortened
from knowngood.inputs import LARGEST_TABLE, read_file
from knowngood.leaderboards.standings import Entry, figures_of
from knowngood.output import MARK, make_folder, replacing
from knowngood.report.folder import write_evaluation
from knowngood.types import Progress

if TYPE_CHECKING:
    from knowngood.detectors.base import Detector

RECORD = "run.json"
"""The file that a finished run leaves in its folder."""

OUT_OF_TIME = "the budget ended before it did"

_PROCESS = "knowngood leaderboard"
_PATIENCE = 10.0  # seconds in which a process that has sent all must end


@dataclass(frozen=True)
class Trial:
    """A run: the name of a detector, its settings, the seed, and what else makes it the same run again.

    `conditions` are the version and, by their names, all that runs of one leaderboard have in common.
    """

    detector: str
    settings: dict[str, Any]
    seed: int
    conditions: dict[str, Any]

    @property
    def folder(self) -> Path:
        """Its folder in that of the leaderboard."""
        return Path(*folder_names([self.detector]), f"seed{self.seed}")

    @property
    def title(self) -> str:
        """Its name in words."""
        return f"{self.detector}, seed {self.seed}"


class Missing(NamedTuple):
    """A run that did not finish: its `outcome`, which is `failed` or `left out`, and the reason."""

    detector: str
    seed: int
    outcome: str
    reason: str


def read_record(path: Path) -> tuple[Trial, Entry] | None:
    """Read what a finished run left; None where there is nothing, or it is damaged."""
    with suppress(OSError, ValueError, TypeError, KeyError):
        content = json.loads(read_file(path, LARGEST_TABLE))
        return Trial(**content["trial"]), Entry(**content["entry"])
    return None


def run_apart(
    trial: Trial, samples: pd.DataFrame, folder: Path, *, seconds: float | None, progress: Progress
) -> str:
    """Run a trial in a process of its own, which writes its record; return why it did not finish, or nothing.

    Args:
        trial: What to run.
        samples: The images, as of `load_samples`.
        folder: That of the leaderboard.
        seconds: After so many the process is ended; None for no limit.
        progress: Called with the stages of the run.

    Raises:
        RecipeError: The process imports a script that calls this function as it is imported.
    """
    context = get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_in_process, args=(trial, samples, folder, sender), name=_PROCESS)
    began = False
    end = None if seconds is None else monotonic() + seconds
    process.start()
    sender.close()
    try:
        while receiver.poll(None if end is None else max(0.0, end - monotonic())):
            message, began = receiver.recv(), True
            if isinstance(message, str):
                process.join(_PATIENCE)
                return message
            progress(*message)
        return OUT_OF_TIME
    except EOFError:
        process.join(_PATIENCE)
        if not began and process.exitcode == 1:
            raise RecipeError(
                "the process of a run could not start; in a script, call knowngood.leaderboard below "
                '`if __name__ == "__main__":`, since each process begins by importing the script'
            ) from None
        return _ended(process.exitcode)
    finally:
        process.kill()
        process.join()
        receiver.close()


def end_if_imported() -> None:
    """End this process if it is that of a run, which imports the script that began it."""
    if current_process().name == _PROCESS:
        sys.exit(1)


def _ended(code: int | None) -> str:
    """Say how a process ended that sent no reason."""
    if code == -signal.SIGKILL:
        return "its process was killed, which the system does where the memory is full"
    how = f"by {signal.Signals(-code).name}" if code and code < 0 else f"with status {code}"
    return f"its process ended {how}"


def _in_process(trial: Trial, samples: pd.DataFrame, folder: Path, sender: Connection) -> None:
    """Run a trial, and send its progress and at last why it did not finish, or an empty text."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which ends this process
    Thread(target=_end_with_parent, daemon=True).start()
    warnings.filterwarnings("ignore", module=r"PIL\.")
    for variable, value in PATIENCE.items():
        os.environ.setdefault(variable, value)
    sender.send(_why_not(trial, samples, folder, lambda *stage: sender.send(stage)))


def _why_not(trial: Trial, samples: pd.DataFrame, folder: Path, progress: Progress) -> str:
    """Run a trial; return why it did not finish, or an empty text."""
    try:
        _run(trial, samples, folder, progress)
    except KnowngoodError as error:
        return str(error)
    except Exception as error:  # noqa: BLE001 - a detector from outside may raise anything; others go on
        return shortened(f"{type(error).__name__}: {error}")
    return ""


def _end_with_parent() -> None:
    """Wait for the end of the parent, which may have been killed, and end without a word."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _run(trial: Trial, samples: pd.DataFrame, folder: Path, progress: Progress) -> None:
    """Fit, measure and report in the folder of the trial, and write its record last."""
    start = perf_counter()
    from knowngood.detectors.registry import make_detector

    own = folder / trial.folder
    make_folder(own)
    entry = _measure(make_detector(trial.detector, trial.settings), trial, samples, folder, progress)
    entry = replace(entry, seconds=perf_counter() - start)
    with replacing(own / RECORD, MARK) as unfinished:
        content = {"file": MARK, "trial": asdict(trial), "entry": asdict(entry)}
        unfinished.write_text(json.dumps(content, allow_nan=False))


def _measure(
    recipe: Detector, trial: Trial, samples: pd.DataFrame, folder: Path, progress: Progress
) -> Entry:
    """Fit an inspector, save it, and measure its speed, memory and accuracy."""
    from knowngood.inspector.evaluation import evaluate
    from knowngood.inspector.fit import fit
    from knowngood.inspector.speed import latencies, peak_memory

    file = folder / trial.folder / f"{trial.folder.parent}.inspector"
    start = perf_counter()
    inspector = fit(samples, recipe, seed=trial.seed, progress=progress)
    inspector.save(file)
    seconds = perf_counter() - start
    progress("measuring speed", 0, 1)
    some = samples[samples["label"] == "good"].head(1)
    cost = {
        "fit_seconds": seconds,
        "milliseconds": median(latencies(inspector, *sources_of(some))),
        "memory_gb": peak_memory(),  # before the evaluation, whose memory is not the detector's
        "megabytes": file.stat().st_size / 1e6,
    }
    progress("measuring speed", 1, 1)
    if not (samples["split"] == "test").any():
        return Entry(trial.detector, trial.seed, figures_of(inspector, None) | cost, [], [], [], "")
    evaluation = evaluate(inspector, samples, progress=progress)
    report = write_evaluation(evaluation, folder / trial.folder, progress=progress)
    scores = evaluation.scores
    return Entry(
        trial.detector,
        trial.seed,
        figures_of(inspector, evaluation) | cost,
        scores["path"].astype(str).tolist(),
        (scores["label"] == "defect").tolist(),
        scores["score"].tolist(),
        report.relative_to(folder).as_posix(),
    )
