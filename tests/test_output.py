import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from knowngood.errors import OutputError
from knowngood.output import check_target, replacing


@pytest.fixture
def old(tmp_path):
    """A result from before, alone in its folder."""
    path = tmp_path / "result.csv"
    path.write_text("old")
    return path


def names(folder):
    return sorted(path.name for path in Path(folder).iterdir())


def untouched(old):
    return old.read_text() == "old" and names(old.parent) == [old.name]


def write(path, failure=None):
    """Write a new result; the failure comes when half of it is written."""
    with replacing(path) as unfinished:
        unfinished.write_text("new")
        if failure is not None:
            raise failure


def disk_full(*_):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_new_file(tmp_path):
    with replacing(tmp_path / "result.csv") as unfinished:
        assert (unfinished.parent, unfinished.suffix) == (tmp_path, ".csv")
        unfinished.write_text("new")
    assert names(tmp_path) == ["result.csv"]
    assert (tmp_path / "result.csv").read_text() == "new"


def test_the_old_file_stands_until_the_end(old):
    with replacing(str(old)) as unfinished:
        unfinished.write_text("new")
        assert old.read_text() == "old"
    assert old.read_text() == "new"
    assert names(old.parent) == ["result.csv"]


@pytest.mark.parametrize("failure", [KeyboardInterrupt, ValueError, SystemExit])
def test_whatever_happens_the_old_file_stays(old, failure):
    with pytest.raises(failure):
        write(old, failure())
    assert untouched(old)


def test_a_full_disk_while_writing(old):
    with pytest.raises(OutputError) as failed:
        write(old, OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
    assert str(failed.value) == (
        f"{str(old)!r} cannot be written: No space left on device; what was there before is unchanged"
    )
    assert untouched(old)


@pytest.mark.parametrize(("owner", "step"), [(os, "fsync"), (Path, "replace")])
def test_a_full_disk_at_the_end(old, monkeypatch, owner, step):
    monkeypatch.setattr(owner, step, disk_full)
    with pytest.raises(OutputError, match="No space left on device"):
        write(old)
    assert untouched(old)


def test_a_write_that_the_system_really_stops(old):
    """A limit on the size of files fails the write half-way, as a full disk does."""
    program = (
        "import resource, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000));"
        "from knowngood.inspector.file import write_inspector;"
        f"write_inspector({str(old)!r}, b'x', bytes(5000))"
    )
    ran = subprocess.run([sys.executable, "-B", "-c", program], capture_output=True, text=True)
    assert ran.returncode == 1
    message = ran.stderr.splitlines()[-1]
    assert message.startswith("knowngood.errors.OutputError: ")
    assert message.endswith("File too large; what was there before is unchanged")
    assert untouched(old)


def test_a_missing_folder(tmp_path):
    path = tmp_path / "none" / "result.csv"
    with pytest.raises(OutputError) as failed:
        write(path)
    assert str(failed.value) == (
        f"{str(path)!r} cannot be written: No such file or directory; "
        f"make the folder {str(path.parent)!r} first"
    )


def test_a_file_where_a_folder_should_be(old):
    with pytest.raises(OutputError, match="cannot be written: Not a directory; make the folder"):
        write(old / "result.csv")
    assert untouched(old)


@pytest.mark.parametrize("name", ["folder", ".", ""])
def test_a_folder(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    Path("folder").mkdir()
    with pytest.raises(OutputError, match=r"cannot be written: .*; name a file in it"):
        write(name)
    assert names(".") == ["folder"]
    assert names("folder") == []


def test_a_folder_that_may_not_be_entered(tmp_path, monkeypatch):
    def refuse(path, **_):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    monkeypatch.setattr(Path, "stat", refuse)
    with pytest.raises(OutputError, match="cannot be written: Permission denied"):
        write(tmp_path / "result.csv", PermissionError(errno.EACCES, os.strerror(errno.EACCES)))


def test_a_target_is_checked_before_the_work(old, monkeypatch):
    check_target(old)
    check_target(old.parent / "new.csv")
    assert untouched(old)
    with pytest.raises(OutputError, match="is a folder; name a file in it"):
        check_target(old.parent)
    with pytest.raises(OutputError, match="none' first"):
        check_target(old.parent / "none" / "result.csv")
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(OutputError, match=r"result\.csv' cannot be written"):
        check_target(old)
