"""The embedded critic: solves the problem itself, compares the final answer, and checks the arithmetic line by line."""

from __future__ import annotations

import ast
import random
import re
from dataclasses import dataclass

import orjson

from prompts.schemas import chinese_keys
from tasks.answers import Extraction, extract
from tasks.critics.recomputing import calculations
from tasks.problems.machinery.family import Worked
from tasks.replies.programs import program
from tasks.teacher.character import Character
from tasks.teacher.comparing import same_answer
from tasks.teacher.reading import PromptRequest
from tasks.teacher.solving import LAYOUTS, laid_out_program, solution_of
from tasks.teacher.topics import is_mathematical


@dataclass(frozen=True, slots=True)
class Examination:
    """The result of an examination: `right` is True, False or None (unknown); `line` is the first wrong line, from 1."""

    right: bool | None
    line: int | None
    words: str


def critique(job: PromptRequest, character: Character, rng: random.Random, *, valid_json: bool) -> str:
    """Return the JSON of the critic; at the rates of the character its judgement is reversed or its JSON broken."""
    finding = examine(job)
    lines = _lines(job)
    if rng.random() < character.rates.misjudge and finding.right is not None:
        finding = _misjudged(finding, len(lines), job.language, rng)
    instruction = _instruction_score(job, rng)
    if finding.right is None:
        answer = rng.randint(4, 6) if finding.line is None else rng.randint(2, 4)
    elif finding.right:
        answer = rng.randint(8, 10) if finding.line is None else rng.randint(4, 6)
    else:
        answer = rng.randint(0, 3)
    record: dict[str, object] = {
        "instruction_score": instruction,
        "answer_score": answer,
        "first_wrong_step": finding.line,
        "critique": finding.words,
    }
    if job.planned:
        record = {
            "working": _working(job),
            "critique": finding.words,
            "first_wrong_step": finding.line,
            "clarity": instruction,
            "solvability": instruction,
            "value": rng.randint(5, 8),
            "answer_score": answer,
        }
    if job.chinese_keys:
        record = {chinese_keys()[key]: value for key, value in record.items()}
    text = orjson.dumps(record).decode()
    if not valid_json and rng.random() < character.rates.malformed:
        return text[: len(text) // 2] if rng.random() < 0.5 else finding.words
    return text


def _working(job: PromptRequest) -> str:
    worked, zh = solution_of(job), job.language == "zh"
    if worked is not None:
        return f"我算得 {worked.answer}。" if zh else f"My own result is {worked.answer}."
    return "我不会做这道题。" if zh else "I cannot work this problem myself."


def examine(job: PromptRequest) -> Examination:
    """Examine a solution without any injected error of the critic."""
    zh = job.language == "zh"
    worked = solution_of(job)
    lines = _lines(job)
    code = _code(lines)
    if code is not None:
        return _examine_program(code, lines, worked, zh)
    text = "\n".join(line for _, line in lines)
    return _examine_words(lines, extract(text, job.language), worked, job.reference, zh)


def _examine_words(
    lines: list[tuple[int, str]], stated: Extraction | None, worked: Worked | None, reference: str, zh: bool
) -> Examination:
    false = _first_false(lines)
    wrong_line = false[0] if false else None
    broken = (
        ""
        if false is None
        else (
            f"第 {false[0]} 行的算式 {false[1]} 不成立。"
            if zh
            else f"Line {false[0]} is wrong: {false[1]} does not hold. "
        )
    )
    expected = worked.answer if worked is not None else reference
    if not expected:
        note = (
            "我不认识这道题，只核对了算式。"
            if zh
            else "I could not work this problem myself; only the arithmetic was checked. "
        )
        return Examination(None, wrong_line, note + broken)
    correct = f"正确答案是 {expected}。" if zh else f"The correct answer is {expected}."
    if stated is None or stated.kind == "last":
        words = "没有给出最终答案。" if zh else "No final answer is stated. "
        return Examination(False, wrong_line or (lines[-1][0] if lines else None), broken + words + correct)
    right = same_answer(stated.answer, expected)
    if right is None:
        words = "最终答案的写法我无法核对。" if zh else "I cannot compare the final answer as it is written. "
        return Examination(None, wrong_line, broken + words)
    if false:
        return Examination(right, wrong_line, broken + ("" if right else correct))
    if not right:
        words = f"最终答案 {stated.answer} 错误。" if zh else f"The final answer {stated.answer} is wrong. "
        return Examination(False, lines[-1][0], words + correct)
    words = (
        "各步正确，最终答案与我算得的一致。"
        if zh
        else "Every step holds and the final answer agrees with mine. "
    )
    if stated.kind != "boxed":
        words += "但答案没有写在方框里。" if zh else "It is not in a box, though."
    return Examination(True, None, words.strip())


def _lines(job: PromptRequest) -> list[tuple[int, str]]:
    """Return the lines of the solution with their numbers: those that the prompt shows, else counted from 1."""
    numbered_lines: list[tuple[int, str]] = []
    for line in job.solution:
        numbered = re.match(r"\s*\[(\d{1,6})\] ?(.*)$", line)
        if numbered:
            numbered_lines.append((int(numbered.group(1)), numbered.group(2)))
        elif line.strip():
            numbered_lines.append((len(numbered_lines) + 1, line))
    return numbered_lines


def _first_false(lines: list[tuple[int, str]]) -> tuple[int, str] | None:
    for index, line in lines:
        for statement in calculations(line):
            if not statement.true:
                return index, f"{statement.left_text} = {statement.right_text}"
    return None


def _code(lines: list[tuple[int, str]]) -> str | None:
    """Return the program if the solution is one, fenced or as plain text, else None."""
    text = "\n".join(line for _, line in lines)
    fenced = program(text)
    if fenced is not None:
        return fenced
    looks = re.search(r"^(?:from \w+ import |import \w+|print\(|def \w+\(|\w+ = )", text, re.MULTILINE)
    return text if looks and "\\boxed" not in text else None


def _examine_program(code: str, lines: list[tuple[int, str]], worked: Worked | None, zh: bool) -> Examination:
    shape = _shape(code)
    if shape is None:
        return Examination(False, None, "程序有语法错误。" if zh else "The program has a syntax error.")
    if "print(" not in code:
        return Examination(False, None, "程序没有打印答案。" if zh else "The program never prints an answer.")
    if worked is None:
        return Examination(
            None,
            None,
            "我不认识这道题，无法核对程序。"
            if zh
            else "I could not work this problem myself, so I cannot confirm the program.",
        )
    for layout in range(LAYOUTS):
        if shape == _shape(laid_out_program(worked.program, layout)):
            return Examination(
                True, None, "程序计算正确。" if zh else "The program computes what is asked and prints it."
            )
    program_lines = worked.program.strip().split("\n")
    differing = _first_difference(code, program_lines)
    line = next((index for index, text in lines if text == differing), None)
    if line is None:
        return Examination(
            None,
            None,
            "程序的写法我无法核对。" if zh else "I cannot follow this program well enough to confirm it.",
        )
    words = (
        f"程序第 {line} 行有误；正确答案是 {worked.answer}。"
        if zh
        else f"Line {line} of the program is wrong; the answer should be {worked.answer}."
    )
    return Examination(False, line, words)


def _shape(code: str) -> str | None:
    """Return the syntax tree as text, which ignores spacing and comments, or None if it is not Python."""
    if len(code) > 10_000:
        return None
    try:
        return ast.dump(ast.parse(code))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _first_difference(code: str, program_lines: list[str]) -> str | None:
    """Return the first line that does not occur in the teacher's own program, in the layout that shares most lines."""
    lines = [line for line in code.split("\n") if line.strip()]
    best: tuple[float, str] | None = None
    for layout in range(LAYOUTS):
        mine = {
            line for line in laid_out_program("\n".join(program_lines), layout).split("\n") if line.strip()
        }
        shared = len(mine.intersection(lines)) / max(1, len(mine))
        differing = next((line for line in lines if line not in mine), None)
        if differing is not None and shared >= 0.4 and (best is None or shared > best[0]):
            best = (shared, differing)
    return best[1] if best else None


def _instruction_score(job: PromptRequest, rng: random.Random) -> int:
    """Return the score of the problem: high for known ones, low for gaps, fragments and what is no mathematics, medium for others."""
    if solution_of(job) is not None:
        return rng.randint(8, 10)
    question = job.question.strip()
    if "___" in question or len(question) < 12 or not is_mathematical(question):
        return rng.randint(0, 3)
    if not re.search(r"[.?!。？！…$)}\]|”\"'*]$", question):  # a table and a quotation end a question too
        return rng.randint(2, 4)
    return rng.randint(6, 7)


def _misjudged(finding: Examination, lines: int, language: str, rng: random.Random) -> Examination:
    zh = language == "zh"
    if finding.right:
        line = rng.randint(1, max(1, lines))
        return Examination(
            False,
            line,
            f"第 {line} 行的推理不成立。" if zh else f"The reasoning in line {line} does not hold.",
        )
    return Examination(True, None, "解答看起来正确。" if zh else "The solution looks correct.")
