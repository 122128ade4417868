"""Review by people: the queue of a version as a page, one row at a time, and what the judgements say so far."""

from __future__ import annotations

import functools
import getpass
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final
from urllib.parse import urlencode

import orjson
from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import RedirectResponse, Response

from storage.datasets.annotations import Mark, newest
from storage.datasets.judgements import LONGEST, RowJudgement, RowOpinion
from storage.datasets.versions import Version
from storage.visible import visible
from tasks.review import exchange
from tasks.review.agreement import JUDGED
from tasks.review.agreement import newest as newest_judgements
from tasks.review.report import rates, votes_on
from tasks.review.session import ERROR_RATE, QUEUE, WAITING, Asked, Review
from tasks.viewer.access import LOCAL
from tasks.viewer.conditions import BadAddress
from tasks.viewer.site import Site

ORIGIN: Final = "page"  # of the judgements that are given here
EDITABLE: Final = ("question", "solution", "answer")
MOST_EDITED: Final = (
    100_000  # characters of a row that the form carries; longer rows are edited in the terminal
)
HELD_S: Final = 600.0  # for which a row that somebody looks at is not shown to others
KEPT_EVERY: Final = (
    10  # judgements, after which the estimate is stored with the version; and at the end of the queue
)
NEWEST: Final = 12  # judgements that are listed


