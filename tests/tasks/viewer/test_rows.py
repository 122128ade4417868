"""Filters, facets, order and pages against the same questions answered over the store's own rows."""

from __future__ import annotations

import csv
import dataclasses
import datetime
import html
import io
import json
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pyarrow.parquet as pq
import pytest
from starlette.testclient import TestClient

from storage.datasets.critic_scores import CriticScore
from storage.datasets.store import Store
from storage.reasons import Code, reason
from storage.rows import Row, to_table
from tasks.retrieval.encoder import Encoder
from tasks.viewer import search as search_module
from tasks.viewer.conditions import BadAddress, View, words
from tasks.viewer.index import RowScope
from tasks.viewer.rows import RowPages
from tasks.viewer.site import Site
from tests.tasks.viewer.conftest import FIRST, SECOND, client_of


@pytest.fixture
def kept(filled: Path, site_of: Callable[..., Site]) -> tuple[Site, RowScope, list[dict[str, Any]]]:
    site = site_of(filled)
    rows = site.store.read(FIRST).to_pylist()
    for row in rows:
        row["scores"], row["verdicts"] = dict(row["scores"]), dict(row["verdicts"])
    return site, site.index.kept(site.store.resolve(FIRST)), rows


def view(address: str) -> View:
    return View.of(parse_qsl(address, keep_blank_values=True))


@pytest.mark.parametrize(
    ("address", "passes"),
    [
        ("subdomain=circles&subdomain=urns", lambda r: r["subdomain"] in ("circles", "urns")),
        ("not.subdomain=circles&language=zh", lambda r: r["subdomain"] != "circles" and r["language"] == "zh"),
        ("reference_answer=", lambda r: r["reference_answer"] is None),
        ("correctness.min=0.8&correctness.max=0.9", lambda r: 0.8 <= r["correctness"] <= 0.9),
        ("score.critique.max=0.5", lambda r: r["scores"]["critique"] <= 0.5),
        ("verdict.consistent=4/4", lambda r: r["verdicts"]["consistent"] == "4/4"),
        ("verdict.absent=", lambda r: True),
        ("wrong=yes", lambda r: r["correctness"] < 0.5),
        ("wrong=no&score.critique.max=0.5", lambda r: r["correctness"] >= 0.5 and r["scores"]["critique"] <= 0.5),
        ("solution.has=PRINT(", lambda r: "print(" in r["solution"]),
        ("q=pens -boxes*", lambda r: "pens" in text(r) and "boxes*" not in text(r)),
        ('q="pens in all boxes"', lambda r: "pens in all boxes" in text(r)),
        ("q=钢笔", lambda r: "钢笔" in text(r)),
        ("solution_format=pot&method=evolve&q=", lambda r: r["solution_format"] == "pot" and r["method"] == "evolve"),
    ],
)  # fmt: skip
def test_filters(
    kept: tuple[Site, RowScope, list[dict[str, Any]]], address: str, passes: Callable[[dict[str, Any]], bool]
) -> None:
    site, scope, rows = kept
    expected = [row["id"] for row in rows if passes(row)]
    assert site.pages.count(scope, view(address)) == len(expected)
    assert everything(site, scope, view(address)) == expected


def text(row: dict[str, Any]) -> str:
    return "\n".join(part for part in (row["question"], row["solution"], row["answer"]) if part).lower()


def everything(site: Site, scope: RowScope, shown: View, size: int = 70) -> list[str]:
    """Follow the pages to the end."""
    ids: list[str] = []
    after = ""
    while True:
        page = site.pages.page(scope, View.of(parse_qsl(shown.address(after=after)[1:])), size)
        ids += [row["id"] for row in page.rows]
        after = page.after
        if not after:
            return ids


@pytest.mark.parametrize("sort", ["correctness", "-correctness", "-score.critique", "subdomain", "-reasoning_length", "reasoning_length", "id"])  # fmt: skip
def test_pages_in_any_order_have_every_row_once(
    kept: tuple[Site, RowScope, list[dict[str, Any]]], sort: str
) -> None:
    site, scope, rows = kept
    ids = everything(site, scope, view(f"sort={sort}"))
    assert sorted(ids) == sorted(row["id"] for row in rows)
    by_id = {row["id"]: row for row in rows}

    def value(one: str) -> Any:
        row, name = by_id[one], sort.removeprefix("-")
        if name.startswith("score."):
            return row["scores"][name[6:]]
        if name == "reasoning_length":
            return None if row["reasoning"] is None else len(row["reasoning"])
        return row[name]

    values = [value(one) for one in ids]
    there = [one for one in values if one is not None]
    assert values == there + [None] * (len(values) - len(there))  # rows without a value come last
    assert there == sorted(there, reverse=sort.startswith("-"))


