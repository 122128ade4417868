"""Rejection sampling as a user starts it: four data sets of one run, through faults, limits and kills, and trainings on them."""

from __future__ import annotations

import hashlib
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from storage.datasets.steps import BELONGS_TO, WRONG, labelled_steps
from storage.datasets.store import Store
from storage.reasons import FAILURES, Code
from storage.rows import Row, column, to_table
from tasks.answers import Judge
from tasks.llm.endpoint import revision_of
from tasks.llm.model_files import CHECKPOINT
from tasks.problems.machinery.family import families, make
from tasks.seeding import rng_of
from tasks.teacher.app import complete, digest_of
from tasks.teacher.character import STRONG, Character, Rates
from tasks.teacher.wire import ask_of, reply
from tasks.training.student import Shape, fresh
from tests.e2e.endpoints import Answer, Body, Habits, serving
from tests.e2e.processes import Home, Teacher, balanced, end, wait_for

pytestmark = pytest.mark.e2e

FAMILIES = ("linear_equation", "quadratic_roots", "discount_price", "work_together", "rectangle_sides")
MISJUDGING = Character(STRONG.name, Rates(misjudge=1.0, malformed=0.0))
SETS = ("rft", "dpo", "steps", "prompts")
IN_FLIGHT = 8
RUN = ("rft", "sums", "--samples", "6", "--most-samples", "12", "--set", "shard_rows=8")


def with_questions(one: Home, count: int = 4) -> Home:
    """Publish questions of families, with trusted answers, in the home."""
    problems = [
        make(families()[name], rng_of("rft", name, number), 1 + number % 3, "zh" if number % 4 == 3 else "en")
        for name in FAMILIES
        for number in range(count)
    ]
    rows = [
        Row(one.question, one.language, reference_answer=one.worked.answer, source="families", license="CC0")
        for one in problems
    ]
    Store(one.path).publish("sums", [to_table(rows)], lineage={})
    return one


def versions(one: Home) -> dict[str, tuple[int, str]]:
    """Return rows and digest of the newest version of each data set of the run."""
    store = Store(one.path)
    named = [name for name in store.datasets() if name.startswith("sums-")]
    return {name: (store.resolve(name).rows, store.resolve(name).digest) for name in named}


def share_of(asked: Body) -> float:
    return int(hashlib.sha256(orjson.dumps(asked, option=orjson.OPT_SORT_KEYS)).hexdigest()[:8], 16) / 16**8


def refused(asked: Body) -> Answer | None:
    """One call of ten cannot be made, whenever it is tried."""
    if share_of(asked) >= 0.1:
        return None
    return 422, {"error": {"message": "this one is not answered", "type": "invalid_request_error"}}


