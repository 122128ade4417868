"""Rows: lists with filters, facets and search, the page of one row, and the export of what a list shows."""

from __future__ import annotations

import csv
import functools
import io
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final
from urllib.parse import urlencode

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response, StreamingResponse

from storage.datasets.versions import Version
from storage.errors import ForPeople
from storage.reasons import Code
from storage.rows import SCHEMA
from tasks.decontamination.benchmarks import Benchmarks
from tasks.viewer import texts
from tasks.viewer.conditions import CHOICES, NUMBERS, TEXTS, WRONG, BadAddress, Condition, View
from tasks.viewer.history import SHORTEST, NoSuchRow, history_of
from tasks.viewer.index import EVALUATED, RowIndex, RowScope
from tasks.viewer.site import Site
from tasks.viewer.written import written

SORTS: Final = ("correctness", "difficulty", "solution_length", "reasoning_length", "subdomain", "id")
# columns of the table and of the form of filters; the facets have the others
TABLE: Final = (
    "question",
    "answer",
    "correctness",
    "difficulty",
    "subdomain",
    "method",
    "solution_format",
    "language",
)
OF_CRITICS: Final = (
    "answer",
    "critique",
    "trained_critic",
    EVALUATED,
    "process",
    "reward",
)  # scores of a critic for the solution
_ID: Final = re.compile(f"[0-9a-f]{{{SHORTEST},64}}")
KINDS: Final = {
    "jsonl": "application/x-ndjson",
    "csv": "text/csv; charset=utf-8",
    "parquet": "application/vnd.apache.parquet",
}


def router(site: Site) -> APIRouter:
    """Return the routes of this topic."""
    routes = APIRouter()

    @routes.get("/versions/{name}/rows")
    def rows(request: Request, name: str) -> Response:
        return _list(site, request, name, dropped=False)

    @routes.get("/versions/{name}/dropped")
    def dropped(request: Request, name: str) -> Response:
        return _list(site, request, name, dropped=True)

    @routes.get("/versions/{name}/{which}.{kind}")
    def export(request: Request, name: str, which: str, kind: str) -> Response:
        if which not in ("rows", "dropped") or kind not in KINDS:
            raise BadAddress(
                f"there is no export {which}.{kind}. Fix: use rows.jsonl, rows.csv or rows.parquet"
            )
        version = site.store.resolve(name)
        scope = site.scope(version, dropped=which == "dropped")
        view = View.of(request.query_params.multi_items())
        sql, values = site.pages.export(scope, view)
        batches = site.index.batches(sql, values)
        body = {"jsonl": _json_lines, "csv": _csv, "parquet": _parquet}[kind](batches)
        return StreamingResponse(
            body,
            media_type=KINDS[kind],
            headers={"Content-Disposition": f'attachment; filename="{version}-{which}.{kind}"'},
        )

    @routes.get("/find")
    def find(id: str = "") -> Response:
        """Lead to the row with an id, and for anything else to a search for its words in the newest version."""
        given = id.strip()
        if _ID.fullmatch(given.lower()):
            return RedirectResponse(f"/rows/{given.lower()}", 303)
        address = _search_address(site, given)
        if not address:
            raise BadAddress(
                "there is nothing to search. Fix: give the first 6 digits of a row id or more, or words"
            )
        return RedirectResponse(address, 303)

    @routes.get("/rows/{row_id}")
    def row(request: Request, row_id: str) -> Response:
        site.index.everything()
        rows_there = IndexRows(site)
        try:
            history = history_of(rows_there, site.ledger(), row_id)
        except NoSuchRow as error:
            # a word may look like an id
            return site.page(
                request, "error.html", 404, message=str(error), search=_search_address(site, row_id)
            )
        full_id = history["row"]["id"]
        if full_id != row_id:
            return RedirectResponse(f"/rows/{full_id}", 307)
        versions = {str(one): one for one in site.versions()}
        return site.page(
            request,
            "row.html",
            r=history["row"],
            history=history,
            copies=_copies(site, history["row"]),
            same_question=rows_there.same_question(history["row"]) if history["row"]["question"] else [],
            collision=_collision(
                site,
                {one["id"]: one for one in rows_there.with_ids([_other_id(history["row"])])},
                history["row"],
            ),
            versions=[name for name in history["published"] if name in versions],
            judgements=[
                one
                for dataset in sorted({name.partition("@")[0] for name in history["published"]})
                for one in site.store.judgements(dataset)
                if one.row == full_id
            ],
            written=written(history["completion"]["raw"])
            if history["completion"] and not (history["row"]["question"] or history["row"]["messages"])
            else None,
            long=texts.LONG,
            columns=SCHEMA.names,
        )

    @routes.get("/rows/{row_id}/json")
    def raw(row_id: str) -> Response:
        """Return the whole row as JSON, with texts that its page cuts."""
        site.index.everything()
        history = history_of(IndexRows(site), site.ledger(), row_id)
        return Response(
            orjson.dumps(history, option=orjson.OPT_INDENT_2, default=str), media_type="application/json"
        )

    return routes


