"""Values from outside stay text in every artifact, and this file covers every artifact that the flows make."""

from __future__ import annotations

import ast
import dataclasses
import datetime
import io
import json
import logging
import re
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import yaml
from markdown_it import MarkdownIt
from markdown_it.token import Token
from rich.console import Console

from flows import chain, maintain, train
from flows.config.rft import Rft
from flows.runner import artifacts as reporting
from flows.runner import progress, rft_artifacts, service_table
from flows.runner.limits import HOW_TO_GO_ON, Stopped
from flows.runner.progress import Bars
from flows.runner.resources import Tools
from flows.runner.rft_publication import Sampled
from flows.settings import Settings
from flows.weakness import artifact_cells
from storage.datasets.compaction import SmallFiles
from storage.datasets.export import export
from storage.datasets.orphans import Orphan
from storage.datasets.retention import Fate
from storage.datasets.steps import WRONG
from storage.datasets.versions import Version
from storage.errors import GateFailed
from storage.reasons import Code, reason
from storage.rows import Row, to_table
from tasks.critics.report import PARTS, TITLES
from tasks.critics.report import to_markdown as critic
from tasks.decontamination.certificate import Certificate, Recall
from tasks.evaluation import verdict
from tasks.evaluation.report import to_markdown as evaluation
from tasks.llm.stats import Meter, Stats
from tasks.proof.page import written
from tasks.reports.attribution import to_markdown as attribution
from tasks.rft.allocation import Tally
from tasks.rft.summary import RIGHT, by_fail_rate
from tasks.training.run import Trained
from tasks.weakness import report as weaknesses
from tests.tasks.proof.test_claims import stored

DAY = datetime.date(2026, 11, 20)
ROOT = Path(__file__).resolve().parents[2]
HERE = "tests/flows/test_artifacts.py::"
# each call that makes or changes an artifact, by function and how often, and the test that gives it hostile values
DRIVEN_BY = {
    "flows/maintain.py maintain create_markdown_artifact": (1, HERE + "test_maintenance"),
    "flows/chain.py chain create_markdown_artifact": (1, HERE + "test_a_chain"),
    "flows/proof.py proof create_markdown_artifact": (1, HERE + "test_the_proof"),
    "flows/attribution.py attribution create_markdown_artifact": (1, HERE + "test_an_attribution"),
    "flows/train.py train create_markdown_artifact": (1, HERE + "test_training"),
    "flows/weakness.py _finish create_markdown_artifact": (1, HERE + "test_a_search_for_weaknesses"),
    "flows/weakness.py _finish create_table_artifact": (1, HERE + "test_a_search_for_weaknesses"),
    "flows/runner/rft_artifacts.py pairs_artifact create_markdown_artifact": (
        1,
        HERE + "test_pairs_of_samples",
    ),
    "flows/runner/rft_artifacts.py paths_artifact create_table_artifact": (1, HERE + "test_paths_of_samples"),
    "flows/runner/critics.py _publish create_markdown_artifact": (1, HERE + "test_a_critic"),
    "flows/runner/artifacts.py _compared create_markdown_artifact": (
        1,
        HERE + "test_the_artifacts_of_a_version",
    ),
    "flows/runner/artifacts.py report create_markdown_artifact": (
        2,
        HERE + "test_the_artifacts_of_a_version",
    ),
    "flows/runner/artifacts.py report create_table_artifact": (2, HERE + "test_the_artifacts_of_a_version"),
    "flows/runner/artifacts.py refusals_shown create_markdown_artifact": (
        1,
        HERE + "test_a_run_that_a_gate_refused",
    ),
    "flows/runner/artifacts.py report_stopped create_markdown_artifact": (
        1,
        HERE + "test_a_run_that_a_limit_ended",
    ),
    "flows/runner/evaluation.py Evaluation.report create_markdown_artifact": (1, HERE + "test_an_evaluation"),
    "flows/runner/progress.py Bar._publish create_progress_artifact": (
        1,
        HERE + "test_the_progress_of_a_stage",
    ),
    "flows/runner/progress.py Bar._publish update_progress_artifact": (
        1,
        HERE + "test_the_progress_of_a_stage",
    ),
    "flows/runner/service_table.py Live.__enter__ create_table_artifact": (
        1,
        HERE + "test_how_the_models_serve",
    ),
    "flows/runner/service_table.py Live._work update_artifact": (1, HERE + "test_how_the_models_serve"),
    "flows/runner/verdict_trials.py Trial.conclude create_markdown_artifact": (1, HERE + "test_a_verdict"),
}
HOSTILE = [
    "![x](https://evil.example/pixel.png)",
    "[click](javascript:alert(1))",
    "<img src=x onerror=alert(1)><script>alert(1)</script>",
    "https://evil.example www.evil.example",
    "a | b\n|---|\n# heading\n\n- item",
    "`code` ``` fence \\",
    "\u202eturned\u2066 hidden\u200b \x1b[31m",
    "</td></table><iframe src=javascript:alert(1)>",
]
LIVE = {"image", "link_open", "html_inline", "html_block"}
HIDDEN = re.compile("[\u200b-\u200f\u202a-\u202e\u2060-\u206f\x00-\x08\x0b-\x1f\x7f]")
ADDRESS = re.compile(r"(?i)(https?://|www\.|javascript:)\S")
PARSER = MarkdownIt("commonmark").enable(["table", "strikethrough"])


