"""The records: brought forward, found by any page, never altered unnoticed; on SQLite and on PostgreSQL."""

import asyncio
import datetime as dt
import hashlib
import shutil
from concurrent.futures import ThreadPoolExecutor

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import text

from knowngood.errors import DataError, OutputError, StationError
from knowngood.station import history
from knowngood.station.audit import Audit, check_log
from knowngood.station.backup import back_up, restore
from knowngood.station.context import Records
from knowngood.station.database import Database
from knowngood.station.history import Search, counts, find_verdicts
from knowngood.station.models import AuditEntry, Base, InspectorVersion, Product, Verdict
from knowngood.station.settings import StationSettings
from knowngood.station.storage import Received, Storage, key_of
from knowngood.station.verify import verify

from ..support.station import running

START = dt.datetime(2026, 11, 30, 6, tzinfo=dt.UTC)


def quiet(*_):
    """No progress."""


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request, tmp_path):
    """An empty database of each type."""
    if request.param == "sqlite":
        made = Database(f"sqlite:///{tmp_path / 'x.db'}")
    else:
        made = Database(request.getfixturevalue("postgres"))
        with made.writing() as session:
            session.execute(text("DROP SCHEMA public CASCADE; CREATE SCHEMA public"))
    made.migrate()
    yield made
    made.close()


def fill(database, count):
    """Store verdicts on two products, one each second; the clock is set back once."""
    with database.writing() as session:
        for name in ("widget", "gadget"):
            product = Product(name=name)
            session.add(product)
            session.flush()
            of = {"file_hash": "f", "fingerprint": "f", "method": "padim", "created_by": "test"}
            version = InspectorVersion(product_id=product.id, number=1, threshold=1.0, **of)
            session.add(version)
            session.flush()
            for at in range(count):
                session.add(row(product.id, version.id, at))
        return list(session.scalars(text("SELECT id FROM product ORDER BY id")))


def row(product, version, at):
    received = START + dt.timedelta(seconds=at if at < 70 else at - 50)
    return Verdict(
        product_id=product,
        version_id=version,
        received=received,
        picture_hash=f"{at:064}",
        picture_key=f"{at}",
        width=9,
        height=9,
        score=float(at % 17),
        p_value=0.5,
        decision="reject" if at % 10 == 0 else "accept",
        threshold=1.0,
        regions=[],
        notes=[],
        milliseconds=1.0,
        source="test",
        label={1: "good", 2: "defect"}.get(at % 5),
        seal="s",
    )


def test_the_scripts_make_the_tables_of_the_models(database):
    with database.engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []
    database.migrate()  # nothing to do


def test_the_tables_of_a_newer_program_are_refused(database):
    with database.writing() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(StationError, match=r"newer knowngood .*revision 9999.*; start that version"):
        database.migrate()


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("nonsense", "no address"),
        ("nosuch://x", "no address"),
        ("postgresql+psycopg://x@127.0.0.1:1/x", "cannot be used"),
        ("sqlite:////no/such/folder/x.db", "cannot be used"),
    ],
)
def test_a_database_that_cannot_be_used(url, reason):
    with pytest.raises(StationError, match=reason):
        Database(url).migrate()


SEARCHES = [
    Search(limit=7),
    Search(since=START + dt.timedelta(seconds=20), until=START + dt.timedelta(seconds=60), limit=9),
    Search(decision="reject", limit=3),
    Search(label="defect", limit=4),
    Search(label="none", limit=11),
    Search(score=9.0, limit=6),
    Search(score=9.0, decision="accept", limit=6),
]


@pytest.mark.parametrize("search", SEARCHES)
def test_pages_together_are_all_that_is_searched(database, search):
    products = fill(database, 100)
    with database.reading() as session:
        for chosen in (products[:1], products):
            seen, after = [], None
            while True:
                page = find_verdicts(session, chosen, search._replace(after=after))
                assert len(page.verdicts) <= search.limit
                seen += page.verdicts
                after = page.next
                if after is None:
                    break
            every = session.query(Verdict).filter(Verdict.product_id.in_(chosen)).all()
            assert [one.id for one in seen] == [one.id for one in wanted(every, search)]
        with pytest.raises(DataError, match="is not what a page gave"):
            find_verdicts(session, products, search._replace(after="x_1"))
        assert counts(session, products[0], START) == {"accept": 90, "reject": 10}