def test_facets_count_under_the_other_filters(kept: tuple[Site, RowScope, list[dict[str, Any]]]) -> None:
    site, scope, rows = kept
    shown = view("subdomain=circles&language=en")
    facets = {one.name: {c.value: c.rows for c in one.counts} for one in site.pages.facets(scope, shown)[0]}
    english = Counter(row["subdomain"] for row in rows if row["language"] == "en")
    assert facets["subdomain"] == dict(english)
    both = Counter(row["method"] for row in rows if row["language"] == "en" and row["subdomain"] == "circles")
    assert facets["method"] == dict(both)
    chosen = [c.value for one in site.pages.facets(scope, shown)[0] for c in one.counts if c.chosen]
    assert chosen == ["circles", "en"]


def test_dropped_rows_are_those_of_the_run(filled: Path, site_of: Callable[..., Site]) -> None:
    site = site_of(filled)
    scope = site.index.dropped(site.store.resolve(FIRST))
    expected = site.store.dropped("night-filled")
    assert site.pages.count(scope, View()) == expected.num_rows
    codes = Counter(one["reason"]["code"] for one in expected.to_pylist())
    (facet,) = [one for one in site.pages.facets(scope, View())[0] if one.name == "code"]
    assert {one.value: one.rows for one in facet.counts} == dict(codes)


@pytest.mark.parametrize(
    "address",
    ["foo=1", "correctness.min=x", "correctness.min=nan", "sort=nope", "score.a'b.min=0", "scores['x']=1", "verdict.'=1", "question.min.max=1"],
)  # fmt: skip
def test_an_address_that_asks_for_nothing_known_is_refused(client: TestClient, address: str) -> None:
    with pytest.raises(BadAddress, match="Fix:"):
        view(address)
    answer = client.get(f"/versions/{FIRST}/rows?{address}")
    assert answer.status_code == 400
    assert "Fix:" in answer.text


@pytest.mark.parametrize("after", ["x", "-1", "1~2~3", "9" * 30, "1!"])
def test_a_place_that_is_none_is_refused_or_empty(client: TestClient, after: str) -> None:
    answer = client.get(f"/versions/{FIRST}/rows", params={"after": after})
    assert answer.status_code == 400
    assert client.get(f"/versions/{FIRST}/rows", params={"after": after, "sort": "id"}).status_code in (
        200,
        400,
    )


def test_words() -> None:
    assert words('One -two "three Four" -"five six"') == [(True, "one"), (False, "two"), (True, "three four"), (False, "five six")]  # fmt: skip


def test_a_click_on_a_facet_is_a_permalink(client: TestClient) -> None:
    page = client.get(f"/versions/{FIRST}/rows?language=en&sort=-correctness")
    assert "?language=en&amp;subdomain=circles&amp;sort=-correctness" in page.text
    shown = client.get(f"/versions/{FIRST}/rows?language=en&subdomain=circles&sort=-correctness")
    assert shown.status_code == 200
    assert "subdomain is circles" in shown.text


def test_exports_have_the_filtered_rows(client: TestClient, filled: Path) -> None:
    rows = Store(filled).read(FIRST).to_pylist()
    expected = sorted(row["id"] for row in rows if row["subdomain"] == "urns")
    base = f"/versions/{FIRST}/rows"
    lines = client.get(f"{base}.jsonl?subdomain=urns").text.splitlines()
    records = [json.loads(line) for line in lines]
    assert sorted(one["id"] for one in records) == expected
    assert records[0]["scores"].keys() == {"critique", "heuristics"}
    table = list(csv.DictReader(io.StringIO(client.get(f"{base}.csv?subdomain=urns").text)))
    assert sorted(one["id"] for one in table) == expected
    parquet = pq.read_table(io.BytesIO(client.get(f"{base}.parquet?subdomain=urns").content))
    assert sorted(parquet.column("id").to_pylist()) == expected
    assert client.get(f"{base}.exe").status_code == 400


