"""What happens, handed live to the pages that are open."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

BEHIND = 100
"""Events that a page may be behind; older ones are left out for it."""

BEAT_SECONDS = 10.0
"""How often a page hears something, so that it can tell a quiet line from a lost service."""

Event = dict[str, Any]


class Events:
    """Hands each event to all who listen, on one event loop."""

    def __init__(self) -> None:
        self._listeners: set[asyncio.Queue[Event | None]] = set()
        self._closed = False

    def publish(self, event: Event) -> None:
        """Hand an event to all who listen; to be called on the event loop."""
        for queue in self._listeners:
            if queue.full():
                queue.get_nowait()
            queue.put_nowait(event)

    async def listen(self) -> AsyncIterator[Event | None]:
        """Yield events as they come, and None where none came for `BEAT_SECONDS`, until the service stops."""
        queue: asyncio.Queue[Event | None] = asyncio.Queue(BEHIND)
        self._listeners.add(queue)
        try:
            while not self._closed:
                try:
                    yield await asyncio.wait_for(queue.get(), BEAT_SECONDS)
                except TimeoutError:
                    yield None
        finally:
            self._listeners.discard(queue)

    def close(self) -> None:
        """End all listening."""
        self._closed = True
        for queue in self._listeners:
            if queue.full():
                queue.get_nowait()
            queue.put_nowait(None)
