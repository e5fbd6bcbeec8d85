"""Every route × every role × no login is as the table says, and the table is that of the documentation."""

import re
from pathlib import Path

import pytest
from fastapi.routing import APIRoute
from starlette.routing import Mount

from knowngood.station import accounts
from knowngood.station.access import ACCESS, ANYONE, COOKIE
from knowngood.station.app import make_app
from knowngood.station.events import Events
from knowngood.station.models import ROLES, User, Verdict
from knowngood.station.settings import StationSettings

from ..support.station import PASSWORD

DOCS = Path(__file__).resolve().parents[2] / "docs" / "station.md"


def routes(app):
    """Each route of the interface's file, and each page."""
    found = {f"{method.upper()} {path}" for path, of in app.openapi()["paths"].items() for method in of}
    every = [route for one in app.routes for route in getattr(one, "original_router", app).routes]
    pages = [one for one in every if isinstance(one, APIRoute) and not one.include_in_schema]
    return found | {f"{method} {page.path}" for page in pages for method in page.methods}


def test_the_table_has_every_route_and_no_other():
    app = make_app(StationSettings(data=Path("x")))
    assert routes(app) == set(ACCESS)
    assert [one.path for one in app.routes if isinstance(one, Mount)] == ["/static"]


def test_the_documentation_shows_the_table():
    shown = dict(re.findall(r"^\| `([A-Z]+ /\S*)` \| (\w+) \|$", DOCS.read_text("utf-8"), re.MULTILINE))
    assert shown == ACCESS


def ask(line, route, headers):
    """Ask for a route, about what is not there."""
    method, path = route.split()
    path = re.sub(r"\{product\}", "nothing", re.sub(r"\{(number|version)\}", "999999", path))
    path = path.replace("{name}", "nobody")
    return line.client.request(method, path, headers=headers, follow_redirects=False)


@pytest.mark.parametrize("route", ACCESS)
def test_a_route_lets_in_whom_the_table_names(line, route, callers, monkeypatch):
    closed = Events()
    closed.close()
    monkeypatch.setattr(line.station, "events", closed)  # live routes end at once
    least = ACCESS[route]
    for role, headers in callers.items():
        status = ask(line, route, headers).status_code
        if least == ANYONE:
            assert status != 403
            continue
        if role is None:
            assert status == 401
        elif ROLES.index(role) < ROLES.index(least):
            assert status == 403, (role, status)
        else:
            assert status not in (401, 403), (role, status)
            assert status < 500


@pytest.fixture(scope="module")
def callers(line):
    return {None: {}, **{role: line.token(role) for role in ROLES}}


def test_a_page_leads_to_the_login(line):
    answer = line.client.get("/history", headers={"Accept": "text/html"}, follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, "/login")


# --- tokens reach their products alone


def test_a_token_reaches_its_products_alone(line, good):
    line.post("/api/v1/products", json={"name": "gadget"})
    number = line.inspect(good).json()["id"]
    own, other = line.token("engineer", ["widget"]), line.token("engineer", ["gadget"])
    for method, path in (route.split() for route in ACCESS):
        if "{product}" in path or "{number}" in path:
            path = path.replace("{product}", "widget").replace("{version}", "1")
            path = path.replace("{number}", str(number) if "/verdicts/" in path else "1")
            assert line.client.request(method, path, headers=other).status_code == 404, path
    assert line.client.get(f"/api/v1/verdicts/{number}", headers=own).status_code == 200
    found = line.client.get("/api/v1/verdicts", headers=other).json()
    assert found == {"verdicts": [], "next": None}
    assert line.client.get("/api/v1/verdicts?product=widget", headers=other).status_code == 404
    assert [one["name"] for one in line.client.get("/api/v1/products", headers=other).json()] == ["gadget"]
    assert line.client.post("/api/v1/products", json={"name": "third"}, headers=other).status_code == 403


def test_a_token_is_shown_once_and_ends_when_removed(line):
    admin = line.token("administrator")
    made = line.client.post(
        "/api/v1/tokens", json={"name": "camera 1", "products": ["widget"]}, headers=admin
    )
    secret = made.json()["secret"]
    own = {"Authorization": f"Bearer {secret}"}
    assert line.client.get("/api/v1/me", headers=own).json()["products"] == ["widget"]
    assert secret not in line.client.get("/api/v1/tokens", headers=admin).text
    database = Path(line.station.settings.data)
    assert not any(secret.encode() in path.read_bytes() for path in database.glob("station.db*"))
    assert line.client.delete("/api/v1/tokens/camera 1", headers=admin).status_code == 204
    assert line.client.get("/api/v1/me", headers=own).status_code == 401
    expired = {"name": "old", "expires": "2020-01-01T00:00:00Z"}
    secret = line.client.post("/api/v1/tokens", json=expired, headers=admin).json()["secret"]
    assert line.client.get("/api/v1/me", headers={"Authorization": f"Bearer {secret}"}).status_code == 401


# --- people


@pytest.fixture
def browser(line):
    """A client that keeps cookies of its own."""
    from fastapi.testclient import TestClient

    return TestClient(line.app, base_url="http://testserver")


def log_in(browser, name="ada", password=PASSWORD):
    return browser.post("/api/v1/login", json={"name": name, "password": password})


