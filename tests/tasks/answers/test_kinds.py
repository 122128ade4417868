"""Pairs of answers by kind (pairs/*.tsv: answer, answer, verdict), and what holds for every pair: the verdict is the same
either way round, a readable answer equals itself, and nothing raises or hangs."""

from __future__ import annotations

from itertools import chain
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tasks.answers import Judge
from tasks.answers.exact import decide

pytestmark = pytest.mark.slow

PAIRS = Path(__file__).parent / "pairs"
KINDS = sorted(path.stem for path in PAIRS.glob("*.tsv"))


def table(kind: str) -> list[tuple[str, str, str]]:
    lines = (PAIRS / f"{kind}.tsv").read_text("utf-8").splitlines()
    rows = [line.split("\t") for line in lines if line.strip()]
    assert all(len(row) == 3 and row[2] in ("equal", "different", "unknown") for row in rows), kind
    return [(row[0], row[1], row[2]) for row in rows]


ANSWERS = sorted({answer for kind in KINDS for pair in table(kind) for answer in pair[:2]})


@pytest.mark.parametrize("kind", KINDS)
def test_the_pairs_of_a_kind_either_way_round(judge: Judge, kind: str) -> None:
    rows = table(kind)
    one = judge.equal([(a, b) for a, b, _ in rows])
    other = judge.equal([(b, a) for a, b, _ in rows])
    wrong = [(row, x, y) for row, x, y in zip(rows, one, other, strict=True) if (x, y) != (row[2], row[2])]
    assert wrong == []


def test_every_kind_has_pairs_of_both_verdicts() -> None:
    assert len(KINDS) >= 17
    for kind in KINDS:
        verdicts = [verdict for _, _, verdict in table(kind)]
        assert min(verdicts.count("equal"), verdicts.count("different")) >= 9, kind


def test_every_readable_answer_equals_itself(judge: Judge) -> None:
    assert [
        a
        for a, verdict in zip(ANSWERS, judge.equal([(a, a) for a in ANSWERS]), strict=True)
        if verdict != "equal"
    ] == []


_symbols = st.sampled_from([*"0123456789xynkzie", *"+-*/^=<>,;:(){}[]|.%$ ", "\\frac", "\\sqrt", "\\pm", "\\pi", "\\in", "\\infty", "\\text{",
                            " and ", " or ", "half", "km/h", "PM", "或", "又", "分之", "...", "remainder ", "\\dot", "\\overline", "Interval(", "np.float64("])  # fmt: skip
_assembled = st.lists(_symbols, min_size=1, max_size=14).map("".join)
_answer = st.one_of(st.sampled_from(ANSWERS), _assembled)


@given(_answer, _answer)
def test_the_exact_path_is_total_and_symmetric(a: str, b: str) -> None:
    assert decide(a, b) == decide(b, a)


@settings(max_examples=6, suppress_health_check=list(HealthCheck))
@given(st.lists(st.tuples(_answer, _answer), min_size=40, max_size=40))
def test_the_judge_is_total_and_symmetric(judge: Judge, pairs: list[tuple[str, str]]) -> None:
    assert judge.equal(pairs) == judge.equal([(b, a) for a, b in pairs])


def test_the_verdicts_within_a_kind_are_symmetric_across_its_rows(judge: Judge) -> None:
    pairs = [
        (a, b)
        for kind in KINDS
        for a, b in zip(
            chain.from_iterable(row[:1] for row in table(kind)),
            [row[1] for row in table(kind)][1:],
            strict=False,
        )
    ][::4]
    assert judge.equal(pairs) == judge.equal([(b, a) for a, b in pairs])