def kinds(tokens: list[Token]) -> list[str]:
    return [kind for token in tokens for kind in (token.type, *kinds(token.children or []))]


def assert_like(hostile: str, plain: str) -> None:
    """A page with hostile values has the elements of the same page with plain ones, and no active element."""
    tokens = PARSER.parse(hostile)
    for kind in LIVE:
        assert kinds(tokens).count(kind) == kinds(PARSER.parse(plain)).count(kind), hostile
    blocks = [token.type for token in tokens]
    assert blocks == [token.type for token in PARSER.parse(plain)], hostile
    assert not HIDDEN.search(hostile), hostile
    # renderers find bare addresses in the source; in code and in a picture of the project's own there is no harm
    prose = re.sub(r"(?ms)^(`{3,})[^`\n]*$.*?^\1$", "", hostile)
    assert not ADDRESS.search(re.sub(r"(`+)(?!`).*?(?<!`)\1(?!`)", "", prose)), hostile


def assert_cells_like(hostile: Sequence[Mapping[str, Any]], plain: Sequence[Mapping[str, Any]]) -> None:
    """The same of the cells of a table: the UI reads each as Markdown."""
    for row, other in zip(hostile, plain, strict=True):
        assert row.keys() == other.keys()
        for name, value in row.items():
            assert_like(str(value), str(other[name]))


