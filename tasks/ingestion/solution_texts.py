"""What kind of text a solution or an answer is: a program, a worked solution, an expression of code or a value.

The functions read text only and decide by its words and its layout. No program is run.
"""

from __future__ import annotations

import json
import re

from tasks.answers import extract

# marks by which a solution states its final answer; weaker matches are guesses and no reference
TRUSTED = ("boxed", "hash", "tag", "json", "phrase")
_STATED_LENGTH = 200  # characters; a longer "answer" is a worked solution

_TAGGED = re.compile(r"(?<![ \t])[ \t]*</?llm-code(?:-output)?>[ \t]*\n?")
_AS_FENCE = {"<llm-code>": "\n```python\n", "<llm-code-output>": "\n```output\n"} | dict.fromkeys(
    ("</llm-code>", "</llm-code-output>"), "\n```\n"
)
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


def fenced(solution: str) -> str:
    """Return a solution with the programs in tags of OpenMathInstruct-1, and what they printed, as Markdown."""
    return (
        _TAGGED.sub(lambda tag: _AS_FENCE[tag[0].strip()], solution) if "<llm-code>" in solution else solution
    )


def final_answer(solution: str, *, choice: bool = False) -> str | None:
    """Return the answer that a solution marks as its final one, None where it marks none.

    A letter in a sentence ("The answer is (B).") counts if the question has options (`choice`).

    It is never taken out of a program's text, nor out of a sentence in a JSON record: a critic's judgement says that an
    answer is wrong.
    """
    prose = _prose(solution)
    extracted = extract(prose) if prose else None
    if extracted is None or (extracted.kind != "json" and _is_json_object(prose)):
        return None
    marked = extracted.kind in TRUSTED or (extracted.kind == "choice" and (choice or extracted.marked))
    if extracted.kind == "phrase" and is_code(extracted.answer):
        return None
    return extracted.answer if marked else None


def _is_json_object(text: str) -> bool:
    if not (text.startswith("{") and text.endswith("}")):
        return False
    try:
        return isinstance(json.loads(text, strict=False), dict)
    except (ValueError, RecursionError):
        return False


def is_program(text: str) -> bool:
    """Return whether a text is a program: one fenced block of code and nothing else, or code without a fence."""
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
    # assignments that use each other, with names longer than a variable of mathematics
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
    """Return the text without its fenced blocks of code; blocks of output are kept."""
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


def is_code(answer: str) -> bool:
    """Return whether an "answer" is an expression of a program ("price*5", "{total}") rather than of mathematics."""
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


def announces(answer: str) -> bool:
    """Return whether an "answer" is a sentence that announces the answer ("The answer is 5", "\\\\boxed{5}")."""
    return "\\boxed" in answer or _ANNOUNCED.search(answer) is not None


def is_worked(answer: str) -> bool:
    """Return whether an "answer" is a worked solution or a sentence instead of a value."""
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
