"""The way of a new user through the pages, in a real browser; `.ci/station-pages` installs what it needs."""

from __future__ import annotations

import json
import os
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import uvicorn
from playwright.sync_api import Page, sync_playwright

import knowngood
from knowngood.inspector.threshold import review_at, threshold_at
from knowngood.station.accounts import first_link
from knowngood.station.app import make_app
from knowngood.station.settings import StationSettings

from ..support.parts import write_parts
from ..support.station import PASSWORD, as_png

pytestmark = pytest.mark.slow

CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_parts(
        tmp_path_factory.mktemp("browser") / "bracket", {"train/good": 24, "test/good": 12, "test/scratch": 4}
    )


@pytest.fixture(scope="module")
def inspector_file(parts: Path) -> Path:
    """An inspector that leaves some good parts to a person."""
    path = parts.parent / "bracket.inspector"
    fitted = knowngood.fit(parts, knowngood.make_detector("padim", {"input_size": 64}))
    review_at(threshold_at(fitted, 0.1), 0.5).save(path)
    return path


@pytest.fixture(scope="module")
def station(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """The address of a station that runs, and its set-up link."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    settings = StationSettings(data=tmp_path_factory.mktemp("browser") / "station", free=0, port=port)
    app = make_app(settings)
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="warning"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.05)
    yield settings.address, f"{settings.address}/setup?link={first_link(app.state.station.database)}"
    app.state.station.events.close()
    server.should_exit = True
    thread.join()


@pytest.fixture(scope="module")
def page(station) -> Iterator[Page]:
    """A page of a browser, in which no script may fail."""
    with sync_playwright() as running:
        browser = running.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
        )
        page = browser.new_page(base_url=station[0], viewport={"width": 1280, "height": 800})
        page.set_default_timeout(20_000)
        failed: list[str] = []
        page.on("pageerror", lambda error: failed.append(str(error)))
        page.on("console", lambda one: failed.append(one.text) if "Content Security" in one.text else None)
        yield page
        browser.close()
        assert not failed


def send(page, parts: Path, *names: str) -> None:
    """Send pictures as a camera would, by the interface."""
    csrf = page.evaluate("document.body.dataset.csrf")
    for at, name in enumerate(names):
        answer = page.request.post(
            "/api/v1/products/bracket/inspect",
            data=as_png(at, (parts / name).read_bytes()),
            headers={"X-CSRF-Token": csrf, "Content-Type": "application/octet-stream"},
        )
        assert answer.ok, answer.text()


def test_set_up_link_to_shift_report(page, station, parts, inspector_file):
    page.goto(station[1])
    page.get_by_label("Your name").fill("ada")
    page.get_by_label("A password").fill(PASSWORD)
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Log out").click()
    page.get_by_label("Name").fill("ada")
    page.get_by_label("Password").fill(PASSWORD)
    page.keyboard.press("Enter")

    page.get_by_role("link", name="Make a product").click()
    page.get_by_label("Name of the part").fill("bracket")
    page.keyboard.press("Enter")
    page.wait_for_url("**/products/bracket")
    file = page.locator("[name=inspector]")
    file.set_input_files({"name": "x", "mimeType": "x/y", "buffer": b"no"})
    page.get_by_role("button", name="Upload", exact=True).click()
    page.get_by_role("alert").filter(has_text="not an inspector").wait_for()
    file.set_input_files(inspector_file)
    page.get_by_role("button", name="Upload", exact=True).click()
    version = page.get_by_role("listitem").filter(has_text="Version 1")
    version.get_by_label("Why").fill("the first one")
    page.keyboard.press("Enter")
    version.get_by_text("inspects").wait_for()

    page.get_by_role("link", name="Line", exact=True).click()
    page.get_by_text("no picture has come yet").wait_for()
    send(page, parts, *(f"test/good/{at:03}.png" for at in range(12)), "test/scratch/000.png")
    page.get_by_role("heading", name="Reject").wait_for()
    page.keyboard.press("h")
    page.locator("img.current[src$=heatmap]").wait_for()

    page.get_by_role("link", name="Review", exact=True).click()
    waiting = page.locator("#queue li").count()
    assert waiting
    page.get_by_label("Another defect type").fill("scratch")
    page.keyboard.press("Enter")
    page.locator("#queue .labelled").nth(0).wait_for()
    page.locator("#review[aria-busy=false]").wait_for()
    page.keyboard.press("u")
    page.locator("#said", has_text="The inspector says").wait_for()
    page.locator("#review[aria-busy=false]").wait_for()
    for key in ("1", *("gd" * waiting)[: waiting - 1]):
        done = page.locator("#queue .labelled").count()
        page.keyboard.press(key)
        page.locator("#queue .labelled").nth(done).wait_for()
        page.locator("#review[aria-busy=false]").wait_for()
    page.get_by_text("All of these have a label").wait_for()

    page.get_by_role("link", name="History").click()
    page.locator("[name=label]").select_option("defect")
    page.get_by_role("button", name="Search").click()
    assert page.locator("tbody tr").count() == (waiting + 1) // 2
    with page.expect_download() as table:
        page.get_by_role("link", name="Export all found as CSV").click()
    assert "defect" in Path(table.value.path()).read_text()

    page.goto("/products/bracket")
    slider = page.get_by_role("slider")
    page.locator("#would td").nth(0).wait_for()
    before = page.locator("#at").inner_text()
    slider.press("ArrowRight")
    assert page.locator("#at").inner_text() != before
    page.get_by_label("Why another threshold").fill("fewer false rejects")
    page.keyboard.press("Enter")
    page.get_by_role("listitem").filter(has_text="Version 2").get_by_text("draft").wait_for()

    page.locator("[name=pictures]").set_input_files([parts / f"train/good/{at:03}.png" for at in range(12)])
    page.locator("form[data-upload] [name=detail]").select_option("fast")
    page.get_by_role("button", name="Upload and fit").click()
    page.get_by_text("version 3 is a draft").wait_for(timeout=180_000)
    page.get_by_role("link", name="See the versions").click()
    page.get_by_role("listitem").filter(has_text="Version 3").get_by_role("heading").wait_for()

    page.get_by_role("link", name="Report", exact=True).click()
    page.get_by_text("95 % interval").wait_for()
    page.get_by_role("cell", name="scratch").wait_for()
    page.goto("/administration")
    page.get_by_role("button", name="Check that nothing was altered").click()
    page.get_by_text("The chain is intact").wait_for()


PAGES = (
    *("/", "/line/bracket", "/review", "/history", "/verdicts/1", "/products", "/products/bracket"),
    *("/reports", "/administration"),
)


def test_pages_fit_every_screen_and_finger(page):
    for path in PAGES:
        for width in (768, 320):
            page.set_viewport_size({"width": width, "height": 800})
            page.goto(path)
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), (path, width)
            small = page.evaluate(
                "[...document.querySelectorAll('button, .button, input:not([type=hidden]), select, nav a')]"
                ".filter(one => one.checkVisibility() && one.getBoundingClientRect().height < 43.5)"
                ".map(one => one.outerHTML.slice(0, 90))"
            )
            assert not small, (path, width)


@pytest.mark.parametrize(("scheme", "width"), [("light", 320), ("dark", 1280)])
def test_pages_are_accessible(page, scheme, width):
    axe = Path(os.environ["AXE"]).read_text()  # axe.min.js of axe-core
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": 800})
    for path in PAGES:
        page.goto(path)
        page.evaluate(axe)
        serious = [
            (one["id"], [node["html"][:120] for node in one["nodes"][:3]])
            for one in page.evaluate("axe.run()")["violations"]
            if one["impact"] in ("serious", "critical")
        ]
        assert not serious, (path, json.dumps(serious, indent=1))
