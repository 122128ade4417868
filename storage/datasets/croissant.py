"""Croissant metadata of an export (MLCommons, "Croissant Format Specification 1.0"): its files with their SHA-256 and the fields of its records."""

from __future__ import annotations

import csv
import hashlib
import json
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from storage.datasets.versions import Version
from storage.visible import visible

FILE = "croissant.json"
_KINDS = {"jsonl": "application/jsonlines", "parquet": "application/x-parquet", "csv": "text/csv"}
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


def croissant(version: Version, folder: Path, suffix: str) -> str:
    """Return the metadata of the files data/*.SUFFIX of an export, as JSON-LD. One record set per split describes their plain fields."""
    paths = sorted((folder / "data").glob(f"*.{suffix}"))
    kind = _KINDS[suffix]
    objects = [
        {
            "@type": "cr:FileObject",
            "@id": path.name,
            "name": path.name,
            "contentUrl": f"data/{path.name}",
            "contentSize": f"{path.stat().st_size} B",
            "encodingFormat": kind,
            "sha256": _sha256(path),
        }
        for path in paths
    ]
    splits = list(dict.fromkeys(path.name.partition("-")[0] for path in paths))
    licenses = sorted(name for name in version.lineage.get("licenses", {}) if name != "None")
    record = {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "name": version.dataset,
        "version": version.name,
        "description": f"Rows of {version}, content digest {version.digest}.",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "datePublished": str(version.created)[:10],
        "license": licenses or ["unknown"],
        "url": f"https://example.org/{version.dataset}",
        "creator": {"@type": "sc:Organization", "name": "mathmill"},
        "citeAs": f"mathmill, {version}, content digest {version.digest}",
        "distribution": objects,
        "recordSet": [
            _record_set(split, [path for path in paths if path.name.startswith(f"{split}-")], suffix)
            for split in splits
        ],
    }
    return visible(json.dumps(record, ensure_ascii=False, indent=2), json=True) + "\n"


def _record_set(split: str, paths: list[Path], suffix: str) -> dict[str, Any]:
    # the fields of the first file: a field has one source
    fields = [
        {
            "@type": "cr:Field",
            "@id": f"{split}/{name}",
            "name": name,
            "dataType": kind,
            "source": {
                "fileObject": {"@id": paths[0].name},
                "extract": {"column": name},
            },
        }
        for name, kind in _fields(paths[0], suffix).items()
    ]
    return {"@type": "cr:RecordSet", "@id": split, "name": split, "field": fields}


def _fields(path: Path, suffix: str) -> dict[str, str]:
    """Return the type of each plain field of a file, by its name."""
    if suffix == "parquet":
        return {
            field.name: kind for field in pq.read_schema(path) if (kind := _of_arrow(field.type)) is not None
        }
    if suffix == "csv":
        with path.open(encoding="utf-8", newline="") as file:
            return dict.fromkeys(next(csv.reader(file)), "sc:Text")
    with path.open("rb") as file:
        record = orjson.loads(file.readline())
    return {name: kind for name, value in record.items() if (kind := _of_value(value)) is not None}


def _of_arrow(kind: pa.DataType) -> str | None:
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return "sc:Text"
    if pa.types.is_boolean(kind):
        return "sc:Boolean"
    if pa.types.is_integer(kind):
        return "sc:Integer"
    return "sc:Float" if pa.types.is_floating(kind) else None


def _of_value(value: Any) -> str | None:
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
