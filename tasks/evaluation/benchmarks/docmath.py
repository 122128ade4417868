"""DocMath-Eval (Zhao et al. 2024, arXiv:2311.09805): `question` on a document, whose `paragraphs` are texts and tables in Markdown, and
the number in `ground_truth`. `table_evidence` and `paragraph_evidence` name the paragraphs that the answer rests on.

A table may also be a list of rows, as in the data sets that the benchmark was made of; it is shown as Markdown.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tasks.evaluation.shapes import free, text_of
from tasks.ingestion.values import Unfit

names = ("docmath", "docmatheval")
domain = "other mathematics"
capability = "mathematics"


def items(record: Mapping[str, Any]) -> list[dict[str, Any]]:
    paragraphs = record.get("paragraphs")
    if not isinstance(paragraphs, list) or not paragraphs:
        raise Unfit("no paragraphs")
    shown = [_shown(part) for part in paragraphs]
    tables = record.get("tables") or record.get("table")
    if isinstance(tables, list) and tables:
        several = (
            tables
            if isinstance(tables[0], list) and tables[0] and isinstance(tables[0][0], list)
            else [tables]
        )
        shown += [_shown(table) for table in several]
    truth = record.get("ground_truth", record.get("answer"))
    question = "\n\n".join([*shown, f"Question: {text_of(dict(record), 'question')}"])
    return [free(question, None if truth is None or isinstance(truth, (list, dict)) else str(truth))]


def _shown(part: object) -> str:
    """Return a paragraph, or a table of rows as Markdown."""
    if isinstance(part, str):
        return part.strip()
    if isinstance(part, list) and part and all(isinstance(row, list) for row in part):
        lines = ["| " + " | ".join(_cell(cell) for cell in row) + " |" for row in part]
        return "\n".join([lines[0], "|" + "---|" * len(part[0]), *lines[1:]])
    raise Unfit("a paragraph is neither a text nor a table of rows")


def _cell(cell: object) -> str:
    return " ".join(str("" if cell is None else cell).replace("|", "\\|").split())