def calls(tree: ast.AST, within: str = "") -> Iterator[str]:
    """Each call that makes or changes an artifact, as `function callee`."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            yield from calls(node, f"{within}.{node.name}".strip("."))
            continue
        if isinstance(node, ast.Call):
            name = getattr(node.func, "id", getattr(node.func, "attr", ""))
            if re.fullmatch(r"a?(create|update)_(\w+_)?artifact", name):
                yield f"{within} {name}"
        yield from calls(node, within)


def test_every_call_that_makes_an_artifact_is_driven() -> None:
    artifact_calls = Counter(
        f"{path.relative_to(ROOT).as_posix()} {call}"
        for path in (ROOT / "flows").rglob("*.py")
        for call in calls(ast.parse(path.read_text(encoding="utf-8")))
    )
    assert artifact_calls == {call: count for call, (count, _) in DRIVEN_BY.items()}
    for _, where in DRIVEN_BY.values():
        file, _, name = where.partition("::")
        assert f"def {name}(" in (ROOT / file).read_text(encoding="utf-8")


class Artifacts(list[dict[str, Any]]):
    """What a module sends to Prefect: the arguments of each call, with its name."""

    def catch(self, monkeypatch: pytest.MonkeyPatch, module: Any, *names: str) -> None:
        for name in names:
            monkeypatch.setattr(
                module, name, lambda *_, name=name, **given: self.append(given | {"call": name})
            )


def assert_artifacts_like(hostile: Sequence[Mapping[str, Any]], plain: Sequence[Mapping[str, Any]]) -> None:
    assert [(one["call"], one.get("key")) for one in hostile] == [
        (one["call"], one.get("key")) for one in plain
    ]
    for one, other in zip(hostile, plain, strict=True):
        assert_like(one.get("description", ""), other.get("description", ""))
        if "markdown" in one:
            assert_like(one["markdown"], other["markdown"])
        if "table" in one:
            assert_cells_like(one["table"], other["table"])


@pytest.mark.parametrize("text", HOSTILE)
def test_maintenance(text: str) -> None:
    def page(value: str) -> str:
        moment = datetime.timedelta(hours=1)
        return maintain.MaintenancePlan(
            fates=[Fate(value, keep, value) for keep in (True, False)],  # type: ignore[arg-type]
            files={value: [value]},
            orphans=[Orphan(value, value, 1, moment)],
            small=[SmallFiles(value, (value,), 1)],
            done=[value],
        ).text(applied=False)

    assert_like(page(text), page("plain"))


@pytest.mark.parametrize("text", HOSTILE)
def test_training(text: str) -> None:
    def page(value: str) -> str:
        lineage: dict[str, Any] = {
            "stages": [{"data": [{"version": value, "weight": 1.0}], "metrics": {"loss": 1.0}}],
            "environment": {"device": value, "packages": {"torch": value}},
            "code": {"commit": value},
            "config": {"seed": 1},
        }
        fields = {field.name: None for field in dataclasses.fields(Trained)}
        return train.as_markdown(Trained(**fields | {"checkpoint": value, "lineage": lineage}))  # type: ignore[arg-type]

    assert_like(page(text), page("plain"))


@pytest.mark.parametrize("text", HOSTILE)
def test_a_chain(text: str) -> None:
    def page(value: str) -> str:
        version = Version("math-sft", "2026.11.20", 1, "d", 1, 1, "", {})
        return chain.as_markdown(version, {"train": value, "verdict": value})

    assert_like(page(text), page("plain"))


@pytest.mark.parametrize("text", HOSTILE)
def test_an_attribution(text: str) -> None:
    def page(value: str) -> str:
        names = dict.fromkeys(("version", "by", "items", "base", "worst"), value)
        measured = {"rows": [16, 16], "influence": [0.5, 0.1], "without": [None, -0.01]}
        return attribution({"groups": [value, "b"], "steps": 60, "harmful": True, **names, **measured})

    assert_like(page(text), page("plain"))


@pytest.mark.parametrize("text", HOSTILE)
def test_pairs_of_samples(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def sent(value: str) -> Artifacts:
        kept = Artifacts()
        kept.catch(monkeypatch, rft_artifacts, "create_markdown_artifact")
        worse = {"solution": value, "answer": value, "margin": 0.5}
        row = Row(
            question=value, language="en", solution=value, answer=value, params=json.dumps({WRONG: [worse]})
        )
        line = SimpleNamespace(kept=lambda shards, columns: to_table([row]).select(columns))
        done = SimpleNamespace(config=Rft(), version=SimpleNamespace(dataset="math-sft"), line=line)
        rft_artifacts.pairs_artifact(cast(Sampled, done), [])
        return kept

    assert_artifacts_like(sent(text), sent("plain"))


def test_long_lines_of_pairs_are_broken_where_the_page_would_cut_them() -> None:
    assert rft_artifacts.wrapped("a\n\nb") == "a\n\nb"
    lines = rft_artifacts.wrapped("word " * 60 + "\n" + "字" * 100).splitlines()
    assert max(map(len, lines[:4])) <= rft_artifacts.WIDTH
    assert max(map(len, lines[4:])) <= rft_artifacts.WIDTH // 2
    assert "".join(lines[4:]) == "字" * 100


def test_paths_of_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = Artifacts()
    kept.catch(monkeypatch, rft_artifacts, "create_table_artifact")
    table = by_fail_rate({"p": Tally(2, 1, 1)}, {RIGHT: ["p"]})
    done = SimpleNamespace(config=Rft(), version=SimpleNamespace(dataset="math-sft"), paths=lambda: table)
    rft_artifacts.paths_artifact(cast(Sampled, done))
    assert [row["questions"] for row in kept[0]["table"]] == [1, 1]


@pytest.mark.parametrize("text", HOSTILE)
def test_a_search_for_weaknesses(text: str) -> None:
    def record(value: str) -> dict[str, Any]:
        cluster = {"name": value, "failures": 1, "headroom": 0.5, "kinds": {"plan": 1}, "neighbours": 2}
        arm = {
            "version": value,
            "rows": 1,
            "usd": 0.0,
            "calls": 1,
            "tokens": 1,
            "contaminated": 0,
            "note": value,
        }
        skill = {"failures": 1, "before": 0.5, "after": 1.0}
        counts = dict.fromkeys(("failed", "judged", "measured_by", "without_neighbour"), 1)
        return counts | {
            "run": value,
            "model": value,
            "held_out": value,
            "kinds": {"plan": 1},
            "touched": {"before": 2, "after": 1},
            "pool": [value],
            "not_in_pool": {value: value},
            "costs": [{"completions": 1, "prompt_tokens": 1, "completion_tokens": 1, "usd": 0.0}],
            "index": {value: {"recall": 1.0, "kind": "flat", "questions": 1}},
            "precision": {"before": 0.5, "after": 1.0, "by_skill": {value: skill}},
            "clusters": [cluster | {"quota": {"skills": 1}}],
            "arms": {"skills": arm},
        }

    assert_like(weaknesses.to_markdown(record(text)), weaknesses.to_markdown(record("plain")))
    for cells in (weaknesses.cluster_cells, weaknesses.arm_cells, weaknesses.cost_cells):
        assert_cells_like(artifact_cells(cells(record(text))), artifact_cells(cells(record("plain"))))


@pytest.mark.parametrize("text", HOSTILE)
def test_a_verdict(text: str) -> None:
    def page(value: str) -> str:
        line = {"items": 1, "effect": 0.1, "low": 0.0, "high": 0.2, "p": 0.5, "shown": "better"}
        whole = {"effect": 0.1, "low": 0.0, "high": 0.2, "p": 0.5, "seeds": 1, "items": 1, "weight": 1.0}
        names = dict.fromkeys(("version", "verdict", "validated", "base", "benchmark"), value)
        tables = {"subdomains": {value: line}, "sources": {value: line}}
        by_seed = [{"baseline": 0.1, "candidate": 0.2}]
        return verdict.to_markdown(whole | names | tables | {"tokens": 1, "by_seed": by_seed})

    assert_like(page(text), page("plain"))


@pytest.mark.parametrize("text", HOSTILE)
def test_an_evaluation(text: str) -> None:
    def page(value: str) -> str:
        score = {
            "name": value,
            "items": 1,
            "score": 0.5,
            "low": 0.1,
            "high": 0.9,
            "samples": 2,
            "majority": 0.5,
        }
        counts = {"failed": 0, "unanswered": 0, "unknown": 0}
        delta = {
            "name": value,
            "candidate": 0.1,
            "baseline": 0.2,
            "delta": -0.1,
            "low": -0.2,
            "high": 0.0,
            "p": 0.1,
        }
        more = {"test": "paired", "items": 1, "needed": 5, "corrected": 0.1, "shown": "worse"}
        groups = ("all", "capability", "domain", "benchmark", "subdomain")
        return evaluation(
            {
                "name": value,
                "model": value,
                "baseline": value,
                "scores": {value: [score | counts | {"group": group} for group in groups for _ in "ab"]},
                "deltas": [delta | more | {"group": group} for group in groups],
                "config": {"samples": 1},
                "created": "2026-11-20",
                "identity": {value: value},
                "asked": {value: {value: value}},
                "unusable": 1,
            }
        )

    assert_like(page(text), page("plain"))


@pytest.mark.parametrize("text", HOSTILE)
def test_a_critic(text: str) -> None:
    def page(value: str) -> str:
        estimate = {"value": 0.5, "low": 0.4, "high": 0.6}
        judged = [{"name": value, "measures": dict.fromkeys(TITLES, estimate)} for _ in "ab"]
        against = {"critic": value, "against": value, "measure": "f1", "ratio": estimate} | estimate
        part = {"part": value, "solutions": 20, "right": 5, "called_wrong": 0.5, "critics": judged}
        whole = {
            "solutions": 20,
            "questions": 10,
            "right": 5,
            "placed_wrong": 3,
            "resamples": 9,
            "critics": judged,
        }
        tables = {"differences": [against], "reliability": [], "parts": {name: [part] for name in PARTS}}
        some = {"solutions": 9, "critics": judged, "differences": [against]}
        precise = {"threshold": 0.5, "accepted": 3, "precision": 0.5, "interval": [0.1, 0.9]}
        counts = {key: {"solutions": 5} for key in ("training", "calibrating")}
        seen = {"name": value, "called_wrong": 0.5, "named": 0.5}
        traded = dict.fromkeys(("first_error_found", "right_unblamed", "f1"), 0.5)
        here = dict.fromkeys(traded, estimate)
        point = {"name": value, "given_up": 0.01, "value": 0.5, "standard_error": True, "here": here} | traded
        beside = {
            "identity": value,
            "solutions": 9,
            "training": 5,
            "settings": {"epochs": value},
            "training_seconds": None,
            "per_second": 3.5,
            "measures": dict.fromkeys(TITLES, estimate),
        }
        kinds = {"kind": value, "solutions": 9, "critics": [seen]}
        return critic(
            {
                "command": value,
                "left_out": 1,
                "critic": {"identity": value, "precision": 0.9} | counts,
                "measures": whole
                | tables
                | {
                    "with_samples": some,
                    "with_strong": some,
                    "precise": precise,
                    "operating_points": [point],
                },
                "kinds": [beside],
                "gain": {
                    "parts": {"real": {"right": 4} | some, "planted": {"right": 4} | some},
                    "kinds": [kinds],
                },
                "data": [{"file": value, "sha256": "0" * 64}],
            }
        )

    assert_like(page(text), page("plain"))


@pytest.mark.parametrize("text", HOSTILE)
def test_a_run_that_a_limit_ended(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    sent = [Artifacts(), Artifacts()]
    spent: Any = type("Spent", (), {"usd": 1.0, "tokens": 1, "estimated": 1, "accepted": 1, "target": 1})()
    for value, artifacts in zip((text, "plain"), sent, strict=True):
        artifacts.catch(monkeypatch, reporting, "create_markdown_artifact")
        reporting.report_stopped("math-sft", Stopped(next(iter(HOW_TO_GO_ON)), value, spent), Settings())
    assert len(sent[0]) == 1
    assert_artifacts_like(*sent)


@pytest.mark.parametrize("text", HOSTILE)
def test_a_run_that_a_gate_refused(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    sent = [Artifacts(), Artifacts()]
    for value, artifacts in zip((text, "plain"), sent, strict=True):
        artifacts.catch(monkeypatch, reporting, "create_markdown_artifact")
        with pytest.raises(GateFailed), reporting.refusals_shown("math-sft", Settings()):
            raise GateFailed("math-sft", [("gates.critic", value)])
    assert len(sent[1]) == 1
    assert "gates.critic" in sent[1][0]["markdown"]
    assert "plain" in sent[1][0]["markdown"]
    assert_artifacts_like(*sent)


def rows_of(value: str) -> list[Row]:
    """Rows with a value in every column that is text, and with the columns' own values where these are fixed."""
    texts = ("source", "license", "method", "model", "prompt", "critique", "subdomain", "domain", "answer")
    return [
        Row(
            f"{value} {number}",
            "en",
            solution=f"{value}\n{value}",
            solution_format="cot",
            concepts=[value],
            scores={value: 0.5},
            verdicts={value: value, "decontaminated": "clean"},
            difficulty=0.5,
            correctness=0.9,
            **dict.fromkeys(texts, value),
        )
        for number in range(4)
    ]


