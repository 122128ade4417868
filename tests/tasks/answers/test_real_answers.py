"""Extraction and judging on real model outputs with human or reference labels (skipped where the data is absent)."""

from __future__ import annotations

import ast
import gzip
import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from math_verify import parse, verify

from tasks.answers import Judge, extract
from tasks.answers.exact import decide

DATA = Path(__file__).resolve().parents[3].parent / "shared" / "data"


def rows(name: str) -> list[dict[str, Any]]:
    path = DATA / name
    if not path.is_file():
        pytest.skip(f"no {name} in the shared data folder")
    with (
        gzip.open(path, "rt", encoding="utf-8")
        if name.endswith(".gz")
        else path.open(encoding="utf-8") as lines
    ):
        return [json.loads(line) for line in lines]


def items(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list) else list(ast.literal_eval(value))


def confusion(judge: Judge, cases: list[tuple[str, str, bool]]) -> Counter[tuple[bool, str]]:
    """Counts of (labelled right, verdict) over (text, gold, right); a text without an answer is "unknown"."""
    extracted = [extract(text) for text, _, _ in cases]
    pairs = [(hit.answer, gold) for hit, (_, gold, _) in zip(extracted, cases, strict=True) if hit]
    verdicts = iter(judge.equal(pairs))
    counts = Counter(
        (right, next(verdicts) if hit else "unknown")
        for hit, (_, _, right) in zip(extracted, cases, strict=True)
    )
    print(f"{len(cases)} outputs: {dict(counts)}")
    return counts


@pytest.mark.slow
def test_labelled_gsm8k_solutions(judge: Judge) -> None:
    cases = []
    for row in rows("gsm8k/example_model_solutions.a.jsonl.gz"):
        gold = row["ground_truth"].rsplit("A: ", 1)[-1]
        for model in ("6b_finetuning", "6b_verification", "175b_finetuning", "175b_verification"):
            cases.append((row[model]["solution"], gold, row[model]["is_correct"]))
    counts = confusion(judge, cases)
    agreed = counts[True, "equal"] + counts[False, "different"]
    assert agreed >= 0.998 * len(cases)
    assert counts[False, "equal"] + counts[True, "different"] <= 0.001 * len(cases)


def test_labelled_math_samples(judge: Judge) -> None:
    cases = []
    for row in rows("samples/qwen_math_8samples.a.jsonl.gz"):
        cases += [
            (text, row["gt"], bool(right))
            for text, right in zip(items(row["code"]), items(row["score"]), strict=True)
        ]
    counts = confusion(judge, cases)
    assert counts[True, "equal"] + counts[False, "different"] >= 0.99 * len(cases)
    assert counts[False, "equal"] == 0


@pytest.mark.slow
def test_labelled_samples_of_other_kinds(judge: Judge) -> None:
    # labels by symbolic comparison, by date, and by the exact text of a choice ("C" is wrong where "(C)" was asked)
    algebra = [
        (row["generation"], row["expected_answer"], bool(row["symbolic_correct"]))
        for row in rows("samples/nemo_math_3seeds.a.jsonl")
    ]
    dates = [
        (output, row["final_answer"], bool(right))
        for row in rows("samples/natural_program_date_10samples.a.jsonl.gz")
        for output, right in zip(items(row["model_outputs"]), items(row["per_sample_correct"]), strict=True)
    ]
    choices = [
        (items(row["resps"])[0][0], row["target"], float(row["accuracy_at_k"]) == 1)
        for row in rows("samples/qwen3_grpo_bbh.a.jsonl.gz")
    ]
    confusions = [confusion(judge, cases) for cases in (algebra, dates, choices)]
    for counts, cases in zip(confusions, (algebra, dates, choices), strict=True):
        assert counts[True, "different"] <= 0.01 * len(cases)
    # 1320 km, two that are the same to a reader, and one that goes on with a question of its own, which is cut off
    assert confusions[0][False, "equal"] <= 4
    assert confusions[1][False, "equal"] <= 0.04 * len(
        dates
    )  # 8/3/1996 or Aug 3, 1996, where 08/03/1996 was asked for


def test_reference_solutions_give_their_own_answers(judge: Judge) -> None:
    math = [(row["solution"], row["answer"]) for row in rows("math/math500.a.jsonl")]
    gsm8k = [(row["answer"], row["answer"].rsplit("#### ", 1)[-1]) for row in rows("gsm8k/test.a.jsonl.gz")]
    counts = confusion(judge, [(solution, gold, True) for solution, gold in math + gsm8k])
    assert counts[True, "equal"] >= 0.995 * len(math + gsm8k)


@pytest.mark.soak
def test_hard_pairs(judge: Judge) -> None:
    # right answers in another form, and wrong ones that look alike; several labels are themselves doubtful
    cases = rows("benchmarks/hardverify_math.a.jsonl")
    right = Counter(judge.equal([(row["fn_output"], row["ground_truth"]) for row in cases]))
    wrong = Counter(judge.equal([(row["tn_output"], row["ground_truth"]) for row in cases]))
    same = Counter(judge.equal([(row["ground_truth"], row["ground_truth"]) for row in cases]))
    print(f"HardVerify: right {dict(right)}, wrong {dict(wrong)}, gold against gold {dict(same)}")
    assert right["equal"] >= 0.6 * len(cases)
    assert right["different"] <= 0.2 * len(cases)
    assert wrong["equal"] <= 0.03 * len(cases)
    assert same["equal"] == len(cases)


_PLAIN = re.compile(r"-?(\d{1,3}(,\d{3})+|\d+)(\.\d{1,5})?|-?\d+/\d+|-?\\frac\{-?\d+\}\{\d+\}")


@pytest.mark.slow
def test_the_fast_path_never_contradicts_math_verify_on_real_numbers() -> None:
    pairs = set()
    for row in rows("samples/zeroeval_math_l5.a.jsonl.gz") + rows("samples/zeroeval_gsm8k.a.jsonl.gz"):
        hit, gold = extract(items(row["output"])[0]), str(row["answer"]).removeprefix("# ")
        if hit and hit.answer != gold and _PLAIN.fullmatch(hit.answer) and _PLAIN.fullmatch(gold):
            pairs.add((hit.answer, gold))
    for candidate, gold in sorted(pairs)[::8]:
        decision = decide(candidate, gold)
        theirs = verify(
            *(parse(f"${text}$", parsing_timeout=None) for text in (gold, candidate)), timeout_seconds=None
        )
        assert decision == ("equal" if theirs else "different"), (candidate, gold)