def cut(asked: Body, good: Body, times: int) -> Answer:
    """One answer of ten is cut off in its last line."""
    if 0.5 <= share_of(asked) < 0.6:
        choice = good["choices"][0]
        text = choice["message"]["content"]
        choice["message"]["content"] = text[: len(text) * 2 // 3]
        choice["finish_reason"] = "length"
    return 200, good


@pytest.mark.soak  # a run more; tests/tasks/rft has what faults do
def test_faults_reach_neither_the_pairs_nor_the_pass_rates(home: Callable[..., Home]) -> None:
    with serving(Habits(refused, cut)) as url:
        one = with_questions(home(MATHMILL_SAMPLERS__MODEL="embedded", MATHMILL_SAMPLERS__BASE_URL=url))
        done = one.json(*RUN, "--set", "prompts.keep=[unsolved,always_solved,not_judged]")
    assert {name.partition("@")[0] for name in done} == {f"sums-{name}" for name in SETS}
    store = Store(one.path)
    lineage = store.resolve("sums-rft").lineage
    balanced(lineage)
    counts = lineage["samples"]
    assert counts["sampled"] == counts["right"] + counts["wrong"] + counts["unknown or failed"]
    failed = sum(line["failed"] for line in lineage["funnel"])
    cut_off = one.sql("SELECT count(*) AS rows FROM rejected WHERE code IN ('truncated', 'no_answer')")[0][
        "rows"
    ]
    assert failed > 0 < cut_off
    assert counts["unknown or failed"] >= failed
    assert (
        sum(line["samples"] for line in lineage["paths"] if line["fail rate"] == "all") == counts["sampled"]
    )

    pairs = store.read(store.resolve("sums-dpo")).to_pylist()
    assert pairs
    worse = [orjson.loads(row["params"])[WRONG][0] for row in pairs]
    with Judge(workers=1) as judge:
        answers = [(row["answer"], side["answer"]) for row, side in zip(pairs, worse, strict=True)]
        assert set(judge.equal(answers)) == {"different"}
        assert set(judge.equal([(row["answer"], row["reference_answer"]) for row in pairs])) == {"equal"}
        references = [
            (side["answer"], row["reference_answer"]) for row, side in zip(pairs, worse, strict=True)
        ]
        assert set(judge.equal(references)) == {"different"}
    codes = {
        row["id"]: row["code"] for row in one.sql("SELECT id, code FROM rejected WHERE stage = 'verify'")
    }
    assert {codes[side["id"]] for side in worse} == {Code.DIFFERENT}
    assert not FAILURES & {Code(codes[side["id"]]) for side in worse}

    # the pass rate of a question is that of the samples that could be judged
    judged = one.sql(
        "SELECT problem_id, avg(CASE WHEN code IS NULL THEN 1 ELSE 0 END) AS rate FROM ("
        "  SELECT problem_id, NULL AS code FROM rows WHERE stage IN ('distinct', 'heuristics', 'whole', 'steps', 'allocate') AND solution IS NOT NULL"
        '  UNION ALL SELECT problem_id, NULL FROM "sums-rft"'
        "  UNION ALL SELECT problem_id, code FROM rejected WHERE stage IN ('sample', 'verify')"
        "    AND code NOT IN ('call_failed', 'truncated', 'unfinished_thinking', 'program_not_run', 'incomparable')"
        ") GROUP BY ALL"
    )
    prompts = store.read(store.resolve("sums-prompts"))
    rates = dict(
        zip(column(prompts, "problem_id"), (dict(pairs) for pairs in column(prompts, "scores")), strict=True)
    )
    assert len(judged) > 10
    for row in judged:
        assert rates[row["problem_id"]]["pass_rate"] == pytest.approx(row["rate"], abs=1e-5)

    for name, shape in (
        ("rft", "messages"),
        ("dpo", "preference"),
        ("dpo", "unpaired-preference"),
        ("prompts", "prompt-only"),
    ):
        one.run("export", f"sums-{name}", str(one.path.parent / f"{name}-{shape}"), "--format", shape)


def test_the_same_run_again_asks_nothing_and_a_limit_is_continued(home: Callable[..., Home]) -> None:
    one = with_questions(home(MATHMILL_SAMPLERS__MODEL="embedded-small"))
    plan = one.json(*RUN, "--dry-run")
    assert plan["questions"] == 20
    assert plan["calls"][0] == 120 <= plan["calls"][1] <= plan["calls"][2] == 240
    assert one.json("plan", *RUN) == plan
    assert one.json("ledger", "stats")["calls"] == 0
    stopped = one.run(*RUN, "--budget-tokens", "9000", code=3)
    assert "Continue   ./mathmill rft sums" in stopped.stdout
    assert versions(one) == {}
    one.run(*RUN)
    before, calls = versions(one), one.json("ledger", "stats")["calls"]
    explained(Store(one.path))
    again = one.run(*RUN)
    assert "this run has published them" in again.stderr
    assert versions(one) == before
    assert one.json("ledger", "stats")["calls"] == calls
    assert all(len(Store(one.path).versions(name)) == 1 for name in before)
    # other pairs of the same samples: the ledger has every answer, and what is the same is not published again
    other = one.run(*RUN, "--set", "pairs.most=1", "--offline")
    assert "sums-rft@" in other.stderr
    assert "has exactly these rows already" in other.stderr
    assert {name: versions(one)[name] for name in ("sums-rft", "sums-prompts")} == {
        name: before[name] for name in ("sums-rft", "sums-prompts")
    }
    problems = column(Store(one.path).read("sums-dpo", ["problem_id"]), "problem_id")
    assert 0 < len(problems) == len(set(problems)) <= before["sums-dpo"][0]
    assert one.json("ledger", "stats")["calls"] == calls


def explained(store: Store) -> None:
    """Each data set says what it was chosen from and why the rest was left out; no prompt is always solved, or never."""
    for name in SETS:
        version = store.resolve(f"sums-{name}")
        chosen = version.lineage["chosen"]
        assert chosen["kept"] == version.rows
        assert chosen["of"] == chosen["kept"] + sum(left["rows"] for left in chosen["left_out"])
    prompts = store.resolve("sums-prompts")
    rates = [dict(pairs)["pass_rate"] for pairs in column(store.read(prompts, ["scores"]), "scores")]
    assert rates
    assert all(0 < rate < 1 for rate in rates)
    questions = prompts.lineage["questions"]
    assert questions["solved sometimes"]["questions"] == len(rates)
    left = {one["code"]: one["rows"] for one in prompts.lineage["chosen"]["left_out"]}
    assert left.get(Code.UNSOLVED, 0) == questions["unsolved"]["questions"]
    assert left.get(Code.ALWAYS_SOLVED, 0) == questions["always solved"]["questions"] > 0
    steps = store.resolve("sums-steps")
    labelled = [one for batch in labelled_steps(store, steps) for one in batch.to_pylist()]
    beside = sum(one["id"] not in one[BELONGS_TO] for one in labelled)
    left = {one["code"]: one["rows"] for one in steps.lineage["chosen"]["left_out"]}
    assert beside == left.get(Code.WORSE_SIDE, 0)


@pytest.mark.soak  # a run more; tests/tasks/llm has checkpoints
def test_a_checkpoint_samples_beside_an_endpoint(home: Callable[..., Home], tmp_path: Path) -> None:
    """An untrained student: what it writes is judged like any reply, and the lineage names it by the digest of its files."""
    texts = [text for number in range(40) for text in _texts(number)]
    fresh(texts, tmp_path / "student", seed=0, shape=Shape(32, 86, 2, 2, 512, 512))
    model = f"hf:{tmp_path / 'student'}"
    models = [{"model": model, "weight": 1}, {"model": "embedded", "weight": 2}]
    one = with_questions(home(MATHMILL_SAMPLERS__MODELS=orjson.dumps(models).decode()), 1)
    command = ("rft", "sums", "--samples", "6", "--allocate", "fixed", "--set", "sample.prompt=question",
               "--set", "sample.max_tokens=200")  # fmt: skip
    one.run(*command)
    store = Store(one.path)
    lineage = store.resolve("sums-rft").lineage
    balanced(lineage)
    named = {entry["model"]: entry["revision"] for entry in lineage["models"]["samplers"]["models"]}
    assert set(named) == {model, "embedded"}
    assert named[model] == revision_of(CHECKPOINT, str(tmp_path / "student"))
    asked = {cost["model"]: cost["completions"] for cost in lineage["costs"] if cost["role"] == "samplers"}
    assert asked[model] > 0
    assert sum(asked.values()) == lineage["samples"]["sampled"] == 6 * len(FAMILIES)
    # its answers are in the ledger, and its samples in no pass rate that they say nothing about
    assert one.json("ledger", "stats")["calls"] == 6 * len(FAMILIES)
    samples = one.sql("SELECT DISTINCT model FROM rejected WHERE stage IN ('sample', 'verify')")
    assert model in {row["model"] for row in samples}
    assert lineage["samples"]["right"] > 0
    one.run(*command, "--set", "pairs.most=1", "--offline")


@pytest.mark.soak  # a run more; tests/tasks/canaries has critics
def test_a_critic_that_misjudges_canaries_makes_no_solution_wrong(home: Callable[..., Home]) -> None:
    """Its judgements are no reason to drop a right solution: the rows have failed, and nothing is published in their place."""

    def misjudged(asked: Body, good: Body, times: int) -> Answer:
        ask = ask_of(orjson.dumps(asked))
        wrong: Body = orjson.loads(reply(ask, digest_of(ask).hex()[:24], complete(ask, MISJUDGING)))
        return 200, wrong

    with serving(Habits(change=misjudged)) as url:
        one = with_questions(home(MATHMILL_CRITIC__MODEL="embedded", MATHMILL_CRITIC__BASE_URL=url), 3)
        done = one.run(
            "rft", "sums", "--samples", "4", "--allocate", "fixed", "--set", "quality.scorers=[critique]",
            "--set", "quality.canaries=6", code=2,
        )  # fmt: skip
    assert "no right solution of sums" in done.stderr
    assert versions(one) == {}
    rows = one.sql("SELECT DISTINCT code FROM rejected WHERE stage = 'critique'")
    assert [row["code"] for row in rows] == [Code.CANARIES_MISJUDGED]
    assert Code.CANARIES_MISJUDGED in FAILURES


def _texts(number: int) -> tuple[str, str]:
    problem = make(families()[FAMILIES[number % len(FAMILIES)]], rng_of("hf", number), 1, "en")
    return problem.question, "\n".join([*problem.worked.steps, rf"\boxed{{{problem.worked.answer}}}"])


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("rft",), "setting version: none is named. Fix: "),
        (("rft", "nosuch"), "there is no dataset 'nosuch'"),
        (("rft", "sums", "--samples", "9", "--most-samples", "3"), "most_samples 3 is less than samples 9"),
        (("rft", "sums", "--set", "quality.scorers=[critiqe]"), "the nearest is 'critique'"),
        (
            ("rft", "sums", "--set", "quality.reward_model=/nosuch"),
            "setting quality.reward_model: there is no folder",
        ),
    ],
)
def test_what_cannot_be_used_is_one_line_with_its_fix(
    home: Callable[..., Home], words: tuple[str, ...], line: str
) -> None:
    done = with_questions(home(), 1).run(*words, code=2)
    (last,) = [text for text in done.stderr.splitlines() if text.startswith("mathmill:")]
    assert line in last


