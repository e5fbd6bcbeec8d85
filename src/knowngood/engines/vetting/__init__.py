"""Whether a graph is safe to run, and whether what it gave is what it should."""

from knowngood.engines.vetting.check import check_graph, check_outputs

__all__ = ["check_graph", "check_outputs"]
