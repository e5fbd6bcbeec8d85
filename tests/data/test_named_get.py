"""Public data sets are got by their names, and what results is a data set of ours."""

import hashlib
import json
import re
import shutil
from dataclasses import replace

import pytest

import knowngood
from knowngood.data.idx import load_idx
from knowngood.data.named import download as downloading
from knowngood.data.named.entries import Archive
from knowngood.data.named.registry import DATA_SETS
from knowngood.errors import DataError, OutputError

from ..support import published
from ..support.publisher import publishing

LAYOUTS = {
    "mvtec-ad/bottle": (published.mvtec_ad, {"good": 9, "broken": 2, "contamination": 2}),
    "mvtec-loco/pushpins": (published.mvtec_loco, {"good": 11, "logical_anomalies": 2}),
    "mvtec-ad-2/can": (published.mvtec_ad_2, {"good": 11, "bad": 2}),
    "visa/candle": (published.visa, {"good": 9, "defect": 2}),
    "btad/01": (published.btad, {"good": 9, "ko": 2}),
    "autovi/pipe_clip": (published.autovi, {"good": 9, "unclipped": 2}),
    "kolektor/sdd": (published.kolektor_sdd, {"good": 12, "defect": 4}),
    "kolektor/sdd2": (published.kolektor_sdd2, {"good": 8, "defect": 4}),
    "magnetic-tile": (published.magnetic_tile, {"good": 8, "MT_Crack": 3, "MT_Blowhole": 3}),
}
"""What makes an archive of each layout, and the images of each class in it."""


