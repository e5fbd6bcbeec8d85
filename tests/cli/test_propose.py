"""`knowngood propose`."""

import json


def test_first_labels_for_a_detector(run, inspector, widget, tmp_path):
    (tmp_path / "new").mkdir()
    for number, path in enumerate([*(widget / "test/good").iterdir(), *(widget / "test/scratch").iterdir()]):
        (tmp_path / f"new/{number}.png").write_bytes(path.read_bytes())
    (tmp_path / "new/broken.png").write_bytes(b"no picture")
    status, out, err = run("propose", inspector, tmp_path / "new", "--out", tmp_path / "coco")
    assert status == 1  # for the broken one alone
    assert "broken.png" in err
    labels = json.loads((tmp_path / "coco/train.json").read_text())
    assert [one["name"] for one in labels["categories"]] == ["proposed defect"]
    assert len(labels["images"]) == 14
    assert len({one["image_id"] for one in labels["annotations"]}) >= 6
    assert out.startswith("14 images in ")
    known = run("propose", inspector, widget / "test", "--known-defects", "--out", tmp_path / "all")
    assert known.out.splitlines()[1] == "  train, proposed defect: 14"


def test_a_folder_that_holds_something_is_named_before_the_work(run, inspector, widget):
    status, _, err = run("propose", inspector, widget / "test", "--out", widget)
    assert status == 1
    assert "is no empty folder; name a new one" in err
