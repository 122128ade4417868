"""What takes a form: SQL queries, and rows that are taken out of a dataset."""

from __future__ import annotations

import threading
import uuid
from dataclasses import dataclass, field
from typing import Any, Final

import orjson
import pyarrow as pa
from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import RedirectResponse, Response

from storage.counting import counted
from storage.datasets.candidates import SCHEMA as CANDIDATE
from storage.errors import ForPeople, StorageError
from storage.query import run_query
from storage.rows import SCHEMA
from tasks.viewer.conditions import BadAddress, View
from tasks.viewer.site import Site

SHOWN: Final = 500  # rows of a result
MOST_OUT: Final = 100_000  # rows that are taken out at a time
LONGEST_QUERY: Final = 20_000


@dataclass(slots=True)
class Removal:
    """A removal of rows that runs: `version` is the new one when it is done, `error` why it failed."""

    of: str
    rows: int
    person: str
    version: str = ""
    error: str = ""
    done: threading.Event = field(default_factory=threading.Event)


def router(site: Site) -> APIRouter:
    """Return the routes of this topic."""
    routes = APIRouter()
    jobs: dict[str, Removal] = {}
    one_at_a_time = threading.Lock()

    @routes.get("/sql")
    def box(request: Request, q: str = "") -> Response:
        return site.page(
            request, "sql.html", tables=_tables(site), query=q[:LONGEST_QUERY], result=None, error=""
        )

    @routes.post("/sql")
    async def run(request: Request) -> Response:
        form = await site.form(request)
        query = str(form.get("q", ""))[:LONGEST_QUERY]
        if not query.strip():
            return site.page(request, "sql.html", tables=_tables(site), query="", result=None, error="")

        def answer() -> Response:
            try:
                text = run_query(
                    site.store.home.root,
                    query,
                    seconds=site.sql_seconds,
                    memory=site.sql_memory,
                    as_json=True,
                )
            except StorageError as error:
                return site.page(
                    request, "sql.html", 422, tables=_tables(site), query=query, result=None, error=str(error)
                )
            return site.page(
                request, "sql.html", tables=_tables(site), query=query, result=_result(text), error=""
            )

        return await run_in_threadpool(answer)

    @routes.post("/versions/{name}/take-out")
    async def take_out(request: Request, name: str) -> Response:
        form = await site.form(request)
        if site.take_out is None:
            raise BadAddress("this page only reads. Fix: use ./mathmill rebuild NAME --set without.id=[...]")
        return await run_in_threadpool(_take_out, request, name, form)

    def _take_out(request: Request, name: str, form: dict[str, list[str] | str]) -> Response:
        version = site.store.resolve(name)
        scope = site.index.kept(version)
        if form.get("which") == "all":
            view = View.of(request.query_params.multi_items())
            total = site.pages.count(scope, view)
            if total > MOST_OUT:
                raise BadAddress(
                    f"{counted(total, 'row')} pass the filters. Fix: take at most {MOST_OUT:,} out at a time"
                )
            ids = site.pages.ids(scope, view, MOST_OUT)
        else:
            ids = list(dict.fromkeys(form["ids"])) if isinstance(form.get("ids"), list) else []
            there = site.index.query(
                f"SELECT DISTINCT id FROM rows WHERE {scope.where} AND list_contains(?, id)", [ids]
            )
            ids = sorted(one for (one,) in there)
        if not ids:
            raise BadAddress(f"no row of {version} was chosen. Fix: tick the rows to take out")
        if form.get("confirmed") != "yes":
            rows = site.index.records(
                f"SELECT id, question FROM rows WHERE {scope.where} AND list_contains(?, id) LIMIT 20", [ids]
            )
            return site.page(
                request,
                "take_out.html",
                v=version,
                ids=ids if form.get("which") != "all" else [],
                count=len(ids),
                rows=rows,
                address=f"?{request.url.query}" if request.url.query else "",
                which=form.get("which", "chosen"),
                job=None,
            )
        job, key = Removal(str(version), len(ids), site.person(request)), uuid.uuid4().hex
        jobs[key] = job
        threading.Thread(target=_run, args=(job, ids), name="take-out", daemon=True).start()
        return RedirectResponse(f"/jobs/{key}", 303)

    def _run(job: Removal, ids: list[str]) -> None:
        assert site.take_out is not None
        try:
            with one_at_a_time:
                job.version = site.take_out(job.of, ids, job.person)
        except ForPeople as error:
            job.error = str(error)
        except Exception as error:
            job.error = f"{type(error).__name__}: {error}"
            raise
        finally:
            job.done.set()

    @routes.get("/jobs/{key}")
    def state(request: Request, key: str) -> Response:
        if key not in jobs:
            raise BadAddress("there is no such job any more. Fix: look at the newest version")
        return site.page(request, "take_out.html", job=jobs[key], key=key)

    return routes


def _tables(site: Site) -> list[tuple[list[str], list[tuple[str, str]]]]:
    """Return the tables of the SQL box with their columns and the types of these: (names, columns)."""
    candidate, row = _columns(CANDIDATE), _columns(SCHEMA)
    datasets = [f'"{name}"' for name in site.store.datasets()]
    return [
        (["rows"], candidate),
        (["rejected"], [*candidate, ("code", "string")]),
        *([(datasets, row)] if datasets else []),
    ]


def _columns(schema: pa.Schema) -> list[tuple[str, str]]:
    return [(field.name, str(field.type).partition("<")[0]) for field in schema]


def _result(text: str) -> dict[str, Any]:
    rows = orjson.loads(text)
    return {
        "names": list(rows[0]) if rows else [],
        "rows": [list(row.values()) for row in rows[:SHOWN]],
        "total": len(rows),
    }