def test_a_version_without_known_answers_is_one_line_with_its_fix(home: Callable[..., Home]) -> None:
    one = home()
    Store(one.path).publish("open", [to_table([Row("What is 2 + 2?", "en")])], lineage={})
    Store(one.path).publish("chats", [to_table([Row("Hello.", "en", kind="chat")])], lineage={})
    for name, count in (("open", "1 question"), ("chats", "0 questions")):
        done = one.run("rft", name, code=2)
        (last,) = [text for text in done.stderr.splitlines() if text.startswith("mathmill:")]
        assert f"has no question with a known answer, of {count}. Fix: " in last


@pytest.mark.soak
def test_killed_and_run_again(home: Callable[..., Home], teacher: Callable[[], Teacher]) -> None:
    """In the middle of sampling, and again near its end: no stored answer is asked for twice, and the versions are the same."""

    def pointed_at(server: Teacher) -> Home:
        settings = {"MATHMILL_SAMPLERS__MODEL": "embedded", "MATHMILL_SAMPLERS__BASE_URL": server.url}
        return with_questions(home(MATHMILL_IN_FLIGHT=str(IN_FLIGHT), **settings), 12)

    first, second = teacher(), teacher()
    whole, one = pointed_at(first), pointed_at(second)
    whole.run(*RUN)
    calls = first.stats()["calls"]
    for share in (0.3, 0.8):
        process = one.start(*RUN)
        wait_for(lambda share=share: second.stats()["calls"] >= share * calls, 240, "calls", process)  # type: ignore[misc]
        end(process, signal.SIGKILL)
        assert "sums-rft" not in versions(one)
    one.run(*RUN)
    assert versions(one) == versions(whole)
    counted = second.stats()
    assert counted["distinct_requests"] == calls
    assert counted["repeated_requests"] <= 2 * IN_FLIGHT
    lineage, other = (Store(each.path).resolve("sums-rft").lineage for each in (one, whole))
    assert lineage["funnel"] == other["funnel"]


