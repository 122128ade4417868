"""The weakness loop as a user starts it: failures, clusters, arms as versions, the measuring part kept out, and the state after a verdict."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from storage.datasets.store import Store
from storage.ledger import Ledger
from storage.rows import Row, column, to_table
from tasks.problems.machinery.family import families, make
from tasks.seeding import rng_of
from tasks.weakness.split import measures
from tests.e2e.processes import Home, Teacher, balanced, end, wait_for

pytestmark = pytest.mark.e2e

IN_FLIGHT = 8
SKILLS = ("ratio_share", "definite_integral", "determinant", "committee_count")
QUICK = (
    "--rows", "6", "--set", "waves=1", "--set", "similarity.semantic=ignore", "--set", "solve.pot_share=0",
    "--set", "decontaminate={rules: [exact, ngram13, sentences], ask: false, planted: 0}",
    "--set", "gates={min_recall: {}}",
)  # fmt: skip


def problems(name: str, count: int) -> list[Row]:
    rng = rng_of("weakness e2e", name)
    drawn = [make(families()[skill], rng, 3, "en") for skill in SKILLS for _ in range(count)]
    return [
        Row(
            one.question,
            "en",
            solution="\n".join([*one.worked.steps, rf"\boxed{{{one.worked.answer}}}"]),
            solution_format="cot",
            answer=one.worked.answer,
            reference_answer=one.worked.answer,
            subdomain=one.subdomain,
            source=name,
            license="MIT",
        )
        for one in drawn
    ]


def loop(one: Home, tmp_path: Path) -> tuple[tuple[str, ...], list[Row]]:
    """Publish a pool with copies of measuring items in it; return the command, and these items."""
    probe = problems("probe", 12)
    file = tmp_path / "probe.jsonl"
    file.write_text(
        "".join(
            json.dumps({"question": row.question, "answer": row.answer, "subdomain": row.subdomain}) + "\n"
            for row in probe
        )
    )
    held_out = [row for row in probe if measures(row.question, 0.5)]
    copies = [
        Row(
            f"Read this carefully. {row.question}",
            "en",
            solution=row.solution,
            solution_format="cot",
            answer=row.answer,
            reference_answer=row.answer,
            subdomain=row.subdomain,
            source="copies",
            license="MIT",
        )
        for row in held_out
    ]
    store = Store(one.path)
    store.publish("pool", [to_table([*problems("pool", 15), *copies])], lineage={})
    arms = ("math-retrieval", "weakness-augmented", "skills", "random", "random-cost")
    words = ("weakness", "student", "--probe", str(file), *(word for arm in arms for word in ("--arm", arm)))
    return (*words, *QUICK), held_out


def test_the_loop_publishes_arms_without_an_item_that_measures(
    home: Callable[..., Home], tmp_path: Path
) -> None:
    one = home()
    command, held_out = loop(one, tmp_path)
    dry = one.json(*command, "--dry-run")
    store = Store(one.path)
    assert store.datasets() == ["pool"]
    assert dry["failed"] == sum(cluster["failures"] for cluster in dry["clusters"]) > 0
    assert sum(dry["kinds"].values()) == dry["failed"]
    assert {cluster["subdomain"] for cluster in dry["clusters"]} <= {
        families()[name].subdomain for name in SKILLS
    }
    assert dry["precision"]["after"] == 1.0 >= dry["precision"]["before"]
    assert all(index["recall"] == 1.0 for index in dry["index"].values())

    record = one.json(*command)
    asked = {row.question for row in held_out}
    for arm in ("math-retrieval", "weakness-augmented", "skills", "random"):
        version = store.resolve(record["arms"][arm]["version"])
        balanced(version.lineage)
        rows = store.read(version)
        assert 0 < rows.num_rows <= 6
        for question in column(rows, "question"):
            assert question not in asked
            assert not any(text in question for text in asked)
    retrieved = store.read(record["arms"]["math-retrieval"]["version"])
    assert set(column(retrieved, "source")) == {"pool"}
    assert all(column(retrieved, "parent_ids"))
    assert record["arms"]["random"]["rows"] <= record["arms"]["math-retrieval"]["rows"]
    # the arm of equal cost has the tokens of the dearest one, up to those of a call for five questions
    dearest = max(record["arms"][arm]["tokens"] for arm in ("weakness-augmented", "skills"))
    assert 0.6 * dearest <= record["arms"]["random-cost"]["tokens"] <= 1.4 * dearest
    written = store.resolve(record["arms"]["weakness-augmented"]["version"])
    assert written.lineage["flow"] == "weakness"
    assert any(
        ref.startswith("weakness.en@") for ref in {str(p) for p in _prompts(store, written.lineage["run"])}
    )
    assert all(mark.value["run"] == record["run"] for mark in store.marks("weakness-skills", "weakness"))

    again = one.json(*command)
    assert {arm: entry["version"] for arm, entry in again["arms"].items()} == {
        arm: entry["version"] for arm, entry in record["arms"].items()
    }
    assert len(store.versions("weakness-skills")) == 1

    # a verdict on an arm is what the next quotas follow from
    name = next(iter(record["arms"]["skills"]["by_cluster"]))
    effect = {"effect": 0.2, "low": 0.15, "high": 0.25}
    store.mark(record["arms"]["skills"]["version"], "verdict", {"subdomains": {name: effect}})
    state = one.json(*command, "--state")
    (gain,) = state["gains"]
    assert (gain["cluster"], gain["method"], gain["gain"]) == (name, "skills", 0.2)
    shares = {(entry["cluster"], entry["arm"]): entry["share"] for entry in state["shares"]}
    assert shares[name, "skills"] == max(share for (cluster, _), share in shares.items() if cluster == name)
    assert sum(shares.values()) == pytest.approx(1.0)
    assert record["arms"]["skills"]["version"] not in state["without_verdict"]

    # the next run continues from there: its rows follow the shares, and its report shows them
    assert "allocator" not in record
    after = one.json(*command, "--quotas", "gain", "--dry-run")
    assert after["run"] != record["run"]
    assert after["allocator"]["gains"] == 1
    (measured,) = [cells for cells in after["allocator"]["pairs"] if cells["verdicts"] != "0"]
    assert (measured["cluster"], measured["arm"]) == (name, "skills")
    rows = {
        (cluster["name"], arm): count
        for cluster in after["clusters"]
        for arm, count in cluster["quota"].items()
    }
    assert rows[name, "skills"] == max(count for (cluster, _), count in rows.items() if cluster == name) > 0
    assert sum(rows.values()) == 6 * 3
    plain = one.json(*command, "--dry-run")  # the failures decide, and the state is shown all the same
    assert plain["quotas"] == "failures"
    assert plain["allocator"]["gains"] == 1


def test_the_critic_that_measures_the_rules_has_a_line_and_is_within_the_budget(
    home: Callable[..., Home], tmp_path: Path
) -> None:
    one = home()
    command, _ = loop(one, tmp_path)
    arms = ("--set", "arms=[math-retrieval, skills]", "--set", "decontaminate={planted: 4}")
    words = (*command[:4], *QUICK, *arms)
    dry = one.json(*words, "--dry-run")
    assert dry["estimate"]["measuring"]["tokens"] > 5_000
    assert dry["estimate"]["arms"]["skills"]["calls"] > dry["failed"]
    text = one.run(*words, "--dry-run").stdout
    assert "the critic, measuring the decontamination rules" in text
    stopped = one.run(*words, "--budget-tokens", "2000", code=3)
    assert "while the rules of decontamination were measured" in stopped.stdout
    record = one.json(*words, "--budget-tokens", "500000")
    ledger = Ledger.open(str(one.path / "ledger.sqlite"))
    served = {line.tag: line for line in ledger.served(record["run"])}
    (measuring,) = record["measuring"]
    assert served["decontaminate"].calls == measuring["completions"] > 20
    assert {arm for arm, entry in record["arms"].items() if entry["rows"]} == {"math-retrieval", "skills"}
    # every call of the home is in a line; answers that two lines have used are in both
    calls = sum(group.calls for group in ledger.history())
    lines = [
        record["costs"][0]["completions"],
        measuring["completions"],
        *(one["calls"] for one in record["arms"].values()),
    ]
    assert calls <= sum(lines) <= 1.1 * calls


def counted_home(home: Callable[..., Home], server: Teacher) -> Home:
    """Return a home whose models are all one server, which counts their calls."""
    settings = {
        f"MATHMILL_{role}__{name}": value
        for role, model in (("TEACHER", "embedded"), ("STUDENT", "embedded-small"))
        for name, value in (("MODEL", model), ("BASE_URL", server.url))
    }
    return home(MATHMILL_IN_FLIGHT=str(IN_FLIGHT), **settings)


def arms(record: dict[str, Any], store: Store) -> dict[str, tuple[int, str]]:
    return {arm: (one["rows"], store.resolve(one["version"]).digest) for arm, one in record["arms"].items()}


@pytest.mark.soak
def test_killed_and_run_again(
    home: Callable[..., Home], teacher: Callable[[], Teacher], tmp_path: Path
) -> None:
    """While the student answers, while arms are written and judged, and near the end: no stored answer is asked for twice, and the arms are
    the same."""
    first, second = teacher(), teacher()
    whole, one = counted_home(home, first), counted_home(home, second)
    command, _ = loop(whole, tmp_path)
    assert loop(one, tmp_path)[0] == command
    expected = arms(whole.json(*command), Store(whole.path))
    calls = first.stats()["calls"]
    shares = (0.05, 0.3, 0.55, 0.8, 0.97)
    for share in shares:
        process = one.start(*command)
        wait_for(lambda share=share: second.stats()["calls"] >= share * calls, 240, "calls", process)  # type: ignore[misc]
        end(process, signal.SIGKILL)
    assert arms(one.json(*command), Store(one.path)) == expected
    counts = second.stats()
    assert counts["distinct_requests"] == calls
    assert counts["repeated_requests"] <= len(shares) * IN_FLIGHT
    assert all(len(Store(one.path).versions(f"weakness-{arm}")) == 1 for arm in expected)


@pytest.mark.soak  # a loop more; test_limits.py ends nights by budgets
def test_a_budget_ends_a_run_with_nothing_half_published_and_is_continued(
    home: Callable[..., Home], tmp_path: Path
) -> None:
    one = home()
    command, _ = loop(one, tmp_path)
    stopped = one.run(*command, "--budget-tokens", "12000", code=3)
    assert "Stopped    stopped by --budget-tokens" in stopped.stdout
    assert "the same command continues here" in stopped.stdout
    store = Store(one.path)
    # an arm is published whole, with its mark, or not at all
    for dataset in set(store.datasets()) - {"pool"}:
        (version,) = store.versions(dataset)
        assert version.rows > 0
        assert len(store.marks(dataset, "weakness")) == 1
    assert not {"weakness-weakness-augmented", "weakness-skills"} & set(store.datasets())
    record = one.json(*command)
    assert {"math-retrieval", "weakness-augmented", "skills", "random", "random-cost"} == set(record["arms"])
    assert all(entry["rows"] > 0 for entry in record["arms"].values())


def _prompts(store: Store, run: str) -> list[str]:
    candidates = store.candidates()
    assert candidates is not None
    rows = candidates.to_table(columns=["prompt", "run", "method"])
    return [
        prompt
        for prompt, own, method in zip(
            *(column(rows, name) for name in ("prompt", "run", "method")), strict=True
        )
        if own == run and method == "weakness" and prompt
    ]


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("--arm", "nosuch"), "unknown arm 'nosuch'"),
        ((), "setting pool: no dataset is published in which neighbours could be. Fix: import one"),
        (("--pool", "nosuch"), "there is no dataset 'nosuch'"),
    ],
)
def test_what_cannot_be_used_is_one_line_with_its_fix(
    home: Callable[..., Home], words: tuple[str, ...], line: str
) -> None:
    done = home().run("weakness", "student", *words, code=2)
    (last,) = [text for text in done.stderr.splitlines() if text.startswith("mathmill:")]
    assert line in last
