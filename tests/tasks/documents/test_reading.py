"""Reading in a process of its own: what the document causes is a refusal, what we cause is a failure, nothing else comes back."""

from __future__ import annotations

import dataclasses
import pickle
from typing import Any

import pytest

from tasks.documents import reading
from tasks.documents.document import Document, Element, Heading
from tasks.documents.formats import REFUSALS, ReadOptions, UnreadableDocument
from tasks.documents.reading import ReadingFailed, ReadLimits, document_of, read_document
from tasks.sandbox import Isolation, isolate

BOOK = Document(
    "A book",
    "pdf",
    [Heading("One", 1, "1"), Heading("Two", 2)],
    [Element("exercise", "1 + 1", 0, "1.1", "one.xml", 3, 10, 20), Element("solution", "2", 1, of=0)],
    "en",
    missing=["two.xml"],
)


@pytest.fixture(params=["isolated", "plain"])
def place(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both places in which a reader runs: inside bubblewrap, and as an ordinary process where there is none."""
    if request.param == "plain":
        monkeypatch.setattr(reading, "isolated", lambda: Isolation(False, "no bubblewrap"))
    elif not reading.isolated().ok:
        pytest.skip(f"no isolation here: {reading.isolated().detail}")
    return str(request.param)


def test_an_unknown_format_is_refused_with_its_code(place: str) -> None:
    with pytest.raises(UnreadableDocument, match=r"^x\.zzz: no known format.* Fix: ") as refused:
        read_document(b"\x00\x01", "x.zzz")
    assert refused.value.code == "unknown_format"


def test_a_file_over_the_limit_starts_no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "_run", None)
    with pytest.raises(UnreadableDocument, match="over the limit of 1 MiB") as refused:
        read_document(b"", "x.tex", ReadOptions({"y.tex": bytes((1 << 20) + 1)}), ReadLimits(file_mb=1))
    assert refused.value.code == "too_large"


def test_a_process_that_cannot_start_is_our_failure(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(isolate, "interpreter", lambda: "/nonexistent/python")
    with pytest.raises(ReadingFailed, match="Fix: "):
        read_document(b"text", "x.tex")


def test_a_process_without_its_packages_is_our_failure(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(isolate, "sites", list)
    with pytest.raises(ReadingFailed, match="ModuleNotFoundError.*Fix: "):
        read_document(b"text", "x.tex")


def test_a_document_returns_as_it_was() -> None:
    assert document_of(dataclasses.asdict(BOOK)) == BOOK


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("title",), None),
        (("format",), 3),
        (("language",), ["en"]),
        (("missing",), [1]),
        (("headings",), None),
        (("headings", 0, "level"), "1"),
        (("headings", 0, "level"), None),
        (("headings", 0, "level"), True),
        (("elements", 0, "kind"), "joke"),
        (("elements", 0, "kind"), ["text"]),
        (("elements", 0, "text"), None),
        (("elements", 0, "heading"), 2),
        (("elements", 0, "page"), -1),
        (("elements", 0, "start"), 1.5),
        (("elements", 1, "of"), 2),
        (("elements", 1), "text"),
        (("elements",), {"0": None}),
        ((), []),
        ((), None),
    ],
)
def test_any_other_value_of_the_process_is_refused(path: tuple[Any, ...], value: Any) -> None:
    whole: Any = {"": dataclasses.asdict(BOOK)}
    at = whole
    for key in ("", *path)[:-1]:
        at = at[key]
    at[("", *path)[-1]] = value
    with pytest.raises(ReadingFailed, match="the document is not one"):
        document_of(whole[""])


def test_limits_are_above_zero() -> None:
    for name in ReadLimits.__dataclass_fields__:
        with pytest.raises(ValueError, match=name):
            ReadLimits(**{name: 0})


def test_a_refusal_keeps_its_code_between_processes() -> None:
    for code in REFUSALS:
        copy = pickle.loads(pickle.dumps(UnreadableDocument("x.pdf: no. Fix: none", code)))
        assert (copy.code, str(copy)) == (code, "x.pdf: no. Fix: none")
