"""`knowngood export`."""


def test_a_folder_in_another_format(run, widget, tmp_path):
    status, out, err = run("export", widget, "--format", "yolo", "--out", tmp_path / "yolo")
    assert (status, err) == (0, "")
    assert (
        out.splitlines()[0]
        == f"{len(list((tmp_path / 'yolo/images').rglob('*.png')))} images in {tmp_path}/yolo"
    )
    assert "no defect is in the train split" in out or "regions" not in out


def test_mistakes_are_named(run, widget, tmp_path):
    status, _, err = run("export", widget, "--format", "voc", "--out", tmp_path / "a")
    assert status == 1
    assert err.startswith("error: format 'voc' is not known")
    status, _, err = run("export", widget, "--out", tmp_path)
    assert (tmp_path.exists(), status, err.startswith("error:")) == (True, 0, False)
