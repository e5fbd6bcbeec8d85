"""Inspectors of several products in one file, and which product an image shows. Nothing here imports torch.

The file is that of the recogniser, an inspector whose classes are the products and whose score is the
distance to the nearest of them. The inspector file of each product is inside, and checked as any other.
"""

from __future__ import annotations

import dataclasses
import io
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice, repeat

from knowngood.data.arguments import Images, count_of, each_source
from knowngood.data.decoding import Source, listed, name_of
from knowngood.data.product_names import STRANGER, check_name
from knowngood.errors import DataError, InspectorError, UnreadableImage, quoted
from knowngood.inspector.display import html
from knowngood.inspector.file import PRODUCTS, Parts, pack, read_inspector, unpack, write_inspector
from knowngood.inspector.inspector import Inspector
from knowngood.inspector.manifest import DETECTION
from knowngood.inspector.verdict import Verdict, listed_verdicts
from knowngood.types import Progress

AT_ONCE = 64
"""Images that are sorted by product at once; those that are not files stay in memory for so long."""


class Products:
    """Inspects images of several products, each with its own inspector and its own threshold.

    Args:
        recogniser: Its classes are the names of the products; an image whose score is above its threshold is
            a stranger, which shows none of them.
        inspectors: An inspector for each of these names.

    Example::

        products = Products.load("parts.inspector")
        for verdict in products.inspect("new/"):
            print(verdict.source, verdict.product, verdict.score, verdict.decision)
        products.inspect("new/", product="screw")    # where it is known
        products["screw"].threshold
    """

    def __init__(self, recogniser: Inspector, inspectors: Mapping[str, Inspector]) -> None:
        self.recogniser = recogniser
        self.inspectors = {name: inspectors[name] for name in recogniser.classifier.names}
        self.file = ""

    @property
    def names(self) -> list[str]:
        """The names of the products."""
        return list(self.inspectors)

    def __getitem__(self, name: str) -> Inspector:
        if name not in self.inspectors:
            known = ", ".join(self.names)
            raise InspectorError(f"product {quoted(name)} is not known; choose one of {known}")
        return self.inspectors[name]

    def __repr__(self) -> str:
        return f"Products({', '.join(self.names)})"

    def _repr_html_(self) -> str:
        return html(self)

    @property
    def held_out(self) -> tuple[int, int]:
        """How many of the held-out good images had their own product as the nearest, and of how many."""
        record = self.recogniser.classifier
        return int((record.logits.argmax(axis=1) == record.truth).sum()), len(record.truth)

    @classmethod
    def load(cls, path: str | os.PathLike[str], *, engine: str | None = None) -> Products:
        """Load the inspectors of several products, each checked as `Inspector.load` does.

        Raises:
            InspectorError: The file holds no products, or one of its parts is refused.
        """
        loaded = load_inspector(path, engine=engine)
        if isinstance(loaded, Inspector):
            raise InspectorError(f"{os.fspath(path)!r} is of one product; load it by Inspector.load(...)")
        return loaded

    def save(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
        """Write all to one file, whole or not at all; an older inspector is replaced.

        Raises:
            OutputError: The file cannot be written, or is not an inspector.
        """
        manifest, graph, members = self.recogniser.parts
        inside = {_member(at): pack(*one.parts) for at, one in enumerate(self.inspectors.values(), 1)}
        write_inspector(path, manifest, graph, members | inside, overwrite=overwrite)
        self.file = os.fspath(path)

    def changed(self, inspectors: Mapping[str, Inspector]) -> Products:
        """A copy with other inspectors for some products, as one with another threshold.

        Raises:
            InspectorError: A name is not known.

        Example::

            products = products.changed({"screw": knowngood.threshold_at(products["screw"], 0.01)})
        """
        for name in inspectors:
            self[name]
        return Products(self.recogniser, self.inspectors | dict(inspectors))

    def inspect(
        self,
        images: Images,
        *,
        product: str | Sequence[str] | None = None,
        progress: Progress | None = None,
    ) -> list[Verdict]:
        """Inspect images in any form that `Inspector.inspect` takes; return a verdict for each, in order.

        Args:
            images: What to inspect.
            product: The name of the product of all images, or of each; without it, each is recognised. A
                stranger is rejected, and its score is the distance to the nearest product.
            progress: Called during long work; without it, a notebook shows a bar.

        Raises:
            DataError: Images cannot be read, or are none.
            InspectorError: A product is not known.
        """
        if isinstance(images, str | os.PathLike):
            images = list(each_source(images))
        return listed_verdicts(self.stream(images, product=product), count_of(images), progress)

    def stream(
        self,
        images: Images,
        *,
        product: str | Iterable[str] | None = None,
        on_unreadable: Callable[[UnreadableImage], None] | None = None,
    ) -> Iterator[Verdict]:
        """Inspect any number of images in bounded memory, in order; see `inspect` and `Inspector.stream`."""
        sources, start = each_source(images), 0
        of_all = product is None or isinstance(product, str)
        names: Iterator[str | None] = repeat(product) if of_all else iter(product)  # type: ignore[arg-type]
        failures: list[UnreadableImage] = []
        while some := list(islice(sources, AT_ONCE)):
            given = list(islice(names, len(some)))
            if len(given) != len(some):
                raise DataError(f"{start + len(given)} products came for more images; name one for each")
            unread: list[UnreadableImage] = []
            verdicts = self._inspect(some, given, start, unread)
            failures += unread
            start += len(some)
            if on_unreadable is not None:
                for failure in unread:
                    on_unreadable(failure)
            elif unread:
                break
            yield from verdicts
        if failures and (on_unreadable is None or len(failures) == start):
            raise DataError("\n".join([f"{len(failures)} images cannot be read:", *listed(failures)]))

    def recognise(
        self, images: Images, *, on_unreadable: Callable[[UnreadableImage], None] | None = None
    ) -> Iterator[Verdict]:
        """Say which product each image shows: verdicts of the recogniser, whose `product` is the answer."""
        for verdict in self.recogniser.stream(images, extras=["logits"], on_unreadable=on_unreadable):
            nearest = self.names[int(verdict.extras["logits"].argmax())]
            yield dataclasses.replace(
                verdict,
                product=STRANGER if verdict.decision == "reject" else nearest,
                predicted_class=None,
                probabilities=None,
                extras={},
                notes=(),  # on sizes: those of another product differ
            )

    def _inspect(
        self,
        sources: Sequence[Source],
        given: Sequence[str | None],
        start: int,
        unread: list[UnreadableImage],
    ) -> list[Verdict]:
        """The verdicts on some images, the first at `start`; what cannot be read goes to a list."""
        found: dict[int, Verdict] = {}
        names = {row: name for row, name in enumerate(given) if name is not None}
        unknown = [row for row in range(len(sources)) if row not in names]
        for row, verdict in _verdicts(self.recognise, sources, unknown, start, unread):
            if verdict.product == STRANGER:
                found[row] = verdict
            else:
                names[row] = str(verdict.product)
        for name in dict.fromkeys(names.values()):
            rows = [row for row, own in names.items() if own == name]
            for row, verdict in _verdicts(self[name].stream, sources, rows, start, unread):
                found[row] = dataclasses.replace(verdict, product=name)
        return [dataclasses.replace(found[row], index=start + row) for row in sorted(found)]


def load_inspector(path: str | os.PathLike[str], *, engine: str | None = None) -> Inspector | Products:
    """Load an inspector file, whether of one product or of several; see `Inspector.load`.

    Raises:
        InspectorError: It is no inspector, or one of its parts is refused.
    """
    name = os.fspath(path)
    manifest, graph, members = read_inspector(path)
    inside = {member: content for member, content in members.items() if member.startswith(PRODUCTS)}
    own = {member: content for member, content in members.items() if member not in inside}
    first = Inspector.of_parts(Parts(manifest, graph, own), name, engine=engine)
    first.file = name
    if not inside:
        return first
    products = first.records.classifier.names if first.records.classifier else []
    if sorted(inside) != sorted(_member(at) for at in range(1, len(products) + 1)):
        raise InspectorError(f"{name!r}: it holds other products than its recogniser names")
    inspectors = {}
    for at, product in enumerate(products, 1):
        place = f"{name}, product {product}"
        try:
            check_name(product)
        except DataError as error:
            raise InspectorError(f"{name!r}: {error}") from error
        parts = unpack(io.BytesIO(inside[_member(at)]), place)
        inspectors[product] = Inspector.of_parts(parts, place, engine=engine)
        if inspectors[product].manifest.task != DETECTION:
            raise InspectorError(f"{place!r} is a classifier of defects; only detectors stand beside others")
    loaded = Products(first, inspectors)
    loaded.file = name
    return loaded


def _member(number: int) -> str:
    """The name of the member that is the inspector file of a product."""
    return f"{PRODUCTS}{number}.inspector"


def _verdicts(
    stream: Callable[..., Iterator[Verdict]],
    sources: Sequence[Source],
    rows: Sequence[int],
    start: int,
    unread: list[UnreadableImage],
) -> Iterator[tuple[int, Verdict]]:
    """The verdicts on some rows of the sources, the first of which is at `start`, each with its row."""
    if not rows:
        return
    names = {name_of(sources[row], at): name_of(sources[row], start + row) for at, row in enumerate(rows)}
    before = len(unread)

    def note(failure: UnreadableImage) -> None:
        unread.append(UnreadableImage(names[failure.path], failure.reason))

    try:
        for verdict in stream([sources[row] for row in rows], on_unreadable=note):
            yield rows[verdict.index], verdict
    except DataError:  # raised where none of them can be read, which has been noted
        if len(unread) == before:
            raise
