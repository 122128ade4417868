"""Each named benchmark in the form that its files have: small files made by hand, none copied, read as items of the right form and reference."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from tasks.answers import Judge
from tasks.decontamination.benchmarks import BenchmarkError
from tasks.evaluation import web_pages
from tasks.evaluation.domains import PACKAGE
from tasks.evaluation.items import SKIPPED, as_form, load
from tasks.plugins import module, names
from tasks.sandbox import Sandbox

ZEBRA = {
    "id": "g-1", "size": "2*2", "puzzle": "There are 2 houses. Ann lives left of Bob. Bob drinks tea.",
    "solution": {"header": ["House", "Name", "Drink"], "rows": [["1", "Ann", "milk"], ["2", "Bob", "tea"]]},
}  # fmt: skip
ADD = {
    "task_id": "Own/0", "prompt": 'import math\n\n\ndef area(radius):\n    """Return the area of a circle, rounded down."""\n',
    "canonical_solution": "    return math.floor(math.pi * radius ** 2)\n", "entry_point": "area",
    "test": "def check(candidate):\n    assert candidate(1) == 3\n    assert candidate(2) == 12\n",
}  # fmt: skip
TWICE = {
    "task_id": 7, "text": "Write a function that doubles each number of a list.", "code": "def twice(xs):\n    return [2 * x for x in xs]",
    "test_list": ["assert twice([1, 2]) == [2, 4]", "assert twice([]) == []"], "test_setup_code": "", "challenge_test_list": [],
}  # fmt: skip
PASSAGE = "The Reds scored 3 goals in March and 4 in May. Ann and Bob scored for the Reds."

# file -> (records, the fields of the items that they become)
FILES: dict[str, tuple[list[dict[str, Any]], list[dict[str, Any]]]] = {
    "gsm8k.jsonl": ([{"question": "2 + 3?", "answer": "Add.\n#### 5"}], [{"form": "open", "reference": "5"}]),
    "gsm8k_mqa.jsonl": ([{"Question": "2 + 3?", "A": "4", "B": "5", "C": "6", "D": "7", "Answer": "B"}], [{"form": "choice", "reference": "B"}]),
    "math.jsonl": (
        [{"problem": "What is $2+3$?", "level": "Level 1", "type": "Prealgebra", "solution": "It is $\\boxed{5}$."}],
        [{"form": "open", "reference": "5", "subdomain": "Prealgebra"}],
    ),
    "mmlu.jsonl": (
        [
            {"question": "Which is a noble gas?", "subject": "high_school_chemistry", "choices": ["iron", "neon", "gold", "tin"], "answer": 1},
            {"question": "Which is a group?", "subject": "abstract_algebra", "choices": ["Z", "N", "{2}", "{}"], "answer": 0},
            {"question": "Who signs a will?", "subject": "professional_law", "choices": ["a", "b", "c", "d"], "answer": 3},
        ],
        [
            {"domain": "STEM", "capability": "knowledge", "reference": "B"},
            {"domain": "other mathematics", "capability": "mathematics", "reference": "A"},
            {"domain": "commonsense", "capability": "knowledge", "reference": "D"},
        ],
    ),
    "mmlu_stem.jsonl": (
        [{"question": "Which?", "type": "physics", "choices": ["p", "q", "r", "s"], "answer": 2}], [{"domain": "STEM", "reference": "C"}],
    ),
    "mmlu_pro.jsonl": (
        [{"question_id": 1, "question": "Which is prime?", "options": ["1", "4", "6", "8", "9", "10", "12", "13"], "answer": "H", "answer_index": 7,
          "cot_content": "", "category": "math", "src": "own"}],
        [{"form": "choice", "reference": "H", "domain": "other mathematics", "capability": "mathematics"}],
    ),
    "cmmlu.jsonl": ([{"Question": "下列哪个是质数？", "A": "1", "B": "4", "C": "7", "D": "9", "Answer": "C"}], [{"language": "zh", "reference": "C"}]),
    "gpqa.jsonl": (
        [{"Question": "Which is heaviest?", "Correct Answer": "lead", "Incorrect Answer 1": "cork", "Incorrect Answer 2": "ice",
          "Incorrect Answer 3": "oak", "Subdomain": "Physics", "High-level domain": "Physics"}],
        [{"form": "choice", "domain": "STEM"}],
    ),
    "mr_ben.jsonl": (
        [{"Question": "2 + 3?", "Model_Solution_Steps": ["Step 1: add", "Step 2: 6"], "Model_Solution_First_Error_Step": 2,
          "Model_Solution_Correctness": "incorrect"}],
        [{"form": "first_error", "reference": "2", "domain": "logic", "capability": "reasoning"}],
    ),
    "docmath.jsonl": (
        [{"question_id": "t-0", "question": "By how much did sales grow?", "paragraphs": ["Sales by year:", "| year | sales |\n|---|---|\n| 2020 | 100 |\n| 2021 | 125 |"],
          "table_evidence": [1], "paragraph_evidence": [0], "python_solution": "def solution():\n    return 25", "ground_truth": 25.0}],
        [{"form": "open", "reference": "25.0", "question": "Sales by year:\n\n| year | sales |\n|---|---|\n| 2020 | 100 |\n| 2021 | 125 |\n\nQuestion: By how much did sales grow?"}],
    ),
    "docmath_rows.jsonl": (
        [{"question": "Total?", "paragraphs": ["Costs."], "table": [["item", "cost"], ["a|b", 3], ["c", None]], "ground_truth": "3"}],
        [{"question": "Costs.\n\n| item | cost |\n|---|---|\n| a\\|b | 3 |\n| c |  |\n\nQuestion: Total?"}],
    ),
    "zebralogic.jsonl": (
        [ZEBRA, ZEBRA | {"solution": {"header": ["House", "Name"], "rows": [["___", "___"], ["___", "___"]]}}],
        [{"form": "grid", "options": ["House", "Name", "Drink"], "reference": '[["1","Ann","milk"],["2","Bob","tea"]]', "subdomain": "2*2"},
         {"reference": None}],
    ),
    "zebra_logic_mc.jsonl": (
        [{"id": "m-1", "puzzle": "Ann lives left of Bob.", "question": "Who lives in house 1?", "choices": ["Bob", "Ann"], "answer": "Ann"}],
        [{"form": "choice", "reference": "B", "question": "Ann lives left of Bob.\n\nWho lives in house 1?"}],
    ),
    "logiqa.jsonl": (
        [{"context": "All cats sleep.", "query": "What follows?", "options": ["Cats run.", "A cat sleeps."], "correct_option": 1},
         {"id": 3, "answer": 0, "text": "Rain wets.", "question": "Which holds?", "options": ["Wet.", "Dry."], "type": {"x": True}}],
        [{"form": "choice", "reference": "B", "question": "All cats sleep.\n\nWhat follows?"}, {"reference": "A"}],
    ),
    "proofwriter.jsonl": (
        [{"id": "A-1", "theory": "Bob is big. All big things are old.", "questions": {
            "Q1": {"question": "Bob is old.", "answer": True}, "Q2": {"question": "Bob is red.", "answer": "Unknown"}}}],
        [{"form": "choice", "reference": "A", "id": "proofwriter#0.0"}, {"reference": "C", "options": ["True", "False", "Unknown"]}],
    ),
    "bbh.json": (
        [{"input": "Which comes first?\nOptions:\n(A) May\n(B) June", "target": "(A)"}, {"input": "not ( True ) is", "target": "False"},
         {"input": "Complete: [ { (", "target": ") } ]"}],
        [{"form": "choice", "reference": "A", "options": ["May", "June"], "question": "Which comes first?"},
         {"form": "phrase", "reference": "False"}, {"form": "phrase", "reference": ") } ]"}],
    ),
    "drop.jsonl": (
        [{"passage": PASSAGE, "qa_pairs": [
            {"question": "How many goals?", "answer": {"number": "7", "date": {"day": "", "month": "", "year": ""}, "spans": []}, "validated_answers": []},
            {"question": "Who scored?", "answer": {"number": "", "date": {}, "spans": ["Ann", "Bob"]}, "validated_answers": [{"number": "", "spans": ["Ann and Bob"]}]},
            {"question": "When?", "answer": {"number": "", "date": {"day": "4", "month": "May", "year": "1999"}, "spans": []}}]},
         {"section_id": "s", "passage": PASSAGE, "question": "Who?", "answers_spans": {"spans": ["Ann"], "types": ["span"]}}],
        [{"form": "phrase", "accepted": ["7"]}, {"accepted": ["Ann, Bob", "Ann and Bob"]}, {"accepted": ["4 May 1999"]}, {"accepted": ["Ann"]}],
    ),
    "hellaswag.jsonl": (
        [{"ind": 1, "activity_label": "Baking", "ctx_a": "She mixes dough.", "ctx_b": "then she", "ctx": "She mixes dough. then she",
          "endings": ["bakes it.", "sails it.", "reads it.", "sings it."], "label": "0"}],
        [{"form": "choice", "reference": "A", "subdomain": "Baking", "question": "She mixes dough. then she"}],
    ),
    "swag.jsonl": (
        [{"sent1": "A man lifts a bag.", "sent2": "He", "ending0": "puts it down.", "ending1": "melts.", "ending2": "is a bag.", "ending3": "flies.", "label": 0}],
        [{"question": "A man lifts a bag. He", "reference": "A"}],
    ),
    "winogrande.jsonl": (
        [{"qID": "x", "sentence": "The cup did not fit the box because _ was too big.", "option1": "the cup", "option2": "the box", "answer": "1"}],
        [{"form": "choice", "reference": "A", "options": ["the cup", "the box"]}],
    ),
    "nq.jsonl": ([{"question": "who painted the red door", "answer": ["Ann Lee", "Lee"]}], [{"form": "phrase", "accepted": ["Ann Lee", "Lee"]}]),
    "mathbench-a.jsonl": (
        [{"question": "What is 2 + 3?", "options": ["4", "5", "6", "7"], "answer": "B"}, {"question": "What is 2 + 3?", "answer": "5"}],
        [{"form": "choice", "reference": "B"}, {"form": "open", "reference": "5"}],
    ),
    "humaneval.jsonl": ([ADD], [{"form": "unit_tests", "reference": "area", "capability": "coding", "domain": "symbolic"}]),
    "mbpp.jsonl": (
        [TWICE, {"source_file": "x", "task_id": 2, "prompt": "Double it.", "code": "def d(x):\n  return 2 * x", "test_imports": ["import math"], "test_list": ["assert d(2) == 4"]}],
        [{"form": "unit_tests", "reference": "twice"}, {"reference": "d", "tests": "import math\nassert d(2) == 4\n"}],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_read_in_its_own_form(name: str, tmp_path: Path) -> None:
    records, expected = FILES[name]
    file = tmp_path / name
    if file.suffix == ".json":
        file.write_text(json.dumps({"canary": "own", "examples": records}))
    else:
        file.write_text("\n".join(map(json.dumps, records)))
    items = load([file]).to_pylist()
    assert [{key: item[key] for key in one} for item, one in zip(items, expected, strict=True)] == expected
    assert all((item["rejected"] is None) == (item["reference"] is not None) for item in items)
    assert "unassigned" not in {item["domain"] for item in items}
    assert len({item["id"] for item in items}) == len(items)


def test_every_module_has_a_file_here_or_is_read_by_convention() -> None:
    # one that can be skipped needs what is not installed everywhere; tests/tasks/evaluation/test_web_pages.py reads its files
    modules = [name for name in names(PACKAGE) if not hasattr(module(PACKAGE, name), "skipped")]
    with_form = [name for name in modules if hasattr(module(PACKAGE, name), "items")]
    tested = {name.partition(".")[0].replace("_", "").replace("-", "") for name in FILES}
    assert all(any(one in module(PACKAGE, name).names for one in tested) for name in with_form), with_form


@pytest.mark.parametrize(
    ("name", "record", "why"),
    [
        ("hellaswag", {"ctx": "She", "endings": ["a", "b"], "label": "4"}, "the answer is 4, but there are 2 options"),
        ("docmath", {"question": "q", "ground_truth": 1}, "no paragraphs"),
        ("proofwriter", {"theory": "t", "questions": [{"question": "q", "answer": "perhaps"}]}, "not True, False or Unknown"),
        ("zebralogic", {"puzzle": "p", "solution": {"header": ["House"], "rows": [["1", "2"]]}}, "do not fit its header"),
        ("humaneval", {"prompt": "def f():", "entry_point": "f()", "test": "x"}, "no name"),
        ("mbpp", {"text": "t", "code": "x = 1", "test_list": ["assert f() == 1"]}, "calls no function"),
    ],
)  # fmt: skip
def test_a_broken_record_is_named_with_its_line(
    name: str, record: dict[str, Any], why: str, tmp_path: Path
) -> None:
    file = tmp_path / f"{name}.jsonl"
    file.write_text(f"{json.dumps(record)}\n{json.dumps(record)}")
    with pytest.raises(BenchmarkError, match=f"line 1: .*{why}"):
        load([file])


def test_csv_files_of_mmlu_have_no_names_of_columns_and_a_subject_in_their_name(tmp_path: Path) -> None:
    folder = tmp_path / "mmlu" / "test"
    folder.mkdir(parents=True)
    with (folder / "abstract_algebra_test.csv").open("w", newline="") as file:
        csv.writer(file).writerows(
            [["Which is a group?", "Z", "N", "{2}", "{}", "A"], ["1, 2?", "a", "b", "c", "d", "D"]]
        )
    items = load([folder / "abstract_algebra_test.csv"]).to_pylist()
    assert [(item["reference"], item["domain"], item["subdomain"]) for item in items] == [
        ("A", "other mathematics", "abstract algebra"), ("D", "other mathematics", "abstract algebra"),
    ]  # fmt: skip


def test_a_benchmark_that_cannot_run_is_named_and_the_others_are_evaluated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web_pages, "_chromium", lambda: None)
    monkeypatch.setattr(web_pages, "_pages", lambda: tmp_path)
    (tmp_path / "miniwob.jsonl").write_text('{"env": "miniwob/click-test-v1"}')
    (tmp_path / "gsm8k.jsonl").write_text('{"question": "2 + 3?", "answer": "#### 5"}')
    items = load([tmp_path / "miniwob.jsonl", tmp_path / "gsm8k.jsonl"]).to_pylist()
    assert [(item["benchmark"], item["subdomain"] == SKIPPED) for item in items] == [
        ("gsm8k", False),
        ("miniwob", True),
    ]
    assert "browser" in items[1]["rejected"]
    with pytest.raises(BenchmarkError, match="miniwob: .*browser"):
        load([tmp_path / "miniwob.jsonl"])


def one_item(tmp_path: Path, name: str) -> dict[str, Any]:
    file = tmp_path / f"{name}.jsonl"
    file.write_text(json.dumps(FILES[f"{name}.jsonl"][0][0]))
    item: dict[str, Any] = load([file]).to_pylist()[0]
    return item


WHOLE = '{"House 1": {"Name": "Ann", "Drink": "milk"}, "House 2": {"Name": "Bob", "Drink": "tea"}}'


@pytest.mark.parametrize(
    ("text", "right"),
    [
        (WHOLE, True),
        (f"I think:\n```json\n{WHOLE}\n```", True),
        (f'{{"reasoning": "x", "solution": {WHOLE}}}', True),
        ('[{"House": 2, "Name": "bob", "Drink": "TEA"}, {"House": 1, "Name": "Ann", "Drink": " milk "}]', True),
        ("| House | Name | Drink |\n|---|---|---|\n| 1 | Ann | milk |\n| 2 | **Bob** | tea |", True),
        (WHOLE.replace("tea", "milk"), False),
        (f"First guess: {WHOLE.replace('Ann', 'Bob')}\nNo: {WHOLE}", True),
        ('{"House 1": {"Name": "Ann", "Drink": "milk"}}', None),
        ('{"House 1": {"Name": "Ann"}, "House 2": {"Name": "Bob", "Drink": "tea"}}', None),
        ("Ann lives in house 1.", None),
        ("[" * 5000, None),
    ],
)  # fmt: skip
def test_a_grid_is_right_if_every_cell_is(
    text: str, right: bool | None, tmp_path: Path, judge: Judge
) -> None:
    item, form = one_item(tmp_path, "zebralogic"), module("tasks.evaluation.forms", "grid")
    answers = form.answers([item], [text], cut=[False], judge=judge, sandbox=None)
    assert (answers[0] is None) == (right is None)
    assert form.right([item], answers, judge=judge) == [bool(right)]


@pytest.mark.parametrize(
    ("accepted", "answer", "right"),
    [
        (["Ann Lee", "Lee"], "the Ann Lee.", True),
        (["Ann Lee"], "Ann", False),
        (["Ann, Bob"], "Bob and Ann", True),
        (["Ann, Bob"], "Ann", False),
        (["7"], "7.0", True),
        (["7"], "8", False),
        (["4 May 1999"], "May 4, 1999", True),
        ([") } ]"], ")}]", True),
        ([") } ]"], ")]}", False),
        (["False"], "\\text{False}", True),
        (["False"], None, False),
    ],
)
def test_phrases_are_compared_as_texts_and_numbers_by_value(
    accepted: list[str], answer: str | None, right: bool, judge: Judge
) -> None:
    item = {"accepted": accepted, "reference": accepted[0]}
    assert module("tasks.evaluation.forms", "phrase").right([item], [answer], judge=judge) == [right]


FENCED = "```python\n{}\n```"
RIGHT = "def area(radius):\n    return math.floor(math.pi * radius ** 2)"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "answer"),
    [
        (FENCED.format(RIGHT), "passed"),  # its import stands in the question
        (ADD["canonical_solution"], "passed"),  # a base model continues the file
        (f"{ADD['canonical_solution']}\nprint(area(3)\n\ndef more(:", "passed"),  # and writes more behind it
        (FENCED.format(RIGHT + "\nprint('x' * 100)"), "passed"),
        (FENCED.format(RIGHT.replace("floor", "ceil")), "error"),
        (FENCED.format("import sys\ndef area(radius):\n    sys.exit(0)"), "error"),
        (FENCED.format(RIGHT + "\nimport os\nos._exit(0)"), "signal"),
        (FENCED.format("def area(radius):\n    while True: pass"), "time"),
        (FENCED.format("class Any:\n    def __eq__(self, other):\n        return True\ndef other(r):\n    return 3"), None),
        ("I cannot.", None),
    ],
)  # fmt: skip
def test_a_function_runs_its_tests_in_the_sandbox(
    text: str, answer: str | None, tmp_path: Path, judge: Judge, sandbox: Sandbox
) -> None:
    item, form = one_item(tmp_path, "humaneval"), module("tasks.evaluation.forms", "unit_tests")
    answers = form.answers([item], [text], cut=[False], judge=judge, sandbox=sandbox)
    if answer == "signal":  # how it ends is the sandbox's word, that it has not passed is ours
        assert answers[0] not in (None, "passed")
    else:
        assert answers == [answer]
    assert form.right([item], answers, judge=judge) == [answer == "passed"]


@pytest.mark.slow
def test_assertions_of_mbpp_run_in_the_sandbox(tmp_path: Path, judge: Judge, sandbox: Sandbox) -> None:
    item, form = one_item(tmp_path, "mbpp"), module("tasks.evaluation.forms", "unit_tests")
    texts = [FENCED.format(TWICE["code"]), FENCED.format("def twice(xs):\n    return xs")]
    assert form.answers([item] * 2, texts, cut=[False] * 2, judge=judge, sandbox=sandbox) == [
        "passed",
        "error",
    ]
    with pytest.raises(ValueError, match="needs a sandbox"):
        form.answers([item], texts[:1], cut=[False], judge=judge, sandbox=None)


def test_multiple_choice_is_converted_to_likelihood_with_its_own_name(tmp_path: Path) -> None:
    file = tmp_path / "hellaswag.jsonl"
    file.write_text(json.dumps(FILES["hellaswag.jsonl"][0][0]))
    (item,) = as_form(load([file]), "likelihood").to_pylist()
    assert (item["benchmark"], item["form"], item["capability"]) == (
        "hellaswag:likelihood",
        "likelihood",
        "reasoning",
    )


@pytest.mark.parametrize(
    "text", ["It is \\boxed{) } ]}", "So the rest is: ) } ]", "We close in turn.\n\n) } ]\n"]
)
def test_a_sequence_of_brackets_ends_the_last_line(text: str, judge: Judge) -> None:
    item = {"accepted": [") } ]"], "reference": ") } ]", "language": "en"}
    form = module("tasks.evaluation.forms", "phrase")
    answers = form.answers([item], [text], cut=[False], judge=judge, sandbox=None)
    assert form.right([item], answers, judge=judge) == [True]
    assert form.answers([item], ["I cannot."], cut=[False], judge=judge, sandbox=None) == [None]


def gold(item: dict[str, Any]) -> str:
    """Return a reply that holds the trusted answer in the way that the item's form asks for it."""
    form, reference = item["form"], str(item["reference"])
    if form == "grid":
        header, rows = item["options"], json.loads(reference)
        return json.dumps({f"House {row[0]}": dict(zip(header[1:], row[1:], strict=True)) for row in rows})
    if form == "unit_tests":
        return FENCED.format(
            RIGHT
            if reference == "area"
            else TWICE["code"]
            if reference == "twice"
            else "def d(x):\n    return 2 * x"
        )
    if form == "first_error":
        return json.dumps(
            {
                "instruction_score": 5,
                "answer_score": 1,
                "first_wrong_step": int(reference),
                "critique": "It is 5.",
            }
        )
    return f"\\boxed{{{reference}}}"


@pytest.mark.slow
def test_gold_answers_score_one_in_every_form_and_wrong_ones_nothing(
    tmp_path: Path, judge: Judge, sandbox: Sandbox
) -> None:
    for name, (records, _) in FILES.items():
        listed = (
            json.dumps({"canary": "own", "examples": records})
            if name.endswith(".json")
            else "\n".join(map(json.dumps, records))
        )
        (tmp_path / name).write_text(listed)
    items = [item for item in load([tmp_path]).to_pylist() if item["rejected"] is None]
    forms = {item["form"] for item in items}
    assert forms == {"open", "choice", "first_error", "grid", "phrase", "unit_tests"}
    for form_name in forms:
        form, chosen = (
            module("tasks.evaluation.forms", form_name),
            [item for item in items if item["form"] == form_name],
        )
        for texts, right in (
            (list(map(gold, chosen)), True),
            (["\\boxed{none of these}"] * len(chosen), False),
        ):
            answers = form.answers(chosen, texts, cut=[False] * len(chosen), judge=judge, sandbox=sandbox)
            judged = form.right(chosen, answers, judge=judge)
            assert [(item["id"], bool(one)) for item, one in zip(chosen, judged, strict=True)] == [
                (item["id"], right) for item in chosen
            ]
