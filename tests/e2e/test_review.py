"""Judgements become a version, on a real Prefect server: wrong rows go, corrected ones are verified and replace the old.

A promotion whose gate asks for reviewers pauses, and continues when their queue is done.
"""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
from collections.abc import Callable

import httpx
import pytest

from storage.datasets.judgements import RowJudgement, RowOpinion
from storage.datasets.store import Store
from storage.rows import Row, to_table
from tasks.review.session import WAITING
from tests.e2e.processes import ROOT, Home, end, fetch, wait_for

pytestmark = pytest.mark.e2e

# as much as a report reads
LINEAGE = {
    "flow": "import",
    "run": "first",
    "funnel": [],
    "costs": [],
    "licenses": {},
    "inputs": [],
    "parameters": {},
}
RIGHT, WRONG = RowOpinion.RIGHT, RowOpinion.WRONG


def program(number: int) -> Row:
    return Row(
        f"What is {number} + 1?", "en", solution=f"print({number} + 1)\n", solution_format="pot",
        answer=str(number + 1), correctness=0.9, subdomain="sums", license="MIT", source="web",
    )  # fmt: skip


@pytest.mark.soak  # a night more; tests/tasks/review has corrections
def test_corrections_are_a_version_with_lineage(home: Callable[..., Home]) -> None:
    one = home()
    store = Store(one.path)
    rows = [program(number) for number in range(8)]
    story = (
        "Anna collects shells on the beach every morning before school. On Monday she has {} shells in her basket, and on the way home "
        "she finds 5 more near the old pier. How many shells does Anna have in her basket when she is at home?"
    )
    rows += [
        Row(
            question, "en", solution=f"print({answer})\n", solution_format="pot", answer=str(answer), correctness=0.9,
            subdomain="sums", license="MIT", source="web",
        )
        for question, answer in ((story.format(12), 17), ("Which number is ten more than thirty?", 40))
    ]  # fmt: skip
    near = rows[9].id
    base = store.publish("d", [to_table(rows)], lineage=LINEAGE)
    assert "nobody has judged a row" in one.run("correct", "d", code=2).stderr
    wrong, tie, fixed, failing, polished = (row.id for row in rows[:5])
    store.judge(
        base,
        [
            RowJudgement(wrong, "ada", WRONG),
            RowJudgement(tie, "ada", WRONG),
            RowJudgement(tie, "ben", RIGHT),
            RowJudgement(fixed, "ada", WRONG, solution="print(3)\n", answer="3"),
            RowJudgement(failing, "ada", WRONG, solution="print(5)\n", answer="4"),
            # its new question is one that the version has, but for a word
            RowJudgement(
                near,
                "ada",
                WRONG,
                question=story.format(12).replace("Anna collects", "Anna gathers"),
                solution="print(17)\n",
                answer="17",
            ),
            RowJudgement(polished, "ada", RIGHT, solution="print(6)\n", answer="5"),
        ],
    )
    printed = one.run("correct", "d").stdout
    assert "3 rows removed and 1 corrected, on 1 the reviewers disagree" in printed
    version = store.resolve("d")
    kept = {row["id"]: row for row in store.read(version).to_pylist()}
    assert not {wrong, fixed, failing, near} & set(kept)
    assert len([row for row in kept.values() if "shells" in row["question"]]) == 1
    assert {tie, polished, rows[7].id} <= set(kept)
    (new,) = [row for row in kept.values() if row["parent_ids"] == [fixed]]
    assert (new["solution"], new["answer"]) == ("print(3)\n", "3")
    assert dict(new["verdicts"])["executed"] == "ok"
    assert version.lineage["base"] == str(base)
    assert version.lineage["judgements"]["corrected"] == {fixed: new["id"]}
    assert version.rows == len(rows) - 3
    whys = {
        (one["id"], one["code"])
        for one in one.sql("SELECT id, code FROM rejected WHERE run LIKE 'corrections-%'")
    }
    assert {(wrong, "judged_wrong"), (fixed, "corrected"), (failing, "judged_wrong")} <= whys
    assert sorted(code for _, code in whys) == [
        "corrected",
        "different",
        "different",
        "judged_wrong",
        "judged_wrong",
        "judged_wrong",
        "near",
    ]
    assert "nothing was published" in one.run("correct", "d").stdout
    assert store.resolve("d") == version