def lineage_of(value: str, run: str) -> dict[str, Any]:
    """A lineage with a value wherever a text can stand."""
    sums = {
        "calls": 1,
        "estimated": 0,
        "capped": 0,
        "retries": 1,
        "prompt_tokens": 1,
        "completion_tokens": 1,
        "usd": 0.1,
        "tokens_per_s": 1.0,
    }
    latencies = {"latency_p50": 0.1, "latency_p95": 0.2, "latency_p99": 0.3}
    cost = {
        "completions": 1,
        "cached": 0,
        "prompt_tokens": 1,
        "completion_tokens": 1,
        "estimated": 0,
        "usd": 0.1,
    }
    balance = {"asked": 4, "kept": 3, "rejected": 1, "failed": 0}
    figures = {name: [1.0, 2.0, 3.0] for name in ("accepted", "calls", "tokens", "usd", "seconds")}
    certificate = Certificate(
        sets=((value, "ab" * 32, 3),),
        rules=(value,),
        recall=(Recall(value, 4, 3, 3, {value: 3}),),
        unmeasured=(value,),
        clean_rows=10,
        false_positives=1,
        seed=1,
        rows=4,
        hits={f"ngram13 {value}": 1},
        judged={value: 1},
        share=0.5,
        shared=((value, value, 2, 3),),
        shared_rows={value: 2},
        unread=((value, 1, value),),
        false_by_rule={value: 1},
    )
    return {
        "run": run,
        "flow": value,
        "base": value,
        "prompts": [value],
        "models": {value: {"model": value, "revision": value}},
        "funnel": [{"stage": value, "title": value} | balance],
        "costs": [{"role": value, "model": value} | cost],
        "service": [{"role": value, "tag": value} | sums | latencies],
        "engines": [{"role": value, "limit": 1, "cuts": 0, "breaker_opened": 0, "errors": {value: 1}}],
        "forecast": {"figures": figures},
        "ended": {"seconds": 1.0, "by": value},
        "decontamination": certificate.to_dict(),
        "drift": {"shifts": [value], "measures": {}, "nights": 1},
        "parameters": {"decontaminate": {"benchmarks": [value]}, value: {value: value}},
        "note": value,
    }


