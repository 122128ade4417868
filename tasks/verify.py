"""Verification: run the programs, compare answers, let the samples of a question vote.

A row is kept where its answer equals the trusted one; without a trusted one, where it is in the
majority of its question's readable answers and enough independent samples agree (self-consistency,
Wang et al. 2022, arXiv:2203.11171). An answer that cannot be read is never called wrong.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import pyarrow as pa

from storage.rows import column, reject, replace
from tasks.answers import Judge, extract, group
from tasks.outcome import Tick, reason
from tasks.sandbox import Result, Sandbox

STAGE = "verify"


@dataclass(frozen=True, slots=True)
class VerifySettings:
    min_agreement: int = 2  # samples that must agree where no trusted answer is known
    min_share: float = 0.5  # and their share of the readable answers, at least


def verify(
    rows: pa.Table, *, sandbox: Sandbox | None, judge: Judge, settings: VerifySettings, tick: Tick
) -> pa.Table:
    """The rows with `answer`, `verdicts`, `difficulty` and `rejected` set. Rows of one question must be in
    one shard. Without a sandbox no program is run, and every program row is rejected as such."""
    answers, verdicts, reasons = _execute(rows, sandbox)
    references: list[str | None] = column(rows, "reference_answer")
    pairs = [i for i, (a, r) in enumerate(zip(answers, references, strict=True)) if a and r]
    judged = judge.equal([(answers[i] or "", references[i] or "") for i in pairs])
    for i, verdict in zip(pairs, judged, strict=True):
        verdicts[i]["equivalent"] = verdict
        if verdict == "different":
            reasons[i] = reasons[i] or reason(
                STAGE, f"answer {_short(answers[i])} is not {_short(references[i])}"
            )
        elif verdict == "unknown":
            reasons[i] = reasons[i] or reason(STAGE, f"answer {_short(answers[i])} cannot be compared")
    difficulty = _vote(rows, answers, references, verdicts, reasons, judge, settings)
    tick(rows.num_rows)
    return reject(replace(rows, answer=answers, verdicts=verdicts, difficulty=difficulty), reasons)


def _execute(
    rows: pa.Table, sandbox: Sandbox | None
) -> tuple[list[str | None], list[dict[str, str]], list[str | None]]:
    answers: list[str | None] = column(rows, "answer")
    verdicts = [dict(pairs or ()) for pairs in column(rows, "verdicts")]
    reasons: list[str | None] = [None] * rows.num_rows
    programs = [i for i, kind in enumerate(column(rows, "solution_format")) if kind == "pot"]
    if sandbox is None:
        for i in programs:
            reasons[i] = reason(STAGE, "program not run: no sandbox", failed=True)
        return answers, verdicts, reasons
    solutions, languages = column(rows, "solution"), column(rows, "language")
    results: list[Result] = sandbox.run([solutions[i] for i in programs])
    for i, result in zip(programs, results, strict=True):
        verdicts[i]["executed"] = result.verdict
        if result.verdict == "infra":
            reasons[i] = reason(STAGE, f"program not run: {result.error}", failed=True)
        elif result.verdict != "ok" or not result.answer:
            reasons[i] = reason(
                STAGE, f"program: {result.verdict}{f': {result.error}' if result.error else ''}"
            )
        else:
            answers[i] = _printed(result.answer, languages[i])
    return answers, verdicts, reasons


def _printed(output: str, language: str) -> str:
    """A program prints its bare answer; what it marked ("The answer is 42", a box) is taken out of its words."""
    found = extract(output, language)
    return (
        found.answer if found and found.kind in ("boxed", "hash", "tag", "json", "phrase") else output.strip()
    )


def _vote(
    rows: pa.Table,
    answers: list[str | None],
    references: list[str | None],
    verdicts: list[dict[str, str]],
    reasons: list[str | None],
    judge: Judge,
    settings: VerifySettings,
) -> list[float | None]:
    """Majority of each question's readable answers. Difficulty is 1 - the majority's share of all samples."""
    difficulty: list[float | None] = column(rows, "difficulty")
    by_problem: dict[str, list[int]] = {}
    for i, problem_id in enumerate(column(rows, "problem_id")):
        by_problem.setdefault(problem_id, []).append(i)
    for members in by_problem.values():
        groups = group([answers[i] for i in members], judge)
        counts = Counter(g for g in groups if g is not None)
        if not counts:
            continue
        # ties go to the class seen first, so that the order of sets never decides
        leader = max(counts, key=lambda g: (counts[g], -groups.index(g)))
        votes, readable = counts[leader], sum(counts.values())
        tied = sum(count == votes for count in counts.values()) > 1
        agreed = votes >= settings.min_agreement and votes > settings.min_share * readable - 1e-9 and not tied
        for i, g in zip(members, groups, strict=True):
            verdicts[i]["consistent"] = f"{counts[g] if g is not None else 0}/{len(members)}"
            difficulty[i] = 1 - votes / len(members)
            if references[i] or reasons[i]:
                continue
            if not agreed:
                reasons[i] = reason(STAGE, f"no majority: {votes} of {len(members)} samples agree")
            elif g != leader:
                reasons[i] = reason(
                    STAGE,
                    f"answer {_short(answers[i])} is outvoted {votes} to {counts[g] if g is not None else 0}",
                )
    return difficulty


def _short(text: str | None) -> str:
    flat = " ".join((text or "").split())
    return flat if len(flat) <= 40 else flat[:39] + "…"
