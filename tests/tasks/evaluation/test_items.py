"""Records of each convention are read as items, and so are the shared benchmark files if they exist."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from flows.runner.evaluation import warn_of_unassigned
from flows.runner.progress import Bars
from tasks.decontamination.benchmarks import BenchmarkError
from tasks.evaluation.domains import CAPABILITIES, DOMAINS, PACKAGE, benchmark_named, capability_of, domain_of
from tasks.evaluation.items import as_form, load
from tasks.plugins import module, names

DATA = Path(__file__).resolve().parents[3].parent / "shared" / "data"

RECORDS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "gsm8k_test": (
        {"question": "2 + 3?", "answer": "It is <<2+3=5>>5.\n#### 5"},
        {"form": "open", "domain": "problem solving", "reference": "5", "capability": "mathematics"},
    ),
    "svamp": (
        {"Body": "Ann has 3 pens", "Question": "How many?", "Answer": 3.0, "Type": "Count"},
        {"question": "Ann has 3 pens. How many?", "reference": "3", "subdomain": "Count"},
    ),
    "aqua": (
        {"question": "2 + 3?", "options": ["A)4", "B)5"], "correct": "B"},
        {"form": "choice", "domain": "other mathematics", "options": ["4", "5"], "reference": "B"},
    ),
    "mathqa": (
        {"problem": "2 + 3?", "options": "a ) 4 , b ) 5 , c ) 1,000", "correct": "b"},
        {"options": ["4", "5", "1,000"], "reference": "B"},
    ),
    "sat_math": (
        {"question": "x?", "options": "A) 50 B) f(a) - 1 C) (b) D) -2", "Answer": "D"},
        {"options": ["50", "f(a) - 1", "(b)", "-2"], "reference": "D"},
    ),
    "mmlu_stem": (
        {"question": "Which?", "choices": ["one", "two", "three"], "answer": 2, "type": "physics"},
        {"domain": "STEM", "capability": "knowledge", "reference": "C", "subdomain": "physics"},
    ),
    "folio": (
        {"premises": ["All A are B.", "x is A."], "conclusion": "x is B.", "label": "Uncertain"},
        {"form": "choice", "domain": "logic", "options": ["True", "False", "Unknown"], "reference": "C"},
    ),
    "knights_knaves": (
        {"quiz": "Who?", "solution_text": "Ada is a knight, and Bo is a knave."},
        {"form": "roles", "domain": "logic", "reference": "Ada is a knight, and Bo is a knave."},
    ),
    "mr_ben": (
        {"Question": "2 + 3?", "Model_Solution_Steps": ["Step 1: add", "Step 2: 6"], "Model_Solution_First_Error_Step": "2",
         "Model_Solution_Correctness": "incorrect"},
        {"form": "first_error", "domain": "logic", "solution": "Step 1: add\nStep 2: 6", "reference": "2"},
    ),
    "mr_ben_right": (
        {"Question": "q", "Model_Solution_Steps": ["a\nb"], "Model_Solution_First_Error_Step": "N/A",
         "Model_Solution_Correctness": "correct"},
        {"solution": "a b", "reference": "0"},
    ),
    "mr_ben_options": (
        {"Question": "2 + 3?", "Options": "A: 4 \nB: 5 ", "Model_Solution_Steps": ["a", "b"], "Model_Solution_First_Error_Step": "2",
         "Model_Solution_Correctness": "incorrect"},
        {"form": "first_error", "question": "2 + 3?\nA) 4\nB) 5"},
    ),
    "verify_cot": (
        {"question": "2 + 3?", "answer": "First, we add. So it is 6.", "final_answer": "6", "gt_answer": "#### 5", "correct": False, "flag": 0},
        {"form": "judgement", "domain": "logic", "solution": "First, we add. So it is 6.", "reference": "wrong"},
    ),
    "graded_solutions": (
        {"prompt": "2 + 3?", "completion": "It is \\boxed{6}", "label": False},
        {"form": "judgement", "domain": "logic", "reference": "wrong"},
    ),
    "multi_letter_exam": (
        {"question": "Which are even?", "options": ["2", "3", "4"], "label": ["A", "C"]},
        {"form": "choice", "domain": "unassigned", "capability": "unassigned", "reference": "AC"},
    ),
    "imo_line_break": ({"Problem": "Which n?", "Short Answer": "n is prime\n"}, {"form": "open", "reference": "n is prime"}),
    "own_options": (
        {"problem": "Which is even?\nA) 3\nB) 4", "answer": "B"},
        {"form": "choice", "question": "Which is even?", "options": ["3", "4"], "reference": "B"},
    ),
    "prmbench": (
        {"question": "q", "modified_process": ["a", "b", "c"], "error_steps": [3, 2]},
        {"form": "first_error", "reference": "2"},
    ),
    "bigbench_mistake": ({"input": "q", "steps": ["a", "b"], "mistake_index": 0, "target": "x"}, {"reference": "1"}),
    "bigbench_mistake_none": ({"input": "q", "steps": ["a"], "mistake_index": None, "target": "x"}, {"reference": "0"}),
    "cmath": ({"input": "小明有9支笔，还剩几支？", "golden": "9"}, {"language": "zh", "reference": "9"}),
}  # fmt: skip


@pytest.mark.parametrize("name", RECORDS)
def test_a_record_becomes_the_item_that_it_says(name: str, tmp_path: Path) -> None:
    record, expected = RECORDS[name]
    file = tmp_path / f"{name}.jsonl"
    file.write_text(json.dumps(record))
    (item,) = load([file]).to_pylist()
    assert item["rejected"] is None
    assert {key: item[key] for key in expected} == expected


def test_a_record_without_a_trusted_answer_is_left_out_and_counted(tmp_path: Path) -> None:
    file = tmp_path / "some.jsonl"
    file.write_text(
        '{"question": "2 + 3?", "answer": "5"}\n{"question": "Why?"}\n{"question": "Q", "options": ["A) x"], "correct": "D"}'
    )
    items = load([file]).to_pylist()
    assert [item["rejected"] for item in items] == [
        None, "items: no trusted answer", "items: line 3: the answer is D, but there are 1 option",
    ]  # fmt: skip
    file.write_text('{"question": "Why?"}')
    with pytest.raises(BenchmarkError, match="no item that can be judged"):
        load([file])


def test_domains_may_be_given_and_must_be_known(tmp_path: Path) -> None:
    file = tmp_path / "ours.jsonl"
    file.write_text('{"question": "2 + 3?", "answer": "5"}')
    (item,) = load([file], {"ours": "STEM"}).to_pylist()
    assert (item["domain"], item["capability"]) == ("STEM", "knowledge")
    with pytest.raises(BenchmarkError, match="no domain 'sciences'"):
        load([file], {"ours": "sciences"})


def test_seven_domains_under_four_capabilities() -> None:
    modules = [module(PACKAGE, name) for name in names(PACKAGE)]
    assert {one.domain for one in modules} == set(DOMAINS)
    assert len(DOMAINS) == 7
    assert {one.capability for one in modules} == set(CAPABILITIES)


@pytest.mark.parametrize(
    ("benchmark", "domain"),
    [
        ("MATH_500", "problem solving"), ("mathqa_test", "other mathematics"), ("gaokao-mathcloze", "problem solving"),
        ("kk_3ppl", "logic"), ("MMLU-Pro_test", "commonsense"), ("mmlu_stem.a", "STEM"), ("MMLU-math", "other mathematics"),
        ("GSM8K-MQA", "problem solving"), ("mathbench-t", "other mathematics"), ("MathBench-a", "other mathematics"),
        ("hendrycks_math_algebra", "problem solving"), ("bbh_cot_fewshot_snarks", "symbolic"), ("openai_humaneval", "symbolic"),
        ("miniwob++", "agent"), ("nq_open", "commonsense"), ("math_test", "problem solving"),
        # other benchmarks begin with the same words, and none of them is mathematics because of it
        ("mathvista", "unassigned"), ("math_vista", "unassigned"), ("drop_out_survey", "unassigned"), ("swagger", "unassigned"),
        ("whatever", "unassigned"), ("satellites", "unassigned"),
    ],
)  # fmt: skip
def test_names_of_files_stand_for_benchmarks(benchmark: str, domain: str) -> None:
    assert domain_of(benchmark) == domain
    known = benchmark_named(benchmark)
    assert capability_of(domain, "open", benchmark) == (known.capability if known else "unassigned")


def test_a_probe_keeps_the_domains_of_its_items() -> None:
    file = Path(__file__).resolve().parents[3] / "seeds" / "probe.jsonl"
    stated = [json.loads(line)["domain"] for line in file.read_text(encoding="utf-8").splitlines()]
    items = load([file]).to_pylist()
    assert [item["domain"] for item in items] == stated
    assert len(set(stated)) == 9
    assert {item["capability"] for item in items} == {"mathematics"}


@pytest.mark.parametrize(
    ("name", "own", "domain", "capability"),
    [
        ("ours", "Algebra", "algebra", "mathematics"),
        ("ours", "stem", "STEM", "knowledge"),
        ("ours", "cooking", "unassigned", "unassigned"),
        ("ours", ["algebra"], "unassigned", "unassigned"),
        (
            "gsm8k",
            "algebra",
            "problem solving",
            "mathematics",
        ),  # a benchmark that is known is compared with itself
    ],
)
def test_an_unknown_benchmark_goes_by_what_its_items_state(
    name: str, own: object, domain: str, capability: str, tmp_path: Path
) -> None:
    file = tmp_path / f"{name}.jsonl"
    file.write_text(json.dumps({"question": "2 + 3?", "answer": "5", "domain": own}))
    (item,) = load([file]).to_pylist()
    assert (item["domain"], item["capability"]) == (domain, capability)


def test_gsm8k_as_multiple_choice_has_the_right_answer_once(tmp_path: Path) -> None:
    file = tmp_path / "gsm8k_test.jsonl"
    solution = "She sells <<16-3-4=9>>9 eggs.\nThat makes <<9*2=18>>18 dollars.\n#### 18"
    file.write_text(
        "\n".join(json.dumps({"question": f"Question {i}?", "answer": solution}) for i in range(40))
    )
    items = as_form(load([file]), "choice").to_pylist()
    assert len(items) == 40
    for item in items:
        assert len(set(item["options"])) == 4
        assert item["options"][ord(item["reference"]) - 65] == "18"
        assert "9" in item["options"]  # a result on the way
    assert len({item["reference"] for item in items}) == 4  # in no fixed place
    assert items[0]["benchmark"] == "gsm8k_test:choice"


def test_programs_count_as_coding(tmp_path: Path) -> None:
    file = tmp_path / "gsm8k_test.jsonl"
    file.write_text('{"question": "2 + 3?", "answer": "#### 5"}')
    (item,) = as_form(load([file]), "program").to_pylist()
    assert (item["form"], item["capability"], item["domain"]) == ("program", "coding", "problem solving")
    (either,) = as_form(load([file]), "words_or_program").to_pylist()
    assert (either["form"], either["capability"]) == ("words_or_program", "mathematics")
    assert either["benchmark"] == "gsm8k_test:words_or_program"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("path", "form", "usable"),
    [
        ("benchmarks/sat_math.a.jsonl", "choice", 16), ("benchmarks/aqua_test.a.jsonl", "choice", 127),
        ("benchmarks/gaokao_mathqa.a.jsonl", "choice", 177), ("benchmarks/mathqa_test.a.jsonl.gz", "choice", 500),
        ("benchmarks/cmath_dev.a.jsonl", "open", 300), ("gsm8k/mgsm_zh.a.jsonl", "open", 125),
        ("critique/mr_ben_math.a.jsonl.gz", "first_error", 570), ("logic/proofwriter_dev.a.jsonl", "choice", 323),
        ("logic/folio_train.jsonl.gz", "choice", 1004), ("logic/knights_knaves_3ppl_test.parquet", "roles", 100),
    ],
)  # fmt: skip
def test_real_files(path: str, form: str, usable: int) -> None:
    if not (DATA / path).exists():
        pytest.skip(f"no {path} in the shared data folder")
    items = [item for item in load([DATA / path]).to_pylist() if item["rejected"] is None]
    assert len(items) == usable
    assert {item["form"] for item in items} == {form}
    if form == "choice":
        assert all(ord(letter) - 65 < len(item["options"]) for item in items for letter in item["reference"])
        assert all(len(item["options"]) > 1 for item in items)


def test_benchmarks_of_no_known_domain_are_named_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "ours.jsonl").write_text('{"question": "2 + 3?", "answer": "5"}\n')
    (tmp_path / "gsm8k.jsonl").write_text('{"question": "2 + 3?", "answer": "5"}\n')
    shown = io.StringIO()
    warn_of_unassigned(
        load([tmp_path / "ours.jsonl", tmp_path / "gsm8k.jsonl"]), Bars(Console(file=shown, width=1000))
    )
    assert shown.getvalue().count("\n") == 1
    assert shown.getvalue().startswith(
        "no domain is known for ours: counted as unassigned. Fix: --set domains.ours="
    )
