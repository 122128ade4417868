"""Croissant metadata of an export (MLCommons, "Croissant Format Specification 1.0"): its files with their SHA-256 and the fields of its records."""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from storage.counting import counted
from storage.datasets.versions import Version
from storage.visible import visible

FILE = "croissant.json"
_KINDS = {".jsonl": "application/jsonlines", ".parquet": "application/x-parquet", ".csv": "text/csv"}
_Kind = str | dict[str, str]  # the type of a plain field, or those of the parts of a list of objects
_CONTEXT: dict[str, Any] = {
    "@language": "en", "@vocab": "https://schema.org/", "citeAs": "cr:citeAs", "column": "cr:column", "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/", "rai": "http://mlcommons.org/croissant/RAI/", "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"}, "dct": "http://purl.org/dc/terms/",
    "examples": {"@id": "cr:examples", "@type": "@json"}, "extract": "cr:extract", "field": "cr:field", "fileProperty": "cr:fileProperty",
    "fileObject": "cr:fileObject", "fileSet": "cr:fileSet", "format": "cr:format", "includes": "cr:includes", "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath", "key": "cr:key", "md5": "cr:md5", "parentField": "cr:parentField", "path": "cr:path", "recordSet": "cr:recordSet",
    "references": "cr:references", "regex": "cr:regex", "repeated": "cr:repeated", "replace": "cr:replace", "sc": "https://schema.org/",
    "separator": "cr:separator", "source": "cr:source", "subField": "cr:subField", "transform": "cr:transform",
}  # fmt: skip


def croissant(
    version: Version, folder: Path, files: Mapping[str, str], address: str = "", *, shape: str, count: int
) -> str:
    """Return the metadata of an export, as JSON-LD. One record set per split describes the fields of its records.

    files: the glob of the files in `folder`, by split. address: the URL at which the export will be published, if it will be.
    shape, count: of the records.
    """
    paths = {split: sorted(folder.glob(pattern)) for split, pattern in files.items()}
    objects = [
        {
            "@type": "cr:FileObject",
            "@id": _name(path, folder),
            "name": path.name,
            "contentUrl": _name(path, folder),
            "contentSize": f"{path.stat().st_size} B",
            "encodingFormat": _KINDS[path.suffix],
            "sha256": _sha256(path),
        }
        for path in sorted(path for several in paths.values() for path in several)
    ]
    licenses = sorted(name for name in version.lineage.get("licenses", {}) if name != "None")
    record = {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "name": version.dataset,
        "version": version.name,
        "description": f"{counted(count, 'record')} in the shape {shape}, exported from {version} ({counted(version.rows, 'row')}, content digest {version.digest}).",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "datePublished": str(version.created)[:10],
        "license": licenses or ["unknown"],
        # the specification asks for one; that of a folder is its digest, which names the same rows wherever they lie
        "url": address or f"urn:mathmill:{version.digest}",
        "creator": {"@type": "sc:Organization", "name": "mathmill"},
        "citeAs": f"mathmill, {version}, content digest {version.digest}",
        "distribution": objects,
        "recordSet": [_record_set(split, several[0], folder) for split, several in paths.items()],
    }
    return visible(json.dumps(record, ensure_ascii=False, indent=2), json=True) + "\n"


def _name(path: Path, folder: Path) -> str:
    return path.relative_to(folder).as_posix()


def _record_set(split: str, path: Path, folder: Path) -> dict[str, Any]:
    # the fields of the first file: a field has one source
    source = {"fileObject": {"@id": _name(path, folder)}}
    fields = [_field(f"{split}/{name}", name, kind, source) for name, kind in _fields(path).items()]
    return {"@type": "cr:RecordSet", "@id": split, "name": split, "field": fields}


def _field(id: str, name: str, kind: _Kind, source: Mapping[str, Any]) -> dict[str, Any]:
    field: dict[str, Any] = {"@type": "cr:Field", "@id": id, "name": name}
    if isinstance(kind, str):
        return field | {"dataType": kind, "source": {**source, "extract": {"column": name}}}
    # a list of objects with texts, such as the turns of a conversation
    return field | {
        "repeated": True,
        "subField": [
            {
                "@type": "cr:Field",
                "@id": f"{id}/{part}",
                "name": part,
                "dataType": one,
                "source": {**source, "extract": {"column": name}, "transform": {"jsonPath": part}},
            }
            for part, one in kind.items()
        ],
    }


def _fields(path: Path) -> dict[str, _Kind]:
    """Return the type of each field of a file that is plain or a list of objects of plain fields, by its name."""
    if path.suffix == ".parquet":
        kinds = {field.name: _of_arrow(field.type) for field in pq.read_schema(path)}
        return {name: kind for name, kind in kinds.items() if kind}
    if path.suffix == ".csv":
        with path.open(encoding="utf-8", newline="") as file:
            return dict.fromkeys(next(csv.reader(file)), "sc:Text")
    with path.open("rb") as file:
        record = orjson.loads(file.readline())
    return {name: kind for name, value in record.items() if (kind := _of_value(value))}


def _of_arrow(kind: pa.DataType) -> _Kind | None:
    if pa.types.is_list(kind) and pa.types.is_struct(kind.value_type):
        parts = {field.name: _of_arrow(field.type) for field in kind.value_type}
        return {name: part for name, part in parts.items() if isinstance(part, str)}
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return "sc:Text"
    if pa.types.is_boolean(kind):
        return "sc:Boolean"
    if pa.types.is_integer(kind):
        return "sc:Integer"
    return "sc:Float" if pa.types.is_floating(kind) else None


def _of_value(value: Any) -> _Kind | None:
    if isinstance(value, list):
        parts: dict[str, str] = {}
        for one in value:
            if not isinstance(one, dict):
                return None
            parts |= {name: kind for name, part in one.items() if isinstance(kind := _of_value(part), str)}
        return parts
    if isinstance(value, bool):
        return "sc:Boolean"
    if isinstance(value, str):
        return "sc:Text"
    if isinstance(value, int):
        return "sc:Integer"
    return "sc:Float" if isinstance(value, float) else None


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
