import errno
import os
import stat
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from knowngood import output
from knowngood.errors import OutputError
from knowngood.output import check_target, is_marked, replacing, temporary_folder


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
        f"write_inspector({str(old)!r}, b'x', bytes(5000), overwrite=True)"
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


@pytest.mark.parametrize(
    ("name", "reason"), [("x" * 300, "File name too long"), ("a\0b", "its name holds a NUL character")]
)
def test_a_name_that_no_file_can_have(tmp_path, name, reason):
    for write_to in (check_target, write):
        with pytest.raises(OutputError, match=f"cannot be written: {reason}"):
            write_to(tmp_path / name)


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


class TestWhatIsNotOurs:
    MARK = "p_value,decision"

    def test_a_foreign_file_is_not_replaced(self, old):
        with pytest.raises(
            OutputError, match="exists and is not a result of this type; name another file, or"
        ):
            check_target(old, self.MARK)
        with pytest.raises(OutputError, match="exists and is not"), replacing(old, self.MARK):
            pytest.fail("nothing may be written")
        assert untouched(old)

    def test_unless_it_is_asked_for(self, old):
        check_target(old, self.MARK, overwrite=True)
        with replacing(old, self.MARK, overwrite=True) as unfinished:
            unfinished.write_text("new")
        assert old.read_text() == "new"

    @pytest.mark.parametrize(
        "content", [b"", b"path,p_value,decision\n", bytes(200_000) + b"p_value,decision"]
    )
    def test_an_empty_one_and_one_of_ours_are(self, old, content):
        old.write_bytes(content)
        check_target(old, self.MARK)
        with replacing(old, self.MARK) as unfinished:
            unfinished.write_text("new")
        assert old.read_text() == "new"

    def test_a_mark_in_the_middle_of_a_large_file_is_another_matter(self, old):
        old.write_bytes(bytes(200_000) + self.MARK.encode() + bytes(200_000))
        assert not is_marked(old, self.MARK)
        assert not is_marked(old.parent / "none", self.MARK)

    @pytest.mark.parametrize("overwrite", [False, True])
    def test_what_a_command_reads_it_never_replaces(self, old, overwrite):
        alias = old.with_name("alias.csv")
        alias.symlink_to(old)
        for target in (old, alias):
            with pytest.raises(OutputError, match="is read by this command"):
                check_target(target, overwrite=overwrite, inputs=["none.csv", "\0", old])


class TestLinksAndModes:
    def test_a_link_stays_and_its_target_is_replaced(self, old):
        link = old.parent / "links" / "latest.csv"
        link.parent.mkdir()
        link.symlink_to(old)
        write(link)
        assert link.is_symlink()
        assert old.read_text() == "new"
        assert names(link.parent) == ["latest.csv"]

    def test_a_planted_link_to_a_foreign_file_is_not_followed(self, old):
        link = old.with_name("scores.csv")
        link.symlink_to(old)
        with pytest.raises(OutputError, match="exists and is not"), replacing(link, "p_value"):
            pytest.fail("nothing may be written")
        assert old.read_text() == "old"

    def test_a_link_to_nothing(self, tmp_path):
        link = tmp_path / "scores.csv"
        link.symlink_to(tmp_path / "none.csv")
        for refused in (check_target, write):
            with pytest.raises(OutputError, match="is a link to nothing"):
                refused(link)
        assert names(tmp_path) == ["scores.csv"]

    def test_a_hard_link(self, old):
        other = old.with_name("other.csv")
        other.hardlink_to(old)
        with pytest.raises(OutputError, match="has a second name"):
            write(old)
        assert old.samefile(other)
        assert old.read_text() == "old"

    @pytest.mark.parametrize("mode", [0o600, 0o664, 0o640])
    def test_the_mode_is_kept(self, old, mode):
        old.chmod(mode)
        with replacing(old) as unfinished:
            assert (
                stat.S_IMODE(unfinished.stat().st_mode) & ~mode == 0
            )  # a private file is never open to others
            unfinished.write_text("new")
        assert stat.S_IMODE(old.stat().st_mode) == mode

    def test_a_new_file_has_the_mode_of_the_umask(self, tmp_path):
        before = os.umask(0o027)
        try:
            write(tmp_path / "new.csv")
        finally:
            os.umask(before)
        assert stat.S_IMODE((tmp_path / "new.csv").stat().st_mode) == 0o640

    def test_a_read_only_file(self, old):
        old.chmod(0o444)
        with pytest.raises(OutputError, match="is read-only"):
            write(old)
        assert untouched(old)


