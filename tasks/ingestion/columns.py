"""How data sets name their columns, and what a record says under those names.

Known conventions: question/answer with GSM8K's `#### answer`, problem/solution with \\boxed{},
instruction/input/output, query/response, input/golden, chats (`messages`, `conversations`, verl's
`prompt` list with `reward_model.ground_truth`), prompt/chosen/rejected, multiple choice (tasks.ingestion.options), premises with a
conclusion (FOLIO), and a passage or body before the question. Names are compared as `plain` has them.

Three kinds of columns must not be mixed up: an answer that the file vouches for, a solution's own answer, and a flag that
says whether a solution is right. A flag is never an answer, and what a flag calls wrong is no reference.
"""

from __future__ import annotations

import functools
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from tasks.answers import extract
from tasks.ingestion import chats
from tasks.ingestion.instructions import NOTHING, Shared, shared, without_instruction
from tasks.ingestion.options import (
    NAMES,
    Options,
    Unreadable,
    is_option_column,
    letter_of,
    listed_in,
    literal,
    options_of,
)
from tasks.ingestion.records import plain
from tasks.text.cleaning import BLANK

CHATS = (*chats.COLUMNS, "prompt")
QUESTIONS = ("question", "problem", "quiz", "query", "instruction", "input", "prompt", "question_text", "problem_text", "problem_statement", "题目", "问题")  # fmt: skip
# a text under these is the question even where a chat asks it again, in a template or with instructions
_PLAINEST = ("question", "problem", "quiz")
BEFORE = ("passage", "context", "body")
SOLUTIONS = (
    "solution", "rationale", "generated_solution", "worked_solution", "reference_solution", "gold_solution", "response", "output",
    "generation", "completion", "chosen", "model_output", "explanation", "cot", "chain_of_thought", "generated_text", "code", "program",
)  # fmt: skip
# what the file vouches for, whoever wrote a solution beside it
GOLD = (
    "expected_answer", "reference_answer", "golden_answer", "gold_answer", "golden", "ground_truth", "ground_truth_answer", "gtruth_answer",
    "gt_answer", "gt", "short_answer", "correct_answer", "right_answer", "true_answer", "correct_option", "correct_choice", "answer_key",
    "answerkey", "answer_idx", "answer_index", "correct_index", "correct_idx", "correct_answer_index", "gold_label", "gold_index", "cop",
    "gold", "solution_text", "正确答案", "标准答案", "答案",
)  # fmt: skip
# the answer of the file or of the solution beside it
STATED = ("final_answer", "correct", "target", "label", "answer", "ans")
ANSWERS = (*GOLD, *STATED)
FLAGS = (
    "correct", "label", "is_correct", "iscorrect", "correctness", "answer_correct", "answer_correctness", "solution_correct", "verdict", "passed", "pass",
    "is_right", "right", "valid", "is_valid", "accepted", "is_accepted", "success", "verified", "is_verified", "verify_correct", "symbolic_correct",
    "judgement", "judgment", "math_verify", "reward", "model_solution_correctness", "gold_label", "gold",
)  # fmt: skip
_RIGHT = frozenset(
    (
        "true",
        "correct",
        "right",
        "yes",
        "pass",
        "passed",
        "1",
        "1.0",
        "accepted",
        "accept",
        "valid",
        "verified",
        "positive",
        "good",
        "正确",
        "对",
        "是",
    )
)
_WRONG = frozenset(
    (
        "false",
        "incorrect",
        "wrong",
        "no",
        "fail",
        "failed",
        "0",
        "0.0",
        "-1",
        "-1.0",
        "rejected",
        "reject",
        "invalid",
        "negative",
        "bad",
        "not correct",
        "错误",
        "错",
        "否",
    )
)
ABOUT = ("language", "lang", "domain", "subdomain", "dataset", "data_source", "source", "license", "licence")
_OTHERS = (
    "reward_model",
    "premises",
    "conclusion",
    "problem_id",
    "solution_format",
    "incorrect_answers",
    "wrong_answers",
    "distractors",
    "mc1_targets",
)
KNOWN = frozenset((*CHATS, *QUESTIONS, *BEFORE, *NAMES, *SOLUTIONS, *ANSWERS, *FLAGS, *ABOUT, *_OTHERS))

