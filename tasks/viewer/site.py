"""What every page uses: the store and its database of rows, the ledger, the templates."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol
from urllib.parse import parse_qsl

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import HTMLResponse

from storage.counting import counted
from storage.datasets.store import Store
from storage.datasets.versions import Version
from storage.indexes.vectors import Encode
from storage.ledger import Ledger
from storage.visible import visible
from tasks.retrieval.neighbours import neighbours
from tasks.retrieval.published import Published
from tasks.viewer import texts
from tasks.viewer.access import LOCAL, Access
from tasks.viewer.conditions import BadAddress, label
from tasks.viewer.index import RowIndex, RowScope
from tasks.viewer.names import NO_METHOD, of_check, of_score
from tasks.viewer.rows import MOST_NEAR, Nearest, RowPages
from tasks.viewer.search import WordSearch

HERE: Final = Path(__file__).parent
STATIC: Final = HERE / "static"


class TakeOut(Protocol):
    """Publishes a version of a dataset without rows, and returns its name; it may take minutes."""

    def __call__(self, version: str, ids: Sequence[str], person: str) -> str:
        """Take the rows with these ids out of the dataset of a version."""


class ResumeWaiting(Protocol):
    """Lets the promotions continue that wait for the reviewers of a version."""

    def __call__(self, version: Version) -> Sequence[str]:
        """Resume what waits, and return the ids of its runs."""


@dataclass(slots=True)
class Site:
    """The parts of one server.

    encoder: returns the encoder that `near` uses; it is loaded at the first search. take_out: None where the page only reads.
    resume: called when the queue of a version's reviewers is done; None if nothing can wait for it. prefect: address of the Prefect UI, "" if it is not known.
    """

    store: Store
    home: Path
    index: RowIndex
    ledger_url: str
    access: Access = field(default_factory=Access)
    encoder: Callable[[], Encode] | None = None
    take_out: TakeOut | None = None
    resume: ResumeWaiting | None = None
    sql_seconds: float = 60.0
    sql_memory: str = "2GB"
    prefect: str = ""
    words: WordSearch = field(init=False)
    pages: RowPages = field(init=False)
    _ledger: Ledger | None = field(init=False, default=None)
    _lock: threading.Lock = field(init=False, default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self.words = WordSearch(self.index, self.index.folder)
        self.pages = RowPages(self.index, self.words, self._nearest if self.encoder is not None else None)

    def ledger(self) -> Ledger:
        """Return the open ledger of the installation."""
        with self._lock:
            if self._ledger is None:
                self._ledger = Ledger.open(self.ledger_url)
            return self._ledger

    def close(self) -> None:
        """Close what is open."""
        self.words.close()
        self.index.close()
        if self._ledger is not None:
            self._ledger.close()

    def versions(self) -> list[Version]:
        """Return the versions of all datasets, the newest first."""
        return sorted(self.store.every_version(), key=lambda one: (one.created, str(one)), reverse=True)

    def scope(self, version: Version, *, dropped: bool) -> RowScope:
        """Return the rows of a version, or those that its run dropped."""
        return self.index.dropped(version) if dropped else self.index.kept(version)

    def _nearest(self, scope: RowScope) -> Nearest:
        """Return the search for the nearest questions of a version."""
        assert self.encoder is not None
        encode = self.encoder()
        version = self.store.resolve(scope.name)
        published = Published(str(self.home), str(version), version.digest)

        def search(text: str) -> list[tuple[str, float]]:
            with self._lock:  # the index of vectors is stored when it is made
                index = published.index(encode)
            cosines, problems = neighbours(index, encode([text]), MOST_NEAR)
            return [
                (str(problem), float(cosine))
                for cosine, problem in zip(cosines[0], problems[0], strict=True)
                if problem is not None
            ]

        return search

    def person(self, request: Request) -> str:
        """Return who makes a request: LOCAL, or the name with which they have signed in."""
        return str(request.scope.get("state", {}).get("person") or LOCAL)

    async def form(self, request: Request) -> dict[str, Any]:
        """Return the fields of a form, `ids` as a list. Raises BadAddress without the person's token."""
        body = (await request.body()).decode("utf-8", "replace")
        try:
            pairs = parse_qsl(body, keep_blank_values=True, max_num_fields=20_000)
        except ValueError:
            raise BadAddress(
                "the form has too many fields. Fix: choose fewer rows, or filter and take all out"
            ) from None
        form: dict[str, Any] = dict(pairs)
        form["ids"] = [value for name, value in pairs if name == "ids"]
        if not self.access.is_token(self.person(request), form.get("token", "")):
            raise BadAddress("the form is of an earlier start of the page. Fix: load it again and repeat")
        return form

    def page(self, request: Request, template: str, status: int = 200, **values: Any) -> HTMLResponse:
        """Return a page, or for htmx the part of it that is replaced."""
        person = self.person(request)
        text = (
            environment()
            .get_template(template)
            .render(
                site=self,
                path=request.url.path,
                person=person,
                token=self.access.token(person),
                **values,
            )
        )
        return HTMLResponse(text, status)


@functools.cache
def environment() -> Environment:
    """Return the environment of the templates. Everything that is printed is escaped; hidden characters are shown."""
    made_here = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_shown,
    )
    made_here.filters |= {
        "count": lambda number: f"{number:,}",
        "counted": counted,
        "usd": _usd,
        "percent": lambda share: f"{share:.1%}",
        "short": _short,
        "label": label,
        "value": lambda value: str(value or "none").replace("_", " "),
        "prose": texts.prose,
        "program": texts.program,
        "plain": texts.plain,
        "solution": texts.solution,
        "as_json": texts.as_json,
        "of_raw": texts.of_raw,
        "when": lambda text: str(text).replace("T", " ").removesuffix("Z").removesuffix("+00:00"),
        "number": _number,
        "seconds": _seconds,
        "check": of_check,
        "score": of_score,
        "facet": _facet_value,
    }
    made_here.globals |= {"chosen": _chosen}
    return made_here


def _shown(value: Any) -> Any:
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _facet_value(value: str, name: str) -> str:
    """Return a value of a facet as people read it; "" stands for none."""
    if not value:
        return NO_METHOD.label if name == "method" else "none"
    return value.replace("_", " ") if name == "code" else value


def _chosen(mapping: Mapping[str, Any] | None, name: str, default: Any = None) -> Any:
    """Return a value of a record that may lack it, or may be absent itself."""
    return (mapping or {}).get(name, default)


def _usd(value: float | None) -> str:
    if value is None:
        return ""
    return f"${value:,.2f}" if value == 0 or value >= 0.1 else f"${value:.4f}"


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def _seconds(value: float | None) -> str:
    if value is None:
        return ""
    if value < 90:
        return f"{value:.3g} s"
    return f"{value / 60:.0f} min" if value < 5400 else f"{value / 3600:.1f} h"


def _short(text: Any, most: int = 80) -> str:
    whole = str(text or "")
    return whole if len(whole) <= most else whole[: most - 1] + "…"
