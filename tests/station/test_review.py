"""What waits for a person, and what people's labels settle."""

import pytest
from sqlalchemy import select, update

from knowngood.station import review
from knowngood.station.labels import add_label, take_back
from knowngood.station.models import Product, Verdict
from knowngood.station.review import DISAGREEMENT, LEFT, SAMPLED, defect_types, queue

from ..support.station import as_png


@pytest.fixture(scope="module")
def numbers(line, good, defect):
    """Verdicts: a reject, an accepted part, and two that are left to a person."""
    found = [line.inspect(one).json()["id"] for one in (defect, good, as_png(1, good), as_png(2, good))]
    decisions = dict(zip(found, ("reject", "accept", "review", "review"), strict=True))
    with line.station.database.writing() as session:
        for number, decision in decisions.items():
            session.execute(update(Verdict).where(Verdict.id == number).values(decision=decision))
    return found


@pytest.fixture
def waiting(line, numbers):
    """What waits for a person, by name: pairs of number and reason."""
    with line.station.database.reading() as session:
        product = session.scalar(select(Product))

    def of(person):
        with line.station.database.reading() as session:
            return [(one.verdict.id, one.reason) for one in queue(session, product, person)]

    return of


@pytest.fixture
def label(line):
    """Label a verdict, and take all labels back at the end."""
    given = []

    def say(by, number, decision, defect_type=None):
        with line.station.database.reading() as session:
            verdict = session.get(Verdict, number)
        add_label(line.station, by, verdict, decision, defect_type, None)
        given.append((by, verdict))

    yield say
    for by, verdict in given:
        take_back(line.station, by, verdict)


def test_parts_left_to_a_person_come_first_and_once(waiting, label, numbers, monkeypatch):
    monkeypatch.setattr(review, "SAMPLE", 1 - 1e-9)
    assert waiting("ada") == [(numbers[3], LEFT), (numbers[2], LEFT), (numbers[1], SAMPLED)]
    label("ada", numbers[3], "good")
    label("ada", numbers[0], "defect")
    assert waiting("bob") == [(numbers[2], LEFT), (numbers[1], SAMPLED)]


def test_the_sample_is_the_share_that_is_stated(good):
    import hashlib

    below = review._highest(review.SAMPLE)
    hashes = [hashlib.sha256(str(at).encode()).hexdigest() for at in range(5000)]
    assert sum(one < below for one in hashes) / 5000 == pytest.approx(review.SAMPLE, abs=0.006)


def test_a_contradiction_needs_a_second_and_a_third_person(waiting, label, numbers):
    reject = numbers[0]
    disagreement = (reject, DISAGREEMENT)
    label("ada", reject, "good")
    assert disagreement not in waiting("ada")
    assert disagreement in waiting("bob")
    label("bob", reject, "defect")
    assert disagreement not in waiting("bob")
    assert disagreement in waiting("eva")
    label("eva", reject, "good")
    assert disagreement not in waiting("someone else")


def test_two_people_who_agree_settle_it(waiting, label, numbers):
    label("ada", numbers[1], "defect")
    assert (numbers[1], DISAGREEMENT) in waiting("bob")
    label("bob", numbers[1], "defect")
    assert (numbers[1], DISAGREEMENT) not in waiting("eva")


def test_defect_types_keep_their_keys(line, label, numbers, waiting):
    label("ada", numbers[0], "defect", "scratch")
    label("ada", numbers[2], "defect", "dent")
    label("bob", numbers[3], "defect", "dent")
    with line.station.database.reading() as session:
        assert defect_types(session, session.scalar(select(Product))) == ["scratch", "dent"]


def test_a_label_is_taken_back_by_who_gave_it(line, numbers):
    path = f"/api/v1/verdicts/{numbers[1]}"
    other = line.token("operator", name="other")
    line.post(f"{path}/labels", json={"decision": "good"})
    line.client.post(f"{path}/labels", json={"decision": "defect"}, headers=other)
    assert line.client.delete(f"{path}/labels", headers=other).status_code == 204
    assert line.get(path).json()["label"] == "good"
    assert line.client.delete(f"{path}/labels", headers=other).status_code == 409
    assert line.client.delete(f"{path}/labels", headers=line.engineer).status_code == 204
    assert line.get(path).json()["label"] is None
    with line.station.database.reading() as session:
        verdict = session.get(Verdict, numbers[0])
        assert verdict.product.name == "widget"
    entries = line.client.get("/api/v1/audit", headers=line.token("administrator")).json()
    assert entries[0]["what"] == "take label back"
