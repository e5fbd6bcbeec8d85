import shlex
import textwrap
from typing import TYPE_CHECKING

import typer

import knowngood
from knowngood.cli.options import InspectorFile

if TYPE_CHECKING:
    from knowngood.inspector.manifest import Manifest
    from knowngood.metrics.thresholds import Threshold


_LONGEST = 100
"""Words of the options that are spelt out."""


def info(inspector: InspectorFile) -> None:
    """Show where an inspector comes from, and its threshold with its bound.

    Example: knowngood info widget.inspector
    """
    # The help must not wait for the libraries of images.
    from knowngood.inspector.detail import detail_in_words
    from knowngood.inspector.held_out import without_options

    loaded = knowngood.Inspector.load(inspector)
    manifest = loaded.manifest
    height, width = manifest.input_shape
    facts = {
        "classifier" if loaded.classifies else "detector": manifest.method,
        "recipe": ", ".join(f"{name}={value}" for name, value in manifest.recipe.items()),
        "backbone": ", ".join(manifest.backbone.values()) or "none",
        "input": f"{height} x {width} (height x width), {manifest.resize}",
        "detail": detail_in_words(manifest),
        "16-bit pixels": f"{manifest.bits} bits used" if manifest.bits else "none seen, none accepted",
        "learned from": f"{len(manifest.training)} {loaded.learned_from}",
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
        typer.echo("\n".join(_lines(name, str(value))))
    options = without_options(manifest, before=True)
    echo_held_out(
        manifest, f"fit again with {shlex.join(options) if len(options) < _LONGEST else '--without for each'}"
    )


def _lines(name: str, value: str) -> list[str]:
    """Write a fact in lines of at most 120 letters, unless a word is longer."""
    return textwrap.wrap(
        value, 120, initial_indent=f"{name:14} ", subsequent_indent=f"{'':15}", break_long_words=False
    )


def echo_held_out(manifest: "Manifest", remedy: str) -> None:
    """Print how many good images were held out, the threshold, which of them are probably not good, and, if
    there are such, a remedy.
    """
    from knowngood.inspector.held_out import far_outside_in_words, held_out_in_words

    if manifest.left_out:
        typer.echo(f"{'left out':14} {', '.join(manifest.left_out)}")
    typer.echo(f"{'held out':14} {held_out_in_words(manifest)}")
    echo_threshold(manifest.threshold)
    lines = far_outside_in_words(manifest)
    for title, line in zip(("far outside", "", ""), [*lines, remedy] if lines else [], strict=False):
        typer.echo(f"{title:14} {line}")


def echo_detail(manifest: "Manifest", inspector: "knowngood.Inspector") -> None:
    """Print how fine the inspector looks, and what that costs on this machine."""
    from knowngood.inspector.detail import detail_in_words, milliseconds

    cost = f"{milliseconds(inspector):.0f} ms an image on this machine, beside reading it"
    typer.echo("\n".join(_lines("detail", f"{detail_in_words(manifest)}; {cost}")))


def echo_bits(bits: int | None) -> None:
    """Print how many bits 16-bit images use, if any image has 16."""
    if bits:
        typer.echo(f"{'16-bit pixels':14} {bits} bits used; brighter values are cut at white")


def echo_threshold(threshold: "Threshold") -> None:
    """Print a threshold: its value, how it was chosen, and its bound."""
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
