"""Pages of the web as rows of kind `text`, and the stages that judge them by what is known only when all pages are read.

`rows_of_pages` reads, screens and divides the pages of a shard. `page_formats` drops pages whose format is rare on their host, and
`page_recall` those that a classifier does not take for mathematics.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

import orjson
import pyarrow as pa

from storage.reasons import Code, reason
from storage.rows import Row, column, reject, replace
from tasks.documents.cleaning import cleaned
from tasks.documents.web.page import Page
from tasks.documents.web.reading import PageText
from tasks.documents.web.recall import Classifier
from tasks.documents.web.screens import ScreenSettings, screen
from tasks.stages.documents import STAGE, DocumentReading, Origin, passages_of, unread, without_fix
from tasks.stages.outcome import Tick
from tasks.text.cleaning import printable

FORMATS = "page_formats"
RECALL = "page_recall"
SCORE = "mathematics"  # the score of the classifier in the column `scores`
_MAX_URL = 2_000  # characters


def rows_of_pages(
    texts: Iterable[PageText], file: str, reading: DocumentReading, screens: ScreenSettings
) -> list[Row]:
    """Return the rows of pages of a file, kept or not: one per chunk, or a single one with the reason."""
    return [row for text in texts for row in _rows_of(text, file, reading, screens)]


def _rows_of(text: PageText, file: str, reading: DocumentReading, screens: ScreenSettings) -> list[Row]:
    page = text.page
    origin = _origin(page, file, text.template, reading)
    if page.unfit is not None:
        return [unread(origin, Code.NO_PAGE, place=origin.name, why=page.unfit)]
    if text.refusal is not None:
        why = without_fix(text.refusal).removeprefix(f"{page.place}: ")
        return [unread(origin, Code.UNREADABLE, place=origin.name, why=why)]
    document = None if text.document is None else cleaned(text.document)
    if document is None or not document.elements:
        return [unread(origin, Code.NO_PAGE, place=origin.name, why="no main text")]
    if page.license:
        document.license = printable(page.license, 200)
    whole = "\n".join(element.text for element in document.elements)
    noise = reading.refusal(document) or screen(whole, text.visible, screens, STAGE)
    # a page is one text: what its headings divide, a question and its answers for instance, belongs together
    return passages_of(document, origin, reading, noise, section=0)


def _origin(page: Page, file: str, template: str, reading: DocumentReading) -> Origin:
    url = printable(page.url, _MAX_URL)
    params = {"path": file, "record": page.place, "url": url, "host": page.host[:200], "template": template}
    return Origin(url or file, f"{page.place} of {file}", page.url, params, reading.license)


def page_counts(rows: pa.Table) -> Counter[tuple[str, str]]:
    """Return (host, template) -> pages, of the rows of a shard of pages."""
    return Counter(
        (params["host"], params["template"])
        for params in _params(rows)
        if params.get("chunk") == 1 and "host" in params
    )


def page_formats(
    rows: pa.Table, *, rare: Mapping[str, Mapping[str, float]], threshold: float, tick: Tick
) -> pa.Table:
    """Reject the rows of pages whose template is rare on their host. `rare`: host -> template -> its share of the host's pages."""
    whys = []
    for params in _params(rows):
        host = params.get("host", "")
        share = rare.get(host, {}).get(params.get("template", ""))
        values = (
            {"score": f"{share:.4f}", "host": host, "threshold": threshold} if share is not None else None
        )
        whys.append(reason(FORMATS, Code.RARE_TEMPLATE, **values) if values else None)
    tick(rows.num_rows)
    return reject(rows, whys)


def page_texts(rows: pa.Table) -> list[tuple[str, str]]:
    """Return (text, host) of each page of a shard, its chunks joined."""
    return [(text, host) for (_, host), text in _by_page(rows)[0]]


def page_recall(rows: pa.Table, *, classifier: Classifier, tick: Tick) -> pa.Table:
    """Give the rows of each page its score, and reject those of pages below the classifier's threshold.

    Rows of documents that are no pages are kept as they are.
    """
    pages, places = _by_page(rows)
    scores = classifier.scores([text for _, text in pages]).tolist()
    every: list[list[tuple[str, float]]] = [list(one or ()) for one in column(rows, "scores")]
    whys: list[Any] = [None] * rows.num_rows
    for score, own in zip(scores, places, strict=True):
        for place in own:
            every[place].append((SCORE, score))
            if score < classifier.threshold:
                whys[place] = reason(
                    RECALL,
                    Code.NOT_MATHEMATICS,
                    score=f"{score:.4f}",
                    threshold=f"{classifier.threshold:.4f}",
                )
    tick(rows.num_rows)
    return reject(replace(rows, scores=every), whys)


def _by_page(rows: pa.Table) -> tuple[list[tuple[tuple[str, str], str]], list[list[int]]]:
    """Return (((record, host), text) of each page, the places of its rows)."""
    texts: dict[tuple[str, str], list[str]] = defaultdict(list)
    places: dict[tuple[str, str], list[int]] = defaultdict(list)
    for place, (params, text) in enumerate(zip(_params(rows), column(rows, "question"), strict=True)):
        if "record" in params:
            key = (f"{params['path']}\0{params['record']}", params["host"])
            texts[key].append(text)
            places[key].append(place)
    return [(key, "\n\n".join(parts)) for key, parts in texts.items()], list(places.values())


def _params(rows: pa.Table) -> list[dict[str, Any]]:
    return [orjson.loads(one) if one else {} for one in column(rows, "params")]
