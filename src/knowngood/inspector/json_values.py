"""Values from JSON, which may come from a stranger, against the fields of a class."""

from __future__ import annotations

import dataclasses
import sys
import types
import typing
from collections.abc import Mapping, Sequence
from typing import Any

from knowngood.errors import InspectorError, quoted


def check_values(
    values: Mapping[str, Any], cls: type, allowed: Mapping[str, Sequence[Any]], name: str
) -> None:
    """Check that the values have exactly the fields of a class, each with a value of its type.

    Of the fields in `allowed`, only these values are; messages have the name of the file.

    Raises:
        InspectorError: They do not.
    """
    hints = typing.get_type_hints(cls)
    for key in values.keys() - hints.keys():
        raise InspectorError(f"{name!r}: its manifest has an unknown key {quoted(key)}")
    for key, of_key in hints.items():
        if key not in values:
            raise InspectorError(f"{name!r}: its manifest lacks {key!r}")
        if not fits(values[key], of_key) or (key in allowed and values[key] not in allowed[key]):
            raise InspectorError(f"{name!r}: its manifest has a wrong value for {key!r}")


def fits(value: Any, type_: Any) -> bool:
    """Check that a value from JSON fits the type of a field, where whole numbers are counts.

    Example:
        >>> fits([1, 2], list[int]), fits([1, -2], list[int])
        (True, False)
    """
    origin, arguments = typing.get_origin(type_) or type_, typing.get_args(type_)
    if origin is types.UnionType:
        return any(fits(value, one) for one in arguments)
    if origin is list:
        return isinstance(value, list) and all(fits(item, arguments[0]) for item in value)
    if origin is tuple:
        return isinstance(value, list) and len(value) == len(arguments) and all(map(fits, value, arguments))
    if origin is dict:
        return isinstance(value, dict) and all(fits(item, arguments[1]) for item in value.values())
    if isinstance(value, bool):
        return origin is bool
    if origin is int:
        return isinstance(value, int) and value >= 0
    if origin is float:
        # The bound also excludes infinity and NaN, and whole numbers that no float can hold.
        return isinstance(value, int | float) and abs(value) <= sys.float_info.max
    return isinstance(value, dict if dataclasses.is_dataclass(origin) else origin)
