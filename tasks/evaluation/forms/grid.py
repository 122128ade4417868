"""A puzzle whose solution is a grid, such as ZebraLogic: right if every cell is. `options` has the header of the grid, `reference` its rows as JSON.

A reply gives the grid as a JSON object with an object per row, as a JSON list of rows, or as a table in Markdown; the last one that fits the
header counts.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import orjson

from tasks.answers import Judge
from tasks.replies.solutions import solution_of
from tasks.sandbox import Sandbox

prompt = "solve_grid"
LONGEST = 50_000  # characters from the end of a completion that are read
MOST = 200  # places at which a JSON value may begin that are tried
_NUMBER = re.compile(r"\d+")
_DECODER = json.JSONDecoder()


def shown(item: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "question": item["question"],
        "header": list(item["options"]),
        "rows": len(orjson.loads(item["reference"])),
    }


def answers(
    items: Sequence[Mapping[str, Any]],
    texts: Sequence[str],
    *,
    cut: Sequence[bool],
    judge: Judge,
    sandbox: Sandbox | None,
) -> list[str | None]:
    """Return the rows of each grid as JSON, in the order of the reference, or None without a whole grid."""
    return [_answer(item, solution_of(text)[-LONGEST:]) for item, text in zip(items, texts, strict=True)]


def right(
    items: Sequence[Mapping[str, Any]], answers: Sequence[str | None], *, judge: Judge
) -> list[bool | None]:
    return [
        answer is not None and orjson.loads(answer) == _plain(orjson.loads(item["reference"]))
        for item, answer in zip(items, answers, strict=True)
    ]


def _answer(item: Mapping[str, Any], text: str) -> str | None:
    header = [_cell(name) for name in item["options"]]
    rows_of_item = [_row_number(row[0]) for row in orjson.loads(item["reference"])]
    for grid in (*_json_grids(text, header), *_tables(text, header)):
        by_number = {_row_number(row[0]): row for row in grid}
        if len(by_number) == len(rows_of_item) == len(grid) and set(by_number) == set(rows_of_item):
            return orjson.dumps([by_number[number] for number in rows_of_item]).decode()
    return None


def _json_grids(text: str, header: Sequence[str]) -> Iterator[list[list[str]]]:
    """Yield the grids that are written as JSON, the last first."""
    starts = [match.start() for match in re.finditer(r"[{\[]", text)][-MOST:]
    values, end = [], -1
    for start in starts:
        if start < end:
            continue  # a part of the value before
        try:
            value, end = _DECODER.raw_decode(text, start)
        except (ValueError, RecursionError):
            continue  # text that only looks like JSON
        values.append(value)
    for value in reversed(values):
        if (grid := _grid(value, header)) is not None:
            yield grid


def _grid(value: Any, header: Sequence[str]) -> list[list[str]] | None:
    if isinstance(value, dict) and isinstance(value.get("solution"), (dict, list)):
        value = value["solution"]
    if isinstance(value, dict) and isinstance(value.get("rows"), list):
        value = value["rows"]
    if isinstance(value, dict):
        value = [{header[0]: name} | one if isinstance(one, dict) else None for name, one in value.items()]
    if not isinstance(value, list) or not value:
        return None
    rows = []
    for one in value:
        if isinstance(one, dict):
            named = {_cell(name): cell for name, cell in one.items()}
            row = [named.get(name) for name in header]
        else:
            row = list(one) if isinstance(one, list) else []
        if len(row) != len(header) or not all(isinstance(cell, (str, int, float)) for cell in row):
            return None
        rows.append([_cell(str(cell)) for cell in row])
    return _numbered(rows)


def _tables(text: str, header: Sequence[str]) -> Iterator[list[list[str]]]:
    """Yield the grids that are written as tables in Markdown, the last first."""
    tables: list[list[list[str]]] = []
    for line in text.splitlines():
        cells = [_cell(cell) for cell in line.strip().strip("|").split("|")] if "|" in line else []
        if cells == list(header):
            tables.append([])
        elif tables and len(cells) == len(header) and not all(set(cell) <= set("-: ") for cell in cells):
            tables[-1].append(cells)
    return (_numbered(table) for table in reversed(tables) if table)


def _numbered(rows: Sequence[Sequence[str]]) -> list[list[str]]:
    """Return the rows with the number of each instead of "House 1"."""
    return [[_row_number(row[0]), *row[1:]] for row in rows]


def _plain(rows: Sequence[Sequence[str]]) -> list[list[str]]:
    return _numbered([[_cell(str(cell)) for cell in row] for row in rows])


def _row_number(cell: str) -> str:
    number = _NUMBER.search(str(cell))
    return number.group() if number else _cell(str(cell))


def _cell(text: str) -> str:
    return " ".join(text.replace("*", "").replace("`", "").split()).casefold()
