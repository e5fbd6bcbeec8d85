"""Crafted graphs, files, tables, names, pictures and kills, by the thousand; see `docs/security.md`.

`python -m tests.fuzz` runs all of them for an hour, `python -m tests.fuzz graphs --seed 17` one again.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterable, Iterator

from .runner import CORPUS, SORTS, Found, corpus, prepared, run


def main() -> None:
    """Run cases of each sort, print what they found, and add it to the corpus."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument(
        "sorts", nargs="*", metavar="SORT", help=f"of {', '.join(SORTS)}; all if none is named"
    )
    parser.add_argument(
        "--cases", type=int, help="fresh cases of each sort; as many as promised if not given"
    )
    parser.add_argument("--minutes", type=float, default=60.0, help="for all sorts together")
    parser.add_argument("--first", type=int, help="the first seed; one that depends on the time if not given")
    parser.add_argument("--seed", type=int, help="run this case alone")
    given = parser.parse_args()
    first = int(time.time()) if given.first is None else given.first
    until, whole = time.monotonic() + 60 * given.minutes, True
    with prepared() as root:
        for sort in given.sorts or SORTS:
            start = time.monotonic()
            fresh = range(first, first + (given.cases or SORTS[sort]))
            seeds = [*dict.fromkeys([*corpus(sort), *fresh])] if given.seed is None else [given.seed]
            found = list(_recorded(run([(sort, seed) for seed in seeds], root, until)))
            whole &= len(found) == len(seeds) and not any(found)
            took = time.monotonic() - start
            print(
                f"{sort}: {len(found)} cases of {len(seeds)}, {sum(found)} findings, {took:.0f} s", flush=True
            )
    sys.exit(not whole)


def _recorded(results: Iterable[Found | None]) -> Iterator[bool]:
    """Print what cases found, and add it to the corpus; yields whether each found something."""
    for done, one in enumerate(results, 1):
        if done % 100 == 0:
            print(f"{done} cases", flush=True)
        if one is not None:
            print(f"{one.line}\n{one.what[:3000]}\n", flush=True)
            if one.seed not in corpus(one.sort):
                with CORPUS.open("a", encoding="utf-8") as file:
                    file.write(f"{one.line}\n")
        yield one is not None


if __name__ == "__main__":
    main()