# marks by which a solution states its final answer; weaker finds are guesses, and no reference
TRUSTED = ("boxed", "hash", "tag", "json", "phrase")
_STATED_LENGTH = 200  # characters; a longer "answer" is a worked solution

_ANNOTATION = re.compile(r"<<[^<>\n]*=[^<>\n]*>>")
_WRONG_OPTION = re.compile(r"(?:incorrect|wrong|false)_(?:answer|option|choice)_?\d+|distractor_?\d+")
_LONE_LETTER = re.compile(r"\(?[A-J]\)?\.?")


@dataclass(frozen=True, slots=True)
class Habits:
    """What holds for a whole file: instructions that its questions share, and the number of the first option where
    answers are numbers."""

    instructions: Shared = NOTHING
    first: int = 0


_NONE = Habits()


@dataclass(frozen=True, slots=True)
class Fields:
    """What a record says, uncleaned. `answer` is the one the solution arrives at, `reference` the trusted one: with
    `options` it is their letter ("B", of several "AC"), unless the record's answer names none of them."""

    question: str
    solution: str | None = None
    answer: str | None = None
    reference: str | None = None
    language: str | None = None
    domain: str | None = None
    subdomain: str | None = None
    source: str | None = None
    license: str | None = None
    options: Options | None = None
    wrong: bool = False  # the record itself calls its solution wrong; it is left out here
    program: bool = False  # the solution is a program

    @property
    def asked(self) -> str:
        """The question with its options: without them its answer, a letter, means nothing."""
        return "\n".join([self.question, *self.options.lines()]) if self.options else self.question


class Unfit(ValueError):
    """A record that holds no question we can use; the message is the reason."""


def is_known(name: str) -> bool:
    """Whether a column of this plain name is read."""
    return name in KNOWN or is_option_column(name) or _WRONG_OPTION.fullmatch(name) is not None


def names_question(names: tuple[str, ...]) -> bool:
    """Whether a record with these columns can hold a question."""
    found = _lookup(names)
    return any(name in found for name in (*CHATS, *QUESTIONS)) or (
        "premises" in found and "conclusion" in found
    )


def habits(records: Sequence[Mapping[str, Any]]) -> Habits:
    """What the records of a file have in common."""
    questions: list[str] = []
    numbers: list[tuple[int, int]] = []
    for record in records:
        found = _named(record)
        try:
            questions.append(_asked(record, found, NOTHING)[0])
            options = options_of(found)
        except (Unfit, Unreadable):
            continue
        if options is not None:
            value = next(
                (found[name] for name in ANSWERS if name in found and not isinstance(found[name], bool)), None
            )
            if re.fullmatch(r"\d{1,2}", str(value).strip()):
                numbers.append((int(str(value)), len(options)))
    # counted from 1: some answer is as high as there are options, and none is 0
    from_one = (
        bool(numbers)
        and all(0 < number <= count for number, count in numbers)
        and any(number == count for number, count in numbers)
    )
    return Habits(shared(questions), int(from_one))


