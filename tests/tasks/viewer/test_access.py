"""Who is let in, what a form needs, and that the text of rows stays text."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from storage.datasets.store import Store
from storage.rows import Row, to_table
from tasks.viewer import texts
from tasks.viewer.access import POLICY, Access, AccessError
from tasks.viewer.site import Site
from tests.tasks.viewer.conftest import client_of

EVIL = (
    "<script>alert(1)</script><img src=x onerror=alert(1)> [x](javascript:alert(1)) $\\href{javascript:alert(1)}{x}$ "
    '$\\text{<svg onload=alert(1)>}$ "quoted" \' {{ 7*7 }} \u202eabc\u202c \u200b'
)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "example.org"])
def test_other_addresses_need_a_password_or_a_proxy(host: str) -> None:
    with pytest.raises(AccessError, match="MATHMILL_VIEW_PASSWORD"):
        Access().check(host)
    Access(password="long enough").check(host)
    Access(proxy_header="X-Forwarded-User").check(host)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "[::1]", "127.3.3.3"])
def test_loopback_needs_none(host: str) -> None:
    Access().check(host)


def test_a_foreign_host_name_is_refused(filled: Path, site_of: Callable[..., Site]) -> None:
    client = client_of(site_of(filled))
    assert client.get("/").status_code == 200
    assert client.get("/", headers={"host": "evil.example"}).status_code == 403


def test_a_password_is_asked_for(filled: Path, site_of: Callable[..., Site]) -> None:
    client = client_of(site_of(filled, access=Access(password="päss:word")))
    for path in ("/", "/static/style.css", "/versions"):
        refused = client.get(path)
        assert refused.status_code == 401
        assert refused.headers["www-authenticate"].startswith("Basic")
    for wrong in ("mathmill:", "mathmill:pass", "mathmill:päss", ":"):
        assert client.get("/", headers=_basic(wrong)).status_code == 401
    assert client.get("/", headers={"authorization": "Basic !!"}).status_code == 401
    assert client.get("/", headers=_basic("mathmill:päss:word")).status_code == 200


def test_a_proxy_names_the_person(filled: Path, site_of: Callable[..., Site]) -> None:
    client = client_of(site_of(filled, access=Access(proxy_header="X-Forwarded-User")))
    assert client.get("/").status_code == 401
    assert client.get("/", headers={"x-forwarded-user": "ada"}).status_code == 200


def test_every_answer_has_the_policy(filled: Path, site_of: Callable[..., Site]) -> None:
    client = client_of(site_of(filled))
    for path in ("/", "/nope", "/static/keys.js", "/versions/nope"):
        headers = client.get(path).headers
        assert headers["content-security-policy"] == POLICY
        assert headers["x-content-type-options"] == "nosniff"
    assert "unsafe" not in POLICY


def test_no_template_has_script_or_style_of_its_own() -> None:
    folder = Path(texts.__file__).parent / "templates"
    for path in folder.glob("*.html"):
        source = path.read_text(encoding="utf-8")
        assert not re.search(
            r"<script(?! src=\"/static/)|<style|\sstyle=|\son\w+=|https?://|\|safe", source
        ), path


@pytest.fixture
def hostile(tmp_path: Path) -> tuple[Path, Row]:
    """A home whose one row is hostile in every text."""
    home = tmp_path / "hostile"
    row = Row(
        EVIL, "en", solution=EVIL, solution_format="pot", answer=EVIL, reference_answer=EVIL, subdomain=EVIL, source=EVIL,
        method=EVIL, model=EVIL, critique=EVIL, reasoning=EVIL, concepts=[EVIL], verdicts={EVIL: EVIL, "consistent": EVIL}, scores={EVIL: 0.5},
    )  # fmt: skip
    Store(home).publish("evil", [to_table([row])], lineage={"run": EVIL, "flow": EVIL})
    return home, row


def test_hostile_rows_stay_text(hostile: tuple[Path, Row], site_of: Callable[..., Site]) -> None:
    home, row = hostile
    client = client_of(site_of(home))
    (version,) = Store(home).versions("evil")
    for path in ("/", "/versions", f"/versions/{version}", f"/versions/{version}/figures", f"/versions/{version}/rows", f"/versions/{version}/rows?view=table", f"/rows/{row.id}", "/versions/%3Cscript%3E"):  # fmt: skip
        page = client.get(path).text
        assert "<script>" not in page, path
        assert not re.search(r"<img|<svg onload|href=\"?javascript", page, re.IGNORECASE), path
        assert "\u202e" not in page, path
        assert "\u200b" not in page, path
        assert "49 &#39;" not in page, path  # the template engine runs nothing of a row
    shown = client.get(f"/rows/{row.id}").text
    assert "&lt;script&gt;" in shown
    assert "\\u202e" in shown


def test_a_row_of_a_megabyte_is_cut_and_whole_as_json(tmp_path: Path, site_of: Callable[..., Site]) -> None:
    home = tmp_path / "large"
    row = Row("$x$ and $y$ " * 100_000, "en", solution="x = 1  # <b>\n" * 80_000, solution_format="pot")
    Store(home).publish("large", [to_table([row])], lineage={"run": "r"})
    client = client_of(site_of(home))
    page = client.get("/versions/large/rows")
    assert page.status_code == 200
    assert len(page.content) < 100_000
    assert "more characters" in page.text
    whole = client.get(f"/rows/{row.id}")
    assert len(whole.content) < 1_500_000
    assert client.get(f"/rows/{row.id}/json").json()["row"]["question"] == row.question


def _basic(text: str) -> dict[str, str]:
    return {"authorization": "Basic " + base64.b64encode(text.encode()).decode()}
