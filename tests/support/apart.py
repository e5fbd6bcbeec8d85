"""Run a script with Ultralytics apart from the tests: it changes settings of NumPy, OpenCV and torch."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import matplotlib as mpl

from .without_network import REFUSED

RUN = Path(__file__).with_name("without_network.py")
FONT = Path(mpl.get_data_path()) / "fonts/ttf/DejaVuSans.ttf"


def run_apart(script, *arguments, home, cwd=None):
    """Run it without a network and with a home of its own, and return what it wrote to standard output."""
    # Where Ultralytics finds itself under test, it writes beside its own files.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
    environment |= {"HOME": str(home), "YOLO_CONFIG_DIR": str(home)}
    environment |= {"YOLO_OFFLINE": "true", "YOLO_AUTOINSTALL": "false"}
    (home / "Ultralytics").mkdir(parents=True)
    shutil.copy(FONT, home / "Ultralytics/Arial.ttf")  # which it would download
    command = [sys.executable, str(RUN), str(script), *arguments]
    done = subprocess.run(command, env=environment, cwd=cwd or home, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert REFUSED not in done.stderr
    return done.stdout
