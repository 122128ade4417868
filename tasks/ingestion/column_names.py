"""The names under which data sets store questions, solutions, answers and flags.

Known conventions: question/answer with GSM8K's `#### answer`, problem/solution with \\boxed{},
instruction/input/output, query/response, input/golden, chats (`messages`, `conversations`, verl's
`prompt` list with `reward_model.ground_truth`), prompt/chosen/rejected, multiple choice (tasks.ingestion.options),
premises with a conclusion (FOLIO), and a passage or body before the question. Names are compared as `plain` writes them.

Three kinds of columns must not be mixed up: an answer that the file vouches for, a solution's own answer, and a flag that
says whether a solution is right. A flag is never an answer, and what a flag calls wrong is no reference.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from typing import Any

from tasks.ingestion import chats
from tasks.ingestion.options import NAMES, is_option_column

CHATS = (*chats.COLUMNS, "prompt")
QUESTIONS = ("question", "problem", "quiz", "query", "instruction", "input", "prompt", "question_text", "problem_text", "problem_statement", "message_1", "original_text", "题目", "问题")  # fmt: skip
# a text under these names is the question, even where a chat repeats it in a template or with instructions
PLAINEST = ("question", "problem", "quiz")
BEFORE = ("passage", "context", "body")
SOLUTIONS = (
    "solution", "rationale", "generated_solution", "worked_solution", "reference_solution", "gold_solution", "response", "output",
    "generation", "completion", "chosen", "model_output", "explanation", "cot", "chain_of_thought", "generated_text", "code", "program",
    "cot_content", "ground_truth_solution", "gold_standard_solution", "solution_wocode", "solution_code", "message_2",
)  # fmt: skip
# thinking before the solution, of the accepted side in a preference pair
REASONINGS = (*chats.REASONINGS, "chosen_reasoning", "complex_cot")
# answers that the file vouches for, no matter who wrote the solution in the same record
GOLD = (
    "expected_answer", "reference_answer", "golden_answer", "gold_answer", "golden", "ground_truth", "ground_truth_answer", "gtruth_answer",
    "gt_answer", "gt", "short_answer", "correct_answer", "right_answer", "true_answer", "correct_option", "correct_choice", "answer_key",
    "answerkey", "answer_idx", "answer_index", "correct_index", "correct_idx", "correct_answer_index", "gold_label", "gold_index", "cop",
    "gold", "solution_text", "正确答案", "标准答案", "答案",
)  # fmt: skip
# the answer of the file or of the solution in the same record
STATED = ("final_answer", "correct", "target", "label", "answer", "ans")
ANSWERS = (*GOLD, *STATED)
FLAGS = (
    "correct", "label", "is_correct", "iscorrect", "correctness", "answer_correct", "answer_correctness", "solution_correct", "verdict", "passed", "pass",
    "is_right", "right", "valid", "is_valid", "accepted", "is_accepted", "success", "verified", "is_verified", "verify_correct", "symbolic_correct",
    "judgement", "judgment", "math_verify", "reward", "model_solution_correctness", "gold_label", "gold",
)  # fmt: skip
ABOUT = ("language", "lang", "domain", "subdomain", "dataset", "data_source", "source", "license", "licence")
_OTHERS = (
    "reward_model",
    "verification_info",
    "problem_is_valid",
    "question_is_valid",
    "solution_is_valid",
    "premises",
    "conclusion",
    "problem_id",
    "solution_format",
    "incorrect_answers",
    "wrong_answers",
    "distractors",
    "mc1_targets",
    "content",
    "answers",
)
KNOWN = frozenset(
    (*CHATS, *QUESTIONS, *BEFORE, *NAMES, *SOLUTIONS, *REASONINGS, *ANSWERS, *FLAGS, *ABOUT, *_OTHERS)
)

WRONG_OPTION = re.compile(r"(?:incorrect|wrong|false)_(?:answer|option|choice)_?\d+|distractor_?\d+")


@functools.lru_cache(maxsize=1024)
def plain(name: str) -> str:
    """Return a column's name as the conventions write it: lower case, words joined by underscores."""
    return "_".join(name.strip().lower().replace("-", " ").split())


def is_known(name: str) -> bool:
    """Return whether a column of this plain name is read."""
    return name in KNOWN or is_option_column(name) or WRONG_OPTION.fullmatch(name) is not None


def names_question(names: tuple[str, ...]) -> bool:
    """Return whether a record with these columns can hold a question."""
    known = known_columns(names)
    return any(name in known for name in (*CHATS, *QUESTIONS)) or (
        "premises" in known and "conclusion" in known
    )


def known_values(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of the known columns that are not null, by their plain names."""
    spelling = known_columns(tuple(record))
    return {name: record[key] for name, key in spelling.items() if record[key] is not None}


@functools.lru_cache(maxsize=256)
def known_columns(names: tuple[str, ...]) -> dict[str, str]:
    """Return the spelling of each known column by its plain name.

    Where two spellings share a plain name, the plain one wins.
    """
    spelling: dict[str, str] = {}
    for name in sorted(names, key=lambda name: plain(name) != name):
        plain_name = plain(name)
        if is_known(plain_name):
            spelling.setdefault(plain_name, name)
    return spelling