PROMOTE = """
from flows.config.promote import Promote
from flows.promote import promote
print(promote(Promote(version="d", tag="checked", wait_hours=0.5)))
"""


def state_of(api: str, run: str) -> str:
    return str(fetch(f"{api}/flow_runs/{run}")["state"]["type"])


@pytest.mark.soak  # a night more; the next test has a promotion that waits
def test_a_promotion_pauses_for_the_queue_and_continues_when_it_is_done(
    home: Callable[..., Home], prefect_api: str
) -> None:
    one = home()
    store = Store(one.path)
    version = store.publish("d", [to_table([program(number) for number in range(6)])], lineage=LINEAGE)
    (one.path / "gates.yaml").write_text("checked: {review: 0.5}\n")
    refused = one.run("promote", "d", "checked", code=2).stderr
    assert "gates.review: nobody has judged its rows" in refused
    process = subprocess.Popen(
        [sys.executable, "-c", PROMOTE],
        env=one.environment, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
    )  # fmt: skip
    try:
        (mark,) = wait_for(lambda: store.marks("d", WAITING), 120, "the promotion to wait", process)
        run = mark.value["flow_run"]
        wait_for(lambda: state_of(prefect_api, run) == "PAUSED", 60, "the pause", process)
        rows = store.read(version, ["id"]).column("id").to_pylist()
        file = one.path / "judgements.jsonl"
        judged = [{"row": row, "reviewer": "ada", "opinion": "right"} for row in rows]
        file.write_text("\n".join(map(json.dumps, judged[:5])))
        one.run("review", "d", "--second", "0", "--import", str(file))
        assert state_of(prefect_api, run) == "PAUSED"  # one row is left
        file.write_text(json.dumps(judged[5]))
        assert f"the promotion {run} continues" in one.run("review", "d", "--import", str(file)).stdout
        out, _ = process.communicate(timeout=120)
    finally:
        end(process)
    assert process.returncode == 0, out
    assert store.tags("d") == {"checked": version.name}
    assert state_of(prefect_api, run) == "COMPLETED"


@pytest.mark.slow
def test_the_last_judgement_in_the_page_lets_the_promotion_continue(
    home: Callable[..., Home], prefect_api: str
) -> None:
    one = home()
    store = Store(one.path)
    version = store.publish("d", [to_table([program(number) for number in range(3)])], lineage=LINEAGE)
    (one.path / "gates.yaml").write_text("checked: {review: 1.0}\n")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{probe.getsockname()[1]}"
    page = one.start("view", "--port", url.rpartition(":")[2])
    process: subprocess.Popen[str] | None = None
    try:
        client = httpx.Client(
            base_url=url, headers={"origin": url}, timeout=120, follow_redirects=True, trust_env=False
        )
        wait_for(lambda: answers(client), 120, "the page", page)
        process = subprocess.Popen(
            [sys.executable, "-c", PROMOTE],
            env=one.environment, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
        )  # fmt: skip
        (mark,) = wait_for(lambda: store.marks("d", WAITING), 120, "the promotion to wait", process)
        run = mark.value["flow_run"]
        wait_for(lambda: state_of(prefect_api, run) == "PAUSED", 60, "the pause", process)
        address = f"/versions/{version}/review"
        token = re.search(r'name="token" value="(\w+)"', client.get("/sql").text)
        assert token
        assert "waits for this queue" in client.get(address).text
        for _ in range(2 * version.rows):  # a row may need a second reviewer
            for who in ("ada", "ben"):
                shown = re.search(r'name="row" value="(\w+)"', client.get(address, params={"as": who}).text)
                if shown:
                    form = {"token": token[1], "row": shown[1], "as": who, "opinion": "right"}
                    assert client.post(address, data=form).status_code == 200
        out, _ = process.communicate(timeout=120)
    finally:
        for started in (process, page):
            if started is not None:
                end(started)
    assert process.returncode == 0, out
    assert f"{url}{address}" in out  # where the rows are judged
    assert store.tags("d") == {"checked": version.name}


def answers(client: httpx.Client) -> bool:
    try:
        return client.get("/").status_code == 200
    except httpx.TransportError:
        return False
