"""Structured output: a solution is written in the JSON schema of the caller, if it is not one of the project's own."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Any

from tasks.answers import extract
from tasks.text.arithmetic import number

DEEPEST = 6  # maximum nesting of objects that are filled


def fill_schema(schema: dict[str, Any], text: str, depth: int = 0) -> Any:
    """Return a value of the schema: fields named like an answer get the answer, other strings the text, numbers the value."""
    if depth > DEEPEST:
        return None
    extraction = extract(text)
    return _fill(
        schema, "", text, extraction.answer if extraction else text, schema.get("$defs") or {}, depth
    )


def _fill(schema: Any, name: str, text: str, stated: str, defs: dict[str, Any], depth: int) -> Any:
    if not isinstance(schema, dict) or depth > DEEPEST:
        return None
    if isinstance(schema.get("$ref"), str):
        return _fill(defs.get(schema["$ref"].rsplit("/", 1)[-1]), name, text, stated, defs, depth + 1)
    for union in ("anyOf", "oneOf", "allOf"):
        if isinstance(schema.get(union), list) and schema[union]:
            return _fill(schema[union][0], name, text, stated, defs, depth + 1)
    if "const" in schema:
        return schema["const"]
    if isinstance(schema.get("enum"), list) and schema["enum"]:
        return stated if stated in schema["enum"] else schema["enum"][0]
    kind = schema.get("type")
    kind = kind[0] if isinstance(kind, list) and kind else kind
    if kind == "object" or "properties" in schema:
        properties = schema.get("properties") or {}
        return {key: _fill(value, key, text, stated, defs, depth + 1) for key, value in properties.items()}
    if kind == "array":
        parts = [line for line in text.split("\n") if line.strip()][:16]
        return [
            _fill(schema.get("items") or {"type": "string"}, name, part, stated, defs, depth + 1)
            for part in parts
        ]
    if kind in ("number", "integer"):
        value = number(stated) or Fraction(0)
        return int(value) if kind == "integer" or value.denominator == 1 else float(value)
    if kind == "boolean":
        return stated.lower() in ("yes", "true", "是")
    if kind == "null":
        return None
    return stated if re.search("answer|result|value|答案|结果", name, re.IGNORECASE) else text
