"""A page of the web as it was stored, before anything reads its HTML."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

MAX_PAGE: Final = 8 << 20  # bytes; a longer page is refused, and never held in memory whole


@dataclass(frozen=True, slots=True)
class Page:
    """A page, or with `unfit` why a record is none.

    place: where it is in its file, such as "record 12". body: the bytes of its HTML or, if `plain`, of its text. encoding: as the
    server stated it. license, language: as the file states them.
    """

    place: str
    url: str
    body: bytes = b""
    plain: bool = False
    encoding: str | None = None
    license: str | None = None
    language: str | None = None
    unfit: str | None = None

    @property
    def host(self) -> str:
        """The host of the address in lower case, without `www.`; "" where it has none."""
        return host_of(self.url)


def host_of(url: str) -> str:
    """Return the host of an address in lower case, without `www.`; "" where it has none."""
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:  # brackets that are no IPv6 address
        return ""
    return host.removeprefix("www.")


def unfit_body(data: bytes) -> str:
    """Return why a body is no page that is read, "" if it is one."""
    if len(data) > MAX_PAGE:
        return f"over {MAX_PAGE >> 20} MiB"
    return "" if data.strip() else "empty"