def _search_address(site: Site, words: str) -> str:
    """Return the address of a search for words in the newest version; "" if there are no words or no version."""
    versions = site.versions()
    return f"/versions/{versions[0]}/rows?{urlencode({'q': words})}" if words and versions else ""


class IndexRows:
    """Candidates, and rows of versions that left none, looked up in the database of the page."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._index: RowIndex = site.index

    def starting_with(self, prefix: str) -> list[dict[str, Any]]:
        """Return every stored row whose id begins with `prefix`."""
        return self._read("id >= ? AND id < ?", [prefix, prefix + "\U0010ffff"])

    def with_ids(self, ids: Sequence[str]) -> list[dict[str, Any]]:
        """Return every stored row with one of the ids."""
        return self._read(f"id IN ({', '.join('?' * len(ids))})", ids) if ids else []

    def same_question(self, row: dict[str, Any], most: int = 12) -> list[dict[str, Any]]:
        """Return the other rows of the row's question, one per id."""
        rows = self._read("problem_id = ? AND id <> ?", [row["problem_id"], row["id"]], most * 3)
        return list({one["id"]: one for one in rows}.values())[:most]

    def published(self, row_id: str) -> list[str]:
        """Return the names of the versions that hold the row."""
        files = set(
            self._index.query(
                "SELECT DISTINCT of_table, name FROM rows JOIN files ON file = number WHERE id = ?", [row_id]
            )
        )
        return [
            str(version)
            for version in self._site.versions()
            if any((version.dataset, name) in files for name in version.files)
        ]

    def _read(self, where: str, values: Sequence[Any], most: int = 200) -> list[dict[str, Any]]:
        return self._index.records(
            f"SELECT * EXCLUDE (text) FROM rows WHERE {where} ORDER BY (run IS NULL), n LIMIT {most}", values
        )


def _list(site: Site, request: Request, name: str, *, dropped: bool) -> Response:
    version = site.store.resolve(name)
    scope = site.scope(version, dropped=dropped)
    view = View.of(request.query_params.multi_items())
    page = site.pages.page(scope, view)
    facets, total = site.pages.facets(scope, view)
    return site.page(
        request,
        "rows.html",
        v=version,
        dropped=dropped,
        view=view,
        page=page,
        total=total,
        facets=facets,
        scores=(scores := site.pages.scores(scope)),
        score_columns=[f"score.{name}" for name in scores],
        sorts=SORTS,
        table=TABLE,
        choices=CHOICES,
        numbers=NUMBERS,
        long_texts=TEXTS,
        others=_of_reasons(site, version, page.rows) if dropped else {},
        ready=_ready(scores),
        building=site.words.building(scope) if view.q else None,
        coverage=_coverage(site, scope, view, version),
        base=f"/versions/{version}/{'dropped' if dropped else 'rows'}",
    )


def _ready(scores: Sequence[str]) -> list[tuple[str, str]]:
    """Return (title, address) of the lists that people ask for most, of those that the rows have scores for."""
    critics = [name for name in scores if name in OF_CRITICS]
    own = {"answer": "the critic", "critique": "the critic", EVALUATED: "the evaluated critic"}
    named = {name: own.get(name, f"the critic ({name})") for name in critics}
    ready = [
        (f"wrong answers that {who} liked", f"?wrong=yes&score.{name}.min=0.7&sort=-score.{name}")
        for name, who in named.items()
    ]
    ready += [
        (f"right answers that {who} disliked", f"?wrong=no&score.{name}.max=0.4&sort=score.{name}")
        for name, who in named.items()
    ]
    return [("wrong answers", "?wrong=yes&sort=correctness"), *ready]


