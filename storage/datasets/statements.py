"""Provenance of versions and exports: in-toto statements with a predicate as SLSA 1.0 has it, in signed envelopes (storage.signing).

The subjects are the data files with their digests; the predicate names what they were made from and with: inputs, base, prompts, code, models and
parameters. The statement of a version lies at `<dataset>/_provenance/<version>.json`
(signed: `<version>.<key>.json`), that of an export is its file `provenance.json`.

A statement follows from the version's record. `check` computes it again and compares, so that a changed byte shows in one that is not signed, too.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow.fs as pafs

from storage.counting import counted
from storage.datasets import seals
from storage.datasets.versions import Version
from storage.location import Location
from storage.signing import STATEMENT_TYPE, BadStatement, Signer, enveloped, opened

FILE = "provenance.json"
FOLDER = seals.STATEMENTS
PREDICATE_TYPE = "https://slsa.dev/provenance/v1"
BUILDER = "https://github.com/mathmill/mathmill/statement/v1"
_SIGNED = re.compile(r"\.[0-9a-f]{12}\.json$")
# facts of the lineage that are dependencies, and so have a place of their own
_DEPENDENCIES = ("inputs", "base", "prompts", "models", "code", "parameters", "environment", "run")


def state(where: Location, version: Version, by: Signer | None) -> bool:
    """Write the statement of a version beside its data, unless it is there, and return whether it was written. Each key signs a file of its own,
    so that no file is ever changed."""
    path = _path(version, by.key_id if by is not None else "")
    if where.exists(*path):
        return False
    where.write(enveloped(statement_of(version), by).encode(), *path)
    seals.follow(where, version.dataset)
    return True


def check(where: Location, version: Version, trust: Sequence[str] = ()) -> str:
    """Return who signed the statement of a version, in words. Raises BadStatement if one is damaged, states something else than the version's record,
    or, if keys are given in `trust`, none is signed by one of them."""
    folder = where.path(version.dataset, FOLDER)
    selector = pafs.FileSelector(folder, allow_not_found=True)
    there = {info.base_name for info in where.filesystem.get_file_info(selector)}
    signed: list[str] = []
    names = [
        name
        for name in sorted(there)
        if name == f"{version.name}.json" or _SIGNED.sub("", name) == version.name
    ]
    for name in names:
        path = f"{version.dataset}/{FOLDER}/{name}"
        stated, by = opened(where.read(version.dataset, FOLDER, name), path)
        if stated.get("predicate", {}).get("runDetails", {}).get("builder", {}).get("id") == BUILDER:
            same = stated == statement_of(version)
        else:  # of another program: what it says of the data is compared
            same = stated["subject"] == _subjects(version)
        if not same or name != _path(version, by)[-1]:
            raise BadStatement(
                f"{path} was altered: it states something else than the record of {version}. Fix: restore it from a copy"
            )
        signed += [by] if by else []
    if trust and not set(trust) & set(signed):
        others = f" (by {', '.join(one[:12] for one in signed)})" if signed else ""
        raise BadStatement(
            f"{version} is not signed by that key{others}. Fix: give the key that signed it, or, as its publisher, run "
            "./mathmill maintain --apply with MATHMILL_SIGNING_KEY"
        )
    if not names:
        return "no statement"
    return _signed_by(signed)


def statement_of(version: Version) -> dict[str, Any]:
    """Return the statement of a version."""
    return _statement(
        _subjects(version), version, _lineage_dependencies(version), version.lineage.get("flow") or "publish"
    )


def statement_of_export(version: Version, folder: Path) -> dict[str, Any]:
    """Return the statement of the files in the folder of an export."""
    subjects = [
        {"name": path.relative_to(folder).as_posix(), "digest": {"sha256": _sha256(path)}}
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != FILE
    ]
    exported = {"name": str(version), "digest": {"mathmill_rows": version.digest}}
    return _statement(subjects, version, [exported, *_lineage_dependencies(version)], "export")


def check_export(folder: Path, trust: Sequence[str] = ()) -> str:
    """Return how many files of an export are as its statement says, and who signed it. Raises BadStatement, with every file that was altered, is
    missing or was added, if there is one."""
    path = folder / FILE
    if not path.is_file():
        raise BadStatement(f"{path} is missing. Fix: name the folder of an export")
    stated, by = opened(path.read_bytes(), str(path), trust)
    listed = {one["name"]: one["digest"].get("sha256") for one in stated["subject"]}
    there = {one.relative_to(folder).as_posix(): one for one in sorted(folder.rglob("*")) if one.is_file()}
    faults = [f"{name} is missing" for name in listed if name not in there]
    faults += [f"{name} was added" for name in there if name not in listed and name != FILE]
    faults += [
        f"{name} was altered"
        for name, digest in listed.items()
        if name in there and _sha256(there[name]) != digest
    ]
    if faults:
        raise BadStatement(f"{folder}: {'; '.join(faults)}. Fix: export the version again")
    return f"{counted(len(listed), 'file')}, {_signed_by([by] if by else [])}"


def _signed_by(keys: Sequence[str]) -> str:
    return f"signed by {', '.join(key[:12] for key in keys)}" if keys else "stated, not signed"


def _path(version: Version, key: str) -> tuple[str, str, str]:
    """Return where the statement is that the key with that id signed; for an empty id the one that is not signed."""
    return version.dataset, FOLDER, f"{version.name}.{key[:12]}.json" if key else f"{version.name}.json"


def _subjects(version: Version) -> list[dict[str, Any]]:
    files = [
        {"name": path, "digest": {"blake2b_256": facts["blake2b"]}}
        for path, facts in sorted(version.files.items())
    ]
    return [{"name": str(version), "digest": {"mathmill_rows": version.digest}}, *files]


def _lineage_dependencies(version: Version) -> list[dict[str, Any]]:
    """Return what a version was made from and with, by kind and with the digests that its lineage has."""
    lineage = version.lineage
    parts: list[dict[str, Any]] = []
    for one in lineage.get("inputs") or []:
        if isinstance(one, Mapping) and one.get("sha256"):
            parts.append({"name": f"input {one.get('file', '')}", "digest": {"sha256": one["sha256"]}})
    if lineage.get("base"):
        parts.append({"name": f"base {lineage['base']}"})
    for prompt in lineage.get("prompts") or []:
        name, _, digest = str(prompt).partition("@")
        parts.append({"name": f"prompt {name}", "digest": {"mathmill_prompt": digest}})
    for role, facts in sorted((lineage.get("models") or {}).items()):
        parts.append(
            {
                "name": f"model {facts.get('model', '')}",
                "annotations": {"role": role, "revision": facts.get("revision") or ""},
            }
        )
    code = lineage.get("code") or {}
    if code.get("commit"):
        parts.append(
            {
                "name": "code",
                "digest": {"gitCommit": code["commit"]},
                "annotations": {"changed": bool(code.get("changed"))},
            }
        )
    return parts


def _statement(
    subjects: list[dict[str, Any]], version: Version, dependencies: list[dict[str, Any]], flow: str
) -> dict[str, Any]:
    lineage = version.lineage
    return {
        "_type": STATEMENT_TYPE,
        "subject": subjects,
        "predicateType": PREDICATE_TYPE,
        "predicate": {
            "buildDefinition": {
                "buildType": f"{BUILDER}#{flow}",
                "externalParameters": lineage.get("parameters") or {},
                "internalParameters": {"environment": lineage.get("environment") or {}},
                "resolvedDependencies": dependencies,
            },
            "runDetails": {
                "builder": {"id": BUILDER},
                "metadata": {"invocationId": str(lineage.get("run") or ""), "finishedOn": version.created},
                "byproducts": [
                    {
                        "name": "lineage",
                        "digest": {"sha256": hashlib.sha256(_canonical(lineage)).hexdigest()},
                        "annotations": {"facts": sorted(set(lineage) - set(_DEPENDENCIES))},
                    }
                ],
            },
        },
    }


def _canonical(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