def test_a_cookie_alone_changes_nothing(line, browser):
    answer = log_in(browser)
    cookie = answer.headers["set-cookie"]
    assert all(word in cookie for word in (COOKIE, "HttpOnly", "SameSite=lax"))
    assert browser.get("/api/v1/products").status_code == 200
    new = {"name": "by cookie"}
    assert browser.post("/api/v1/products", json=new).status_code == 403
    assert browser.post("/api/v1/products", json=new, headers={"X-CSRF-Token": "x"}).status_code == 403
    token = {"X-CSRF-Token": answer.json()["csrf"]}
    elsewhere = browser.post("/api/v1/products", json=new, headers={**token, "Origin": "http://evil.example"})
    assert elsewhere.status_code == 403
    assert browser.post("/api/v1/products", json=new, headers=token).status_code == 201
    assert browser.post("/api/v1/logout", headers=token).status_code == 204
    browser.cookies.set(COOKIE, answer.cookies[COOKIE])
    assert browser.get("/api/v1/products").status_code == 401


def test_the_pages_of_logging_in(line, browser):
    page = browser.get("/login")
    assert "script-src" not in page.headers["content-security-policy"]
    assert "default-src 'self'" in page.headers["content-security-policy"]
    assert not re.search(r"<script(?! src=)|style=|\son\w+=", page.text)
    wrong = browser.post("/login", data={"name": "ada", "password": "wrong"})
    assert (wrong.status_code, "do not fit" in wrong.text) == (401, True)
    first = browser.post("/login", data={"name": "ada", "password": PASSWORD})
    assert "Lines" in first.text
    csrf = re.search(r'name="csrf_token" value="([^"]+)"', first.text)[1]
    assert "Log in" in browser.post("/logout", data={"csrf_token": csrf}).text
    assert browser.get("/api/v1/me").status_code == 401


def test_wrong_passwords_lock_an_account_and_a_link_opens_it(line, browser, monkeypatch):
    admin = line.token("administrator")
    invited = line.client.post(
        "/api/v1/users", json={"name": "bob", "role": "operator"}, headers=admin
    ).json()
    assert log_in(browser, "bob", "").status_code == 401
    secret = invited["link"].partition("link=")[2]
    short = browser.post("/api/v1/setup", json={"link": secret, "password": "short"})
    assert (short.status_code, "12 to" in short.json()["detail"]) == (422, True)
    assert browser.post("/api/v1/setup", json={"link": secret, "password": PASSWORD}).json() == {
        "name": "bob"
    }
    assert browser.post("/api/v1/setup", json={"link": secret, "password": PASSWORD}).status_code == 401
    refusals = {log_in(browser, "bob", "wrong").text for _ in range(accounts.ATTEMPTS)}
    assert refusals == {log_in(browser, "bob").text} == {log_in(browser, "nobody").text}
    assert log_in(browser, "ada").status_code == 200
    later = accounts.now() + accounts.LOCKED
    monkeypatch.setattr(accounts, "now", lambda: later)
    assert log_in(browser, "bob").status_code == 200
    change = {"disabled": True, "reason": "has left"}
    assert line.client.patch("/api/v1/users/bob", json=change, headers=admin).json()["disabled"]
    assert browser.get("/api/v1/me").status_code == 401
    assert log_in(browser, "bob").status_code == 401
    last = line.client.patch(
        "/api/v1/users/ada", json={"role": "operator", "reason": "nobody is left"}, headers=admin
    )
    assert last.status_code == 409


def test_a_link_expires(line, browser, monkeypatch):
    admin = line.token("administrator")
    made = line.client.post("/api/v1/users/ada/link", json={"reason": "has forgotten it"}, headers=admin)
    secret = made.json()["link"].partition("link=")[2]
    later = accounts.now() + accounts.LINK_LIFE
    monkeypatch.setattr(accounts, "now", lambda: later)
    assert browser.post("/api/v1/setup", json={"link": secret, "password": PASSWORD}).status_code == 401


def test_labels_of_several_people_stay(line, good):
    number = line.inspect(good).json()["id"]
    path = f"/api/v1/verdicts/{number}/labels"
    assert line.post(path, json={"decision": "defect", "defect_type": "dent"}).status_code == 201
    line.client.post(path, json={"decision": "good"}, headers=line.token("operator", name="second"))
    labels = line.get(path).json()
    assert [(one["decision"], one["defect_type"]) for one in labels] == [("defect", "dent"), ("good", None)]
    assert labels[1]["by"] == "token second"
    assert line.get(f"/api/v1/verdicts/{number}").json()["label"] == "good"
    with line.station.database.reading() as session:
        assert session.get(Verdict, number).seal == line.station.audit.seal_of(session.get(Verdict, number))


def test_every_page_is_shown(line, browser, good, defect):
    for picture in (good, defect):
        number = line.inspect(picture).json()["id"]
    log_in(browser)
    pages = ("/", "/line/widget", "/line/widget/current", "/history", "/history?product=widget&limit=1")
    for path in (*pages, f"/verdicts/{number}"):
        page = browser.get(path, headers={"Accept": "text/html"})
        assert page.status_code == 200
        assert not re.search(r"<script(?! src=)|style=|\son\w+=", page.text)
    lost = browser.get("/line/nothing", headers={"Accept": "text/html"})
    assert (lost.status_code, "is not known" in lost.text) == (404, True)


def test_the_first_link_asks_for_a_name_also_where_people_are_invited(empty):
    with empty.station.database.writing() as session:
        session.query(User).filter(User.name == "ada").one().password = None
    link = accounts.first_link(empty.station.database)
    assert 'name="name"' in empty.client.get(f"/setup?link={link}").text
    chosen = {"link": link, "password": PASSWORD}
    taken = empty.client.post("/setup", data={**chosen, "name": "ada"})
    assert (taken.status_code, "there already" in taken.text) == (422, True)
    page = empty.client.post("/setup", data={**chosen, "name": "eve"})
    assert "There is no product yet" in page.text
    assert accounts.first_link(empty.station.database) is None
    assert 'name="name"' not in empty.client.get(f"/setup?link={link}").text