def wanted(every, search):
    """The same search in plain words."""
    found = [
        one
        for one in every
        if (search.since is None or one.received >= search.since)
        and (search.until is None or one.received < search.until)
        and (search.decision in (None, one.decision))
        and (search.label in (None, one.label or "none"))
        and (search.score is None or one.score >= search.score)
    ]
    first = "received" if search.score is None else "score"
    return sorted(found, key=lambda one: (getattr(one, first), one.id), reverse=True)


@pytest.mark.parametrize("search", SEARCHES)
def test_a_page_reads_an_index_in_its_order(tmp_path, search):
    database = Database(f"sqlite:///{tmp_path / 'x.db'}")
    database.migrate()
    query = history._query(1, search._replace(after=None))
    with database.engine.connect() as connection:
        written = query.compile(connection, compile_kwargs={"literal_binds": True})
        plan = [line[3] for line in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {written}")]
    assert any("SEARCH verdict USING INDEX ix_verdict_product_id" in line for line in plan), plan
    assert not any("TEMP B-TREE" in line or line.startswith("SCAN verdict") for line in plan), plan
    database.close()


def test_the_log_has_one_order_whoever_writes(database, tmp_path):
    audit = Audit(tmp_path)

    def write(number):
        with database.writing() as session:
            audit.add(session, "test", "note", after={"number": number})

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(40)))
    with database.reading() as session:
        assert list(check_log(session, audit)) == []
        assert session.query(AuditEntry).count() == 40


# --- what is altered is found


@pytest.fixture(scope="module")
def written(tmp_path_factory, inspector_file, good, defect):
    """The folder of a station with verdicts, labels and a release, which has stopped."""
    folder = tmp_path_factory.mktemp("written") / "station"
    for line in running(StationSettings(data=folder, free=0), inspector_file):
        for picture in (good, defect):
            number = line.inspect(picture).json()["id"]
            line.post(f"/api/v1/verdicts/{number}/labels", json={"decision": "good"})
    return folder


@pytest.fixture
def records(written, tmp_path):
    """Those of a copy of that folder."""
    shutil.copytree(written, tmp_path / "station")
    opened = Records(StationSettings(data=tmp_path / "station"))
    yield opened
    opened.close()


def test_records_are_as_they_were_written(records):
    assert verify(records, quiet) == []


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ("UPDATE audit_entry SET who = 'eve' WHERE sequence = 3", "audit entry 3 was altered"),
        (
            "UPDATE audit_entry SET time = '2020-01-01 00:00:00' WHERE sequence = 2",
            "audit entry 2 was altered",
        ),
        ("DELETE FROM audit_entry WHERE sequence = 2", "audit entries 2 to 2 were removed"),
        ("DELETE FROM audit_entry WHERE sequence >= 4", "the last ones, were removed"),
        (
            "UPDATE audit_entry SET sequence = 9 - sequence WHERE sequence IN (4, 5)",
            "audit entry 4 was altered",
        ),
        ("UPDATE verdict SET decision = 'accept' WHERE id = 2", "verdict 2 was altered"),
        ("UPDATE verdict SET score = score + 1e-9 WHERE id = 1", "verdict 1 was altered"),
    ],
)
def test_what_is_altered_in_the_database_is_found(records, change, found):
    with records.database.writing() as session:
        if "9 - sequence" in change:
            for old, new in ((4, 99), (5, 4), (99, 5)):
                session.execute(text(f"UPDATE audit_entry SET sequence = {new} WHERE sequence = {old}"))
        else:
            session.execute(text(change))
    problems = verify(records, quiet)
    assert any(found in one for one in problems), problems


def test_pictures_and_inspectors_that_are_altered_are_found(records, good, defect):
    folder = records.settings.data / "pictures"
    first, second = (folder / key_of(hashlib.sha256(one).hexdigest()) for one in (good, defect))
    first.write_bytes(b"another picture")
    second.unlink()
    (folder / "stray").write_bytes(b"")
    (inspector,) = records.settings.inspectors.iterdir()
    inspector.write_bytes(b"another inspector")
    problems = verify(records, quiet)
    assert len(problems) == 4
    for part in ("its picture was altered", "its picture is missing", "stray", "inspector"):
        assert any(part in one for one in problems), part


