from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import knowngood
from knowngood.cli.progress import progress_bars
from knowngood.errors import escaped

if TYPE_CHECKING:
    from knowngood.data.named.entries import NamedData


def data() -> None:
    """Get public data sets by their names.

    Example: knowngood data get mvtec-ad/bottle --out data/
    """


def data_list() -> None:
    """List the public data sets, with what they show, their sizes and licences.

    Example: knowngood data list
    """
    for name, group in groupby(knowngood.data_sets(), key=_set_name):
        _echo_set(name, list(group))
    typer.echo("`knowngood data get NAME --out DIR` gets one; of several products also all, as `visa`.")


def _names() -> list[str]:
    return [data.name for data in knowngood.data_sets()]


def data_get(
    name: Annotated[
        str,
        typer.Argument(
            autocompletion=_names, help="A data set, such as mvtec-ad/bottle, or all products of one: visa."
        ),
    ],
    out: Annotated[
        Path, typer.Option(help="The folder of data sets; it gets a folder NAME. It is made if need be.")
    ],
    from_file: Annotated[
        Path | None,
        typer.Option("--from", help="An archive that you have, or its folder; nothing is downloaded then."),
    ] = None,
    accept_licence: Annotated[
        bool, typer.Option("--accept-licence", help="Accept the licence of the data set without a question.")
    ] = False,
) -> None:
    """Get a public data set: download it, compare its checksum and unpack it.

    A download that was interrupted goes on where it stopped, and what is there is not downloaded again.

    Example: knowngood data get mvtec-ad/bottle --out data/
    """
    from knowngood.data.named.get import lacking

    found = lacking(name, out)
    if found:
        typer.echo(f"{name}: {found[0].about}; see {found[0].page}")
        typer.echo(f"licence: {found[0].licence}")
        accept_licence = accept_licence or _is_accepted()
    else:
        typer.echo(f"{name} is there already, and whole")
    with progress_bars() as progress:
        made = knowngood.get_data(
            name, out, accept_licence=accept_licence, from_file=from_file, progress=progress
        )
    typer.echo(f"data: {escaped(str(made))}")
    typer.echo(f"next: {escaped(_next_command(name, out))}")


def _set_name(data: "NamedData") -> str:
    """The name without that of the product."""
    return data.name.partition("/")[0]


def _echo_set(name: str, products: "list[NamedData]") -> None:
    """Print a data set in some lines."""
    import textwrap

    from knowngood.data.named.megabytes import size_in_words

    first = products[0]
    size = sum({data.archives: data.size for data in products}.values())
    place = f"{size_in_words(size)} to download" if size else f"in the Python package {first.package}"
    has_products = first.name != name
    typer.echo(f"{name}{'/PRODUCT' * has_products}: {first.about}; {place}")
    lines = [f"licence: {first.licence}"]
    if has_products:
        apart = len({data.archives for data in products}) > 1
        sizes = [f" ({size_in_words(data.size)})" * apart for data in products]
        names = [data.name.rpartition("/")[2] for data in products]
        lines += textwrap.wrap(", ".join(map("".join, zip(names, sizes, strict=True))), 110)
    typer.echo(textwrap.indent("\n".join(lines), "    "))


def _is_accepted() -> bool:
    """Ask on a terminal whether the licence is accepted."""
    import sys

    return sys.stdin.isatty() and sys.stderr.isatty() and typer.confirm("Do you accept it?", err=True)


def _next_command(name: str, out: Path) -> str:
    """The command that is most likely wanted next."""
    import shlex

    from knowngood.data.named.get import named, path_of

    if name == "mnist":  # no pictures, but arrays, which a study reads
        return shlex.join(["knowngood", "study", "kaist", "--data", str(out), "--out", "kaist"])
    return shlex.join(["knowngood", "describe", str(path_of(named(name)[0].name, out))])
