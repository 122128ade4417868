from __future__ import annotations

import json
import textwrap
from pathlib import Path

import numpy as np
import pytest

from storage.rows import Row, column, to_table
from tasks.decontamination.benchmarks import Benchmarks
from tasks.decontamination.certificate import measure
from tasks.decontamination.judge import RuleTools, verdict
from tasks.decontamination.matching import Text, mark_contaminated
from tasks.decontamination.ngrams import find, prepare
from tasks.decontamination.polynomial import equations
from tasks.decontamination.rules.options import stem
from tasks.dedup.normalise import folded_array
from tasks.plugins import UnknownName, names

from .conftest import ITEMS, Look


def test_every_rule_finds_the_item_itself(look: Look) -> None:
    hits = {
        rule: look(ITEMS, rule)
        for rule in names("tasks.decontamination.rules")
        if rule not in ("paraphrase", "translation")
    }
    for rule, reasons in hits.items():
        for item, why in enumerate(reasons):
            assert why is None or why == f"decontaminate: {rule} exam#{item} overlap 1.00"
    assert [why is not None for why in hits["exact"]] == [True] * 6
    assert [why is not None for why in hits["ngram13"]] == [True, True, True, False, True, True]
    assert [why is not None for why in hits["ngram8"]] == [True, True, True, False, True, True]
    assert [why is not None for why in hits["equations"]] == [False, False, True, False, True, False]
    assert [why is not None for why in hits["template"]] == [True, True, True, False, False, True]


def test_what_is_kept_says_so(look: Look, benchmarks: Benchmarks) -> None:
    rows = to_table(
        [
            Row("Nothing of the kind, how many?", "en"),
            Row(ITEMS[0], "en"),
            Row("bad", "en", rejected="verify: x"),
        ]
    )
    marked = mark_contaminated(rows, benchmarks=benchmarks, rules=("exact",))
    assert column(marked, "verdicts") == [[("decontaminated", "clean")], [], []]
    assert column(marked, "rejected") == [None, "decontaminate: exact exam#0 overlap 1.00", "verify: x"]
    untouched = mark_contaminated(rows, benchmarks=Benchmarks(), rules=("exact",))
    assert untouched.equals(rows), "without benchmarks nothing was looked for, so nothing is certified"


def test_line_breaks_punctuation_and_spelling_do_not_matter(look: Look) -> None:
    wrapped = "\n".join(textwrap.wrap(ITEMS[0], 23)).replace(".", " .").upper()
    latex = ITEMS[2].replace("$a^2", r"\(a^{2}").replace("50$", r"50\)").replace("Compute", "\n\nCompute")
    assert look([wrapped, latex], "exact") == [f"decontaminate: exact exam#{k} overlap 1.00" for k in (0, 2)]
    assert look([f"Hello! {wrapped} Thanks."], "ngram13") == ["decontaminate: ngram13 exam#0 overlap 1.00"]


def test_an_item_within_a_longer_text_or_a_solution(look: Look) -> None:
    inside = f"Here is what I was asked: {ITEMS[1]} Can anybody help?"
    assert look([inside], "exact") == [None]
    assert look([inside], "ngram13") == ["decontaminate: ngram13 exam#1 overlap 1.00"]
    assert look(["Some question"], "ngram13", solution=inside) == [
        "decontaminate: ngram13 exam#1 overlap 1.00 in solution"
    ]
    assert look([f"求解：{ITEMS[5]}谢谢"], "ngram13") == ["decontaminate: ngram13 exam#5 overlap 1.00"]


def test_overlap_is_the_share_of_the_items_ngrams(look: Look) -> None:
    words = ITEMS[0].split()
    total = len(words) - 12
    for kept in (13, 20, len(words)):
        assert look([" ".join(words[:kept])], "ngram13") == [
            f"decontaminate: ngram13 exam#0 overlap {(kept - 12) / total:.2f}"
        ]
    assert look([" ".join(words[:12])], "ngram13") == [None]
    assert look([" ".join(words[:15])], "ngram8") == [None], "less than half of the item"
    assert look([" ".join(words[:25])], "ngram8")[0] is not None