class TestDevicesAndPipes:
    def test_a_device_stays_a_device(self):
        write("/dev/null")
        assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)

    def test_a_pipe_gets_the_whole_result(self, tmp_path):
        pipe = tmp_path / "pipe.csv"
        os.mkfifo(pipe)
        reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
        try:
            write(pipe)
            assert os.read(reader, 100) == b"new"
        finally:
            os.close(reader)
        assert stat.S_ISFIFO(pipe.stat().st_mode)
        assert names(tmp_path) == ["pipe.csv"]

    def test_a_pipe_that_nobody_reads(self, tmp_path):
        pipe = tmp_path / "pipe.csv"
        os.mkfifo(pipe)
        with pytest.raises(OutputError, match="cannot be written"):
            write(pipe)

    def test_a_socket(self, tmp_path, monkeypatch):
        import socket

        monkeypatch.chdir(tmp_path)  # the name of a socket must be short
        with socket.socket(socket.AF_UNIX) as server:
            server.bind("scores.csv")
            with pytest.raises(OutputError, match="is neither a file nor a pipe"):
                write("scores.csv")


class TestManyWriters:
    def test_threads_that_write_one_file(self, tmp_path):
        path = tmp_path / "result.csv"

        def one(number):
            with replacing(path) as unfinished:
                unfinished.write_text(str(number) * 10_000)
            return len(set(path.read_text()))

        with ThreadPoolExecutor(8) as pool:
            assert set(pool.map(one, [number % 10 for number in range(100)])) == {1}
        assert names(tmp_path) == ["result.csv"]

    def test_what_a_killed_run_left_is_removed_and_what_a_running_one_writes_is_not(self, old):
        program = (
            "import sys, time; from knowngood.output import replacing\n"
            f"with replacing({str(old)!r}) as unfinished:\n"
            "    unfinished.write_text('half'); print('ready', flush=True); time.sleep(600)"
        )
        started = [
            subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
            for _ in range(2)
        ]
        try:
            for one in started:
                assert one.stdout.readline() == "ready\n"
            started[0].kill()
            started[0].wait()
            left = [path for path in old.parent.iterdir() if path != old]
            assert len(left) == 2
            for path in left:
                os.utime(path, (time.time() - 1000, time.time() - 1000))
            output._sweep.cache_clear()
            write(old.with_name("other.csv"))
            assert len([path for path in left if path.exists()]) == 1
        finally:
            for one in started:
                one.kill()
                one.wait()
                one.stdout.close()

    def test_temporary_folders_of_killed_runs_are_removed(self, tmp_path, monkeypatch):
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
        left, young = tmp_path / "knowngood-left", tmp_path / "knowngood-young"
        for folder in (left, young):
            folder.mkdir()
            (folder / ".lock").touch()
        os.utime(left / ".lock", (time.time() - 1000, time.time() - 1000))
        unlocked, other = tmp_path / "knowngood-unlocked", tmp_path / "knowngood-other"
        for folder in (unlocked, other):
            folder.mkdir()
        (other / "notes").touch()  # the user's own
        for folder in (unlocked, other):
            os.utime(folder, (time.time() - 1000, time.time() - 1000))
        with temporary_folder() as mine:
            os.utime(mine / ".lock", (time.time() - 1000, time.time() - 1000))
            with temporary_folder():
                assert (left.exists(), young.exists(), mine.exists()) == (False, True, True)
        assert names(tmp_path) == ["knowngood-other", "knowngood-young"]