def read(record: Mapping[str, Any], common: Habits = _NONE) -> Fields:
    """The fields of a record by whichever convention it follows; Unfit if it follows none or holds no question."""
    found = _named(record)
    question, reply = _asked(record, found, common.instructions)
    try:
        options = options_of(found) or _right_and_wrong_ones(found, question)
    except Unreadable as error:
        raise Unfit(str(error)) from error
    follows = (
        "conclusion" in found and "premises" in found
    )  # its label is the answer: true, false or uncertain
    wrong = not follows and _called_wrong(found, options)
    solution = _solution(found) or reply
    own = "problem_id" in _lookup(tuple(record)) and "reference_answer" in _lookup(tuple(record))
    reference = _reference(found, options, common.first, wrong=wrong, own=own)
    if follows and options is None and isinstance(found.get("label"), (str, bool)):
        reference = str(found["label"])
    if reference is not None and (options is None or letter_of(options, reference) is None):
        if _is_worked(reference):
            if solution is None and not wrong:
                solution, reference = reference, None
            else:
                reference = _final(reference)
        elif _announces(reference):
            reference = _final(reference) or reference
    if wrong:
        solution = None
    answer = None
    if solution is not None:
        if "<<" in solution:
            solution = _ANNOTATION.sub("", solution)
        stated = _final(solution)
        if own:
            stated = _text("answer", found["answer"]) if "answer" in found else None
        elif reference is None:
            reference = stated
        answer = stated if stated is not None else reference
    elif own and "answer" in found:
        answer = _text("answer", found["answer"])
    if options is not None and reference is not None:
        reference = letter_of(options, reference, first=common.first) or reference
    about = {name: _text(name, found[name]) for name in ABOUT if isinstance(found.get(name), str)}
    return Fields(
        question,
        solution,
        answer,
        reference,
        about.get("language", about.get("lang")),
        about.get("domain"),
        about.get("subdomain"),
        about.get("dataset", about.get("data_source", about.get("source"))),
        about.get("license", about.get("licence")),
        options,
        wrong,
        found.get("solution_format") == "pot" or (solution is not None and is_program(solution)),
    )


def with_own_options(fields: Fields) -> Fields:
    """The same fields, with the options taken out of a question that lists them itself and is answered by a letter."""
    if (
        fields.options is not None
        or fields.reference is None
        or not _LONE_LETTER.fullmatch(fields.reference.strip(" $"))
    ):
        return fields
    listed = listed_in(fields.question)
    if listed is None or not listed[0].strip():
        return fields
    letter = letter_of(listed[1], fields.reference)
    if letter is None:
        return fields
    return replace(fields, question=listed[0], options=listed[1], reference=letter)


def question(record: Mapping[str, Any], common: Habits = _NONE) -> str:
    """The question of a record without its options; Unfit if it holds none."""
    return _asked(record, _named(record), common.instructions)[0]


def solution_and_flag(record: Mapping[str, Any]) -> tuple[str | None, bool | None]:
    """The solution of a record that says whether it is right, and what it says; None for what is not there."""
    found = _named(record)
    try:
        solution = _solution(found)
    except Unfit:
        solution = None
    if solution is None and isinstance(found.get("answer"), str) and _is_worked(found["answer"]):
        solution = found["answer"]
    names = ("flag", *FLAGS) if "correct" in record and "final_answer" in record else FLAGS
    flags = (
        _truth(record[name])
        for name in names
        if name in record and not isinstance(record[name], (list, dict))
    )
    return solution, next((flag for flag in flags if flag is not None), None)


def turns(record: Mapping[str, Any]) -> list[tuple[str, chats.Turn]]:
    """(column, turn) of every chat of a record, in every column that holds one. A chat that cannot be read is Unfit."""
    spoken = []
    for name, value in record.items():
        try:
            said = _turns(plain(name), value)
        except chats.Odd as error:
            raise Unfit(str(error)) from error
        spoken += [(plain(name), turn) for turn in said or ()]
    return spoken


def _named(record: Mapping[str, Any]) -> dict[str, Any]:
    """What a record says under the names that are known, by their plain names."""
    by_name = _lookup(tuple(record))
    return {name: record[key] for name, key in by_name.items() if record[key] is not None}


@functools.lru_cache(maxsize=256)
def _lookup(names: tuple[str, ...]) -> dict[str, str]:
    """A known column's plain name -> the record's spelling of it; the plain spelling goes first."""
    found: dict[str, str] = {}
    for name in sorted(names, key=lambda name: plain(name) != name):
        ours = plain(name)
        if is_known(ours):
            found.setdefault(ours, name)
    return found


