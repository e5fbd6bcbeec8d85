import shlex
import textwrap
from typing import TYPE_CHECKING

import typer

import knowngood
from knowngood.cli import options
from knowngood.cli.products import load_inspector

if TYPE_CHECKING:
    from knowngood.inspector.manifest import Manifest
    from knowngood.metrics.review import Review
    from knowngood.metrics.thresholds import Threshold


_LONGEST = 100
"""Words of the options that are spelt out."""


def info(inspector: options.InspectorFile, product: options.ProductName = None) -> None:
    """Show where an inspector comes from, and its threshold with its bound.

    Of several products it shows a table; --product shows one of them.

    Example: knowngood info widget.inspector
    """
    # The help must not wait for the libraries of images.
    from knowngood.inspector.detail import detail_in_words
    from knowngood.inspector.held_out import without_options

    loaded = load_inspector(inspector, product)
    if isinstance(loaded, knowngood.Products):
        echo_products(loaded)
        return
    manifest = loaded.manifest
    height, width = manifest.input_shape
    facts = {
        "classifier" if loaded.classifies else "detector": manifest.method,
        "recipe": ", ".join(f"{name}={value}" for name, value in manifest.recipe.items()),
        "backbone": ", ".join(manifest.backbone.values()) or "none",
        "input": f"{height} x {width} (height x width), {manifest.resize}",
        "region": manifest.roi or "all of each image",
        **({"alignment": manifest.alignment_note} if manifest.alignment_note else {}),
        "detail": detail_in_words(manifest),
        "16-bit pixels": f"{manifest.bits} bits used" if manifest.bits else "none seen, none accepted",
        "learned from": loaded.learned_from,
        "seed": manifest.seed,
        "fitted": f"{manifest.created} on {manifest.device}",
        "versions": ", ".join(f"{name} {version}" for name, version in manifest.versions.items()),
        "graph": f"sha256 {manifest.graph_hash}, within {manifest.graph_difference:.1e} of torch",
    }
    if loaded.classifies:
        record = loaded.classifier
        classes = zip(record.names, record.counts, strict=True)
        facts["classes"] = ", ".join(f"{name} ({count})" for name, count in classes)
        facts |= {f"note {place}": note for place, note in enumerate(record.notes, 1)}
    for name, value in facts.items():
        _echo(name, str(value))
    left_out = without_options(manifest, before=True)
    words = shlex.join(left_out) if len(left_out) < _LONGEST else "--without for each"
    echo_held_out(manifest, f"fit again with {words}")


def _echo(name: str, value: str, product: str = "") -> None:
    """Print a fact, of one of several products, in lines of at most 120 letters unless a word is longer."""
    words = f"{product}: {value}" if product else value
    lines = textwrap.wrap(
        words, 120, initial_indent=f"{name:14} ", subsequent_indent=f"{'':15}", break_long_words=False
    )
    typer.echo("\n".join(lines))


def echo_products(products: "knowngood.Products", *, timed: bool = False) -> None:
    """Print how well products are recognised, a table of them, where and how fine is looked, and which
    held-out images stand out.
    """
    from knowngood.inspector.held_out import far_outside_in_words
    from knowngood.report.products import held_out_in_words, product_rows

    for name, words in held_out_in_words(products).items():
        _echo(name, words)
    rows = product_rows(products)
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        typer.echo("  ".join(map(str.ljust, row, widths)).rstrip())
    for name, inspector in products.inspectors.items():
        echo_detail(inspector, name, timed=timed)
        echo_bits(inspector.manifest.bits, name)
        echo_geometry(inspector.manifest, name)
        for line in [*far_outside_in_words(inspector.manifest), *inspector.manifest.apart]:
            typer.echo(f"{name}: {line}")


def echo_held_out(manifest: "Manifest", remedy: str) -> None:
    """Print how many good images were held out, the threshold, which of them are probably not good, and, if
    there are such, a remedy.
    """
    from knowngood.inspector.held_out import far_outside_in_words, held_out_in_words

    if manifest.left_out:
        typer.echo(f"{'left out':14} {', '.join(manifest.left_out)}")
    typer.echo(f"{'held out':14} {held_out_in_words(manifest)}")
    echo_threshold(manifest.threshold, manifest.review)
    echo_apart(manifest)
    lines = far_outside_in_words(manifest)
    for title, line in zip(("far outside", "", ""), [*lines, remedy] if lines else [], strict=False):
        typer.echo(f"{title:14} {line}")


def echo_apart(manifest: "Manifest") -> None:
    """Print which groups of good images were compared, and those that stand apart."""
    if manifest.grouped:
        _echo("groups", manifest.grouped)
    for sentence in manifest.apart:
        _echo("warning", sentence)


def echo_detail(inspector: "knowngood.Inspector", product: str = "", *, timed: bool) -> None:
    """Print how fine the inspector looks, and, if it shall be timed, what that costs on this machine."""
    from knowngood.inspector.detail import detail_in_words, milliseconds

    words = detail_in_words(inspector.manifest)
    if timed:
        words += f"; {milliseconds(inspector):.0f} ms an image on this machine, beside reading it"
    _echo("detail", words, product)


def echo_bits(bits: int | None, product: str = "") -> None:
    """Print how many bits 16-bit images use, if any image has 16."""
    if bits:
        _echo("16-bit pixels", f"{bits} bits used; brighter values are cut at white", product)


def echo_geometry(manifest: "Manifest", product: str = "") -> None:
    """Print which region is inspected, and whether parts are aligned, where that was asked for."""
    for name, words in (("region", manifest.roi), ("alignment", manifest.alignment_note)):
        if words:
            _echo(name, str(words), product)


def echo_threshold(threshold: "Threshold", review: "Review | None") -> None:
    """Print a threshold: its value, how it was chosen, and its bound; and the same of the line for review."""
    typer.echo(f"{'threshold':14} {threshold.value:.6g}, {threshold.rule}")
    if threshold.upper_bound is not None:
        images, more = "held-out", ""
        if "validation" in threshold.rule:
            images = "validation"
            more = f",\n{'':14} or somewhat more, because it was chosen on the same images"
        typer.echo(
            f"{'':14} {threshold.above} of {threshold.held_out} {images} good parts are above it:"
            f" at 95 % confidence at most {threshold.upper_bound:.1%} of good parts are rejected{more}"
        )
    if threshold.note:
        typer.echo(f"{'':14} {threshold.note}")
    if review is not None:
        typer.echo(f"{'review':14} above {review.value:.6g}, {review.rule}")
        whose = (
            "held-out good parts are between the lines" if review.label == "good" else "defects are below it"
        )
        typer.echo(f"{'':14} {review.count} of {review.total} {whose}: {review.promise}")
        if review.note:
            typer.echo(f"{'':14} {review.note}")
