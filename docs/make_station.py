"""Write the table of routes and roles into `docs/station.md`.

python docs/make_station.py
"""

from __future__ import annotations

import re
from pathlib import Path

from knowngood.station.access import ACCESS

PAGE = Path(__file__).resolve().parent / "station.md"


def table() -> str:
    """The table."""
    rows = "".join(f"| `{route}` | {least} |\n" for route, least in ACCESS.items())
    return f"| route | least role |\n|---|---|\n{rows}"


if __name__ == "__main__":
    text = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(
        re.sub(r"\| route \| least role \|\n(\|.*\n)*", lambda _: table(), text), encoding="utf-8"
    )