@pytest.mark.soak
def test_every_training_is_one_command_from_there(home: Callable[..., Home]) -> None:
    one = with_questions(home(MATHMILL_SAMPLERS__MODEL="embedded-small"), 6)
    one.run(*RUN, "--set", "steps.scorers=[critique]")
    assert {"sums-steps"} <= set(versions(one))
    small = ("--set", "steps=2", "--set", "length=512")
    base = one.path / "sft"
    one.run("train", "sums-rft", "--method", "sft", "--out", str(base), *small, "--set", "batch=4")
    rollout = ("--set", "rollout.max_new_tokens=24", "--set", "rollout.samples=2", "--set", "batch=4")
    for dataset, method, more in (
        ("sums-dpo", "dpo", ("--set", "batch=4")),
        ("sums-dpo", "reward", ("--set", "batch=4", "--out", str(one.path / "reward"))),
        ("sums-prompts", "grpo", rollout),
        ("sums-prompts", "ppo", rollout),
    ):
        done: dict[str, Any] = one.json(
            "train", dataset, "--method", method, "--base", str(base / "checkpoint"), *small, *more
        )
        assert done
    scored = one.json(
        *RUN,
        "--set",
        f"quality.reward_model={one.path / 'reward' / 'checkpoint'}",
        "--set",
        "quality.least_reward=0",
    )
    (version,) = [Store(one.path).resolve(name) for name in scored if name.startswith("sums-rft@")]
    assert all("reward" in dict(pairs) for pairs in column(Store(one.path).read(version), "scores"))