def test_a_backup_restores(records, tmp_path):
    path, folder = tmp_path / "backup.tar", tmp_path / "restored"
    back_up(records, path, quiet)
    restore(path, StationSettings(data=folder))
    again = Records(StationSettings(data=folder))
    assert verify(again, quiet) == []
    with again.database.reading() as session:
        assert session.query(Verdict).count() == 2
    again.close()
    with pytest.raises(StationError, match="is not empty"):
        restore(path, StationSettings(data=folder))
    with pytest.raises(StationError, match="cannot be restored"):
        restore(tmp_path / "none.tar", StationSettings(data=tmp_path / "new"))
    (tmp_path / "mine.txt").write_text("my own file")
    with pytest.raises(OutputError, match="is not a result of this type"):
        back_up(records, tmp_path / "mine.txt", quiet)


# --- the storage


@pytest.mark.parametrize("url", ["folder", "memory://pictures"])
def test_pictures_of_a_killed_run_go_unless_a_verdict_names_them(tmp_path, url):
    storage = Storage(url if "://" in url else str(tmp_path / url), tmp_path / "incoming")
    kept, lost = b"kept", b"lost"
    for content in (kept, lost):
        (tmp_path / "incoming" / content.decode()).write_bytes(content)
        digest = hashlib.sha256(content).hexdigest()
        storage.keep(Received(tmp_path / "incoming" / content.decode(), digest, 4))
    known = hashlib.sha256(kept).hexdigest()
    assert storage.settle(lambda digest: digest == known) == 1
    assert list(storage.names()) == [key_of(known)]
    assert storage.read(key_of(known)) == kept
    assert not list((tmp_path / "incoming").iterdir())


def test_a_storage_that_cannot_be_used(tmp_path):
    (tmp_path / "file").write_text("")
    for url in (str(tmp_path / "file" / "x"), "nosuch://x"):
        with pytest.raises(StationError, match="cannot be used"):
            Storage(url, tmp_path / "incoming")


def test_a_folder_serves_one_station(records):
    with pytest.raises(StationError, match=r"runs on .* already"):
        Records(records.settings)
    Records(records.settings, alone=False).close()


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StationError, match=r"cannot be written.*--data"):
        Records(StationSettings(data=tmp_path / "file"))
    (tmp_path / "station").mkdir()
    (tmp_path / "station/audit.key").write_text("no key")
    with pytest.raises(StationError, match="key of the audit log"):
        Records(StationSettings(data=tmp_path / "station"))


def test_a_picture_that_cannot_be_written_whole_is_not_kept(tmp_path):
    resource = pytest.importorskip("resource")  # not on Windows
    storage = Storage(str(tmp_path / "pictures"), tmp_path / "incoming")

    async def blocks():
        yield bytes(3000)

    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, hard))
    try:
        with pytest.raises(OSError, match="File too large"):
            asyncio.run(storage.receive(blocks()))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not list((tmp_path / "incoming").iterdir())


def test_a_station_on_postgresql_answers_as_on_sqlite(postgres, tmp_path, inspector_file, good, defect):
    database = Database(postgres)
    with database.writing() as session:
        session.execute(text("DROP SCHEMA public CASCADE; CREATE SCHEMA public"))
    database.close()
    settings = StationSettings(data=tmp_path / "station", database=postgres, free=0)
    for line in running(settings, inspector_file):
        key = {"Idempotency-Key": "a"}
        first = line.inspect(good, **key).json()
        assert line.inspect(good, **key).json() == first
        number = line.inspect(defect).json()["id"]
        assert line.post(f"/api/v1/verdicts/{number}/labels", json={"decision": "defect"}).status_code == 201
        found = line.get("/api/v1/verdicts?label=defect").json()["verdicts"]
        assert [one["id"] for one in found] == [number]
        assert line.post(f"/api/v1/verdicts/{number}/replay").json()["agrees"]
        odd = line.client.post("/api/v1/login", json={"name": "a\0b", "password": "x"})
        assert odd.status_code == 422
        assert verify(line.station, quiet) == []
