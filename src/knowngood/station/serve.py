"""Running a station: the address, the first link, and a stop that loses nothing."""

from __future__ import annotations

import os
import socket
import ssl
from collections.abc import Callable
from types import FrameType

import uvicorn

from knowngood.errors import StationError
from knowngood.station.accounts import first_link
from knowngood.station.app import make_app
from knowngood.station.context import Station
from knowngood.station.protocol import PatientProtocol
from knowngood.station.settings import StationSettings

STOP_SECONDS = 20
"""How long a stop waits for requests that are under way."""

IDLE_SECONDS = 15
"""How long a connection without a request stays open."""


class _Server(uvicorn.Server):
    """A server that ends live pages when it stops; it would wait for them."""

    station: Station

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Stop."""
        self.station.events.close()
        super().handle_exit(sig, frame)


def serve(settings: StationSettings, *, beside: Callable[[Station], None] = lambda _: None) -> None:
    """Run a station until it is stopped; `beside` is called before it takes requests.

    Prints its address, and while nobody has a password the link by which the first administrator sets one.

    Raises:
        StationError: The port is taken, the folder cannot be written, or the database cannot be used.
    """
    _check_tls(settings)
    listening = _listen(settings)
    try:
        config = uvicorn.Config(
            "",
            http=PatientProtocol,
            ws="none",
            log_level="warning",
            access_log=False,
            server_header=False,
            ssl_certfile=settings.tls_cert,
            ssl_keyfile=settings.tls_key,
            timeout_keep_alive=IDLE_SECONDS,
            timeout_graceful_shutdown=STOP_SECONDS,
        )
        station = Station(settings)
        config.app = make_app(settings, station)
        try:
            beside(station)
        except BaseException:
            station.close()
            raise
        if (link := first_link(station.database)) is not None:
            print(
                f"set up this station (once, within a day): {settings.address}/setup?link={link}", flush=True
            )
        print(f"station: {settings.address}", flush=True)
        server = _Server(config)
        server.station = station
        server.run([listening])
    finally:
        listening.close()


def _listen(settings: StationSettings) -> socket.socket:
    """An open port."""
    try:
        family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
        return socket.create_server((settings.host, settings.port), family=family, backlog=2048)
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else error
        raise StationError(
            f"port {settings.port} of {settings.host} cannot be used: {reason}; stop what "
            "uses it, or name another one (--port)"
        ) from error


def _check_tls(settings: StationSettings) -> None:
    """Read the certificate and its key before anything starts."""
    if settings.tls_cert is None:
        return
    try:
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(
            settings.tls_cert, settings.tls_key
        )
    except OSError as error:
        raise StationError(
            f"the certificate {str(settings.tls_cert)!r} and its key {str(settings.tls_key)!r} cannot be "
            f"used: {error}"
        ) from error