def _asked(record: Mapping[str, Any], found: Mapping[str, Any], common: Shared) -> tuple[str, str | None]:
    """(question, reply); the reply where it is a chat that has one."""
    if isinstance(found.get("conclusion"), str) and isinstance(found.get("premises"), (list, str)):
        premises = found["premises"] if isinstance(found["premises"], list) else [found["premises"]]
        return "\n".join(
            [*map(str, premises), "Does it follow that the statement below is true?", found["conclusion"]]
        ), None
    plainest = any(isinstance(found.get(name), str) and found[name].strip() for name in _PLAINEST)
    fault: Unfit | None = None
    asked, reply = None, None
    try:
        asked, reply = _chat(found)
    except Unfit as error:
        if not any(isinstance(found.get(name), str) and found[name].strip() for name in QUESTIONS):
            raise
        fault = error
    if plainest or asked is None:
        try:
            return _question(found, bool(_lookup(tuple(record)).keys() & set(QUESTIONS)), common), reply
        except Unfit:
            if fault is not None:
                raise fault from None
            raise
    return without_instruction(asked, common), reply


def _question(found: Mapping[str, Any], named: bool, common: Shared) -> str:
    for name in QUESTIONS:
        if name in found and found[name] != "":
            text = _required(name, found[name])
            asked = chats.asked(_turns(name, text) or ())
            if len(asked) == 1:  # a question in a model's template
                text = asked[0]
            if name == "instruction" and isinstance(found.get("input"), str) and found["input"].strip():
                text = f"{text}\n\n{found['input']}"
            elif name in ("question", "query"):
                before = [found[key].strip(BLANK) for key in BEFORE if isinstance(found.get(key), str)]
                ended = [part if part[-1] in ".?!:。？！：" else f"{part}." for part in before if part]
                text = " ".join([*ended, without_instruction(text, common) if ended else text])
            return without_instruction(text, common)
    raise Unfit("no question" if not named else "the question is empty")