def publish(folder: Path, value: str) -> tuple[Tools, Version]:
    """Two versions, of which the second changes a row, drops one and adds one; with candidates and a verdict."""
    tools = Tools(Settings(home=folder))
    first = rows_of(value)
    tools.store.publish("d", [to_table(first)], lineage=lineage_of(value, "one"), date=DAY)
    dropped = [
        dataclasses.replace(first[0], reason=reason("generate", Code.MALFORMED_ITEM, why=value)),
        dataclasses.replace(first[1], reason=reason("verify", Code.DIFFERENT, answer=value, reference=value)),
    ]
    tools.store.append_candidates(to_table(dropped), run="two", stage="rebuild")
    changed = dataclasses.replace(first[2], critique=f"{value} changed", difficulty=0.9)
    added = dataclasses.replace(first[3], question=f"{value} new", id="")
    version = tools.store.publish(
        "d", [to_table([changed, added])], mode="overwrite", lineage=lineage_of(value, "two"), date=DAY
    )
    effect = {"effect": 0.1, "low": 0.0, "high": 0.2, "p": 0.5, "shown": value}
    counts = {"seeds": 1, "items": 1}
    tools.store.mark(
        version,
        "verdict",
        effect
        | counts
        | {"verdict": value, "validated": value, "subdomains": {value: effect}, "sources": {value: effect}},
    )
    return tools, version


