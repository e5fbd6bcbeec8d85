"""One self-contained HTML page that tells a quality engineer how an inspector judges."""

from knowngood.report.html import write_report

__all__ = ["write_report"]