def _chat(found: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """(question, reply) of a chat with one user turn; (None, None) where there is no chat."""
    empty = False
    for name in (*CHATS, "chosen"):
        try:
            said = _turns(name, found.get(name))
        except chats.Odd as error:
            raise Unfit(str(error)) from error
        if said is None or (name == "chosen" and "prompt" in found):
            continue
        users = chats.asked(said)
        if not said:
            empty = True
            continue
        if len(users) != 1:
            raise Unfit(f"a chat of {len(users)} user turns; one question a row")
        if not users[0].strip():
            raise Unfit("the user turn is empty")
        return users[0], chats.replied(said)
    if empty and not any(isinstance(found.get(name), str) for name in QUESTIONS):
        raise Unfit("a chat of 0 user turns; one question a row")
    return None, None


def _turns(name: str, value: Any) -> list[chats.Turn] | None:
    """The turns that a column holds; None where it holds no chat."""
    if isinstance(value, str):
        if name in (*chats.COLUMNS, "prompt", "completion", "chosen", "rejected") and value.lstrip()[:2] in (
            "[{",
            "[[",
        ):
            parsed = literal(value.strip())
            return chats.turns_of(parsed) if isinstance(parsed, list) else None
        return chats.transcript(value) if name in (*CHATS, *QUESTIONS, "chosen", "rejected", "text") else None
    if name in (*CHATS, "completion", "chosen", "rejected", "response", "output", "generation"):
        if (
            isinstance(value, list)
            and value
            and all(isinstance(one, str) for one in value)
            and name not in chats.COLUMNS
        ):
            return None
        if isinstance(value, Mapping) and name != "prompt" and name not in chats.COLUMNS:
            return None
        return chats.turns_of(value)
    return None


def _right_and_wrong_ones(found: Mapping[str, Any], question: str) -> Options | None:
    """Options where the right and the wrong ones stand apart (GPQA, SciQ, TruthfulQA), in an order that tells nothing."""
    wrong = [found[name] for name in sorted(found) if _WRONG_OPTION.fullmatch(name)]
    for name in ("incorrect_answers", "wrong_answers", "distractors"):
        if isinstance(found.get(name), list):
            wrong += found[name]
    right = next(
        (
            found[name]
            for name in ("correct_answer", "right_answer", "answer")
            if isinstance(found.get(name), (str, int, float))
        ),
        None,
    )
    if not wrong or right is None or not all(isinstance(one, (str, int, float)) for one in wrong):
        return None
    texts = list(dict.fromkeys(_text("option", one).strip() for one in (right, *wrong)))
    texts.sort(
        key=lambda text: hashlib.sha256(f"{question}\0{text}".encode("utf-8", "surrogatepass")).digest()
    )
    return (
        Options(tuple(texts), tuple(chr(65 + place) for place in range(len(texts))))
        if 1 < len(texts) <= 26
        else None
    )


def _solution(found: Mapping[str, Any]) -> str | None:
    for name in SOLUTIONS:
        value = found.get(name)
        if value is None:
            continue
        try:
            said = _turns(name, value)
        except chats.Odd as error:
            raise Unfit(f"the {name} is a chat that cannot be read: {error}") from error
        if said:
            value = chats.replied(said)
        elif isinstance(value, list) and value and all(isinstance(step, str) for step in value):
            value = "\n".join(value)
        if isinstance(value, str):
            if value.strip():
                return value
        elif isinstance(value, list) and all(isinstance(one, (bool, type(None))) for one in value):
            continue
        elif value is not None and name in SOLUTIONS[:10]:
            raise Unfit(f"the {name} is {_kind(value)}, not text")
    return None


def _truth(value: Any) -> bool | None:
    """What a flag says; None where the value is no flag."""
    if isinstance(value, bool):
        return value
    if isinstance(value, (int, float, Decimal)):
        return {1.0: True, 0.0: False, -1.0: False}.get(float(value))
    if isinstance(value, str):
        word = value.strip().lower()
        return True if word in _RIGHT else False if word in _WRONG else None
    return None


def _called_wrong(found: Mapping[str, Any], options: Options | None) -> bool:
    """Whether the record says that its solution is wrong."""
    for name in FLAGS:
        if name not in found or (name in ANSWERS and _names_option(options, found[name])):
            continue
        if name in GOLD and not isinstance(found[name], bool):
            continue
        if _truth(found[name]) is False:
            return True
    return False


def _names_option(options: Options | None, value: Any) -> bool:
    """Whether a value of a column that may be a flag names an option instead (AQuA's `correct`, gaokao's `label`)."""
    return options is not None and not isinstance(value, bool) and letter_of(options, value) is not None


def _reference(
    found: Mapping[str, Any], options: Options | None, first: int, *, wrong: bool, own: bool
) -> str | None:
    if own:
        return (
            _text("reference_answer", found["reference_answer"]).strip(BLANK) or None
            if "reference_answer" in found
            else None
        )
    if (
        options is not None
        and sorted(set(options.labels)) == ["0", "1"]
        and options.labels.count("1") == 1
        and len(options) > 2
    ):
        return chr(65 + options.labels.index("1"))
    names = [name for name in (GOLD if wrong else ANSWERS) if name in found]
    if options is not None:
        for name in names:
            letter = letter_of(options, found[name], first=first)
            if letter is not None:
                return letter
    for name in names:
        value = found[name]
        if isinstance(value, bool) and name not in (
            "answer",
            "target",
            "final_answer",
            "ground_truth",
            "expected_answer",
            "reference_answer",
        ):
            continue
        if name in FLAGS and (name == "label" or _truth(value) is not None):
            continue  # a class, a topic or a flag: `correct` and `gold` may hold an answer, `label` without options never does
        if name in (
            "answer_idx",
            "answer_index",
            "correct_index",
            "correct_idx",
            "correct_answer_index",
            "gold_index",
            "gold_label",
            "cop",
        ):
            continue  # a place among options that could not be found
        text = _text(name, value).strip(BLANK)
        if text and (_is_worked(text) or not _is_code(text)):
            return text
    rule = found.get("reward_model")
    if (
        isinstance(rule, dict)
        and isinstance(rule.get("ground_truth"), (str, int, float, Decimal))
        and not isinstance(rule["ground_truth"], bool)
    ):
        text = _text("ground truth", rule["ground_truth"]).strip(BLANK)
        return (letter_of(options, text, first=first) if options else None) or text or None
    return None


def _final(solution: str) -> str | None:
    """The answer that a solution states; never one out of a program's text, or out of a sentence in a JSON record (a
    critic's judgement says that an answer is wrong)."""
    prose = _prose(solution)
    found = extract(prose) if prose else None
    if found is None or (found.kind != "json" and _is_record(prose)):
        return None
    marked = found.kind in TRUSTED or (found.kind == "choice" and found.marked)
    if found.kind == "phrase" and _is_code(found.answer):
        return None
    return found.answer if marked else None


def _is_record(text: str) -> bool:
    """Whether a text is one JSON object."""
    if not (text.startswith("{") and text.endswith("}")):
        return False
    try:
        return isinstance(json.loads(text, strict=False), dict)
    except (ValueError, RecursionError):
        return False


_FENCE = re.compile(r"^[ \t]*(```+|~~~+)[ \t]*([\w+-]*)[^\n]*$", re.MULTILINE)
_DRAWING = re.compile(r"\[asy\].*?\[/asy\]", re.DOTALL)
_OUTPUTS = ("output", "stdout", "result", "text", "latex", "tex", "markdown", "math")
_STRONG = re.compile(
    r"\s*(?:import \w|from \w[\w.]* import |def \w+\s*\(|print\s*\(|[ \t]+return\b|class \w+\s*[:({]|console\.log\(|#include|(?:std::)?cout\s*<<|printf\(|System\.out|"
    r"public (?:static|class)|function \w+\s*\(|(?:let|const|var) \w+\s*=|println!?\(|int main|fn \w+\(|puts |fprintf\(|disp\(|>>> )"
)
_CODE_LINE = re.compile(
    r"\s*(?:[A-Za-z_][\w.,\[\]'\" ]*\s*(?:[+*/%-]|//|\*\*)?=[^=]|#|//|\"\"\"|'''|(?:for|while|if|elif|with|try|except)\b.*:\s*$|else\s*:|[\])}]+;?\s*$|\w+(?:\.\w+)*\(.*\);?\s*$)"
)
_NAME = re.compile(r"[A-Za-z_]\w+")
_CODE = re.compile(
    r"\bprint\s*\(|\bdef \w+\(|\breturn \w|^\s*import \w|\{[^{}\\]*[A-Za-z_]{2,}[^{}\\]*[*+/-][^{}\\]*\}|\bf[\"']|[\"']\)\s*$|\w\[\w+\]|==|"
    r"(?<![\\A-Za-z])(?!(?:sin|cos|tan|log|ln|exp|sqrt|max|min|gcd|lcm|mod|pi|cot|sec|csc)\b)[a-z]+_[a-z]\w*\b|"
    r"^\(?[a-z][a-z_]{2,}\s*(?:\*\*|[*/+]|-(?=\s*\w))\s*[\w(.]+\)?$"
)


def is_program(text: str) -> bool:
    """Whether a text is a program: one fenced block of code and nothing else, or code without a fence."""
    stripped = text.strip()
    if stripped.startswith(("```", "~~~")) and not _outside(stripped).strip():
        return True
    return _is_bare_program(stripped)


def _is_bare_program(text: str) -> bool:
    lines = [line for line in text.splitlines() if line.strip()]
    if not lines or len(text) > 100_000:
        return False
    strong = sum(_STRONG.match(line) is not None for line in lines)
    code = sum(
        _STRONG.match(line) is not None or _CODE_LINE.match(line) is not None or line[:1] in " \t"
        for line in lines
    )
    if strong and 4 * code >= 3 * len(lines):
        return True
    # assignments that build on each other, by names longer than a variable of mathematics
    assigned: set[str] = set()
    uses = False
    for line in lines:
        match = re.fullmatch(r"\s*([A-Za-z_]\w+)\s*=\s*([^=].*)", line)
        if match is None:
            return False
        uses = uses or bool(assigned & set(_NAME.findall(match[2])))
        assigned.add(match[1])
    return uses


def _outside(text: str) -> str:
    """The text without its fenced blocks of code; blocks of output stay."""
    parts, at, opened, language = [], 0, "", ""
    for match in _FENCE.finditer(text):
        if not opened:
            parts.append(text[at : match.start()])
            opened, language, at = match[1][:3], match[2].lower(), match.start()
        elif match[1].startswith(opened) and not match[2]:
            if language in _OUTPUTS:
                parts.append(text[at : match.end()])
            opened, at = "", match.end()
    if not opened:
        parts.append(text[at:])
    return "".join(parts)


def _prose(solution: str) -> str:
    text = _outside(solution) if "```" in solution or "~~~" in solution else solution
    if "[asy]" in text:
        text = _DRAWING.sub("", text)
    return "" if _is_bare_program(text.strip()) else text


def _is_code(answer: str) -> bool:
    """Whether an "answer" is an expression of a program ("price*5", "{total}") rather than of mathematics."""
    return "\\" not in answer and _CODE.search(answer) is not None


_WORDS = re.compile(r"(?<![\\A-Za-z])[A-Za-z]{2,}(?![A-Za-z(])")
_BECAUSE = re.compile(r"\b(?:so|therefore|because|thus|hence|since|then)\b|因此|所以|因为", re.IGNORECASE)
_FUNCTION = re.compile(
    r"\b(?:the|is|are|was|of|a|an|to|in|that|this|we|it|she|he|they|has|have|for|with|each)\b|[的了是在有和]",
    re.IGNORECASE,
)
_ANNOUNCED = re.compile(
    r"\banswer\b\s*(?:is|:|=)|答案[是为:：]|^\W*(?:therefore|thus|so|hence)\b", re.IGNORECASE
)


def _announces(answer: str) -> bool:
    return "\\boxed" in answer or _ANNOUNCED.search(answer) is not None


def _is_worked(answer: str) -> bool:
    """Whether an "answer" is a worked solution or a sentence instead of a value."""
    if "####" in answer or is_program(answer):
        return True
    words = len(_WORDS.findall(answer)) + len(re.findall(r"[\u4e00-\u9fff]", answer)) // 2
    if len(answer) > _STATED_LENGTH:
        return words >= 6
    if answer.lstrip().startswith(("\\begin", "$\\begin", "\\[", "[", "(", "{")) and "\\boxed" not in answer:
        return False
    if "\n" in answer:
        return words >= 6
    if _ANNOUNCED.search(answer):
        return words >= 6
    ended = answer.rstrip().endswith((".", "。", "!", "！"))
    return (
        (words >= 4 and ended and bool(re.search(r"\d", answer)))
        or (words >= 4 and bool(_BECAUSE.search(answer)))
        or (words >= 9 and len(_FUNCTION.findall(answer)) >= 2)
    )


def _required(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise Unfit(f"the {name} is {_kind(value)}, not text")
    if not value.strip():
        raise Unfit(f"the {name} is empty")
    return value


def _text(name: str, value: Any) -> str:
    """A value as text: numbers in their shortest exact spelling, a list as its parts."""
    if isinstance(value, bool):
        return str(value)
    if isinstance(value, float):
        value = Decimal(repr(value))
    if isinstance(value, Decimal):
        if not value.is_finite():
            raise Unfit(f"the {name} is {value}, not a number")
        if abs(value) < 10**30 and value == int(value):
            return str(int(value))
        return str(value)
    if isinstance(value, int):
        try:
            return str(value)
        except ValueError as error:  # more digits than Python converts
            raise Unfit(f"the {name} has too many digits") from error
    if isinstance(value, str):
        return value
    if isinstance(value, list) and all(isinstance(part, (str, int, float, Decimal)) for part in value):
        return ", ".join(_text(name, part).strip(BLANK) for part in value)
    raise Unfit(f"the {name} is {_kind(value)}, not text")


def _kind(value: Any) -> str:
    kinds = {bool: "a truth value", list: "a list", dict: "an object", type(None): "null"}
    return kinds.get(
        type(value), "a number" if isinstance(value, (int, float, Decimal)) else type(value).__name__
    )
