"""The stage `documents`: each document becomes rows of kind `text`, one per chunk, with its blocks and their spans."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from storage.reasons import Code, Reason, reason, shortened
from storage.rows import TEXT, Row, content_id
from tasks.documents.book_files import DocumentFile
from tasks.documents.chunks import MAX_TOKENS, SECTION, Chunk, Count, approximate_tokens, chunks
from tasks.documents.document import Document
from tasks.documents.formats import ReadOptions, UnreadableDocument
from tasks.documents.quality import LANGUAGES, MIN_LEGIBLE, MIN_WHOLE, quality_of, refusal
from tasks.documents.reading import ReadingFailed, ReadLimits
from tasks.documents.scans import TranscribesPages
from tasks.ingestion.values import Unfit
from tasks.stages.import_dataset import MAX_TEXT
from tasks.stages.ingest import fit
from tasks.text.cleaning import printable

STAGE: Final = "documents"


@dataclass(frozen=True, slots=True)
class DocumentReading:
    """How documents become rows.

    license: of documents that state none. tokenizer: a name or a folder, as `transformers` loads it; empty: about 3.5
    characters per token. min_legible, min_whole, languages: see tasks.documents.quality.
    """

    license: str = "unknown"
    max_tokens: int = MAX_TOKENS
    tokenizer: str = ""
    min_legible: float = MIN_LEGIBLE
    min_whole: float = MIN_WHOLE
    languages: tuple[str, ...] = LANGUAGES
    options: ReadOptions = field(default_factory=ReadOptions)
    limits: ReadLimits = field(default_factory=ReadLimits)

    @property
    def digest(self) -> str:
        """A digest of everything that decides the rows, apart from the documents, the limits and this program."""
        options = {
            name: getattr(self.options, name) for name in self.options.__dataclass_fields__ if name != "files"
        }
        parts = [
            self.license, self.max_tokens, self.tokenizer, self.min_legible, self.min_whole, list(self.languages), options,
        ]  # fmt: skip
        return hashlib.sha256(orjson.dumps(parts, default=str, option=orjson.OPT_SORT_KEYS)).hexdigest()

    def refusal(self, document: Document) -> Reason | None:
        """Return why a document is not good enough, None if it is."""
        return refusal(
            quality_of(document),
            STAGE,
            min_legible=self.min_legible,
            min_whole=self.min_whole,
            languages=self.languages,
        )


@functools.lru_cache(maxsize=4)
def counter(tokenizer: str) -> Count:
    """Return what counts the tokens of a text. Raises OSError or ValueError for a tokenizer that cannot be loaded."""
    if not tokenizer:
        return approximate_tokens
    from transformers import AutoTokenizer

    loaded: Any = AutoTokenizer.from_pretrained(tokenizer)
    return lambda text: len(loaded.encode(text, add_special_tokens=False))


def rows_of(
    source: DocumentFile, reading: DocumentReading, transcriber: TranscribesPages | None = None
) -> list[Row]:
    """Return the rows of a document, kept or not; a single one with the reason if it cannot be read. `transcriber`: see
    tasks.documents.scans."""
    params = {"path": source.name, "sha256": source.sha256}
    origin = Origin(source.name, source.name, source.digest, params, reading.license)
    try:
        document = source.read(reading.options, reading.limits, transcriber)
    except UnreadableDocument as error:
        return [unread(origin, Code.UNREADABLE, place=source.name, why=without_fix(error))]
    except ReadingFailed as error:
        return [unread(origin, Code.NOT_READ, place=source.name, error=without_fix(error))]
    return passages_of(document, origin, reading, reading.refusal(document))


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a document comes from. source: the column `source` of its rows. name: as reasons and people see it. digest: differs
    between documents of one name. params: entries of the column `params`. license: of a document that states none."""

    source: str
    name: str
    digest: str
    params: Mapping[str, Any]
    license: str


def passages_of(
    document: Document,
    origin: Origin,
    reading: DocumentReading,
    why: Reason | None,
    *,
    section: int = SECTION,
) -> list[Row]:
    """Return the rows of a document, one per chunk, all with the reason `why`; a single one if it has no text. `section`: see
    tasks.documents.chunks."""
    language = quality_of(document).language
    passages = chunks(document, reading.max_tokens, counter(reading.tokenizer), section=section)
    if not passages:
        return [unread(origin, Code.UNREADABLE, place=origin.name, why="no text in it")]
    return [
        _row(chunk, number, document, origin, reading, language, why)
        for number, chunk in enumerate(passages, 1)
    ]


def _row(
    chunk: Chunk,
    number: int,
    document: Document,
    origin: Origin,
    reading: DocumentReading,
    language: str,
    why: Reason | None,
) -> Row:
    params = {
        "title": document.title,
        **origin.params,
        "headings": list(chunk.headings),
        "chunk": number,
    }
    if refers := {
        str(place): element.refers for place, element in enumerate(chunk.elements) if element.refers
    }:
        params["refers"] = refers  # what blocks refer to and lack, by their place
    if unsure := {
        str(place): element.unsure for place, element in enumerate(chunk.elements) if element.unsure
    }:
        params["unsure"] = unsure  # words of blocks that OCR is not sure of, by their place
    if open_ended := [place for place, element in enumerate(chunk.elements) if element.open_ended]:
        params["open_ended"] = open_ended  # the places of solutions that may have a remark behind them
    place = f"chunk {number} of {origin.name}"
    try:
        text, _ = fit("text", chunk.text, MAX_TEXT)
    except Unfit as error:
        return unread(origin, Code.UNREADABLE, number, place=place, why=str(error))
    return Row(
        text,
        language,
        kind=TEXT,
        blocks=chunk.blocks,
        source=origin.source,
        license=document.license or origin.license,
        params=orjson.dumps(params).decode(),
        verdicts={"ingest": place},
        reason=why,
    )


def without_fix(error: Exception) -> str:
    """Return the message of an error as a value of a reason."""
    return shortened(printable(str(error).partition(" Fix:")[0], 300), 300)


def unread(origin: Origin, code: Code, number: int = 0, **values: str) -> Row:
    """Return the row of a document, or of its chunk `number`, that cannot be used."""
    name = content_id(
        origin.name, origin.digest, str(number)
    )  # it has no text, and shares its id with no other
    return Row(
        "",
        "",
        id=name,
        problem_id=name,
        kind=TEXT,
        source=origin.source,
        license=origin.license,
        reason=reason(STAGE, code, **values),
    )