@dataclass(frozen=True, slots=True)
class CriticCoverage:
    """Of the rows that a list is about, how many have a score of the critic. what: the rows in words. command: lets the critic judge
    the labelled solutions of the version, also those that it has not seen."""

    what: str
    rows: int
    seen: int
    command: str


def _coverage(site: Site, scope: RowScope, view: View, version: Version) -> CriticCoverage | None:
    """Return the coverage of a list that is filtered by a score of a critic; None for other lists."""
    scored = [
        one.name.split(".")[1]
        for one in view.conditions
        if one.name.startswith("score.") and one.name.split(".")[1] in OF_CRITICS
    ]
    if not scored:
        return None
    rest = replace(
        view,
        conditions=tuple(one for one in view.conditions if not one.name.startswith("score.")),
        sort="",
        after="",
    )
    seen = Condition(f"score.{scored[0]}.min", ("0",))
    wrong = {"yes": "wrong row", "no": "row that is not wrong"}.get(view.first(WRONG), "row")
    rows = site.pages.count(scope, rest)
    return CriticCoverage(
        wrong,
        rows,
        site.pages.count(scope, replace(rest, conditions=(*rest.conditions, seen))),
        f"./mathmill critic evaluate --version {version} --critic prompted",
    )


@dataclass(frozen=True, slots=True)
class Collision:
    """What a duplicate or a leak collided with: a row, which `id` names if it is stored, or an item of a benchmark."""

    title: str
    id: str = ""
    text: str = ""
    solution: str = ""
    solution_format: str = ""


def _of_reasons(site: Site, version: Version, rows: Sequence[dict[str, Any]]) -> dict[int, Collision]:
    """Return what dropped duplicates and leaks collided with, by the number `n` of the dropped row: one text may be dropped twice, for
    different reasons."""
    if any(_other_id(row) for row in rows):
        site.index.kept(version)  # most of the others are rows of the version
    others = {
        one["id"]: one for one in IndexRows(site).with_ids(sorted({_other_id(row) for row in rows} - {""}))
    }
    collided = ((row["n"], _collision(site, others, row)) for row in rows)
    return {n: one for n, one in collided if one is not None}


def _values(row: dict[str, Any]) -> dict[str, Any]:
    return dict((row["reason"] or {}).get("values") or {})


def _other_id(row: dict[str, Any]) -> str:
    return str(_values(row).get("other") or "")


@dataclass(frozen=True, slots=True)
class RowCopy:
    """What became of one occurrence of a row. collision: of one that was dropped as a duplicate or a leak. again: whether its run had
    the text more than once, and this is an occurrence that was dropped for it while another one passed on."""

    run: str
    stage: str
    version: str
    rejected: str
    collision: Collision | None
    again: bool


def _copies(site: Site, row: dict[str, Any]) -> list[RowCopy]:
    """Return the stored occurrences of a row in the order of time: by run as the versions of the runs were created, and within a run the
    repeats first, then what its stages decided of the occurrence that passed on, then its publication."""
    stored = site.index.records(
        "SELECT id, n, run, stage, version, rejected, reason, code FROM rows WHERE id = ? AND run IS NOT NULL ORDER BY n LIMIT 50",
        [row["id"]],
    )
    created: dict[str, str] = {}
    for version in reversed(site.versions()):
        created.setdefault(str(version.lineage.get("run")), version.created)
    stored.sort(
        key=lambda one: (
            created.get(one["run"], "~"),  # a run that published nothing comes last
            one["version"] is not None,
            one["code"] != Code.REPEATED.value,
            one["n"],
        )
    )
    runs = Counter(one["run"] for one in stored)
    others = {
        one["id"]: one for one in IndexRows(site).with_ids(sorted({_other_id(r) for r in stored} - {""}))
    }
    return [
        RowCopy(
            one["run"],
            one["stage"] or "",
            one["version"] or "",
            one["rejected"] or "",
            _collision(site, others, one),
            one["code"] == Code.REPEATED.value and runs[one["run"]] > 1,
        )
        for one in stored
    ]


