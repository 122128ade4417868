"""Addresses of the page of `mathmill view`, to which artifacts, logs and forms of runs link."""

from __future__ import annotations

from urllib.parse import quote

from flows.runner.environment import PAGE_FILE
from flows.settings import Settings
from storage.datasets.versions import Version
from storage.markdown import inline


def page_address(settings: Settings, path: str = "/") -> str:
    """Return an address on the page: of the setting `view_url`, else of the page that runs on this home; "" if there is neither.

    path: of the page, from its root.
    """
    base = settings.view_url
    if not base:
        try:
            base = (settings.home.absolute() / PAGE_FILE).read_text(encoding="utf-8").strip()
        except FileNotFoundError:
            return ""
    return f"{base.rstrip('/')}{quote(path, safe='/?=&@%')}"


def page_link(settings: Settings, path: str, words: str) -> str:
    """Return a Markdown link to the page; "" where no address is known."""
    address = page_address(settings, path)
    return f"[{inline(words)}]({address})" if address else ""


def with_link(text: str, settings: Settings, path: str, words: str = "In the page") -> str:
    """Return a Markdown text with a link to the page as its last paragraph, or as it is where no address is known."""
    link = page_link(settings, path, words)
    return f"{text}\n\n{link}" if link else text


def version_path(version: Version | str, part: str = "") -> str:
    """Return the path of a version on the page, or of a part of it such as rows, dropped or review."""
    return f"/versions/{version}/{part}" if part else f"/versions/{version}"