def test_short_items_are_found_whole_and_only_whole(look: Look) -> None:
    assert look(["Please solve 3x + 5 = 26 for x today"], "ngram13") == [
        "decontaminate: ngram13 exam#4 overlap 1.00"
    ]
    assert look(["Please solve 3x + 5 = 27 for x today"], "ngram13") == [None]
    assert look(["Tell me: what is 2 + 2?"], "ngram13") == [None], "below five words anybody writes it"


def test_ngrams_of_numbers_alone_count() -> None:
    item = "Continue: 1 4 9 16 25 36 49 64 81 100 121 144 169 196"
    grams = prepare([item], ["seq#0"], 13)
    assert (
        find(["A list 1 4 9 16 25 36 49 64 81 100 121 144 169 196 225 and so on"], grams, 0.0)[0].item
        == "seq#0"
    )


def test_ngrams_against_a_plain_search() -> None:
    rng = np.random.default_rng(3)
    items = [" ".join(f"w{k}" for k in rng.integers(0, 9, size=rng.integers(5, 16))) for _ in range(30)]
    rows = [" ".join(f"w{k}" for k in rng.integers(0, 9, size=rng.integers(0, 30))) for _ in range(200)]
    rows += [f"a {item} b" for item in items]
    hits = {hit.row: (hit.item, hit.overlap) for hit in find(rows, prepare(items, items, 7), 0.0)}
    for number, row in enumerate(rows):
        cut = row.split()
        shares = {}
        for item in items:
            words = item.split()
            n = min(7, len(words))
            own = {tuple(words[k : k + n]) for k in range(len(words) - n + 1)}
            there = {tuple(cut[k : k + n]) for k in range(len(cut) - n + 1)}
            if own & there:
                shares[item] = len(own & there) / len(own)
        best = max(shares.values(), default=None)
        assert (number in hits) == (best is not None)
        if best is not None:
            assert hits[number][1] == pytest.approx(best)
            assert shares[hits[number][0]] == pytest.approx(best)


def test_other_numbers_and_names(look: Look) -> None:
    other = ITEMS[1].replace("12", "16").replace("9", "7").replace("Maria", "Yusuf")
    assert look([other], "exact") == [None]
    assert look([other], "template") == ["decontaminate: template exam#1 overlap 1.00"]
    assert look([ITEMS[5].replace("小明", "小红").replace("50", "30")], "template")[0] is not None
    assert look(["What is 17 + 5?"], "template") == [None]


@pytest.mark.parametrize(
    "options",
    [
        "\n(A) 3 (B) 4 (C) 5 (D) 6",
        " A) 3 B) 4 C) 5",
        "\nA. 3\nB. 4\nC. 5\nD. 6",
        " ( )\nA．3  B．4  C．5",
        " Answer Choices: (A) 1 (B) 2",
    ],
)
def test_options_are_cut_off(look: Look, options: str) -> None:
    assert stem(ITEMS[0] + options).strip() == ITEMS[0]
    assert look([ITEMS[0] + options], "options") == ["decontaminate: options exam#0 overlap 1.00"]


@pytest.mark.parametrize(
    "text",
    [
        "A) Show it.",
        "Let A. be a point. Find it.",
        "(A) alone",
        "Vitamin A: how much of it? See B.",
        "Expand (x - a)(x - b) and b(c - a)^3 + (a - b).",
    ],
)
def test_what_is_no_list_of_options_stays(text: str) -> None:
    assert stem(text) == text


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("Solve 3 + 2x = 7", "Find y if $2y+3=7$"),
        ("x^2-5x+6=0", r"2y^{2} + 12 = 10y"),
        (r"Let $\frac{x}{3} + 2x^2 = 5$.", "x + 6x^2 = 15"),
        ("2x+3y=7 and x+5y=1", "b + 5a = 1 while 3a + 2b = 7"),
        ("(x+1)(x-4) = 6x", "x^2 - 3x - 4 = 6x"),
        ("0.5x^2 + 3x = 7", "x^2 + 6x - 14 = 0"),
    ],
)
def test_one_equation_in_many_forms(left: str, right: str) -> None:
    a, b = (equations(text) for text in folded_array([left, right]).to_pylist())
    assert a == b != frozenset()


