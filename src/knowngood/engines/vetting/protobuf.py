"""Messages in the encoding of Protocol Buffers, read strictly and without a library.

Other readers forgive a lot: fields that they do not know, a field given twice, a number in another encoding.
Here all of that is refused, so that no other reader finds in the same bytes what was not found here.
"""

from __future__ import annotations

import struct
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

LONGEST_TEXT = 1000
"""No text is longer, in bytes; ours have up to some hundred."""

REQUIRED = object()
"""The default of a field that has to be there."""

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


@dataclass(frozen=True)
class Field:
    """One field of a message.

    Args:
        name: What it is called.
        read: Makes a value of what was encoded.
        wire: How it is encoded, by the number that the encoding has.
        default: What it is where it is not given.
        most: How often it may be given, for a list; 0 for a single value.
        most_bytes: How many bytes it may have in all, so that reading it takes no time to speak of.
    """

    name: str
    read: Callable[[Any], Any]
    wire: int
    default: Any = None
    most: int = 0
    most_bytes: int = sys.maxsize


@dataclass(frozen=True)
class Message:
    """A sort of message.

    Args:
        name: What it is called.
        fields: The fields that it may have, by number.
        refused: What is refused with a name of its own, by number.
    """

    name: str
    fields: Mapping[int, Field]
    refused: Mapping[int, str] = field(default_factory=dict)


def integer(name: str, default: Any = 0, *, most: int = 0) -> Field:
    """A signed whole number of 64 bits."""
    return Field(name, _signed, _VARINT, default, most)


def real(name: str, default: Any = None) -> Field:
    """A number in float32."""
    return Field(name, lambda raw: struct.unpack("<f", raw)[0], _FIXED32, default)


def text(name: str, default: Any = "", *, most: int = 0) -> Field:
    """A short text of characters that can be printed."""
    return Field(name, _text, _BYTES, default, most)


def raw(name: str) -> Field:
    """Bytes as they are."""
    return Field(name, memoryview, _BYTES, memoryview(b""))


def ignored(name: str) -> Field:
    """Bytes that nobody reads, such as comments."""
    return Field(name, len, _BYTES, 0)


def within(
    name: str, message: Message, default: Any = None, *, most: int = 0, most_bytes: int = sys.maxsize
) -> Field:
    """A message in the message. Each sort holds but others, so that the depth has an end."""
    return Field(name, lambda content: read(content, message), _BYTES, default, most, most_bytes)


def read(data: memoryview, message: Message) -> dict[str, Any]:
    """Read a message: the value of each field by its name.

    Raises:
        ValueError: It is damaged, or has what it must not have.

    Example:
        >>> sides = Message("shape", {1: integer("side", most=8), 2: text("name")})
        >>> read(memoryview(bytes([8, 5, 8, 7])), sides)
        {'side': [5, 7], 'name': ''}
    """
    found: dict[str, Any] = {known.name: [] for known in message.fields.values() if known.most}
    sizes: dict[str, int] = {}
    for number, wire, content in fields(data):
        known = message.fields.get(number)
        if known is None:
            if number in message.refused:
                raise ValueError(f"it has {message.refused[number]}, which no inspector has")
            raise ValueError(f"it is damaged: a {message.name} has no field {number}")
        if known.most:
            if wire == _BYTES:
                sizes[known.name] = sizes.get(known.name, 0) + len(content)
            if len(found[known.name]) >= known.most or sizes.get(known.name, 0) > known.most_bytes:
                raise ValueError(f"a {message.name} of it has too many of what is called {known.name!r}")
            if wire == known.wire:
                found[known.name].append(known.read(content))
            else:
                found[known.name].extend(_packed(message, known, wire, content))
        elif wire != known.wire or known.name in found:
            raise ValueError(f"it is damaged: {known.name!r} of a {message.name} is not there just once")
        else:
            found[known.name] = known.read(content)
    for known in message.fields.values():
        if known.name not in found:
            if known.default is REQUIRED:
                raise ValueError(f"it is damaged: a {message.name} has no {known.name!r}")
            found[known.name] = known.default
    return found


def _packed(message: Message, known: Field, wire: int, content: Any) -> Iterator[Any]:
    """The numbers of a repeated field that stand together in one."""
    if (known.wire, wire) != (_VARINT, _BYTES):
        raise ValueError(f"it is damaged: {known.name!r} of a {message.name} is encoded in another way")
    if len(content) > 10 * known.most:
        raise ValueError(f"a {message.name} of it has too many of what is called {known.name!r}")
    place = 0
    while place < len(content):
        value, place = _varint(content, place)
        yield known.read(value)


def fields(data: memoryview) -> Iterator[tuple[int, int, Any]]:
    """Go through a message: the number of each field, how it is encoded, and what is."""
    place = 0
    while place < len(data):
        key, place = _varint(data, place)
        wire = key & 7
        if wire == _VARINT:
            value, place = _varint(data, place)
            yield key >> 3, wire, value
            continue
        if wire == _BYTES:
            size, place = _varint(data, place)
        else:
            size = {_FIXED32: 4, _FIXED64: 8}.get(wire, -1)
        if not 0 <= size <= len(data) - place:
            raise ValueError("it is damaged or was cut off")
        yield key >> 3, wire, data[place : place + size]
        place += size


def encoded(number: int, content: int | bytes | memoryview) -> bytes:
    r"""One field of a message: a number that is not negative, or bytes.

    Example:
        >>> encoded(1, 5), encoded(2, b"ab")
        (b'\x08\x05', b'\x12\x02ab')
    """
    if isinstance(content, int):
        return _encoded_number(number << 3 | _VARINT) + _encoded_number(content)
    return _encoded_number(number << 3 | _BYTES) + _encoded_number(len(content)) + bytes(content)


def _encoded_number(value: int) -> bytes:
    """A whole number in groups of seven bits."""
    groups = bytearray()
    while value > 127:
        groups.append(value & 127 | 128)
        value >>= 7
    return bytes(groups) + bytes([value])


def _varint(data: memoryview, place: int) -> tuple[int, int]:
    """A whole number from 0 to 2**64 - 1, in groups of seven bits, and the place behind it."""
    value = shift = 0
    while place < len(data) and shift < 70:
        byte = data[place]
        value |= (byte & 127) << shift
        place, shift = place + 1, shift + 7
        if byte < 128 and value < 1 << 64:
            return value, place
    raise ValueError("it is damaged or was cut off")


def _signed(value: int) -> int:
    return value - (1 << 64) if value >= 1 << 63 else value


def _text(content: memoryview) -> str:
    if len(content) > LONGEST_TEXT:
        raise ValueError(f"it has a name of {len(content)} bytes; none has more than {LONGEST_TEXT}")
    try:
        value = bytes(content).decode()
    except UnicodeDecodeError as error:
        raise ValueError("it is damaged: a name is not UTF-8") from error
    if not value.isprintable():
        raise ValueError(f"it has a name of characters that cannot be printed: {value!a:.60}")
    return value
