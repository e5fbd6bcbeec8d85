"""The pages as a person gets them: what they show, to whom, and what their forms do."""

import csv
import io
import re

import pandas as pd
import pytest
from fastapi.testclient import TestClient

from knowngood.metrics.rates import rate
from knowngood.station.accounts import new_link, use_link
from knowngood.station.models import User

from ..support.station import PASSWORD, as_png


def browser_of(line, name, role):
    """A browser in which a person is logged in."""
    if name != "ada":
        with line.station.database.writing() as session:
            user = User(name=name, role=role)
            session.add(user)
            session.flush()
            secret = new_link(session, user)
        use_link(line.station.database, line.station.audit, secret, PASSWORD, None)
    browser = TestClient(line.app, base_url="http://testserver", headers={"Accept": "text/html"})
    csrf = browser.post("/api/v1/login", json={"name": name, "password": PASSWORD}).json()["csrf"]
    browser.headers["X-CSRF-Token"] = csrf
    return browser


@pytest.fixture(scope="module")
def filled(line, good, defect):
    """A line with some verdicts and labels; their numbers."""
    numbers = [line.inspect(as_png(at, good)).json()["id"] for at in range(4)]
    numbers.append(line.inspect(defect).json()["id"])
    path = f"/api/v1/verdicts/{numbers[-1]}/labels"
    line.post(path, json={"decision": "defect", "defect_type": "scratch <b>"})
    return numbers


@pytest.fixture(scope="module")
def ada(line, filled):
    return browser_of(line, "ada", "administrator")


@pytest.fixture(scope="module")
def operator(line):
    return browser_of(line, "oskar", "operator")


PAGES = (
    *("/", "/line/widget", "/line/widget/current", "/review", "/review?product=widget", "/history"),
    *("/products", "/products/widget", "/products/widget/jobs", "/reports", "/reports?product=widget"),
    *("/administration", "/administration/check"),
)


@pytest.mark.parametrize("path", PAGES)
def test_a_page_is_shown_without_scripts_in_it(ada, path):
    page = ada.get(path)
    assert page.status_code == 200
    assert not re.search(r"<script(?! src=)|style=|\son\w+=", page.text)
    assert "scratch <b>" not in page.text
    fields = re.findall(r"<(?:input|select)(?![^>]*hidden)[^>]*>", page.text)
    assert page.text.count("<label") == len(fields)  # each field has its label


def test_an_operator_sees_no_form_that_is_refused(operator, filled):
    for path in PAGES:
        page = operator.get(path)
        if path.startswith("/administration"):
            assert page.status_code == 403
        else:
            assert page.status_code == 200
            sent = re.findall(r'data-send="([A-Z]+) ([^"]+)"', page.text)
            assert all(address.endswith("/labels") for _, address in sent)


def test_the_page_of_a_line_says_decision_and_age(ada, filled):
    page = ada.get("/line/widget").text
    assert re.search(r'<h1[^>]*><span class="decision"><span[^>]*>✕</span> Reject', page)
    assert 0 <= float(re.search(r'data-age="([\d.]+)"', page)[1]) < 60
    assert 'data-patience="10"' in page


def test_history_is_searched_by_a_form_with_empty_fields(ada, filled):
    empty = "product=&since=&until=&decision=&label=&score="

    def found(query):
        return re.findall(r'class="thumb" href="/verdicts/(\d+)"', ada.get(f"/history?{query}").text)

    assert len(found(empty)) == len(filled)
    assert found("label=defect&since=") == [str(filled[-1])]
    assert found("decision=reject")[0] == str(filled[-1])
    assert len(found("decision=reject")) + len(found("decision=accept")) == len(filled)
    assert found("product=widget&since=2099-01-01T00:00") == []
    assert len(found("since=2020-01-01T00:00&until=2099-01-01T00:00")) == len(filled)
    assert ada.get("/history?since=yesterday").status_code == 422


def test_the_pages_of_a_search_keep_its_filters(ada, filled):
    seen, address = [], "/history?limit=2&product=widget&since=2020-01-01T00%3A00"
    while address:
        page = ada.get(address).text
        seen += re.findall(r'class="thumb" href="/verdicts/(\d+)"', page)
        older = re.search(r'href="([^"]+)">Older ones', page)
        address = older[1].replace("&amp;", "&") if older else None
        assert address is None or "since=2020" in address
    assert seen == [str(one) for one in reversed(filled)]


def test_what_was_found_is_exported(ada, filled):
    rows = list(csv.DictReader(io.StringIO(ada.get("/history/export?as=csv&product=widget").text)))
    assert [int(row["id"]) for row in rows] == list(reversed(filled))
    assert rows[0]["label"] == "defect"
    table = pd.read_parquet(io.BytesIO(ada.get("/history/export?as=parquet&label=none").content))
    assert len(table) == len(filled) - 1
    assert table["product"].unique() == ["widget"]
    assert ada.get("/history/export?as=csv&product=nothing").text.count("\n") == 1


def test_a_verdict_leads_to_the_parts_before_and_after(ada, filled):
    page = ada.get(f"/verdicts/{filled[1]}").text
    assert f'rel="prev" href="/verdicts/{filled[0]}"' in page
    assert f'rel="next" href="/verdicts/{filled[2]}"' in page


def test_scores_hold_what_a_threshold_is_chosen_by(ada, line, filled):
    scores = ada.get("/products/widget/versions/1/scores").json()
    assert len(scores["recent"]) == len(filled)
    assert len(scores["defects"]) == 1
    assert scores["defects"][0] == max(scores["recent"])
    assert len(scores["bounds"]) == len(scores["held_out"]) + 1
    assert scores["bounds"] == sorted(scores["bounds"])
    change = {"value": 3.0, "reason": "look at it"}
    made = ada.post("/api/v1/products/widget/versions/1/threshold", json=change).json()
    again = ada.get(f"/products/widget/versions/{made['number']}/scores").json()
    assert again["recent"] == scores["recent"]
    assert again["threshold"] == 3.0


def test_a_report_counts_a_shift(ada, line, filled):
    page = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", ada.get("/reports?product=widget").text))
    rejects = rate(len(line.get("/api/v1/verdicts?decision=reject").json()["verdicts"]), len(filled))
    assert f"{rejects.count} of 5 parts; 95 % interval {100 * rejects.low:.2f} % to" in page
    assert "scratch &lt;b&gt; 1" in page
    assert "No change was found" in page or "cannot be said" in page
    assert "No part was inspected" in ada.get("/reports?from=2020-01-01T00:00&to=2020-01-02T00:00").text
    assert ada.get("/reports?product=nothing").status_code == 404


def test_the_log_is_checked_on_the_page(ada, line):
    assert "The chain is intact" in ada.get("/administration/check").text
    with line.station.database.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE audit_entry SET who = 'eve' WHERE sequence = 3")
    assert "audit entry 3 was altered" in ada.get("/administration/check").text


def test_a_product_without_an_inspector_says_so(ada, inspector_file):
    assert ada.post("/api/v1/products", json={"name": "second"}).status_code == 201
    assert "No inspector is released" in ada.get("/products/second").text
    assert (
        "No picture has come" in ada.get("/line/second").text or "no picture" in ada.get("/line/second").text
    )
    assert "Nothing waits" in ada.get("/review?product=second").text