def test_the_pages_of_versions(client: TestClient) -> None:
    home = client.get("/").text
    assert "2 versions" in home
    assert "production" in home
    assert "effective" in home
    versions = client.get("/versions").text
    assert versions.index(SECOND) < versions.index(FIRST)
    assert "promoted" in versions
    page = client.get(f"/versions/{FIRST}").text
    assert "Verify answers" in page
    assert "/dropped?code=near&amp;dropped_by=similarity" in page
    rows = client.get(f"/versions/{FIRST}/dropped?code=near&dropped_by=similarity").text
    assert "<b>20 rows</b>" in rows
    assert "collided with" in rows
    figures = client.get(f"/versions/{FIRST}/figures").text
    for part in (
        "score critique",
        "solution length",
        "reasoning length",
        "linear equations",
        "distinct question",
    ):
        assert part in figures  # fmt: skip


def test_the_page_of_a_row(client: TestClient, filled: Path) -> None:
    row = Store(filled).read(SECOND).to_pylist()[-1]
    page = client.get(f"/rows/{row['id'][:8]}")
    assert page.url.path == f"/rows/{row['id']}"
    for part in ("Life of the row", "How many primes", "<math", SECOND, "3/4"):
        assert part in page.text
    assert client.get(f"/find?id={row['id'][:6]}").url.path == f"/rows/{row['id']}"
    missing = client.get("/rows/ffffffffff")
    assert missing.status_code == 404
    assert f'href="/versions/{SECOND}/rows?q=ffffffffff"' in missing.text
    assert "./mathmill" not in missing.text
    raw = client.get(f"/rows/{row['id']}/json").json()
    assert raw["row"]["question"] == row["question"]
    assert raw["published"] == [SECOND]


def test_a_leak_names_its_item(client: TestClient) -> None:
    page = client.get(f"/versions/{SECOND}/dropped?code=contaminated").text
    assert "gsm8k#1" in page


def test_wrong_answers_that_a_critic_liked_are_one_click_away(client: TestClient) -> None:
    page = html.unescape(client.get(f"/versions/{FIRST}/rows").text)
    match = re.search(r'href="([^"]+)">wrong answers that the critic liked', page)
    assert match
    listed = client.get(match[1]).text
    assert "wrong is yes" in listed
    assert "score critique at least 0.7" in listed
    assert client.get(f"/versions/{FIRST}/rows?wrong=maybe").status_code == 400


def test_scores_that_a_critic_gave_later_are_in_the_lists_and_counts(
    tmp_path: Path, site_of: Callable[..., Site]
) -> None:
    store = Store(tmp_path / "home")
    wrong = Row("What is 2 + 2?", "en", solution="5", answer="5", correctness=0.1)
    right = Row("What is 3 + 3?", "en", solution="6", answer="6", correctness=0.9, scores={"critique": 0.5})
    dropped = Row("What is 9 - 2?", "en", solution="8", answer="8", correctness=0.2, reason=reason("score", Code.BELOW_THRESHOLD, name="answer", score=0.2, threshold=0.5))  # fmt: skip
    store.append_candidates(to_table([dropped]), run="night-1")
    version = store.publish("d", [to_table([wrong, right])], lineage={"run": "night-1"})
    site = site_of(tmp_path / "home")
    kept = site.index.kept(version)
    liked = View.of([("wrong", "yes"), ("score.critic.min", "0.7")])
    assert site.pages.count(kept, liked) == 0
    assert site.pages.scores(kept) == ["critique"]

    given = [CriticScore(wrong.id, "trees:1", 0.2), CriticScore(right.id, "trees:1", 0.8)]
    store.keep_critic_scores(version, given)
    store.keep_critic_scores(version, [CriticScore(wrong.id, "trees:2", 0.9), CriticScore(dropped.id, "trees:2", 0.75)])  # fmt: skip
    kept, lost = site.index.kept(version), site.index.dropped(version)
    (row,) = site.pages.page(kept, liked).rows  # the newest score of a row counts
    assert (row["id"], dict(row["scores"])["critic"]) == (wrong.id, pytest.approx(0.9))
    assert [one["id"] for one in site.pages.page(lost, liked).rows] == [dropped.id]
    assert site.pages.scores(kept) == ["critic", "critique"]
    (other,) = site.pages.page(kept, View.of([("wrong", "no")])).rows
    assert dict(other["scores"]) == {"critique": pytest.approx(0.5), "critic": pytest.approx(0.8)}
    assert (
        "wrong answers that the evaluated critic liked"
        in client_of(site).get(f"/versions/{version}/rows").text
    )
    assert store.read(version, ["scores"]).to_pylist() == [{"scores": []}, {"scores": [("critique", 0.5)]}]


