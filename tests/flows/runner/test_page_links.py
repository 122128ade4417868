"""Links to the page: of the setting first, else of the page that runs, else none."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from flows.runner.environment import PAGE_FILE
from flows.runner.page_links import page_address, page_link, version_path, with_link
from flows.settings import Settings


def test_links_lead_to_the_page_that_is_known(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    assert page_address(settings, "/runs") == ""
    assert with_link("text", settings, "/runs") == "text"
    (tmp_path / PAGE_FILE).write_text("http://127.0.0.1:4280")
    assert page_address(settings, "/runs") == "http://127.0.0.1:4280/runs"
    public = Settings(home=tmp_path, view_url="https://data.example.org/")
    address = page_address(public, version_path("math-sft@2026.11.20", "review"))
    assert address == "https://data.example.org/versions/math-sft@2026.11.20/review"
    assert page_link(public, "/runs", "*now*") == r"[\*now\*](https://data.example.org/runs)"
    assert with_link("text", public, "/runs", "now") == "text\n\n[now](https://data.example.org/runs)"


def test_a_path_cannot_end_its_link(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, view_url="https://data.example.org")
    assert page_address(settings, "/versions/a) [x](javascript:1) <b>").endswith(
        "/versions/a%29%20%5Bx%5D%28javascript%3A1%29%20%3Cb%3E"
    )


@pytest.mark.parametrize(
    "url", ["javascript:alert(1)", "data.example.org", "https://a b", "https://x/)[y](z"]
)
def test_the_setting_is_an_address(tmp_path: Path, url: str) -> None:
    with pytest.raises(ValidationError):
        Settings(home=tmp_path, view_url=url)
