"""A server on this machine that publishes files, and answers as well or as badly as a test wants."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Publisher:
    """What is published, and what was asked for and sent."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.files: dict[str, bytes] = {}
        self.tags: dict[str, str] = {}  # `ETag` of a file; without one no version is stated
        self.asked: list[str] = []  # the header `Range` of each request, empty without one
        self.sent: list[int] = []  # bytes of each answer
        self.badly: list[Callable[[Any, bytes], bytes]] = []  # for the next requests in turn

    def publish(self, name: str, content: bytes, tag: str = '"1"') -> str:
        """Publish a file, and return its address."""
        self.files[name], self.tags[name] = content, tag
        return f"{self.address}/{name}"


@contextmanager
def publishing() -> Iterator[Publisher]:
    """Run the server as long as the context lasts."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            publisher.asked.append(self.headers.get("Range", ""))
            publisher.sent.append(0)
            self.close_connection = True
            badly = publisher.badly.pop(0) if publisher.badly else None
            try:
                if badly is None:
                    answer(self)
                else:
                    badly(self)
            except OSError:
                pass  # the client has gone

        def log_message(self, *_):
            pass

        def send(self, body: bytes):
            for start in range(0, len(body), 1 << 14):
                block = body[start : start + (1 << 14)]
                self.wfile.write(block)
                publisher.sent[-1] += len(block)
            self.wfile.flush()

        def answer(self, **changes):
            answer(self, **changes)

    def answer(handler, *, ranges=True, cut=None, length=None, condition=True, kind="application/x-tar"):
        """Answer as a server should, but for what is changed."""
        name = handler.path.lstrip("/")
        body, tag = publisher.files.get(name), publisher.tags.get(name)
        if body is None:
            return handler.send_error(404)
        asked = re.fullmatch(r"bytes=(\d+)-", handler.headers.get("Range", ""))
        same = handler.headers.get("If-Range", tag) == tag or not condition
        start = int(asked[1]) if asked and ranges and same else 0
        if asked and ranges and same and start >= len(body):
            handler.send_response(416)
            handler.send_header("Content-Range", f"bytes */{len(body)}")
            handler.send_header("Content-Length", "0")
            return handler.end_headers()
        part = body[start:]
        handler.send_response(206 if start else 200)
        handler.send_header("Content-Type", kind)
        handler.send_header("Content-Length", str(len(part) if length is None else length))
        if start:
            handler.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
        if tag:
            handler.send_header("ETag", tag)
        handler.end_headers()
        handler.send(part[:cut])
        return None

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    publisher = Publisher(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield publisher
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
