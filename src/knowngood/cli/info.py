"""`knowngood info`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

import knowngood
from knowngood.cli.options import InspectorFile

if TYPE_CHECKING:
    from knowngood.metrics.thresholds import Threshold


def info(inspector: InspectorFile) -> None:
    """Show where an inspector comes from, and its threshold with its bound.

    Example: knowngood info widget.inspector
    """
    judge = knowngood.Inspector.load(inspector)
    manifest = judge.manifest
    height, width = manifest.input_shape
    facts = {
        "classifier" if judge.classifies else "detector": manifest.method,
        "recipe": ", ".join(f"{name}={value}" for name, value in manifest.recipe.items()),
        "backbone": ", ".join(manifest.backbone.values()) or "none",
        "input": f"{height} x {width} (height x width), {manifest.resize}",
        "16-bit pixels": f"{manifest.bits} bits used" if manifest.bits else "none seen, none accepted",
        "learned from": f"{len(manifest.training)} {judge.learned_from}",
        "seed": manifest.seed,
        "fitted": f"{manifest.created} on {manifest.device}",
        "versions": ", ".join(f"{name} {version}" for name, version in manifest.versions.items()),
        "graph": f"sha256 {manifest.graph_hash}, within {manifest.graph_difference:.1e} of torch",
    }
    if judge.classifies:
        record = judge.classifier
        classes = zip(record.names, record.counts, strict=True)
        facts["classes"] = ", ".join(f"{name} ({count})" for name, count in classes)
        facts |= {f"note {place}": note for place, note in enumerate(record.notes, 1)}
    for name, value in facts.items():
        typer.echo(f"{name:14} {value}")
    for line in threshold_lines(manifest.threshold):
        typer.echo(line)


def threshold_lines(threshold: Threshold) -> list[str]:
    """A threshold in words: its value, how it was chosen and what it promises."""
    lines = [f"{'threshold':14} {threshold.value:.6g}, {threshold.rule}"]
    if threshold.upper_bound is not None:
        kind = "validation" if "validation" in threshold.rule else "held-out"
        lines.append(
            f"{'':14} {threshold.above} of {threshold.held_out} {kind} good images lie above it:"
            f" at 95 % confidence at most {threshold.upper_bound:.1%} of good parts are rejected"
        )
    if threshold.note:
        lines.append(f"{'':14} {threshold.note}")
    return lines