@pytest.fixture
def publisher(monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(downloading, "PAUSE", 0.001)
    monkeypatch.setattr(downloading, "STALL", 0.5)
    with publishing() as publisher:
        yield publisher


@pytest.fixture
def publish(publisher, monkeypatch):
    """Publish a small archive in the place of that of a data set, and of all others in the same one."""

    def publish(name, content, *, is_known=True):
        (old,) = DATA_SETS[name].archives
        sha256 = hashlib.sha256(content).hexdigest() if is_known else ""
        new = Archive(old.name, len(content), (publisher.publish(old.name, content),), sha256)
        for data in [data for data in DATA_SETS.values() if data.archives == (old,)]:
            monkeypatch.setitem(DATA_SETS, data.name, replace(data, archives=(new,)))
        return new

    return publish


def got(name, out, **more):
    return knowngood.get_data(name, out, accept_licence=True, **more)


@pytest.mark.parametrize("name", LAYOUTS)
def test_every_layout_is_described(publish, publisher, tmp_path, name):
    make, counts = LAYOUTS[name]
    publish(name, make())
    folder = got(name, tmp_path / "data")
    assert folder == tmp_path / "data" / name
    table = knowngood.describe(folder).samples
    names = table["defect"].where(table["defect"] != "", table["label"])
    assert names.value_counts().to_dict() == counts
    assert (table.loc[table["label"] == "defect", "mask"] != "").all()
    assert set(table["split"]) == {"train", "test"}
    got(name, tmp_path / "data")
    assert len(publisher.asked) == 1
    assert not (tmp_path / "data/.downloads/unpacking").exists()


def test_no_layout_is_untested():
    assert {name.partition("/")[0] for name in DATA_SETS} == {
        *(name.partition("/")[0] for name in LAYOUTS),
        "mnist",
        "elpv",
    }


def only(monkeypatch, *names):
    """Leave these data sets alone of those of their publisher: small archives hold no more."""
    for name in list(DATA_SETS):
        if name.partition("/")[0] == names[0].partition("/")[0] and name not in names:
            monkeypatch.delitem(DATA_SETS, name)


def files_in(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_nothing_is_done_before_the_licence_is_accepted(publish, publisher, tmp_path):
    publish("btad/01", published.btad())
    with pytest.raises(DataError, match=r"btad/01 has a licence \(CC BY-NC-SA 4\.0, .*accept_licence=True"):
        knowngood.get_data("btad/01", tmp_path / "data")
    assert publisher.asked == []
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("name", ["mvtec-ad/botle", "MVTec", "", "../visa", "visa/", "btad/0"])
def test_an_unknown_name(tmp_path, name):
    with pytest.raises(DataError, match="no data set is called"):
        got(name, tmp_path)


def test_products_of_one_archive_are_downloaded_once(publish, publisher, tmp_path, monkeypatch):
    only(monkeypatch, "visa/candle", "visa/pcb1")
    archive = publish("visa/candle", published.visa())
    got("visa/candle", tmp_path)
    assert files_in(tmp_path / "visa")[0].startswith("candle/")
    assert not (tmp_path / "visa/pcb1").exists()
    assert (tmp_path / ".downloads" / archive.name).exists()
    assert got("visa", tmp_path) == tmp_path / "visa"
    assert len(publisher.asked) == 1
    assert not (tmp_path / ".downloads" / archive.name).exists()
    table = knowngood.describe(tmp_path / "visa").samples
    assert table.groupby("product").size().to_dict() == {"candle": 11, "pcb1": 11}
    assert "visa/LICENSE-DATASET" not in files_in(tmp_path)


def test_the_same_at_once(publish, publisher, tmp_path, monkeypatch):
    only(monkeypatch, "btad/01", "btad/02")
    publish("btad/01", published.btad())
    got("btad", tmp_path)
    assert sorted(path.name for path in (tmp_path / "btad").iterdir()) == ["01", "02"]
    assert len(publisher.asked) == 1


def test_what_is_there_is_told_from_what_is_not_whole(publish, tmp_path):
    publish("mvtec-ad/bottle", published.mvtec_ad())
    folder = got("mvtec-ad/bottle", tmp_path)
    (folder / "of mine.txt").write_text("stays")
    assert got("mvtec-ad/bottle", tmp_path) == folder
    (folder / "train/good/003.png").write_bytes(b"cut")
    (folder / "train/good/004.png").unlink()
    with pytest.raises(
        DataError, match=r"bottle' is not whole: 'mvtec-ad/bottle/train/good/003\.png' .*2 such"
    ):
        got("mvtec-ad/bottle", tmp_path)
    assert (folder / "of mine.txt").read_text() == "stays"


def test_a_folder_of_another_origin_stays(publish, publisher, tmp_path):
    publish("mvtec-ad/bottle", published.mvtec_ad())
    mine = tmp_path / "mvtec-ad/bottle"
    mine.mkdir(parents=True)
    with pytest.raises(DataError, match="is there, and `knowngood data get` did not make it"):
        got("mvtec-ad/bottle", tmp_path)
    assert publisher.asked == []


@pytest.mark.parametrize("is_known", [True, False])
def test_later_downloads_agree_with_the_first(publish, tmp_path, is_known):
    publish("mvtec-ad/bottle", published.mvtec_ad(), is_known=is_known)
    folder = got("mvtec-ad/bottle", tmp_path)
    shutil.rmtree(folder)
    got("mvtec-ad/bottle", tmp_path)
    shutil.rmtree(folder)
    publish("mvtec-ad/bottle", published.mvtec_ad_whole(), is_known=is_known)
    if is_known:
        got("mvtec-ad/bottle", tmp_path)
        return
    with pytest.raises(DataError, match=r"its SHA-256 is \w+, not \w+, by '.*mvtec-ad--bottle\.json'"):
        got("mvtec-ad/bottle", tmp_path)
    assert not folder.exists()


@pytest.mark.parametrize("name", ["bottle.tar.xz", "mvtec_anomaly_detection.tar.xz", "renamed", "folder"])
def test_an_archive_that_was_carried_over(publish, publisher, tmp_path, monkeypatch, name):
    publish("mvtec-ad/bottle", b"", is_known=False)
    whole = published.mvtec_ad_whole()
    data = DATA_SETS["mvtec-ad/bottle"]
    known = replace(data.instead[0], sha256=hashlib.sha256(whole).hexdigest())
    monkeypatch.setitem(DATA_SETS, data.name, replace(data, instead=(known,)))
    carried = tmp_path / (known.name if name == "folder" else name)
    carried.write_bytes(published.mvtec_ad() if name == "bottle.tar.xz" else whole)
    before = carried.read_bytes()
    folder = got(data.name, tmp_path / "data", from_file=tmp_path if name == "folder" else carried)
    assert len(files_in(folder / "train")) == 6
    assert publisher.asked == []
    assert carried.read_bytes() == before
    assert files_in(tmp_path / "data/.downloads") == ["lock", "mvtec-ad--bottle.json"]
    record = json.loads((tmp_path / "data/.downloads/mvtec-ad--bottle.json").read_text())
    assert list(record["archives"].values()) == [hashlib.sha256(before).hexdigest()]


def test_all_products_of_an_archive_that_was_carried_over(tmp_path, monkeypatch):
    only(monkeypatch, "mvtec-ad/bottle", "mvtec-ad/cable", "mvtec-ad/screw")
    whole = tmp_path / "mvtec_anomaly_detection.tar.xz"
    whole.write_bytes(published.mvtec_ad_whole())
    with pytest.raises(DataError, match=r"is not mvtec_anomaly_detection\.tar\.xz as it was published"):
        got("mvtec-ad", tmp_path / "data", from_file=whole)
    sha256 = hashlib.sha256(whole.read_bytes()).hexdigest()
    for data in [data for data in DATA_SETS.values() if data.instead]:
        known = replace(data.instead[0], sha256=sha256)
        monkeypatch.setitem(DATA_SETS, data.name, replace(data, instead=(known,)))
    folder = got("mvtec-ad", tmp_path / "data", from_file=whole)
    assert sorted(path.name for path in folder.iterdir()) == ["bottle", "cable", "screw"]


@pytest.mark.parametrize("kind", ["absent", "other", "pipe"])
def test_a_file_that_is_not_the_archive(publish, tmp_path, kind):
    publish("btad/01", published.btad())
    carried = tmp_path / "btad.zip"
    if kind == "pipe":
        carried = "/dev/null"
    elif kind == "other":
        carried.write_bytes(published.visa())
    with pytest.raises(DataError, match=r"cannot be read: (No such|it is a pipe)|is not btad\.zip as it was"):
        got("btad/01", tmp_path / "data", from_file=carried)
    assert not (tmp_path / "data/btad").exists()


def test_mnist_is_arrays(publisher, tmp_path, monkeypatch):
    data = DATA_SETS["mnist"]
    archives = []
    for archive in data.archives:
        content = published.mnist(archive.name)
        sha256 = hashlib.sha256(content).hexdigest()
        address = publisher.publish(archive.name, content)
        archives.append(Archive(archive.name, len(content), (address,), sha256))
    monkeypatch.setitem(DATA_SETS, "mnist", replace(data, archives=tuple(archives)))
    folder = got("mnist", tmp_path / "data")
    images, labels = load_idx(folder, "train")
    assert (images.shape, labels.shape) == ((6, 28, 28), (6,))
    assert load_idx(folder, "test")[1].shape == (4,)
    got("mnist", tmp_path / "data")
    assert len(publisher.asked) == 4
    assert files_in(tmp_path / "data/.downloads") == ["lock", "mnist.json"]
    got("mnist", tmp_path / "copy", from_file=folder)
    assert files_in(tmp_path / "copy/mnist") == files_in(folder)
    assert len(publisher.asked) == 4
    with pytest.raises(DataError, match="mnist is 4 files; name the folder that holds them"):
        got("mnist", tmp_path / "third", from_file=folder / archives[0].name)


def test_the_solar_cells_are_a_table(tmp_path):
    table = got("elpv", tmp_path / "data")
    assert table == tmp_path / "data/elpv.csv"
    assert knowngood.load_samples(table).groupby("label").size().to_dict() == {"defect": 313, "good": 588}
    before = table.stat().st_mtime_ns
    assert got("elpv", tmp_path / "data").stat().st_mtime_ns == before


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (published.tarred({"bottle/../../../evil.png": b"evil"}), "leads outside"),
        (published.tarred({"other/1.png": b"1"}), r"holds no folder bottle; it is another archive"),
        (b"no archive", "damaged or no archive"),
        (b"", "damaged or no archive"),
    ],
)
def test_an_archive_that_is_of_no_use_is_not_kept(publish, publisher, tmp_path, content, problem):
    publish("mvtec-ad/bottle", content, is_known=False)
    with pytest.raises(DataError, match=problem):
        got("mvtec-ad/bottle", tmp_path / "data")
    assert files_in(tmp_path) == ["data/.downloads/lock"]
    publish("mvtec-ad/bottle", published.mvtec_ad(), is_known=False)
    got("mvtec-ad/bottle", tmp_path / "data")


