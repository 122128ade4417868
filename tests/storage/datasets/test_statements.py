"""Statements of versions and exports: what they name, and that what was altered shows, signed or not."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from storage.datasets import statements
from storage.datasets.export import export
from storage.datasets.store import Store
from storage.datasets.verify import check_tables
from storage.datasets.versions import Version
from storage.rows import Row, to_table
from storage.signing import BadStatement, Signer, enveloped

LINEAGE = {
    "flow": "nightly",
    "run": "night-1",
    "base": "d@2026.11.01",
    "inputs": [{"file": "seeds.jsonl", "sha256": "ab" * 32}],
    "prompts": ["solve_cot.en@63b0c13f"],
    "models": {"teacher": {"model": "m", "revision": "r1"}},
    "code": {"commit": "c" * 40, "changed": False},
    "parameters": {"target": 5},
}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "home")


@pytest.fixture
def version(store: Store) -> Version:
    rows = [Row(f"What is {n} + 1?", "en", solution="s", answer=str(n + 1), license="MIT") for n in range(5)]
    return store.publish("d", [to_table(rows)], lineage=LINEAGE)


@pytest.fixture
def by() -> Signer:
    return Signer(Ed25519PrivateKey.generate())


def test_a_statement_names_data_inputs_prompts_code_and_models(version: Version) -> None:
    stated = statements.statement_of(version)
    assert stated["_type"] == "https://in-toto.io/Statement/v1"
    assert stated["predicateType"] == "https://slsa.dev/provenance/v1"
    (file,) = version.files
    assert stated["subject"] == [
        {"name": str(version), "digest": {"mathmill_rows": version.digest}},
        {"name": file, "digest": {"blake2b_256": version.files[file]["blake2b"]}},
    ]
    definition = stated["predicate"]["buildDefinition"]
    assert definition["externalParameters"] == {"target": 5}
    assert [one["name"] for one in definition["resolvedDependencies"]] == [
        "input seeds.jsonl", "base d@2026.11.01", "prompt solve_cot.en", "model m", "code",
    ]  # fmt: skip
    assert {"gitCommit": "c" * 40} in [one.get("digest") for one in definition["resolvedDependencies"]]


@pytest.mark.parametrize("signed", [True, False])
def test_a_statement_that_was_altered_is_one_line(
    store: Store, version: Version, by: Signer, signed: bool
) -> None:
    assert statements.check(store.where, version) == "no statement"
    assert statements.state(store.where, version, by if signed else None)
    (path,) = Path(store.where.path("d", "_provenance")).iterdir()
    assert statements.check(store.where, version) == (
        f"signed by {by.key_id[:12]}" if signed else "stated, not signed"
    )
    whole = path.read_text()
    envelope = json.loads(whole)
    payload = base64.b64decode(envelope["payload"])
    for old, new in (
        (b'"target":5', b'"target":6'),
        (version.digest.encode(), version.digest[::-1].encode()),
    ):
        assert old in payload
        changed = base64.b64encode(payload.replace(old, new)).decode()
        path.write_text(json.dumps(envelope | {"payload": changed}))
        with pytest.raises(BadStatement, match="was altered") as error:
            statements.check(store.where, version)
        assert "Fix: " in str(error.value)
        assert "\n" not in str(error.value)
    # another key under the name of this one
    other = Signer(Ed25519PrivateKey.generate())
    path.write_text(enveloped(statements.statement_of(version), other))
    with pytest.raises(BadStatement, match="was altered"):
        statements.check(store.where, version)
    path.write_text(whole)
    with pytest.raises(BadStatement, match="is not signed by that key.* Fix: "):
        statements.check(store.where, version, [other.key_id])
    assert check_tables(store.where)["d"] == []
    path.unlink()
    assert check_tables(store.where)["d"] == [f"d/_provenance/{path.name} is missing"]


def test_each_key_signs_a_file_of_its_own(store: Store, version: Version, by: Signer) -> None:
    other = Signer(Ed25519PrivateKey.generate())
    assert [statements.state(store.where, version, key) for key in (None, None, by, by, other)] == [
        True, False, True, False, True,
    ]  # fmt: skip
    for key in (by, other):
        assert key.key_id[:12] in statements.check(store.where, version, [key.key_id])
    # a later version does not change what the first one states
    later = store.publish("d", [to_table([Row("Else?", "en", solution="s", answer="1")])], lineage={})
    assert statements.check(store.where, store.resolve(str(version)), [by.key_id])
    assert statements.check(store.where, later) == "no statement"
    assert check_tables(store.where)["d"] == []


def test_an_export_states_each_of_its_files(
    store: Store, version: Version, by: Signer, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    export(store, version, out, by=by)
    assert statements.check_export(out, [by.key_id]) == f"4 files, signed by {by.key_id[:12]}"
    data = out / "data" / "train-00000-of-00001.jsonl"
    before = data.read_bytes()
    data.write_bytes(before[:-2] + b"x" + before[-1:])
    (out / "README.md").unlink()
    (out / "data" / "more.jsonl").write_text("{}")
    with pytest.raises(BadStatement) as error:
        statements.check_export(out)
    for words in (
        "README.md is missing",
        "more.jsonl was added",
        "train-00000-of-00001.jsonl was altered",
        "Fix: export",
    ):
        assert words in str(error.value)
    stated = statements.statement_of_export(version, out)
    names = [one["name"] for one in stated["predicate"]["buildDefinition"]["resolvedDependencies"]]
    assert names[0] == str(version)
    with pytest.raises(BadStatement, match=r"provenance.json is missing. Fix: name the folder of an export"):
        statements.check_export(tmp_path)
