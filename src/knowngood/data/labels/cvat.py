"""CVAT: one XML file, "CVAT for images 1.1", with boxes, polygons, masks and tags of each image.

An image without shapes and tags is a good one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from knowngood.data.labels.marks import (
    Labelled,
    Mark,
    box_mark,
    polygon_mark,
    read_text,
    shape_of,
    table_of,
    unread_shapes,
)
from knowngood.data.labels.places import Places
from knowngood.data.meanings import SPLIT_OF
from knowngood.data.runs import mask_of, runs_cell
from knowngood.errors import DataError
from knowngood.extras import needs_extra

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

_SHAPES = ("box", "polygon", "mask", "tag", "ellipse", "polyline", "points", "cuboid", "skeleton")


def read_cvat(file: Path) -> pd.DataFrame:
    """Read a CVAT file; its images are found below its folder.

    Raises:
        DataError: It cannot be read, or a shape is wrong; it is named by its image.
    """
    with needs_extra():
        from defusedxml import DefusedXmlException
        from defusedxml.ElementTree import ParseError, fromstring
    try:
        root = fromstring(read_text(file), forbid_dtd=True)
    except ParseError as error:
        raise DataError(f"{str(file)!r}, line {error.position[0]}: it is no XML: {error.msg}") from error
    except (DefusedXmlException, ValueError) as error:
        raise DataError(f"{str(file)!r} defines entities or types, which no label file needs") from error
    places, unread, images = Places(file.parent), Counter[str](), list[Labelled]()
    for element in root.iter("image"):
        name = element.get("name", "")
        try:
            marks = list(_marks(element, unread))
        except (KeyError, TypeError, ValueError) as error:
            said = f"{error} is missing" if isinstance(error, KeyError) else str(error)
            raise DataError(f"{str(file)!r}, image {name!r}: {said}", path=file) from error
        split = SPLIT_OF.get(element.get("subset", "").lower(), "")
        images.append(Labelled(places.of(name, file.parent, split), marks, split))
    return table_of(images, unread_shapes(unread), file)


def _marks(image: Element, unread: Counter[str]) -> Iterator[Mark]:
    """Read the shapes of an image."""
    height, width = shape_of(*(int(image.attrib[side]) for side in ("height", "width")))
    for shape in image:
        if shape.tag not in _SHAPES:
            continue
        name = shape.attrib["label"]
        if shape.tag == "box":
            left, top, right, bottom = (float(shape.attrib[key]) for key in ("xtl", "ytl", "xbr", "ybr"))
            yield box_mark(name, [left, top, right - left, bottom - top], (height, width))
        elif shape.tag == "polygon":
            corners = [
                float(number) for pair in shape.attrib["points"].split(";") for number in pair.split(",")
            ]
            yield polygon_mark(name, [corners], (height, width))
        elif shape.tag == "mask":
            yield Mark(name, runs_cell(_pasted(shape, (height, width)), name))
        else:
            unread[shape.tag] += shape.tag != "tag"
            yield Mark(name)


def _pasted(shape: Element, size: tuple[int, int]) -> np.ndarray:
    """Return the mask (H, W) of run lengths along the rows of a box."""
    left, top, width, height = (int(shape.attrib[key]) for key in ("left", "top", "width", "height"))
    if min(left, top) < 0 or min(width, height) < 1 or top + height > size[0] or left + width > size[1]:
        raise ValueError("its mask is outside the image")
    marked = np.zeros(size, np.bool_)
    lengths = [int(number) for number in shape.attrib["rle"].split(",")]
    marked[top : top + height, left : left + width] = mask_of(lengths, width, height).T
    return marked