@pytest.mark.parametrize(
    ("left", "right"), [("2x+3=7", "2x+3=9"), ("x^2=49", "x^3=49"), ("3x+2y=5", "3x-2y=5")]
)
def test_different_equations(left: str, right: str) -> None:
    assert equations(left) != equations(right)


@pytest.mark.parametrize(
    "text",
    ["9^9^9^9 = x", "x^999999999 = 2", "(" * 300 + "x" + ")" * 300 + " = 1", "x = " + "9" * 10_000, "(a+b+c+d)^8(a-b+c-d)^8 = 7",
     "x <= 3", "a != b", "x == 3", "f of x is = to", "=", "x/0 = 1", "1/(x-x) = 3", r"\frac{1}{0} = x", "abcdefgh = 3"],
)  # fmt: skip
def test_hostile_or_odd_text_is_no_equation(text: str) -> None:
    assert equations(text) == frozenset()


def test_equations_in_another_text(look: Look) -> None:
    assert look(["Given 7y + 3x = 41 and also x^2 + 20y = 50 + 15x, what is the sum?"], "equations") == [
        "decontaminate: equations exam#2 overlap 1.00"
    ]
    assert look(["Given 3x + 7y = 41, what is x?"], "equations") == [None], "one of the item's two equations"
    assert look(["If 26 = 5 + 3t, find t."], "equations") == ["decontaminate: equations exam#4 overlap 1.00"]


def test_the_first_rule_that_finds_is_named(look: Look) -> None:
    assert look([ITEMS[0]], "ngram13", "exact")[0].startswith("decontaminate: ngram13")  # type: ignore[union-attr]


def test_unknown_rule(benchmarks: Benchmarks) -> None:
    with pytest.raises(
        UnknownName, match="no 'nothing' in tasks/decontamination/rules/; there are: equations, exact"
    ):
        mark_contaminated(to_table([]), benchmarks=benchmarks, rules=("nothing",))


def test_paraphrases_by_an_encoder_and_a_judge(benchmarks: Benchmarks) -> None:
    rows = to_table([Row("first", "en"), Row("second", "en"), Row("third", "en")])
    cosine = {"first": 0.9, "second": 0.75, "third": 0.1}
    asked: list[tuple[str, str]] = []

    def encode(texts):  # type: ignore[no-untyped-def]
        # the vector of item 0 is the first axis, those of the others are different axes
        vectors = np.zeros((len(texts), 8), dtype=np.float32)
        for k, text in enumerate(texts):
            if text in cosine:
                vectors[k, 0], vectors[k, 7] = cosine[text], (1 - cosine[text] ** 2) ** 0.5
            else:
                vectors[k, ITEMS.index(text)] = 1
        return vectors

    def judge(pairs):  # type: ignore[no-untyped-def]
        asked.extend(pairs)
        return [first == "second" for first, _ in pairs]

    def reasons(**tools):  # type: ignore[no-untyped-def]
        return column(
            mark_contaminated(rows, benchmarks=benchmarks, rules=("paraphrase",), **tools), "rejected"
        )

    assert reasons(encode=encode) == ["decontaminate: paraphrase exam#0 overlap 0.90", None, None]
    assert reasons(encode=encode, judge=judge) == [
        "decontaminate: paraphrase exam#0 overlap 0.90",
        "decontaminate: paraphrase exam#0 overlap 0.75",
        None,
    ]
    assert asked == [("second", ITEMS[0])], "a sure hit is no question for a judge"
    asked.clear()
    assert reasons(encode=encode, judge=lambda pairs: [False] * len(pairs)) == [
        "decontaminate: paraphrase exam#0 overlap 0.90",
        None,
        None,
    ], "a judge takes no sure hit away"
    silent = reasons(encode=encode, judge=lambda pairs: [None] * len(pairs))
    assert silent == ["decontaminate: paraphrase exam#0 overlap 0.90", None, None]
    with pytest.raises(ValueError, match="paraphrase needs an encoder"):
        reasons()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("SAME", True),
        ("different.", False),
        ("**Same**", True),
        ("Same or different?\nDIFFERENT", False),
        ("", None),
        ("It is the same", None),
    ],
)
def test_the_words_of_the_judge(text: str, expected: bool | None) -> None:
    assert verdict(text) is expected


