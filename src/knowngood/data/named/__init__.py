"""Public data sets by name: what there is, and getting it."""

from knowngood.data.named.get import data_sets, get_data

__all__ = ["data_sets", "get_data"]
