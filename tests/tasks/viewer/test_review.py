"""The queue of reviewers as a page: what is stored, who may judge by which name, and what the judgements say."""

from __future__ import annotations

import datetime
import html
import re
from collections.abc import Callable
from pathlib import Path

import orjson
import pytest
from starlette.testclient import TestClient

from storage.datasets.judgements import RowOpinion
from storage.datasets.store import Store
from storage.datasets.versions import Version
from storage.rows import Row, to_table
from tasks.review.session import ERROR_RATE, QUEUE, WAITING, Review
from tasks.viewer.access import Access
from tasks.viewer.site import Site
from tests.tasks.viewer.conftest import client_of

ORIGIN = {"origin": "http://127.0.0.1"}
ADDRESS = "/versions/d@2026.11.20/review"
HIDDEN = "What is \u202e1 + 1?\r\nSay it."
ROWS = 12


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home with one version of ROWS rows; the first has hidden characters and a foreign line end."""
    rows = [
        Row(
            HIDDEN if number == 0 else f"What is {number} + 1?", "en", solution=f"It is {number + 1}.", answer=f"{number + 1}",
            correctness=0.9, subdomain="sums", scores={"critique": 0.3}, critique="Step 1 is <b>wrong</b>.",
        )
        for number in range(ROWS)
    ]  # fmt: skip
    folder = tmp_path / "home"
    Store(folder).publish("d", [to_table(rows)], lineage={"run": "r"}, date=datetime.date(2026, 11, 20))
    return folder


def token(client: TestClient, address: str = "/sql") -> str:
    match = re.search(r'name="token" value="(\w+)"', client.get(address).text)
    assert match
    return match[1]


def opened(client: TestClient, *, second: str = "0", **more: str) -> None:
    form = {"token": token(client), "rows": str(ROWS), "uniform": "0.5", "second": second} | more
    assert client.post(f"{ADDRESS}/queue", data=form, headers=ORIGIN).status_code == 200


def shown(client: TestClient, who: str = "") -> str:
    """Return the id of the row that a reviewer is shown, "" if there is none."""
    match = re.search(
        r'name="row" value="(\w+)"', client.get(ADDRESS, params={"as": who} if who else {}).text
    )
    return match[1] if match else ""


def judge(client: TestClient, who: str, opinion: str = "right", **more: str) -> str:
    row = more.pop("row", "") or shown(client, who)
    form = {"token": token(client), "row": row, "opinion": opinion, "as": who} | more
    answer = client.post(ADDRESS, data=form, headers=ORIGIN)
    assert answer.status_code == 200, html.unescape(answer.text)
    return row


def test_looking_at_the_review_stores_nothing(home: Path, site_of: Callable[..., Site]) -> None:
    client = client_of(site_of(home))
    assert "Nobody has opened a queue" in client.get(ADDRESS).text
    assert "no queue" in client.get("/review").text
    assert client.get(f"{ADDRESS}/state").status_code == 400
    assert Store(home).marks("d") == []
    opened(client)
    (mark,) = Store(home).marks("d", QUEUE)
    assert (mark.value["rows"], mark.value["second"]) == (ROWS, 0.0)
    assert shown(client)
    assert len(Store(home).marks("d")) == 1


def test_every_judgement_is_stored_with_who_and_when(home: Path, site_of: Callable[..., Site]) -> None:
    client = client_of(site_of(home))
    opened(client)
    first = judge(client, "ada")
    second = judge(client, "ada", "wrong", comment="the sum\r\nis odd", answer="41")
    assert first != second
    one, two = Store(home).judgements("d")
    assert (one.row, one.reviewer, one.opinion, one.comment, one.edits) == (
        first,
        "ada",
        RowOpinion.RIGHT,
        None,
        False,
    )
    assert (two.opinion, two.comment, two.answer, two.question, two.origin) == (RowOpinion.WRONG, "the sum\nis odd", "41", None, "page")  # fmt: skip
    assert two.at.startswith("20")
    state = html.unescape(client.get(f"{ADDRESS}/state").text)
    assert "Wrong rows" in state
    assert f"{second[:12]}" in state
    assert "the sum" in client.get(f"/rows/{second}").text
    # back: the newer judgement counts, and the earlier one stays
    page = client.get(ADDRESS, params={"as": "ada", "row": second}).text
    assert "You said <b>wrong</b>" in page
    judge(client, "ada", row=second)
    assert [given.opinion for given in Store(home).judgements("d")] == [
        RowOpinion.RIGHT,
        RowOpinion.WRONG,
        RowOpinion.RIGHT,
    ]


def test_a_field_that_nobody_touched_is_no_edit(home: Path, site_of: Callable[..., Site]) -> None:
    client = client_of(site_of(home))
    opened(client)
    row = next(row for row in Store(home).read("d").to_pylist() if row["question"] == HIDDEN)
    page = client.get(ADDRESS, params={"as": "ada", "row": row["id"]}).text
    fields = {
        name: html.unescape(text).removeprefix("\n").replace("\n", "\r\n")  # as a browser sends it
        for name, text in re.findall(r'<textarea name="(\w+)"[^>]*>(.*?)</textarea>', page, re.DOTALL)
    }
    assert "\\u202e" in fields["question"]
    judge(client, "ada", row=row["id"], **fields)
    judge(client, "ada", row=row["id"], **fields | {"solution": fields["solution"] + "\r\nDone."})
    untouched, edited = Store(home).judgements("d")
    assert not untouched.edits
    assert (edited.question, edited.solution, edited.answer) == (None, "It is 1.\nDone.", None)


def test_votes_and_scores_are_closed_at_first(home: Path, site_of: Callable[..., Site]) -> None:
    client = client_of(site_of(home))
    opened(client)
    page = client.get(ADDRESS).text
    votes = page[page.index("Votes, scores and critic") :].partition("</details>")[0]
    assert "critique 0.30" in votes
    assert re.search(r"<details><summary[^>]*>Votes", page)
    before = page.partition("Votes, scores and critic")[0]
    assert "0.3" not in before
    assert "<b>wrong</b>" not in page  # the critic's words stay text


def test_a_name_of_the_sign_in_cannot_be_changed(home: Path, site_of: Callable[..., Site]) -> None:
    site = site_of(home, access=Access(proxy_header="X-Forwarded-User"))
    client = client_of(site, **{"x-forwarded-user": "ada"})
    opened(client)
    judge(client, "ben")
    assert [one.reviewer for one in Store(home).judgements("d")] == ["ada"]
    # the token of one person is none of another's
    form = {"token": token(client), "row": shown(client), "opinion": "right"}
    other = client_of(site, **{"x-forwarded-user": "eve"})
    assert other.post(ADDRESS, data=form, headers=ORIGIN).status_code == 400
    assert client.post(ADDRESS, data=form).status_code == 403  # no origin
    assert client.post(ADDRESS, data=form | {"opinion": "maybe"}, headers=ORIGIN).status_code == 400
    assert client.post(ADDRESS, data=form | {"row": "f" * 24}, headers=ORIGIN).status_code == 422
    assert len(Store(home).judgements("d")) == 1


def test_two_reviewers_side_by_side_get_different_rows(home: Path, site_of: Callable[..., Site]) -> None:
    client = client_of(site_of(home))
    opened(client)
    assert shown(client, "ada") == shown(client, "ben")  # neither has judged a row: they may be one person
    judge(client, "ada")
    judge(client, "ben")
    first = shown(client, "ada")
    assert shown(client, "ben") != first
    assert shown(client, "ada") == first
    judge(client, "ada")
    assert shown(client, "ada") not in (first, shown(client, "ben"))


@pytest.mark.slow
def test_a_done_queue_shows_agreement_and_lets_the_promotion_continue(
    home: Path, site_of: Callable[..., Site]
) -> None:
    site = site_of(home)
    resumed: list[str] = []

    def resume(version: Version) -> list[str]:
        resumed.append(str(version))
        return ["run"]

    site.resume = resume
    store = Store(home)
    version = store.resolve("d")
    store.mark(version, WAITING, {"flow_run": "0" * 8, "tag": "production"})
    client = client_of(site)
    opened(client, second="1")
    assert "waits for this queue" in client.get(ADDRESS, params={"as": "ada"}).text
    order = []
    for number in range(ROWS):
        order.append(judge(client, "ada", "wrong" if number == 0 else "right"))
    assert resumed == []  # every row needs a second reviewer
    assert "still need a second reviewer" in client.get(ADDRESS, params={"as": "ada"}).text
    for number, row in enumerate(order):
        judge(client, "ben", "wrong" if number < 2 else "right", row=row)
    assert resumed == [str(version)]
    rate = store.marks("d", ERROR_RATE)[-1].value
    assert rate["judged"] == ROWS
    assert rate["agreement"][0]["kappa"] == pytest.approx(0.625)
    state = client.get(f"{ADDRESS}/state").text
    assert "0.625" in state
    assert "91.7%" in state
    listed = client.get("/review").text
    assert f"{ROWS}, queue of {ROWS}" in listed
    assert "production" in listed
    store.promote(version, "production")
    assert "production" not in client.get("/review").text  # it has the tag: nothing waits any more
    assert f"by {ROWS} judged rows" in client.get(f"/versions/{version}").text


def test_judgements_leave_as_files(home: Path, site_of: Callable[..., Site]) -> None:
    client = client_of(site_of(home))
    assert client.get("/versions/d@2026.11.20/judgements.jsonl").status_code == 400
    opened(client)
    row = judge(client, "ada", "unclear")
    lines = client.get("/versions/d@2026.11.20/judgements.jsonl").text.splitlines()
    assert [orjson.loads(line)["row"] for line in lines] == [row]
    records = client.get("/versions/d@2026.11.20/judgements.argilla.json").json()
    assert len(records) == ROWS


def test_a_row_out_of_the_queue_is_judged_by_its_own_page(home: Path, site_of: Callable[..., Site]) -> None:
    client = client_of(site_of(home))
    opened(client, rows="2")
    queue = Review.open(Store(home), "d").drawn.ids
    row = next(one["id"] for one in Store(home).read("d", ["id"]).to_pylist() if one["id"] not in queue)
    assert f"{ADDRESS}?row={row}" in client.get(f"/rows/{row}").text
    assert "not of the queue" in client.get(ADDRESS, params={"as": "ada", "row": row}).text
    judge(client, "ada", "wrong", row=row)
    assert [one.row for one in Store(home).judgements("d")] == [row]
    assert "there is no estimate" in client.get(f"{ADDRESS}/state").text
