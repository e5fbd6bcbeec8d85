"""The inspection station: `knowngood station` serves it, its commands check and keep it."""

from pathlib import Path
from typing import Annotated

import typer

from knowngood.extras import needs_extra

Data = Annotated[Path, typer.Option(help="The folder of its database, pictures and inspectors.")]
Database = Annotated[
    str | None, typer.Option(help="Another database, such as postgresql+psycopg://user@host/name.")
]
Storage = Annotated[str | None, typer.Option(help="Another place for pictures, such as s3://bucket/line.")]

station = typer.Typer(name="station", invoke_without_command=True, pretty_exceptions_enable=False)


@station.callback()
def serve_station(
    context: typer.Context,
    data: Data = Path("station"),
    database: Database = None,
    storage: Storage = None,
    host: Annotated[
        str, typer.Option(help="The address to listen on; 0.0.0.0 serves the network.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="The port to listen on.")] = 8321,
    tls_cert: Annotated[
        Path | None, typer.Option(help="A certificate, PEM; pages are then served by TLS.")
    ] = None,
    tls_key: Annotated[Path | None, typer.Option(help="Its private key, PEM.")] = None,
    workers: Annotated[int, typer.Option(help="Processes that inspect.")] = 1,
) -> None:
    """Serve an inspection station: pictures in, verdicts stored and shown. Ctrl-C stops it.

    At the first start it prints a link, by which the first administrator sets a password.

    Example: knowngood station --data ./station
    """
    if context.invoked_subcommand is not None:
        return
    with needs_extra():
        from knowngood.station.serve import serve
        from knowngood.station.settings import StationSettings

    serve(
        StationSettings(
            data=data,
            database=database,
            storage=storage,
            host=host,
            port=port,
            tls_cert=tls_cert,
            tls_key=tls_key,
            workers=workers,
        )
    )
