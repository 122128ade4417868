"""The flow documents without its orchestrator: what a dry run shows, and what the lineage has of each document."""

from __future__ import annotations

from pathlib import Path

import pytest

from flows.config.documents import Documents
from flows.documents import preview, undefined
from tasks.documents.book_files import documents_of
from tasks.stages.documents import DocumentReading, rows_of

BOOK = r"""\chapter{Logic}
\newcommand{\NN}{\mathbb{N}}
We write $P \imp Q$ and $Q \imp P$ for all $n \in \NN$ and $\card{A} \neq 3$; see \cite{x}.
\[ \twoline{a}{b} \iff {n \choose k} \ne 0 \]
"""


@pytest.mark.slow
def test_a_dry_run_and_the_lineage_name_macros_that_no_file_defines(tmp_path: Path) -> None:
    (tmp_path / "logic.tex").write_text(BOOK)
    shown = preview(Documents(paths=[str(tmp_path)], dry_run=True))
    assert r"\imp (2 times) is defined in no file that was given. Fix: give the file that defines it" in shown
    assert r"\NN (" not in shown
    assert r"\choose (" not in shown
    (source,) = documents_of([str(tmp_path)])
    counts = undefined(rows_of(source, DocumentReading()))["undefined_macros"]
    assert counts["imp"] == 2
    (tmp_path / "macros.tex").write_text("\\newcommand{\\imp}{\\rightarrow}\n\\newcommand{\\card}[1]{|#1|}\n")
    (tmp_path / "logic.tex").write_text(f"\\input{{macros}}\n{BOOK}")
    assert r"\imp (" not in preview(Documents(paths=[str(tmp_path)], dry_run=True))
