"""A first look: a product of real solar cells, and a line that sends pictures of them."""

from __future__ import annotations

import itertools
import threading
import time
import urllib.request
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from sqlalchemy import delete, select

from knowngood.data.elpv import load_elpv
from knowngood.detectors import make_detector
from knowngood.inspector.fit import fit
from knowngood.station.accounts import new_token
from knowngood.station.context import Records
from knowngood.station.found import About
from knowngood.station.inspection import describe
from knowngood.station.models import Product, Token
from knowngood.station.versions import add_version, release

PRODUCT = "solar cell"

WHO = "demo"
"""Who the audit log says has made all this."""

_GOOD = 150
_EVERY = 7  # one picture in so many shows a defect


def prepare(records: Records) -> str:
    """Make the product and release an inspector, unless it is there; return the secret of a token."""
    with records.database.writing() as session:
        product = session.scalar(select(Product).where(Product.name == PRODUCT))
        is_new = product is None
        if product is None:
            product = Product(name=PRODUCT)
            session.add(product)
            records.audit.add(session, WHO, "add product", after={"product": PRODUCT})
        session.execute(delete(Token).where(Token.name == "demo line"))
        secret, _ = new_token(session, WHO, "demo line", "operator", [PRODUCT], None)
        records.audit.add(session, WHO, "add token", after={"token": "demo line", "products": [PRODUCT]})
    if is_new:
        _fit(records, product)
    return secret


def play(address: str, secret: str, seconds: float = 1.5) -> threading.Thread:
    """Send a picture of a solar cell every few seconds, for as long as this process runs."""
    thread = threading.Thread(target=_play, args=(address, secret, seconds), daemon=True)
    thread.start()
    return thread


def _fit(records: Records, product: Product) -> None:
    """Fit an inspector to good cells, and release it."""
    cells = load_elpv()
    good = cells[cells["split"] == "train"].head(_GOOD).reset_index(drop=True)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "demo.inspector"
        fit(good, make_detector("patchcore", {"input_size": 224, "coreset": 2000})).save(path)
        (about,) = describe(path, [])
        assert isinstance(about, About)
        version = add_version(records, WHO, product, path, about)
    release(records, WHO, product, version, "a first look")


def _play(address: str, secret: str, seconds: float) -> None:
    """Send pictures, in turn good cells and now and then a defect."""
    cells = load_elpv()
    tests = cells[cells["split"] == "test"]
    good, defects = (itertools.cycle(tests.loc[tests["label"] == one, "path"]) for one in ("good", "defect"))
    url = f"{address}/api/v1/products/{PRODUCT.replace(' ', '%20')}/inspect"
    for number in itertools.count(1):
        content = Path(next(good if number % _EVERY else defects)).read_bytes()
        request = urllib.request.Request(url, content, {"Authorization": f"Bearer {secret}"})
        with suppress(OSError):  # the station starts or stops; the next picture may arrive
            urllib.request.urlopen(request, timeout=60).close()
        time.sleep(seconds)
