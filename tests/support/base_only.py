"""The program, as where no extra is installed: `python base_only.py score widget.inspector new/`."""

import sys

from knowngood.cli.app import main
from knowngood.extras import EXTRAS

ABSENT = {library for libraries in EXTRAS.values() for library in libraries}


class Absent:
    """Finds no library that an extra brings."""

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ABSENT:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


if __name__ == "__main__":
    sys.meta_path.insert(0, Absent())
    main()
