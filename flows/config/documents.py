"""The configuration of the flow documents."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from flows.config.sections import BudgetSettings, PublishSettings
from tasks.documents.chunks import MAX_TOKENS
from tasks.documents.formats import OcrEngine
from tasks.documents.quality import LANGUAGES, MIN_LEGIBLE, MIN_WHOLE
from tasks.documents.web.recall import RecallSettings
from tasks.documents.web.screens import ScreenSettings
from tasks.settings import Folded


class Documents(PublishSettings):
    """Which documents are read, into chunks of which size, and what they must be like to be published."""

    needed: ClassVar[tuple[str | tuple[str, ...], ...]] = ("paths", "dataset", "license")

    paths: list[str] = Field(
        [],
        description="files, or folders whose documents are read; a file that others include is a part of them; WARC files and tables of pages (Parquet, JSON Lines) are read page by page",
    )
    license: str = Field("", description="licence of the documents that state none, such as CC-BY-SA-4.0")
    max_tokens: int = Field(
        MAX_TOKENS, ge=64, description="tokens of a chunk; an exercise with its solution may be longer"
    )
    tokenizer: str = Field(
        "",
        description="name or folder of the tokenizer that counts them; empty: about 3.5 characters per token",
    )
    min_legible: float = Field(
        MIN_LEGIBLE, ge=0, le=1, description="least share of characters of a document that are not garbled"
    )
    min_whole: float = Field(
        MIN_WHOLE, ge=0, le=1, description="least share of formulas of a document whose braces match"
    )
    languages: list[str] = Field(
        list(LANGUAGES), description="languages that are kept: en, zh, another code, or unknown"
    )
    ocr: OcrEngine = Field(
        "tesseract",
        description="what reads scanned pages and images: off; tesseract, which has to be installed; or endpoint: the vision model of the role ocr, one call per page",
    )
    answers: Literal["online", "offline"] = Field(
        "online", description="calls of the role ocr are made; offline: from the ledger only"
    )
    budget: Folded[BudgetSettings] = Field(
        BudgetSettings(), description="most USD and tokens of the role ocr, and the deadline"
    )
    screens: Folded[ScreenSettings] = Field(
        ScreenSettings(), description="what pages of the web must be like; other documents are not screened"
    )
    recall: Folded[RecallSettings] = Field(
        RecallSettings(), description="how pages of mathematics are told from other pages"
    )
    shard_documents: int = Field(
        64, ge=1, le=10_000, description="documents per task run; fewer where they are large"
    )
    shard_pages: int = Field(2_048, ge=1, le=100_000, description="most pages of the web per shard")
    dry_run: bool = Field(
        False,
        description="only show the structure, the quality and ten blocks of each document; publish nothing",
    )