@pytest.mark.slow
def test_the_artifacts_of_a_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of real versions: its funnel, why rows were dropped, the report, the comparison; and the pages beside them."""
    sent = []
    for value in (" ".join(HOSTILE), "plain"):
        tools, version = publish(tmp_path / str(len(sent)), value)
        with monkeypatch.context() as patched:
            sent.append(Artifacts())
            sent[-1].catch(patched, reporting, "create_markdown_artifact", "create_table_artifact")
            # the path is the home's own
            patched.setattr(
                reporting, "report_path", lambda home, name: tmp_path / str(len(sent) - 1) / f"{name}.html"
            )
            page = reporting.report(tools, version)
        assert "<script>alert" not in page.read_text(encoding="utf-8")
        assert "<iframe" not in page.read_text(encoding="utf-8")
    assert len(sent[0]) == 5
    for one in (*sent[0], *sent[1]):
        one["markdown"] = (
            one.get("markdown", "").replace(f"{tmp_path}/0", "HOME").replace(f"{tmp_path}/1", "HOME")
        )
    assert_artifacts_like(*sent)


@pytest.mark.slow
@pytest.mark.parametrize("text", HOSTILE)
def test_the_card_of_an_export(text: str, tmp_path: Path) -> None:
    pages = []
    for value in (text, "plain"):
        tools, version = publish(tmp_path / str(len(pages)), value)
        export(tools.store, version, tmp_path / str(len(pages)) / "out")
        card = (tmp_path / str(len(pages)) / "out" / "README.md").read_text(encoding="utf-8")
        front, page = card.split("---\n", 2)[1:]
        assert not HIDDEN.search(front)
        assert yaml.safe_load(front)["language"] == ["en"]
        pages.append(page)
    assert_like(*pages)


@pytest.mark.parametrize("text", HOSTILE)
def test_how_the_models_serve(text: str) -> None:
    """The rows that are sent when the table is made and whenever it is brought up to date."""

    def lines(value: str) -> list[dict[str, Any]]:
        meter = Meter()
        meter.cached(value)
        numbers = {field.name: 1 for field in dataclasses.fields(Stats)}
        stats = Stats(**numbers | {"by_tag": meter.tags, "errors": {value: 1}, "dialect": (value,)})  # type: ignore[arg-type]
        engine = SimpleNamespace(stats=lambda: stats)
        return service_table.table(SimpleNamespace(engines=lambda: {value: engine}))  # type: ignore[arg-type]

    assert len(lines(text)) == 2
    assert_cells_like(lines(text), lines("plain"))


@pytest.mark.parametrize("text", [*HOSTILE, "[/red] [bold"])
def test_the_progress_of_a_stage(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also at the terminal, where square brackets are markup."""
    monkeypatch.setattr(progress, "ARTIFACT_EVERY_S", 0.0)
    monkeypatch.setattr(progress, "get_run_logger", lambda: logging.getLogger("tests"))
    sent = []
    for value in (text, "plain"):
        sent.append(Artifacts())
        monkeypatch.setattr(
            progress,
            "create_progress_artifact",
            lambda all=sent[-1], **given: (all.append(given | {"call": "create"}), uuid.uuid4())[1],
        )
        monkeypatch.setattr(
            progress,
            "update_progress_artifact",
            lambda _, all=sent[-1], **given: all.append(given | {"call": "update"}),
        )
        for terminal in (True, False):
            shown = io.StringIO()
            with Bars(Console(file=shown, force_terminal=terminal, width=400)) as bars:
                bar = bars.stage(value, 2)
                bar.tick(1)
                bar.tick(1)
                bar.close(f"1 of 2 {value}")
            if text == "[/red] [bold" and value == text:
                assert text in shown.getvalue()
    assert [one["call"] for one in sent[0]] == ["create", "update", "update"] * 2
    assert_artifacts_like(*sent)


@pytest.mark.slow
def test_the_proof(tmp_path: Path) -> None:
    """Of the machine and the command line; all else are the project's own words and figures."""
    pages = []
    for value in (" ".join(HOSTILE), "plain"):
        page = tmp_path / str(len(pages)) / "proof.md"
        record = stored({}) | {"command": value, "commit": value, "machine": value}
        record["records"]["weaknesses 10"]["facts"] = {value: 1}
        written(record, page)
        pages.append(page.read_text(encoding="utf-8"))
    assert_like(*pages)
