"""What is read as documents: books in several files, files of answers, and nothing outside of the folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from tasks.documents.book_files import documents_of
from tasks.documents.formats import ReadOptions
from tasks.documents.includes import resolved
from tasks.documents.reading import ReadLimits
from tasks.ingestion.record import IngestError
from tasks.stages.documents import DocumentReading, rows_of

EXERCISE = "\\begin{exercise} Is it so? \\end{exercise}\n"


def write(root: Path, **files: str) -> Path:
    for name, text in files.items():
        path = root / name.replace("__", "/").replace("_tex", ".tex").replace("_md", ".md")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return root


def test_files_that_others_include_are_parts_of_them(tmp_path: Path) -> None:
    root = write(
        tmp_path / "book",
        main_tex="\\chapter{A}\\input{parts/one}\\include{gone}",
        parts__one_tex="\\section{B} text \\input{two}",
        parts__two_tex="deep",
        notes_md="# Notes",
    )
    main, notes = documents_of([str(root)])
    assert (main.name, main.files, main.behind) == ("main.tex", ("parts/one.tex", "parts/two.tex"), ())
    assert notes.name == "notes.md"
    document = main.read(ReadOptions(), ReadLimits())
    assert [(one.text, one.part) for one in document.elements] == [
        ("text", "parts/one.tex"),
        ("deep", "parts/two.tex"),
    ]
    assert document.missing == ["gone"]
    before = main.digest
    write(root, parts__two_tex="changed")
    assert documents_of([str(root)])[0].digest != before
    alone = documents_of([str(root / "main.tex")])
    assert [(one.name, one.files) for one in alone] == [("main.tex", ("parts/one.tex", "parts/two.tex"))]


@pytest.mark.slow
def test_answers_and_parts_are_read_behind_the_one_book_of_their_folder(tmp_path: Path) -> None:
    root = write(
        tmp_path,
        ch1__ch1_tex="\\chapter{A}\\section{Exercises}" + EXERCISE,
        ch1__review_tex=EXERCISE.replace("so", "this"),
        ch1__odd_solutions_tex="\\section{Solutions} % 1\n\\begin{solution} Yes. \\end{solution}",
    )
    (book,) = documents_of([str(root)])
    assert book.behind == ("ch1/review.tex", "ch1/odd_solutions.tex")
    document = book.read(ReadOptions(), ReadLimits())
    pairs = [(one.text, document.elements[one.of].text) for one in document.elements if one.of is not None]
    assert pairs == [("Yes.", "Is it so?")]


def test_answers_of_several_books_go_by_their_names(tmp_path: Path) -> None:
    root = write(
        tmp_path,
        b__algebra_md="# Algebra",
        b__analysis_md="# Analysis",
        b__algebra_answers_md="## Answers",
        b__answers_md="## Answers",
    )
    names = {one.name: one.behind for one in documents_of([str(root)])}
    assert names == {
        "b/algebra.md": ("b/algebra_answers.md",),
        "b/analysis.md": (),
        "b/answers.md": (),
    }


def test_links_out_of_the_folder_and_hidden_files_are_not_read(tmp_path: Path) -> None:
    outside = write(tmp_path / "outside", secret_tex="\\section{S} secret")
    root = write(tmp_path / "book", main_tex="\\section{A}\\input{link}\\input{../outside/secret}")
    (root / "link.tex").symlink_to(outside / "secret.tex")
    (root / ".hidden.tex").write_text("\\section{H}")
    (main,) = documents_of([str(root)])
    assert main.files == ()
    assert main.read(ReadOptions(), ReadLimits()).missing == ["link", "../outside/secret"]


@pytest.mark.parametrize(
    "written", ["/etc/passwd", "../x.tex", "../../x.tex", "file:///x.tex", "C:\\x.tex", ""]
)
def test_a_path_never_leads_out(written: str) -> None:
    assert resolved(written, "a/main.tex", {"b/x.tex", "etc/passwd"}) is None


def test_what_cannot_be_used_is_one_line_per_path(tmp_path: Path) -> None:
    (tmp_path / "x.bin").write_bytes(b"\0\1")
    (tmp_path / "empty").mkdir()
    with pytest.raises(IngestError) as refused:
        documents_of([str(tmp_path / "no.tex"), str(tmp_path / "x.bin"), str(tmp_path / "empty")])
    lines = str(refused.value).splitlines()
    assert len(lines) == 3
    assert all("Fix: " in line for line in lines)


@pytest.mark.slow
def test_a_document_that_cannot_be_read_is_one_row_with_its_reason(tmp_path: Path) -> None:
    (tmp_path / "bad.ptx").write_text("<section><p></section>")
    (tmp_path / "void.md").write_text("\n")
    (tmp_path / "good.md").write_text("# A\n\nThe text is in the file.\n\n# B\n\nAnd this is the other.")
    bad, good, void = documents_of([str(tmp_path)])
    (row,) = rows_of(bad, DocumentReading())
    assert row.reason is not None
    assert (row.reason.code, row.reason.failed) == ("unreadable", False)
    assert "not well-formed" in row.reason.values["why"]
    (empty,) = rows_of(void, DocumentReading())
    assert empty.reason is not None
    assert empty.reason.values["why"] == "no text in it"
    rows = rows_of(good, DocumentReading(license="CC0", max_tokens=64))
    assert [(row.reason, row.license, row.language, row.verdicts["ingest"]) for row in rows] == [
        (None, "CC0", "en", "chunk 1 of good.md"),
        (None, "CC0", "en", "chunk 2 of good.md"),
    ]
