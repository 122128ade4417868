"""A store with many rows of the real format, written through the store's own interface: for the tests and the benchmark of the page.

The rows are those that problem families write, with scores, verdicts and reasons as a night leaves them. Equal arguments give equal
rows.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa

from storage.datasets.store import Store
from storage.datasets.versions import Version
from storage.reasons import Code, Reason, reason, to_array
from storage.rows import from_columns

DATASET = "math-filled"
RUN = "night-filled"
PIECE = 50_000
SUBDOMAINS = (
    ("algebra", "linear equations"),
    ("algebra", "inequalities"),
    ("arithmetic", "money"),
    ("arithmetic", "ratios"),
    ("geometry", "circles"),
    ("geometry", "triangles"),
    ("number theory", "remainders"),
    ("probability", "urns"),
)
METHODS = ("self_instruct", "similar", "evolve", "rephrase", "backward")
MODELS = ("embedded", "embedded-small", "teacher-7b")
SOURCES = ("gsm8k", "math", "textbook", "web")
EN = "A shop sells {a} boxes with {b} pens each and takes {c} pens out. How many pens are left? Give $x$ for $x = {a} \\cdot {b} - {c}$."
ZH = "商店卖出 {a} 箱，每箱 {b} 支钢笔，取出 {c} 支。还剩多少支？已知 $x = {a} \\cdot {b} - {c}$，求 $x$。"
COT = "Each box has {b} pens, so there are ${a} \\cdot {b} = {d}$ pens.\nTaking {c} out leaves ${d} - {c} = {e}$.\nAnswer: $\\boxed{{{e}}}$"
POT = "boxes = {a}\npens = boxes * {b}  # pens in all boxes\nleft = pens - {c}\nprint(left)"


def pieces(rows: int, *, seed: int = 0, dropped: bool = False) -> Iterator[pa.Table]:
    """Yield tables of storage.rows.SCHEMA with `rows` rows in all; with `dropped` each has a reason why it was dropped."""
    for start in range(0, rows, PIECE):
        yield _piece(start, min(PIECE, rows - start), seed, dropped)


def fill(store: Store, rows: int, *, dropped: int | None = None, seed: int = 0) -> Version:
    """Publish a version of DATASET with `rows` rows, and store `dropped` candidates (default: a quarter as many) of its run."""
    lost = rows // 4 if dropped is None else dropped
    for number, table in enumerate(pieces(lost, seed=seed + 1, dropped=True)):
        store.append_candidates(table, run=RUN, part=str(number))
    return store.publish(
        DATASET, pieces(rows, seed=seed), lineage=_lineage(rows, lost), date=datetime.date(2026, 11, 20)
    )


def _piece(start: int, count: int, seed: int, dropped: bool) -> pa.Table:
    draws = np.random.default_rng([seed, start])
    a, b, c = (draws.integers(low, high, count).tolist() for low, high in ((2, 900), (2, 400), (1, 90)))
    chinese = (draws.random(count) < 0.2).tolist()
    program = (draws.random(count) < 0.4).tolist()
    subject = draws.integers(0, len(SUBDOMAINS), count).tolist()
    correctness = draws.beta(6, 1.5, count).astype(np.float32)
    critique = np.round(draws.beta(5, 2, count), 2)
    heuristics = np.round(draws.beta(8, 1, count), 2)
    thinks = (draws.random(count) < 0.3).tolist()
    values = [{"a": x, "b": y, "c": z, "d": x * y, "e": x * y - z} for x, y, z in zip(a, b, c, strict=True)]
    questions = [(ZH if zh else EN).format(**v) for zh, v in zip(chinese, values, strict=True)]
    ids = [
        f"{((seed << 80 | start + place) * 0x9E3779B97F4A7C15F39CC061) % (1 << 96):024x}"
        for place in range(count)
    ]
    why = [_reason(place, ids, float(critique[place])) for place in range(count)] if dropped else None
    columns: dict[str, Any] = {
        "id": ids,
        "problem_id": [f"{x:08x}{y:08x}{z:08x}" for x, y, z in zip(a, b, c, strict=True)],
        "question": questions,
        "solution": [(POT if one else COT).format(**v) for one, v in zip(program, values, strict=True)],
        "solution_format": ["pot" if one else "cot" for one in program],
        "answer": [str(v["e"]) for v in values],
        "language": ["zh" if zh else "en" for zh in chinese],
        "domain": [SUBDOMAINS[one][0] for one in subject],
        "subdomain": [SUBDOMAINS[one][1] for one in subject],
        "source": [SOURCES[one] for one in draws.integers(0, len(SOURCES), count).tolist()],
        "license": ["Apache-2.0"] * count,
        "method": [METHODS[one] for one in draws.integers(0, len(METHODS), count).tolist()],
        "model": [MODELS[one] for one in draws.integers(0, len(MODELS), count).tolist()],
        "prompt": ["solve_pot.en@3f2a91bc" if one else "solve_cot.en@51d0a2ee" for one in program],
        "params": ["{}"] * count,
        "sample_index": draws.integers(0, 4, count).astype(np.int32).tolist(),
        "verdicts": [
            {"consistent": f"{n}/4", "dedup": "unique", "executed": "ok" if p else "none"}
            for n, p in zip(draws.integers(1, 5, count).tolist(), program, strict=True)
        ],
        "scores": [
            {"critique": one, "heuristics": other}
            for one, other in zip(critique.tolist(), heuristics.tolist(), strict=True)
        ],
        "correctness": pa.array(correctness),
        "difficulty": pa.array(np.round(draws.random(count), 2).astype(np.float32)),
        "critique": ["Every step holds and the final answer agrees with mine."] * count,
        "reasoning": [
            f"I need {v['a']} times {v['b']}, then minus {v['c']}. " * 3 if t else None
            for t, v in zip(thinks, values, strict=True)
        ],
    }
    if why is not None:
        columns |= {"rejected": [one.text for one in why], "reason": to_array(why)}
    return from_columns(count, **columns)


def _reason(place: int, ids: list[str], score: float) -> Reason:
    other = ids[(place * 7 + 1) % len(ids)]
    match place % 4:
        case 0:
            return reason("critique", Code.WRONG_STEP, name="critique", score=score, threshold=0.5, step=2)
        case 1:
            return reason("verify", Code.DIFFERENT, answer="41", reference="42")
        case 2:
            return reason("similarity", Code.NEAR, measure="jaccard", score=0.81, other=other)
    return reason("solve", Code.NO_ANSWER)


def _lineage(rows: int, dropped: int) -> dict[str, Any]:
    quarter = dropped // 4
    lines = (
        ("solve", "Solve in words and programs", rows + dropped, dropped - 3 * quarter),
        ("similarity", "Compare with what is there", rows + 3 * quarter, quarter),
        ("verify", "Verify answers", rows + 2 * quarter, quarter),
        ("critique", "Score by critique", rows + quarter, quarter),
    )
    return {
        "run": RUN,
        "flow": "nightly",
        "parameters": {},
        "funnel": [
            {
                "stage": stage,
                "title": title,
                "asked": asked,
                "kept": asked - lost,
                "rejected": lost,
                "failed": 0,
            }
            for stage, title, asked, lost in lines
        ],
        "costs": [
            {
                "role": "reasoner", "model": "teacher-7b", "completions": rows, "prompt_tokens": 90 * rows, "completion_tokens": 70 * rows,
                "usd": round(rows * 1e-4, 2), "cached": 0, "deferred": 0, "estimated": 0, "truncated": 0, "truncated_tokens": 0,
            }
        ],
    }  # fmt: skip