def _collision(site: Site, others: Mapping[str, dict[str, Any]], row: dict[str, Any]) -> Collision | None:
    """Return what a duplicate or a leak collided with; None for another reason. others: the stored rows that reasons name, by id."""
    values = _values(row)
    if other := _other_id(row):
        there = others.get(other)
        if there is None:
            return Collision(f"the row {other[:12]}, which is not stored", text=values.get("question", ""))
        return Collision(
            f"the row {other[:12]} that was there before",
            other,
            there["question"] or "",
            there["solution"] or "",
            there["solution_format"] or "",
        )
    if item := values.get("item"):
        return Collision(f"the benchmark item {item}", text=_item(site, row, item))
    if row["code"] == Code.REPEATED.value:
        where = f"the version {values['version']}" if values.get("version") else "the rows of its run"
        return Collision(f"itself: {where} had this text already, word for word", row["id"])
    return None


def _item(site: Site, row: dict[str, Any], item: str) -> str:
    """Return the text of a benchmark item, or why it cannot be shown."""
    for version in site.versions():
        if version.lineage.get("run") == row["run"]:
            section = (version.lineage.get("parameters") or {}).get("decontaminate") or {}
            paths = section.get("benchmarks") or []
            try:
                return _items(paths if isinstance(paths, str) else tuple(paths)).get(
                    item, "(not in the files of the run)"
                )
            except (ForPeople, OSError) as error:
                return f"(the files of the run cannot be read: {error})"
    return "(the run published no version, so its benchmark files are not known)"


@functools.lru_cache(4)
def _items(paths: tuple[str, ...]) -> dict[str, str]:
    items = Benchmarks.load(paths).items()
    return dict(zip(items.names, items.texts, strict=True))


def _plain_record(record: dict[str, Any]) -> dict[str, Any]:
    """Return a row for JSON: maps, which Arrow gives as pairs, as objects."""
    for name in ("verdicts", "scores"):
        record[name] = dict(record[name] or ())
    if record.get("reason"):
        record["reason"]["values"] = dict(record["reason"]["values"] or ())
    return record


def _json_lines(batches: Iterator[pa.RecordBatch]) -> Iterator[bytes]:
    for batch in batches:
        yield b"".join(
            orjson.dumps(_plain_record(one), option=orjson.OPT_APPEND_NEWLINE) for one in batch.to_pylist()
        )


def _csv(batches: Iterator[pa.RecordBatch]) -> Iterator[bytes]:
    text = io.StringIO()
    writer = csv.writer(text)
    header = False
    for batch in batches:
        if not header:
            writer.writerow(batch.schema.names)
            header = True
        for record in batch.to_pylist():
            plain = _plain_record(record)
            writer.writerow([_cell(value) for value in plain.values()])
        yield text.getvalue().encode("utf-8", "backslashreplace")
        text.seek(0)
        text.truncate()


def _cell(value: Any) -> Any:
    """Return a cell. A text that a spreadsheet would run as a formula gets an apostrophe in front."""
    if value is None or isinstance(value, (int, float)):
        return value
    text = value if isinstance(value, str) else orjson.dumps(value, default=str).decode()
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text


class _Pieces(io.RawIOBase):
    """A file that keeps what is written until it is taken."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._at = 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._parts.append(bytes(data))
        self._at += len(self._parts[-1])
        return len(self._parts[-1])

    def tell(self) -> int:
        return self._at

    def taken(self) -> bytes:
        parts, self._parts = self._parts, []
        return b"".join(parts)


def _parquet(batches: Iterator[pa.RecordBatch]) -> Iterator[bytes]:
    file = _Pieces()
    writer: pq.ParquetWriter | None = None
    for batch in batches:
        writer = writer or pq.ParquetWriter(file, batch.schema, compression="zstd")
        writer.write_batch(batch)
        yield file.taken()
    if writer is not None:
        writer.close()
    yield file.taken()
