def test_what_is_not_there_is_said_in_one_line(run, tmp_path):
    status, out, err = run("study", "ece157a", "--data", tmp_path, "--out", tmp_path / "out")
    assert status == 1
    assert err.startswith("error: ")
    assert "holds no folder mnist" in err
    assert "Traceback" not in err + out


def test_a_study_that_is_not_known(run, tmp_path):
    status, _, err = run("study", "nothing", "--data", tmp_path, "--out", tmp_path / "out")
    assert status == 1
    assert "choose one of ece157a" in err


def test_a_setting_that_no_method_has_is_refused(run, tmp_path):
    arguments = ("study", "ece157a", "--data", tmp_path, "--out", tmp_path / "out")
    status, _, err = run(*arguments, "--set", "coreset=5")
    assert status == 1
    assert err.startswith("error: no method of this study has a setting 'coreset'; they have ")
    assert "epochs" in err
    status, _, err = run(*arguments, "--set", "epochs")
    assert status == 1
    assert "must be NAME=VALUE" in err
    assert not (tmp_path / "out").exists()