@dataclass(slots=True)
class RowsBeingJudged:
    """Which rows reviewers look at now, so that two of them do not judge the same ones side by side."""

    _held: dict[tuple[str, str], tuple[str, float]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def of_others(self, version: str, reviewer: str) -> list[str]:
        """Return the rows of a version that others than the reviewer look at."""
        with self._lock:
            now = time.monotonic()
            self._held = {key: held for key, held in self._held.items() if now - held[1] < HELD_S}
            return [row for (of, row), (who, _) in self._held.items() if of == version and who != reviewer]

    def hold(self, version: str, row: str, reviewer: str) -> None:
        """Note that the reviewer looks at a row; one that somebody else holds stays theirs. A reviewer holds one row."""
        with self._lock:
            if self._held.get((version, row), (reviewer, 0.0))[0] == reviewer:
                self._held = {
                    key: held for key, held in self._held.items() if (key[0], held[0]) != (version, reviewer)
                }
                self._held[version, row] = (reviewer, time.monotonic())

    def release(self, version: str, row: str) -> None:
        """Note that a row was judged."""
        with self._lock:
            self._held.pop((version, row), None)


@dataclass(frozen=True, slots=True)
class ReviewLine:
    """A version in the list of reviews.

    asked: rows of its queue; None if it has none yet. judged: rows that were judged in it. estimate: the newest that is stored with it;
    empty if there is none. waiting: promotions that were paused for it.
    """

    version: Version
    asked: int | None
    judged: int
    estimate: dict[str, Any]
    waiting: Sequence[Mark]


def router(site: Site) -> APIRouter:
    """Return the routes of this topic."""
    routes = APIRouter()
    being_judged = RowsBeingJudged()

    def opened(version: Version, **changes: Any) -> Review:
        scope = site.index.kept(version)
        return Review.open(
            site.store,
            version,
            look_up=lambda row: site.index.records(
                f"SELECT * EXCLUDE (text) FROM rows WHERE {scope.where} AND id = ? LIMIT 1",
                [*scope.values, row],
            ),
            **changes,
        )

    @routes.get("/review")
    def reviews(request: Request) -> Response:
        return site.page(request, "reviews.html", lines=_lines(site))

    @routes.get("/versions/{name}/review")
    def show(request: Request, name: str, row: str = "") -> Response:
        version = site.store.resolve(name)
        who = _reviewer(site, request, request.query_params.get("as", ""))
        if not who or _queue_of(site, version) is None:
            return site.page(request, "review_open.html", v=version, who=who, fixed=_is_fixed(site, request))
        review = opened(version)
        asked: Asked | None
        if row:
            asked = _again(review, row)
        else:
            others = being_judged.of_others(str(version), who)
            asked = review.next(who, after=others) or (review.next(who) if others else None)
        progress = review.progress()
        if asked is not None and who in progress.reviewers:  # somebody may have only opened the page
            being_judged.hold(str(version), asked.row["id"], who)
        return site.page(
            request,
            "review.html",
            v=version,
            who=who,
            fixed=_is_fixed(site, request),
            asked=asked,
            r=asked.row if asked else None,
            votes=votes_on(asked.row) if asked else [],
            editable=asked is not None
            and not asked.row["messages"]
            and sum(len(asked.row[part] or "") for part in EDITABLE) <= MOST_EDITED,
            own=_own(review, who, asked.row["id"]) if asked else None,
            back=_before(review, who, asked.row["id"] if asked and row else ""),
            progress=progress,
            waiting=_waiting(site, version),
        )

    @routes.get("/versions/{name}/review/state")
    def state(request: Request, name: str) -> Response:
        """What the judgements say; it comes after the page, since it computes intervals."""
        version = site.store.resolve(name)
        if _queue_of(site, version) is None:
            raise BadAddress(f"{version} has no queue yet. Fix: open one at /versions/{version}/review")
        review = opened(version)
        return site.page(
            request,
            "review_state.html",
            v=version,
            rates=rates(review.estimate()),
            agreements=review.agreements(),
            progress=review.progress(),
            newest=list(reversed(review.judgements))[:NEWEST],
        )

    @routes.get("/versions/{name}/judgements.{kind}")
    def export(name: str, kind: str) -> Response:
        version = site.store.resolve(name)
        if kind not in ("jsonl", "argilla.json") or _queue_of(site, version) is None:
            raise BadAddress("there are no such judgements. Fix: open the review of the version first")
        review = opened(version)
        body = (
            b"".join(exchange.to_lines(review))
            if kind == "jsonl"
            else orjson.dumps(exchange.to_argilla(review), default=str)
        )
        return Response(
            body,
            media_type="application/x-ndjson" if kind == "jsonl" else "application/json",
            headers={"Content-Disposition": f'attachment; filename="{version}-judgements.{kind}"'},
        )

    @routes.post("/versions/{name}/review/queue")
    async def open_queue(request: Request, name: str) -> Response:
        form = await site.form(request)

        def answer() -> Response:
            version = site.store.resolve(name)
            opened(
                version,
                rows=_number(form, "rows", int),
                uniform=_number(form, "uniform", float),
                second=_number(form, "second", float),
            )
            return _to_review(version, _reviewer(site, request, str(form.get("as", ""))))

        return await run_in_threadpool(answer)

    @routes.post("/versions/{name}/review")
    async def judge(request: Request, name: str) -> Response:
        form = await site.form(request)

        def answer() -> Response:
            version = site.store.resolve(name)
            who = _reviewer(site, request, str(form.get("as", "")))
            review = opened(version)
            judgement = _judgement(form, who, review.row(str(form.get("row", ""))))
            review.record(judgement)
            being_judged.release(str(version), judgement.row)
            progress = review.progress()
            if progress.done or len(review.judgements) % KEPT_EVERY == 0:
                review.keep_estimate()
            if progress.done and site.resume is not None:
                site.resume(version)
            return _to_review(version, who)

        return await run_in_threadpool(answer)

    return routes


def _lines(site: Site) -> list[ReviewLine]:
    """Return the newest version of each dataset and every version that has a queue or for which something waits."""
    lines = []
    every_mark = site.store.marks_by_dataset()
    for dataset, versions in site.store.versions_by_dataset().items():
        marks = every_mark.get(dataset, [])
        judged = Counter(of for of, _ in {(one.version, one.row) for one in site.store.judgements(dataset) if one.opinion in JUDGED})  # fmt: skip
        for version in reversed(versions):
            queue = newest(marks, version.name, QUEUE)
            waiting = _still_waiting(marks, version)
            if queue is None and not waiting and version is not versions[-1]:
                continue
            rate = newest(marks, version.name, ERROR_RATE)
            asked = None if queue is None else min(int(queue.value["rows"]), version.rows)
            lines.append(
                ReviewLine(version, asked, judged[version.name], dict(rate.value) if rate else {}, waiting)
            )
    return lines


def _queue_of(site: Site, version: Version) -> Mark | None:
    return newest(site.store.marks(version.dataset, QUEUE), version.name, QUEUE)


def _waiting(site: Site, version: Version) -> list[Mark]:
    return _still_waiting(site.store.marks(version.dataset), version)


def _still_waiting(marks: Sequence[Mark], version: Version) -> list[Mark]:
    """Return the promotions that were paused for the reviewers of a version, the newest of each tag that it has not got since."""
    by_tag: dict[str, Mark] = {}
    for mark in marks:
        tag = str(mark.value.get("tag", ""))
        if mark.version == version.name and mark.kind == WAITING:
            by_tag[tag] = mark
        elif mark.version == version.name and mark.kind == "tag":
            by_tag.pop(tag, None)
    return list(by_tag.values())


def _is_fixed(site: Site, request: Request) -> bool:
    """Return whether the person has signed in, so that they judge by that name and no other."""
    return site.person(request) != LOCAL


def _reviewer(site: Site, request: Request, given: str) -> str:
    """Return by which name a person judges: that of the sign-in, else the one that they give, else that of the user; "" for none."""
    if _is_fixed(site, request):
        return site.person(request)[:LONGEST]
    return given.strip()[:LONGEST] or _user()


@functools.cache
def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container may run under a number without a name
        return ""


def _to_review(version: Version, who: str) -> Response:
    return RedirectResponse(f"/versions/{version}/review?{urlencode({'as': who})}", 303)


def _again(review: Review, row_id: str) -> Asked:
    """Return a row that is named, whether the queue has it or not (then its place is 0)."""
    row = review.row(row_id)
    place = review.drawn.ids.index(row_id) if row_id in review.drawn.ids else -1
    part = "not of the queue" if place < 0 else "uniform" if review.drawn.uniform[place] else "chosen"
    others = newest_judgements(review.judgements).get(row_id, {})
    return Asked(place + 1, part, row, list(others.values()))


def _own(review: Review, who: str, row_id: str) -> RowJudgement | None:
    """Return the newest judgement of a row by the reviewer."""
    given = [one for one in review.store.judgements(review.version.dataset) if one.row == row_id]
    return newest_judgements(given).get(row_id, {}).get(who)


def _before(review: Review, who: str, row_id: str) -> str:
    """Return the row that the reviewer judged last, or before the row that they have gone back to; "" if there is none."""
    rows = list(dict.fromkeys(one.row for one in reversed(review.judgements) if one.reviewer == who))
    if row_id in rows:
        rows = rows[rows.index(row_id) + 1 :]
    return rows[0] if rows else ""


def _judgement(form: dict[str, Any], who: str, row: dict[str, Any]) -> RowJudgement:
    """Return what a form says of a row. Raises BadAddress if it has no opinion."""
    try:
        opinion = RowOpinion(str(form.get("opinion", "")))
    except ValueError:
        raise BadAddress("the form has no opinion. Fix: say right, wrong, unclear or skip") from None
    comment = str(form.get("comment", "")).replace("\r\n", "\n").strip()
    judgement = RowJudgement(row["id"], who, opinion, comment=comment or None, origin=ORIGIN)
    if row["messages"]:
        return judgement
    question, solution, answer = (_edited(row[name], form.get(name)) for name in EDITABLE)
    return replace(judgement, question=question, solution=solution, answer=answer)


def _edited(stored: str | None, given: Any) -> str | None:
    """Return the text of a field if a person changed it, else None.

    A browser sends line feeds as CR LF, and the field had the hidden characters of the row as escapes: an untouched field is no edit.
    """
    if given is None:
        return None
    text, before = str(given).replace("\r\n", "\n"), stored or ""
    return None if text in (before, visible(before)) else text


def _number(form: dict[str, Any], name: str, kind: type[int] | type[float]) -> int | float | None:
    text = str(form.get(name, "")).strip()
    if not text:
        return None
    try:
        return kind(text)
    except ValueError:
        raise BadAddress(f"{name}: {text[:40]!r} is no number. Fix: give one such as 200 or 0.5") from None
