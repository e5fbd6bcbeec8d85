"""A picture gets a verdict, which is stored with it before the answer leaves, once for each key."""

import base64
import hashlib
import io
import json
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

import knowngood
from knowngood.station import settings as limits

from ..support.station import as_png, bomb, upload


def test_a_verdict_is_that_of_the_inspector_and_stays(line, inspector_file, defect):
    answer = line.inspect(defect)
    assert answer.status_code == 200
    found = answer.json()
    (verdict,) = knowngood.Inspector.load(inspector_file).inspect([defect])
    assert found["score"] == pytest.approx(verdict.score, rel=1e-6)
    assert (found["p_value"], found["decision"]) == (verdict.p_value, "reject")
    assert found["regions"] == [region._asdict() for region in verdict.regions()]
    assert found["picture_hash"] == hashlib.sha256(defect).hexdigest()
    number = found["id"]
    assert line.get(f"/api/v1/verdicts/{number}").json() == found
    picture = line.get(f"/api/v1/verdicts/{number}/picture")
    assert (picture.content, picture.headers["content-type"]) == (defect, "image/png")
    for view in ("preview", "thumbnail", "heatmap"):
        shown = line.get(f"/api/v1/verdicts/{number}/{view}")
        assert Image.open(io.BytesIO(shown.content)).size == (96, 96)
    replayed = line.post(f"/api/v1/verdicts/{number}/replay").json()
    assert (replayed["agrees"], replayed["problems"]) == (True, [])
    assert not list(line.station.settings.incoming.iterdir())


def test_a_form_a_body_and_a_batch_are_the_same(line, good, defect):
    body = line.inspect(good).json()
    form = line.post("/api/v1/products/widget/inspect", files={"picture": ("x.png", good)}).json()
    files = [
        ("pictures", ("a.png", good)),
        ("pictures", ("b.png", b"no picture")),
        ("pictures", ("c.png", defect)),
    ]
    first, refused, last = line.post("/api/v1/products/widget/inspect/batch", files=files).json()
    assert body["score"] == form["score"] == first["score"]
    assert (body["decision"], last["decision"]) == ("accept", "reject")
    assert "not an image" in refused["detail"]


def test_a_key_gives_the_same_record_again(line, good, defect):
    key = {"Idempotency-Key": "camera-1/17"}
    first = line.inspect(good, **key)
    assert line.inspect(good, **key).json() == first.json()
    other = line.inspect(defect, **key)
    assert other.status_code == 422
    assert "came with another picture" in other.json()["detail"]
    batch = [line.post("/api/v1/products/widget/inspect/batch", files={"a": good}, headers=key) for _ in "12"]
    assert batch[0].json() == batch[1].json()


def test_a_key_gives_one_record_also_where_requests_meet(line, good):
    picture = as_png(5, good)
    with ThreadPoolExecutor(8) as pool:
        answers = list(
            pool.map(lambda _: line.inspect(picture, **{"Idempotency-Key": "met"}).json(), range(16))
        )
    assert len({answer["id"] for answer in answers}) == 1
    assert not list(line.station.settings.incoming.iterdir())


def test_a_release_swaps_the_inspector_without_a_dropped_request(line, good, inspector_file):
    made = line.post(
        "/api/v1/products/widget/versions/1/threshold", json={"value": 1.0, "reason": "reject everything"}
    )
    assert made.json()["state"] == "draft"
    pictures = [as_png(seed, good) for seed in range(40)]
    with ThreadPoolExecutor(4) as pool:
        answers = [pool.submit(line.inspect, picture) for picture in pictures]
        path = f"/api/v1/products/widget/versions/{made.json()['number']}/release"
        assert line.post(path, json={"reason": "a stricter line"}).status_code == 200
        answers = [answer.result() for answer in answers]
    assert {answer.status_code for answer in answers} == {200}
    assert line.inspect(good).json()["decision"] == "reject"
    for answer in answers:
        found = answer.json()
        assert (found["version"] == 1) == (found["threshold"] != 1.0)
    states = {one["number"]: one["state"] for one in line.get("/api/v1/products/widget/versions").json()}
    assert states == {1: "retired", made.json()["number"]: "released"}
    again = line.post("/api/v1/products/widget/versions/1/release", json={"reason": "back to the first"})
    assert again.status_code == 200
    assert line.inspect(good).json()["decision"] == "accept"