def test_a_leak_and_a_duplicate_show_the_text_that_they_collided_with(
    tmp_path: Path, site_of: Callable[..., Site]
) -> None:
    home, items = tmp_path / "home", tmp_path / "bench.jsonl"
    items.write_text(
        json.dumps({"question": "Ann has 3 <b>red</b> apples and buys 4. How many?", "answer": "7"}) + "\n"
    )
    store = Store(home)
    kept = Row("What is 2 + 2?", "en", solution="4", answer="4")
    leak = Row("Ann has 3 red apples", "en", reason=reason("decontaminate", Code.CONTAMINATED, rule="exact", item="bench#0", overlap=1, field=""))  # fmt: skip
    gone = Row("Bob has 9 pears", "en", reason=reason("decontaminate", Code.CONTAMINATED, rule="exact", item="bench#7", overlap=1, field=""))  # fmt: skip
    near = Row("What is 2+2 ?", "en", reason=reason("similarity", Code.NEAR, measure="jaccard", score=0.9, other=kept.id))  # fmt: skip
    store.append_candidates(to_table([leak, gone, near]), run="night-1")
    lineage = {"run": "night-1", "parameters": {"decontaminate": {"benchmarks": [str(items)]}}}
    (version,) = [store.publish("d", [to_table([kept])], lineage=lineage)]
    client = client_of(site_of(home))
    page = client.get(f"/versions/{version}/dropped").text
    assert "Ann has 3 &lt;b&gt;red&lt;/b&gt; apples and buys 4." in page
    assert re.search(r"that was there before</a></h4>\s*(<p>)?What is 2 \+ 2\?", page)
    assert "(not in the files of the run)" in page
    assert "and buys 4" in client.get(f"/rows/{leak.id}").text
    assert "What is 2 + 2?" in client.get(f"/rows/{near.id}").text
    items.unlink()
    assert "Ann" in client.get(f"/rows/{leak.id}").text  # a file that is gone hides no row


def test_what_became_of_each_occurrence_of_a_row_is_no_contradiction(
    tmp_path: Path, site_of: Callable[..., Site]
) -> None:
    store = Store(tmp_path / "home")
    question = "What is 2 + 2?"
    kept = Row(question, "en", solution="It is 4, as 2 + 2 = 4.", answer="4", verdicts={"dedup": "unique"})
    again = dataclasses.replace(kept, verdicts={}, reason=reason("dedup", Code.REPEATED))
    other = Row(
        question, "en", solution="It is 4, since 2 and 2 are 4.", answer="4", verdicts={"dedup": "unique"}
    )
    near = dataclasses.replace(other, verdicts={}, reason=reason("dedup", Code.NEAR, measure="jaccard", score="0.92", other=kept.id))  # fmt: skip
    assert (again.id, near.id) == (kept.id, other.id)
    store.append_candidates(to_table([again, near]), run="night-1")
    first = store.publish(
        "d", [to_table([kept])], lineage={"run": "night-1"}, date=datetime.date(2026, 11, 20)
    )
    second = store.publish(
        "try", [to_table([other])], lineage={"run": "rebuild-1"}, date=datetime.date(2026, 11, 21)
    )
    store.append_candidates(to_table([kept]), run="night-1", version=first, stage="published", part="kept")
    store.append_candidates(to_table([other]), run="rebuild-1", version=second, stage="published")
    client = client_of(site_of(tmp_path / "home"))

    def plain(page: str) -> str:
        return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page)).split())

    life = plain(client.get(f"/rows/{kept.id}").text).partition("Life of the row")[2]
    drop, publication = life.index("one occurrence of this text was dropped"), life.index("published in d@")
    assert drop < publication
    assert "another one passed on" in life
    page = client.get(f"/rows/{other.id}").text
    life = plain(page).partition("Life of the row")[2]
    assert life.index("jaccard 0.92") < life.index("published in try@")
    assert "checked by the stages of the run rebuild-1" in life
    assert "another run compared it with other rows" in life
    assert f'<a href="/rows/{kept.id}">row <code>' in page

    dropped = client.get(f"/versions/{first}/dropped").text
    assert (
        f'<a href="/rows/{kept.id}">itself: the rows of its run had this text already, word for word</a>'
        in dropped
    )
    assert f'<a href="/rows/{kept.id}">the row {kept.id[:12]} that was there before</a>' in dropped
    assert "The same question; its solution: It is 4, as 2 + 2 = 4." in plain(dropped)


