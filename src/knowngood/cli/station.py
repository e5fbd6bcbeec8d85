"""The inspection station: `knowngood station` serves it, its commands check and keep it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from knowngood.cli import options
from knowngood.cli.progress import progress_bars
from knowngood.extras import needs_extra

if TYPE_CHECKING:
    from knowngood.station.context import Records

Data = Annotated[Path, typer.Option(help="The folder of its database, pictures and inspectors.")]
Database = Annotated[
    str | None, typer.Option(help="Another database, such as postgresql+psycopg://user@host/name.")
]
Storage = Annotated[str | None, typer.Option(help="Another place for pictures, such as s3://bucket/line.")]
Port = Annotated[int, typer.Option(help="The port to listen on.")]

FOLDER = Path("station")


def station(
    context: typer.Context,
    data: Data = FOLDER,
    database: Database = None,
    storage: Storage = None,
    host: Annotated[
        str, typer.Option(help="The address to listen on; 0.0.0.0 serves the network.")
    ] = "127.0.0.1",
    port: Port = 8321,
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


def station_demo(data: Data = FOLDER, port: Port = 8321) -> None:
    """Serve a station with a product of real solar cells, and a line that sends pictures of them.

    Example: knowngood station demo --data ./station
    """
    with needs_extra():
        from knowngood.station import demo
        from knowngood.station.serve import serve
        from knowngood.station.settings import StationSettings

    settings = StationSettings(data=data, port=port)

    def begin(running: "Records") -> None:
        typer.echo("fitting an inspector to solar cells, unless it is there (half a minute)", err=True)
        demo.play(settings.address, demo.prepare(running))

    serve(settings, beside=begin)


def station_verify(data: Data = FOLDER, database: Database = None, storage: Storage = None) -> None:
    """Check that no record was altered, removed or reordered, and that every picture is there.

    The exit status is 1 where something is wrong. It may run beside the station.

    Example: knowngood station verify --data ./station
    """
    records = _records(data, database, storage)
    from knowngood.station.verify import verify

    with progress_bars() as progress:
        problems = verify(records, progress)
    records.close()
    for problem in problems:
        typer.echo(problem)
    typer.echo(f"{len(problems)} problems" if problems else "the records are as they were written", err=True)
    if problems:
        raise typer.Exit(1)


def station_replay(
    number: Annotated[int, typer.Argument(help="The number of a verdict.", min=1)],
    data: Data = FOLDER,
    database: Database = None,
    storage: Storage = None,
) -> None:
    """Inspect the kept picture of a verdict again, and compare; the exit status is 1 where they differ.

    Example: knowngood station replay 17 --data ./station
    """
    records = _records(data, database, storage)
    from knowngood.station.replay import replay_number

    found = replay_number(records, number)
    records.close()
    typer.echo(f"then {found.decision}, score {found.score:.6g}")
    typer.echo(f"now  {found.decision_now}, score {found.score_now:.6g}")
    for problem in found.problems:
        typer.echo(problem)
    if not found.agrees:
        raise typer.Exit(1)


def station_backup(
    out: Annotated[Path, typer.Argument(help="The .tar file to write.")],
    data: Data = FOLDER,
    storage: Storage = None,
    overwrite: options.Overwrite = False,
) -> None:
    """Back a station up, also while it runs: database, inspectors, pictures and the key of the audit log.

    Example: knowngood station backup monday.tar --data ./station
    """
    records = _records(data, None, storage)
    from knowngood.station.backup import back_up

    with progress_bars() as progress:
        back_up(records, out, progress, overwrite=overwrite)
    records.close()
    typer.echo(f"backed up: {out}")


def station_restore(
    file: Annotated[Path, typer.Argument(help="A back-up.")],
    data: Annotated[Path, typer.Option(help="The folder to restore to, which is empty or not there.")],
) -> None:
    """Restore a back-up into a new folder.

    Example: knowngood station restore monday.tar --data ./restored
    """
    with needs_extra():
        from knowngood.station.backup import restore
        from knowngood.station.settings import StationSettings

    restore(file, StationSettings(data=data))
    typer.echo(f"restored: {data}; check it by knowngood station verify --data {data}")


def _records(data: Path, database: str | None, storage: str | None) -> "Records":
    """The records of a station, which may run."""
    with needs_extra():
        from knowngood.station.context import Records
        from knowngood.station.settings import StationSettings

    settings = StationSettings(data=data, database=database, storage=storage)
    if not data.is_dir():
        from knowngood.errors import StationError

        raise StationError(f"data folder {str(data)!r} is not there; name that of a station (--data)")
    return Records(settings, alone=False)
