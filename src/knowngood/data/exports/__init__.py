"""Handing a data set on, in the formats of other tools."""

from knowngood.data.exports.export import FORMATS, Exported, export

__all__ = ["FORMATS", "Exported", "export"]