@pytest.mark.slow
def test_near_gives_the_nearest_questions_first(tmp_path: Path, site_of: Callable[..., Site]) -> None:
    questions = [
        "A train travels 120 km in 2 hours. What is its speed?",
        "Find the area of a circle with radius 3.",
        "What is the probability of drawing a red ball from an urn?",
        "A car drives 300 km in 5 hours. How fast is it?",
    ]
    store = Store(tmp_path / "home")
    store.publish(
        "d", [to_table([Row(text, "en", solution="1", answer="1") for text in questions])], lineage={}
    )
    site = site_of(tmp_path / "home")
    encode = Encoder(bf16=False)
    site.encoder = lambda: encode
    site.pages = RowPages(site.index, site.words, site._nearest)
    client = client_of(site)
    version = store.resolve("d")
    page = client.get(
        f"/versions/{version}/rows", params={"near": "How fast is a bus that covers 90 km in 3 hours?"}
    ).text
    places = [page.index(html.escape(text)) for text in questions]
    assert max(places[0], places[3]) < min(places[1], places[2])
    assert " near</span>" in page
    one = client.get(f"/versions/{version}/rows", params={"near": "How fast?", "question.has": "circle"}).text
    assert "area of a circle" in one
    assert "A car drives" not in one


@pytest.mark.parametrize("most", [50_000, 3])
@pytest.mark.parametrize(
    "address", ["q=23", "q=23 -pens&subdomain=circles", "q=钢笔&sort=-correctness", "q=zebra"]
)
def test_a_search_gives_the_same_rows_whether_they_are_kept_or_read_again(
    kept: tuple[Site, RowScope, list[dict[str, Any]]],
    address: str,
    most: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    site, scope, rows = kept
    monkeypatch.setattr(search_module, "MOST", most)
    shown = view(address)
    included = [word for needed, word in words(shown.q) if needed]
    excluded = [word for needed, word in words(shown.q) if not needed]
    expected = {
        row["id"]
        for row in rows
        if all(word in text(row) for word in included)
        and not any(word in text(row) for word in excluded)
        and (not shown.first("subdomain") or row["subdomain"] == shown.first("subdomain"))
    }
    assert set(everything(site, scope, shown)) == expected
    assert site.pages.facets(scope, shown)[1] == site.pages.count(scope, shown) == len(expected)
    again = everything(site, scope, shown)  # out of what was kept
    assert again == everything(site, scope, shown)
    assert site.pages.ids(scope, shown, 1000) == [row["id"] for row in rows if row["id"] in expected]


def test_a_filter_on_every_facet_leaves_counts(
    kept: tuple[Site, RowScope, list[dict[str, Any]]],
) -> None:
    site, scope, rows = kept
    first = rows[0]
    names = ("subdomain", "method", "source", "solution_format", "language", "domain", "model")
    shown = View.of([*((name, first[name]) for name in names), ("kind", "")])
    facets, total = site.pages.facets(scope, shown)
    same = [row for row in rows if all(row[name] == first[name] for name in names)]
    assert total == len(same) >= 1
    by_name = {facet.name: {one.value: one.rows for one in facet.counts} for facet in facets}
    others = [row for row in rows if all(row[name] == first[name] for name in names[1:])]
    assert by_name["subdomain"] == dict(Counter(row["subdomain"] for row in others))


def test_the_box_for_ids_searches_for_words(client: TestClient) -> None:
    answer = client.get("/find", params={"id": " Primes are "})
    assert answer.status_code == 200
    assert answer.url.path == f"/versions/{SECOND}/rows"
    assert answer.url.params["q"] == "Primes are"
    assert "How many primes are below 10?" in html.unescape(answer.text)
    nothing = client.get("/find", params={"id": " "})
    assert nothing.status_code == 400
    assert "or words" in nothing.text
    assert "pattern=" not in client.get("/").text


def test_all_values_of_a_facet_can_be_opened(tmp_path: Path, site_of: Callable[..., Site]) -> None:
    store = Store(tmp_path / "home")
    names = [f"topic {number:03d}" for number in range(230)]
    rows = [Row(f"A question on {name}", "en", solution="1", answer="1", subdomain=name) for name in names]
    version = store.publish("d", [to_table(rows)], lineage={})
    page = client_of(site_of(tmp_path / "home")).get(f"/versions/{version}/rows").text
    opened = page.partition("more</summary>")[2].partition("</details>")[0]
    shown = set(re.findall(r"<span>(topic \d+)</span>", page))
    assert len(shown) == 200
    assert "topic 199" in opened
    assert "?subdomain=topic+199" in opened
    assert "and 30 with fewer rows" in opened
