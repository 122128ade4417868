"""The same store in an S3 bucket: moto's server over the wire, conditional writes included."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from storage.datasets.export import export
from storage.datasets.store import Store
from storage.datasets.verify import check_tables
from storage.errors import Conflict, Corrupt, StorageError
from storage.sql import connect


@pytest.fixture(scope="module")
def bucket() -> Iterator[str]:
    pytest.importorskip("moto.server", reason="moto[server] is not installed")
    import boto3
    from moto.server import ThreadedMotoServer

    with pytest.MonkeyPatch.context() as environment:
        server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        server.start()
        host, port = server.get_host_and_port()
        for name, value in {
            "AWS_ENDPOINT_URL": f"http://{host}:{port}",
            "AWS_ALLOW_HTTP": "true",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_REGION": "us-east-1",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
        }.items():
            environment.setenv(name, value)
        boto3.client("s3").create_bucket(Bucket="mill")
        yield "s3://mill"
        server.stop()


@pytest.mark.slow
def test_a_bucket_supports_every_operation_of_a_folder(bucket: str, rows, day, tmp_path: Path) -> None:
    import boto3

    store, local = Store(f"{bucket}/home"), Store(tmp_path / "home")
    assert (store.datasets(), store.head("d"), store.candidates()) == ([], None, None)
    one = store.publish("d", [rows(0, 30)], lineage={"a": 1}, date=day, expected=None)
    two = store.publish("d", [rows(30, 40)], lineage={}, date=day, expected=store.head("d"))
    with pytest.raises(Conflict):
        store.publish("d", [rows(50, 51)], lineage={}, date=day, expected=0)
    assert (store.datasets(), store.versions("d")) == (["d"], [one, two])
    assert two.digest == local.publish("d", [rows(0, 40)], lineage={}, date=day).digest
    assert store.read(two).sort_by("id").equals(rows(0, 40).sort_by("id"))
    assert store.added(two).equals(rows(30, 40))
    assert store.append_candidates(rows(0, 5), run="r") == 5
    assert store.append_candidates(rows(0, 5), run="r") == 0
    with connect(store) as connection:
        assert connection.sql("SELECT count(*) FROM d, rows WHERE d.id = rows.id").fetchall() == [(5,)]
    assert export(store, two, tmp_path / "out") == 40
    store.verify(two)
    client = boto3.client("s3")
    key = store.files(one)[0].removeprefix("s3://mill/")
    data = client.get_object(Bucket="mill", Key=key)["Body"].read()
    client.put_object(Bucket="mill", Key=key, Body=data[:50] + bytes([data[50] ^ 1]) + data[51:])
    with pytest.raises(Corrupt, match=key.rpartition("/")[2]):
        store.verify(one)


@pytest.mark.slow
@pytest.mark.parametrize("every", [15, pytest.param(1, marks=pytest.mark.soak)])
def test_what_is_removed_or_flipped_in_a_bucket_is_named(bucket: str, rows, day, every: int) -> None:
    import boto3

    store, client = Store(f"{bucket}/seals-{every}"), boto3.client("s3")
    for number in range(2):
        store.publish("d", [rows(10 * number, 10 * number + 10)], lineage={}, date=day)
        store.append_candidates(
            rows(10 * number, 10 * number + 10), run=f"r{number}", version=None, stage="s"
        )
    store.promote("d", "candidate")
    contents = client.list_objects_v2(Bucket="mill", Prefix=f"seals-{every}/")["Contents"]
    keys = [item["Key"] for item in contents if item["Size"]]
    assert len(keys) > 15

    def lines() -> list[str]:
        findings = [line for table in check_tables(store.where).values() for line in table]
        for version in store.versions("d") if not findings else ():
            try:
                store.verify(version)
            except Corrupt as error:
                findings += error.findings
        return findings

    assert lines() == []
    for key in keys[::every]:
        data = client.get_object(Bucket="mill", Key=key)["Body"].read()
        name = key.rpartition("/")[2]
        client.delete_object(Bucket="mill", Key=key)
        gone = f"/{key.split('/')[2]} is missing"  # of a table whose log has one entry
        assert any(name in line or gone in line for line in lines()), f"{key} was removed"
        place = len(data) // 3
        changed = data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]
        client.put_object(Bucket="mill", Key=key, Body=changed)
        assert any(name in line for line in lines()), f"{key} was altered"
        client.put_object(Bucket="mill", Key=key, Body=data)
    assert lines() == []
    for key in keys:
        if key.startswith(f"seals-{every}/tables/_candidates/"):
            client.delete_object(Bucket="mill", Key=key)
    assert any("_candidates is missing" in line for line in lines())


@pytest.mark.soak
def test_racing_publishers(bucket: str, rows, day) -> None:
    store = Store(f"{bucket}/race")
    failures: list[BaseException] = []

    def publish(who: int) -> None:
        for number in range(2):
            while True:
                first = 100 * who + 10 * number
                try:
                    store.publish(
                        "d", [rows(first, first + 10)], lineage={}, date=day, expected=store.head("d")
                    )
                    break
                except Conflict:
                    continue
                except BaseException as error:
                    failures.append(error)
                    raise

    threads = [threading.Thread(target=publish, args=(who,)) for who in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    versions = store.versions("d")
    assert [v.rows for v in versions] == [10, 20, 30, 40]
    assert len({v.name for v in versions}) == 4
    store.verify("d")


def test_a_bucket_that_is_not_there(bucket: str, rows) -> None:
    with pytest.raises(StorageError, match=r"cannot reach s3://nowhere/.*check the address") as caught:
        Store("s3://nowhere/home").publish("d", [rows(0, 1)], lineage={})
    assert "\n" not in str(caught.value)


@pytest.mark.slow
def test_a_bucket_that_is_missing_or_closed_is_one_line(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    Store(f"{bucket}/home").where.reach()
    with pytest.raises(StorageError, match=r"^cannot open s3://nosuch.*Fix: ") as error:
        Store("s3://nosuch/home").where.reach()
    assert "\n" not in str(error.value)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    for use in (lambda store: store.where.reach(), lambda store: store.datasets()):
        with pytest.raises(StorageError, match=r"^cannot open s3://mill.*Fix: .*AWS_ACCESS_KEY_ID") as error:
            use(Store("s3://mill/other"))
        assert "\n" not in str(error.value)