@pytest.mark.parametrize("when", ["unpacking", "moving"])
def test_a_killed_run_leaves_nothing_in_the_way(publish, publisher, tmp_path, when):
    content = published.mvtec_ad()
    archive = publish("mvtec-ad/bottle", content)
    shutil.rmtree(got("mvtec-ad/bottle", tmp_path))
    left = tmp_path / ".downloads/unpacking/mvtec-ad/bottle"
    left.mkdir(parents=True)
    (left / "half.png").write_bytes(b"ha")
    (tmp_path / ".downloads" / archive.name).write_bytes(content)
    if when == "unpacking":
        (tmp_path / ".downloads/mvtec-ad--bottle.json").unlink()
    assert len(files_in(got("mvtec-ad/bottle", tmp_path))) == 18
    assert len(publisher.asked) == 1
    assert files_in(tmp_path / ".downloads") == ["lock", "mvtec-ad--bottle.json"]


def test_too_little_room_is_said_beforehand(publish, publisher, tmp_path, monkeypatch):
    archive = publish("btad/01", published.btad())
    large = replace(archive, size=1 << 60)
    for data in [data for data in DATA_SETS.values() if data.archives == (archive,)]:
        monkeypatch.setitem(DATA_SETS, data.name, replace(data, archives=(large,)))
    with pytest.raises(
        OutputError, match=r"btad/01 needs .* GB in '.*', where .* GB are free; name a folder"
    ):
        got("btad/01", tmp_path)
    assert publisher.asked == []


