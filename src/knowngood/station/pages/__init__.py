"""The pages, one module each: server-rendered, with htmx and short scripts for what changes live."""

from knowngood.station.pages import administration, fits, history, line, login, products, reports, review
from knowngood.station.pages.shown import show_error

__all__ = ["ROUTERS", "show_error"]

ROUTERS = [one.router for one in (login, line, review, history, products, fits, reports, administration)]
"""The routes of all pages."""