def test_translations(look: Look) -> None:
    zh = r"设实数 $a$ 和 $b$ 满足 $a^2 - 15a + 20b = 50$ 以及 $3a + 7b = 41$，求 $a + b$ 的值。"
    assert look([zh], "translation")[0].startswith("decontaminate: translation exam#2")  # type: ignore[union-attr]
    assert look([zh.replace("41", "43").replace("50", "52").replace("15", "16")], "translation") == [None]
    assert look(["小红有3个苹果和5个梨，一共有几个？"], "translation") == [None]


def test_every_text_of_a_row_is_compared(benchmarks: Benchmarks) -> None:
    table = to_table([Row("Hello, who are you?", "en", id=str(k)) for k in range(5)])
    texts = [
        Text(0, "user turn 1", "Hello, who are you?"),
        Text(0, "user turn 2", ITEMS[1]),
        Text(1, "question", "Nothing of the kind."),
        Text(1, "rejected", f"Well, {ITEMS[0]}", asks=False),
        Text(2, "system", f"Below is a task. {ITEMS[5]}"),
        Text(3, "reasoning", "What is 2 + 2?", asks=False),
        Text(4, "solution", ITEMS[0][:100], asks=False),
        Text(4, "solution 2", ITEMS[0], asks=False),
    ]
    hits = column(
        mark_contaminated(table, benchmarks=benchmarks, rules=("exact", "ngram13"), texts=texts), "rejected"
    )
    assert hits == [
        "decontaminate: exact exam#1 overlap 1.00 in user turn 2",
        "decontaminate: ngram13 exam#0 overlap 1.00 in rejected",
        "decontaminate: ngram13 exam#5 overlap 1.00 in system",
        None,
        "decontaminate: ngram13 exam#0 overlap 1.00 in solution 2",
    ]


@pytest.mark.parametrize(
    "items",
    [
        ["What is 17 + 25?"],
        ["2 + 2 = ?", "17 x 3"],
        ["3 加 4 等于几？"],
        ["1", "2", "What is 17 + 25?"],
        ["?"],
    ],
)
def test_a_benchmark_of_short_items(tmp_path: Path, items: list[str]) -> None:
    path = tmp_path / "short.jsonl"
    path.write_text("".join(json.dumps({"question": text}) + "\n" for text in items), encoding="utf-8")
    short = Benchmarks.load({"short": path})
    rules = [rule for rule in names("tasks.decontamination.rules") if rule != "paraphrase"]
    other = "A much longer question about seventeen apples and twenty-five pears, how many are there in all?"
    table = to_table([Row(items[0].lower(), "en"), Row(other, "en"), Row("What is 17 + 26?", "en")])
    hits = column(mark_contaminated(table, benchmarks=short, rules=rules), "rejected")
    assert hits[1:] == [None, None]
    assert hits[0] == (None if items == ["?"] else "decontaminate: exact short#0 overlap 1.00")
    measured = measure(short, rules, RuleTools(), a_kind=3)
    assert {part.kind: part.share for part in measured.recall}["verbatim"] == (0.0 if items == ["?"] else 1.0)