def test_two_at_the_same_time(publish, publisher, tmp_path):
    fcntl = pytest.importorskip("fcntl")
    publish("btad/01", published.btad())
    (tmp_path / ".downloads").mkdir()
    with (tmp_path / ".downloads/lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(DataError, match="another knowngood is getting data"):
            got("btad/01", tmp_path)
    assert publisher.asked == []
    got("btad/01", tmp_path)


def test_a_file_in_the_place_of_the_folder(publish, tmp_path):
    publish("btad/01", published.btad())
    (tmp_path / "data").write_text("mine")
    with pytest.raises(OutputError, match="cannot be made"):
        got("btad/01", tmp_path / "data")
    assert (tmp_path / "data").read_text() == "mine"


def test_what_cannot_be_downloaded_is_got_by_hand(publish, publisher, tmp_path):
    archive = publish("btad/01", published.btad())
    del publisher.files[archive.name]
    with pytest.raises(DataError) as caught:
        got("btad/01", tmp_path)
    first, second = str(caught.value).splitlines()
    assert first == "btad/01 cannot be downloaded: 127.0.0.1 answers 404 Not Found"
    assert second.startswith("or get btad.zip (1 MB) by hand, see https://avires")
    assert second.endswith(f"`knowngood data get btad/01 --out {tmp_path} --from btad.zip`")


def test_every_declaration_is_whole():
    for name, data in DATA_SETS.items():
        assert data.name == name
        assert data.licence
        assert data.page.startswith("http")
        assert bool(data.archives) != bool(data.package)
        for archive in (*data.archives, *data.instead):
            assert archive.size > 4_000
            assert re.fullmatch("([0-9a-f]{64})?", archive.sha256)
            assert all(address.startswith("https://") for address in archive.addresses)
            assert archive.addresses or archive.sha256
            assert not archive.is_packed or data.take
    assert len({data.name.lower() for data in DATA_SETS.values()}) == len(DATA_SETS)
