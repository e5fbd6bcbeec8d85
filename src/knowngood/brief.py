"""Short representations of objects that hold long lists, arrays and tables."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection
from typing import Any

from knowngood.errors import quoted

_FEW = 20
"""Items of a list that are written out."""


def brief(self: Any) -> str:
    """The `__repr__` of a dataclass: its fields, with the size of large ones in place of what is in them.

    Example:
        >>> @dataclasses.dataclass
        ... class Run:
        ...     name: str
        ...     losses: list[float]
        ...     __repr__ = brief
        >>> Run("a", [0.0] * 500)
        Run(name='a', losses=<500 items>)
    """
    fields = (f"{field.name}={_short(getattr(self, field.name))}" for field in dataclasses.fields(self))
    return f"{type(self).__name__}({', '.join(fields)})"


def _short(value: Any) -> str:
    """One value, or what it is and how large."""
    if hasattr(value, "shape"):
        return f"<{type(value).__name__} {' x '.join(map(str, value.shape))}>"
    if isinstance(value, bytes):
        return f"<{len(value):,} bytes>"
    if isinstance(value, Collection) and not isinstance(value, str):
        plain = len(value) <= _FEW and not any(isinstance(item, Collection) for item in value)
        return quoted(value) if plain else f"<{len(value):,} items>"
    return repr(value) if dataclasses.is_dataclass(value) else quoted(value)
