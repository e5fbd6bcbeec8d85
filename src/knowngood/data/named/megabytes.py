"""Sizes of files in megabytes, as people read them."""

from __future__ import annotations

from collections.abc import Callable

from knowngood.types import Progress

MB = 10**6


def in_megabytes(progress: Progress, stage: str, total: int) -> Callable[[int], None]:
    """Return what reports bytes as megabytes, and none twice.

    Example:
        >>> report = in_megabytes(print, "downloading", 2 * MB)
        >>> for done in (0, 1_200_000, 1_300_000, 2 * MB):
        ...     report(done)
        downloading, MB 0 2
        downloading, MB 1 2
        downloading, MB 2 2
    """
    most, last = max(1, round(total / MB)), -1

    def report(done: int) -> None:
        nonlocal last
        now = most if done >= total else min(most, done // MB)
        if now != last:
            last = now
            progress(f"{stage}, MB", now, most)

    return report


def size_in_words(size: int) -> str:
    """Return a size as people say it.

    Example:
        >>> size_in_words(148_400_000), size_in_words(5_264_982_680), size_in_words(4_542)
        ('148 MB', '5.3 GB', '1 MB')
    """
    return f"{size / 1000 / MB:.1f} GB" if size >= 1000 * MB else f"{max(1, round(size / MB))} MB"
