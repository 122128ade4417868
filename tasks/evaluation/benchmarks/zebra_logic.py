"""ZebraLogic (Lin et al. 2025, arXiv:2502.01100): `puzzle`, and `solution` with a `header` and the `rows` of the grid; in the form of multiple
choice `question`, `choices` and the right one's text in `answer`.

The public file has `___` instead of every cell of the solution: such a puzzle has no trusted answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from tasks.evaluation.shapes import choice, text_of
from tasks.ingestion.options import Options, letter_of
from tasks.ingestion.values import Unfit

names = ("zebralogic", "zebralogicbench", "zebragrid", "zebra")
domain = "logic"
capability = "reasoning"
HIDDEN = "___"


def items(record: Mapping[str, Any]) -> list[dict[str, Any]]:
    puzzle = text_of(dict(record), "puzzle")
    options = record.get("choices")
    if isinstance(options, list) and options:
        listed = Options(tuple(map(str, options)), tuple(chr(65 + place) for place in range(len(options))))
        question = f"{puzzle}\n\n{text_of(dict(record), 'question')}"
        return [choice(question, listed, letter_of(listed, record.get("answer"), first=None))]
    solution = record.get("solution")
    if not isinstance(solution, Mapping) or not isinstance(solution.get("header"), list):
        raise Unfit("no solution with header and rows")
    header, rows = [str(name) for name in solution["header"]], solution.get("rows")
    if (
        not isinstance(rows, list)
        or not rows
        or any(not isinstance(row, list) or len(row) != len(header) for row in rows)
    ):
        raise Unfit("the rows of the solution do not fit its header")
    cells = [[str(cell) for cell in row] for row in rows]
    hidden = all(cell == HIDDEN for row in cells for cell in row[1:])
    return [
        {
            "form": "grid",
            "question": puzzle,
            "options": header,
            "reference": None if hidden else orjson.dumps(cells).decode(),
            "subdomain": str(record.get("size") or "grid"),
        }
    ]