@pytest.mark.parametrize(
    ("name", "status", "reason"),
    [
        ("text", 422, "not an image of a known type"),
        ("cut off", 422, "picture"),
        ("bomb", 422, "pixels"),
        ("tiny", 422, "picture"),
        ("empty", 400, "empty"),
        ("large", 413, "Too Large"),
    ],
)
def test_what_is_no_picture_is_refused_with_the_reason(line, good, name, status, reason, monkeypatch):
    tiny = io.BytesIO()
    Image.new("RGB", (3, 3)).save(tiny, "PNG")
    content = {
        "text": b"hello",
        "cut off": good[: len(good) // 2],
        "bomb": bomb(),
        "tiny": tiny.getvalue(),
        "empty": b"",
        "large": bytes(limits.PICTURE_BYTES + 1),
    }[name]
    answer = line.inspect(content)
    assert answer.status_code == status, answer.text
    assert reason in answer.text
    assert str(line.station.settings.data) not in answer.text
    assert not list(line.station.settings.incoming.iterdir())
    assert line.inspect(good).status_code == 200


def test_unknown_products_and_those_without_a_release(line, good):
    assert line.inspect(good, product="gadget").status_code == 404
    assert line.post("/api/v1/products", json={"name": "gadget"}).status_code == 201
    answer = line.inspect(good, product="gadget")
    assert answer.status_code == 409
    assert "no released inspector" in answer.json()["detail"]
    assert line.post("/api/v1/products", json={"name": "gadget"}).status_code == 409
    assert line.post("/api/v1/products", json={"name": "../x"}).status_code == 422


def test_what_is_no_inspector_is_refused(line, good):
    answer = line.post("/api/v1/products/widget/versions", content=good)
    assert (answer.status_code, answer.json()["detail"][:27]) == (422, "the file is not an inspecto")


def test_a_full_disk_takes_no_picture_and_old_ones_stay(line, good, monkeypatch):
    number = line.inspect(good).json()["id"]
    full = line.station.settings.model_copy(update={"free": 1 << 60})
    monkeypatch.setattr(line.station, "settings", full)
    answer = line.inspect(good)
    assert answer.status_code == 507
    assert "no more pictures are taken" in answer.json()["detail"]
    assert line.get("/ready").status_code == 503
    assert line.get(f"/api/v1/verdicts/{number}/picture").content == good
    monkeypatch.undo()

    def fails(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(line.station.storage, "keep", fails)
    assert line.inspect(good).status_code == 507
    monkeypatch.undo()
    line.station.storage.settle(line.station.is_known)
    assert line.inspect(good).status_code == 200


# --- the interfaces of others


def test_the_open_inference_protocol(line, defect):
    assert line.get("/v2/models/widget").json()["name"] == "widget"
    assert line.get("/v2/models/widget/ready").json()["ready"]
    assert line.get("/v2/health/ready").json() == {"ready": True}
    body = {"name": "x", "shape": [1], "datatype": "BYTES", "data": [base64.b64encode(defect).decode()]}
    answer = line.post("/v2/models/widget/infer", json={"id": "17", "inputs": [body]}).json()
    outputs = {one["name"]: one["data"] for one in answer["outputs"]}
    assert (answer["id"], answer["model_name"], outputs["decision"]) == ("17", "widget", ["reject"])
    kept = line.get(f"/api/v1/verdicts/{outputs['verdict'][0]}").json()
    assert kept["regions"] == json.loads(outputs["regions"][0])
    pixels = np.asarray(Image.open(io.BytesIO(defect)))[None]
    raw = {"name": "x", "shape": pixels.shape, "datatype": "UINT8", "data": pixels.ravel().tolist()}
    of_pixels = line.post("/v2/models/widget/infer", json={"inputs": [raw]}).json()
    assert of_pixels["outputs"][0]["data"] == outputs["score"]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({}, "Field required"),
        ({"inputs": [{"name": "x", "shape": [2], "datatype": "BYTES", "data": [""]}]}, "is not that of 1"),
        ({"inputs": [{"name": "x", "shape": [1], "datatype": "BYTES", "data": ["?"]}]}, "base64"),
        ({"inputs": [{"name": "x", "shape": [1, 9, 9, 3], "datatype": "UINT8", "data": [1]}]}, "reshape"),
        (
            {"inputs": [{"name": "x", "shape": [1, 8, 8, 3], "datatype": "UINT8", "data": [300] * 192}]},
            "0 to 255",
        ),
    ],
)
def test_what_is_not_of_the_protocol(line, body, reason):
    answer = line.post("/v2/models/widget/infer", json=body)
    assert answer.status_code == 422
    assert reason in answer.json()["error"]


def test_the_shape_of_lookout_for_vision(line, good, defect):
    path = "/2020-11-20/projects/widget/models/1/detect"
    bad, fine = (line.post(path, content=one).json()["DetectAnomalyResult"] for one in (defect, good))
    assert (bad["IsAnomalous"], fine["IsAnomalous"]) == (True, False)
    assert 0 < bad["Anomalies"][0]["PixelAnomaly"]["TotalPercentageArea"] <= 100
    assert fine["Anomalies"] == []


def test_versions_are_kept_as_they_were_uploaded(line, inspector_file):
    number = upload(line, inspector_file)["number"]
    path = f"/api/v1/products/widget/versions/{number}"
    assert line.get(f"{path}/file").content == inspector_file.read_bytes()
    assert line.post(f"{path}/retire", json={"reason": "not needed"}).json()["state"] == "retired"
    assert line.post(f"{path}/retire", json={"reason": "not needed"}).status_code == 409
    assert line.post(f"{path}/release", json={"reason": ""}).status_code == 422
