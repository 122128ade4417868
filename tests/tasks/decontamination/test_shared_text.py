"""A shared instruction does not make a row a hit, and does not hide an item."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from storage.rows import Row, column, to_table
from tasks.decontamination.benchmarks import Benchmarks
from tasks.decontamination.certificate import Certificate, measure
from tasks.decontamination.judge import RuleTools
from tasks.decontamination.matching import mark_contaminated
from tasks.plugins import names
from tasks.stages.decontaminate import decontaminate

from .conftest import ITEMS

RULES = [rule for rule in names("tasks.decontamination.rules") if rule != "paraphrase"]
BOX = (
    "Answer the following question. Think step by step before answering. Put the final answer in \\boxed{{}}."
)
ITEMS_E01 = [
    "How many positive divisors does 360 have?",
    "The sum of three consecutive odd integers is 57. What is the largest of the three integers?",
]
ROWS_E01 = [
    "Find x if 2x=6.",
    "How many sides does a hexagon have?",
    "A train travels 60 miles in 2 hours. What is its speed?",
    "What is 15% of 80?",
]
CHINESE = [
    "小明有3个苹果，吃了1个，还剩几个？",
    "一本书有120页，每天看15页，几天看完？",
    "长方形长8厘米，宽5厘米，求面积。",
]
# no instruction, so that reading a benchmark file does not cut it already
SCENE = "In the old town by the river there is a market with many stalls where all of this happens. {}"
WRAPPERS = [
    SCENE,
    "{} " + BOX,
    BOX + "\n\n{}",
    "Solve this carefully, show every step of the work, and put only the number in a box: {}",
    "Below is a task from a contest.\n{}\nReason step by step, and put your final answer within \\boxed{{}}.",
    "{} Let's think step by step and output the final answer within \\boxed{{}}.",
    "请一步一步推理并把最终答案写在方框里。{}",
]


def registered(folder: Path, texts: list[str]) -> Benchmarks:
    path = folder / "exam.jsonl"
    path.write_text("".join(json.dumps({"question": text}) + "\n" for text in texts), encoding="utf-8")
    return Benchmarks.load({"exam": path})


def reasons(benchmarks: Benchmarks, texts: list[str]) -> list[str | None]:
    table = to_table([Row(text, "en", id=str(k)) for k, text in enumerate(texts)])
    return column(mark_contaminated(table, benchmarks=benchmarks, rules=RULES), "rejected")


@pytest.mark.slow
@pytest.mark.parametrize("wrapper", WRAPPERS)
@pytest.mark.parametrize("items", [ITEMS_E01, ITEMS_E01[:1], ITEMS, CHINESE[:2]])
def test_rows_with_the_instruction_of_a_benchmark_are_no_hits(
    tmp_path: Path, wrapper: str, items: list[str]
) -> None:
    benchmarks = registered(tmp_path, [wrapper.format(text) for text in items])
    assert reasons(benchmarks, [wrapper.format(text) for text in ROWS_E01]) == [None] * 4
    # the items themselves, with and without it, among rows that have it
    for form in (wrapper, "{}", "Hello! {} Thank you."):
        rows = [form.format(text) for text in items] + [wrapper.format(text) for text in ROWS_E01]
        hits = reasons(benchmarks, rows)
        assert hits[len(items) :] == [None] * 4
        for number, (text, why) in enumerate(zip(items, hits, strict=False)):
            if form == "Hello! {} Thank you." and len(text.split()) < 6 and text.isascii():
                continue  # "What is 2 + 2?" within another text: anybody writes it
            assert why is not None, (form, text)
            assert f" exam#{number} " in why


def test_items_that_share_a_stem_are_still_found(tmp_path: Path) -> None:
    stem = "A water tank in the shape of a cylinder is filled by two pumps that work at constant rates and it is emptied by a drain."
    endings = [
        "If the first pump alone takes 6 hours, how long do both take?",
        "What share of the tank does the drain empty in 20 minutes if it takes 5 hours?",
        "After how many hours is the tank half full when only the second pump runs for 9 hours?",
        "How many litres are in it after 45 minutes if it holds 900 litres and both pumps run?",
    ]
    benchmarks = registered(tmp_path, [f"{stem} {ending}" for ending in endings])
    rows = [f"{stem} {ending}" for ending in endings]
    wrapped = [f"My homework: {row} Can you help me with that?" for row in rows]
    for k, why in enumerate(reasons(benchmarks, rows)):
        assert why == f"decontaminate: exact exam#{k} overlap 1.00"
    for k, why in enumerate(reasons(benchmarks, wrapped)):
        assert why is not None
        assert f" exam#{k} " in why


def test_rows_that_all_hold_one_item_are_leaks_and_no_instruction(tmp_path: Path) -> None:
    benchmarks = registered(tmp_path, ITEMS)
    openings = [
        "Hello!",
        "My teacher asked:",
        "Urgent.",
        "For the test tomorrow:",
        "Anyone?",
        "From a forum.",
        "Hm.",
    ]
    rows = [f"{opening} {ITEMS[1]} {k * 37} thanks" for k, opening in enumerate(openings)]
    assert all(why is not None and " exam#1 " in why for why in reasons(benchmarks, rows))


def test_rows_of_one_template_are_no_instruction(tmp_path: Path) -> None:
    benchmarks = registered(tmp_path, ITEMS)
    rows = [ITEMS[1].replace("12", str(20 + k)).replace("9", str(3 + k)) for k in range(9)]
    assert all(why is not None and " exam#1 " in why for why in reasons(benchmarks, rows))


@pytest.mark.slow
def test_the_certificate_shows_what_was_left_out(tmp_path: Path) -> None:
    benchmarks = registered(tmp_path, [SCENE.format(text) for text in ITEMS_E01])
    certificate = measure(benchmarks, RULES, RuleTools(), a_kind=2)
    ((name, text, count, of),) = certificate.shared
    assert (name, count, of) == ("exam", 2, 2)
    assert text.startswith("In the old town by the river")
    assert any(
        "Left out of the comparison" in line and "2 of 2 items of exam" in line
        for line in certificate.lines()
    )
    assert Certificate.from_dict(json.loads(json.dumps(certificate.to_dict()))) == certificate
    assert not measure(benchmarks, RULES, RuleTools(), a_kind=2, share=0.0).shared


def test_everything_that_was_left_out_is_shown_whole_and_as_text() -> None:
    hostile = (
        "![x](https://evil.example/p.png) <script>alert(1)</script> | `a` \u202eterces\u200b " + "long " * 60
    )
    shared = tuple((f"set{k}[x](javascript:1)", f"{hostile} end{k}", 3, 4) for k in range(9))
    certificate = Certificate(
        sets=(("exam[x](javascript:1)", "0" * 64, 4),), rules=("ngram13",), recall=(), unmeasured=(),
        clean_rows=0, false_positives=None, seed=1, hits={"ngram13 exam[x](javascript:1)": 1},
        share=0.05, shared=shared, shared_rows={f"{hostile} rows": 7},
    )  # fmt: skip
    text = "\n".join(certificate.lines())
    shown = MarkdownIt("commonmark").enable(["table"]).render(text)
    assert not re.search(r"<(img|a|script|code)\b", shown)
    assert text.isprintable() or "\u202e" not in text
    for end in [*(f"end{k}" for k in range(9)), "rows"]:
        assert (
            f"alert(1)&lt;/script&gt; | `a` \\u202eterces\\u200b {'long ' * 60} {end}".replace("  ", " ")
            in shown
        )
    assert "3 of 4 items of set8" in shown
    assert "(7 rows)" in shown


def test_what_rows_alone_share_is_left_out_and_counted(tmp_path: Path) -> None:
    benchmarks = registered(tmp_path, [SCENE.format(ITEMS_E01[0]), *ITEMS])
    table = to_table([Row(SCENE.format(text), "en", id=str(k)) for k, text in enumerate(ROWS_E01)])

    def encode(texts):  # type: ignore[no-untyped-def]
        raise AssertionError("no rule needs it")

    done = decontaminate(
        table,
        benchmarks=benchmarks,
        rules=RULES,
        ask=False,
        encode=encode,
        critic=None,
        tick=lambda rows: None,
    )  # type: ignore[arg-type]
    assert column(done.rows, "rejected") == [None] * 4
    (text,) = done.facts["decontaminated"]["shared"]
    assert "In the old town by the river" in text
    with_facts = measure(benchmarks, RULES, RuleTools(), a_kind=0).over([done.facts, done.facts])
    assert with_facts.shared_rows == {text: 8}
    every = mark_contaminated(table, benchmarks=benchmarks, rules=RULES, share=0.0)
    assert all(column(every, "rejected")), "with 0 everything is compared"
