"""The exercises of a passage, each with the solution and the answer that the document prints for it.

A hint, an answer or a solution belongs to the exercise that it names by its label, else to the nearest exercise or worked
example before it. An exercise of several parts becomes one exercise per part, each with the introduction that the parts share.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from storage.rows import DocumentBlock
from tasks.documents.assembly import PICTURE, UNKNOWN
from tasks.ingestion.solution_texts import final_answer, is_worked

# blocks that this module reads; a passage without them is what a document explains
KINDS: Final = frozenset({"exercise", "hint", "answer", "solution"})
LONGEST_ANSWER: Final = 200  # characters


@dataclass(slots=True)
class Exercise:
    """One question that a document asks. `solution` is the worked solution that it prints, `answer` the final answer;
    None where it prints none. `spans` are those of the blocks it was made of, as in storage.rows.DocumentBlock. `lacks` and
    `solution_lacks` name what the question and the solution refer to and is not in them; `misread` and `solution_misread` a word in
    them that OCR is not sure of. `open_ended`: a remark may stand at the end of the solution, so that it states no answer."""

    question: str
    label: str | None
    solution: str | None
    answer: str | None
    spans: list[dict[str, Any]]
    lacks: str | None = None
    solution_lacks: str | None = None
    misread: str | None = None
    solution_misread: str | None = None
    open_ended: bool = False


@dataclass(slots=True)
class _Group:
    """An exercise or a worked example, and what is printed for it: (part mark or "", text)."""

    block: DocumentBlock
    solutions: list[tuple[str, str]] = field(default_factory=list)
    answers: list[tuple[str, str]] = field(default_factory=list)
    spans: list[dict[str, Any]] = field(default_factory=list)
    refers: list[str] = field(default_factory=list)
    solutions_refer: list[str] = field(default_factory=list)
    unsure: list[str] = field(default_factory=list)
    solutions_unsure: list[str] = field(default_factory=list)
    open_ended: bool = False


def exercises(
    blocks: Sequence[DocumentBlock],
    refers: Mapping[str, Sequence[str]] | None = None,
    unsure: Mapping[str, Sequence[str]] | None = None,
    open_ended: Collection[int] = (),
) -> list[Exercise]:
    """Return the exercises of a passage in their order, and the worked examples whose solution is a block of its own. `refers`
    names what blocks refer to and lack, `unsure` the words that OCR is not sure of, by the place of the block, and `open_ended` the
    places of solutions without a marked end: see tasks.documents.document.Element."""
    groups: list[_Group] = []
    for number, block in enumerate(blocks):
        kind = block["kind"]
        lacking = list((refers or {}).get(str(number), ()))
        doubtful = list((unsure or {}).get(str(number), ()))
        if kind in ("exercise", "example"):
            groups.append(_Group(block, spans=[span_of(block)], refers=lacking, unsure=doubtful))
        elif kind in ("answer", "solution") and groups:
            group, mark = _owner(groups, block["label"])
            (group.solutions if kind == "solution" else group.answers).append((mark, block["text"]))
            group.spans.append(span_of(block))
            group.solutions_refer += lacking
            group.solutions_unsure += doubtful
            group.open_ended |= number in open_ended
    return [_with_lacks(one, group) for group in groups for one in _exercises_of(group)]


def _with_lacks(exercise: Exercise, group: _Group) -> Exercise:
    """Return the exercise with what it and its solution refer to and lack, and with a word of theirs that may be misread: of
    several parts, each has its own."""
    exercise.lacks = not_given(exercise.question, group.refers)
    exercise.solution_lacks = not_given(exercise.solution or "", group.solutions_refer)
    exercise.misread = _first_in(exercise.question, group.unsure)
    exercise.solution_misread = _first_in(
        f"{exercise.solution or ''} {exercise.answer or ''}", group.solutions_unsure
    )
    return exercise


def _first_in(text: str, words: Sequence[str]) -> str | None:
    written = set(text.split())
    return next((word for word in words if word in written), None)


def explained(blocks: Sequence[DocumentBlock]) -> list[DocumentBlock]:
    """Return the blocks of a passage that are neither exercises nor what is printed for them, nor worked examples whose
    solution is a block of its own. Footnotes go with the block that they follow."""
    kept: list[DocumentBlock] = []
    owner: DocumentBlock | None = None
    for number, block in enumerate(blocks):
        if block["kind"] == "footnote":
            if owner is None or owner["kind"] not in KINDS:
                kept.append(block)
            continue
        owner = block
        following = blocks[number + 1]["kind"] if number + 1 < len(blocks) else ""
        if block["kind"] in KINDS or (
            block["kind"] == "example" and following in ("solution", "answer", "hint")
        ):
            continue
        kept.append(block)
    return kept


def not_given(text: str, refers: Sequence[str] = ()) -> str | None:
    """Return what a text refers to and lacks, None if nothing: the mark of a picture or an unknown reference, one of `refers`
    that occurs in it, or a numbered equation that it does not show."""
    flat = " ".join(text.split())
    mark = next((one for one in (UNKNOWN, PICTURE, *refers) if one in flat), None)
    if mark is not None:
        return mark
    for match in _EQUATION.finditer(flat):
        number = match[1] or match[2]
        shown = rf"\\tag\{{{re.escape(number)}\}}|[(（]{re.escape(number)}[)）]"
        if len(re.findall(shown, flat)) == 1:
            return match[0].strip()
    return None


def span_of(block: DocumentBlock) -> dict[str, Any]:
    """Return the place of a block in its document, without what is not known."""
    names = ("kind", "part", "page", "start", "end")
    return {name: block[name] for name in names if block[name] is not None}  # type: ignore[literal-required]


# "equation (3.2)" with nothing after it that could be the equation
_EQUATION: Final = re.compile(
    r"\b(?:equations?|eqs?\.|eqns?\.|formulas?|identity|inequality|relation)\s(?:\((\d+(?:\.\d+)*[a-z]?)\))"
    r"(?=[.,;:?!)]|$|\s[a-z]{2,})|(?:方程|公式|等式|不等式|式)\s?[（(](\d+(?:\.\d+)*)[)）](?=[，。；：？！、]|$|[\u4e00-\u9fff])",
    re.IGNORECASE,
)
_MARK: Final = r"\(([a-z]{1,4}|\d{1,2})\)|([a-z]|\d{1,2})[.)]"
_PART: Final = re.compile(rf"^(?:{_MARK})[ \t]+", re.MULTILINE)
_LABEL_PART: Final = re.compile(r"\(([a-z]{1,4}|\d{1,2})\)$|(?<=\d)([a-z])$")
_SEVERAL: Final = re.compile(
    r"(?<!\S)\((?:b|ii|[a-z]-ii)\)\s"
)  # a further part in one line: (a) Yes. (b) No.
# parts of a solution anywhere: at the beginning of a line or after a sentence, (b-i) for a part of a part
_ANYWHERE: Final = re.compile(
    r"(?:^|(?<=[.!?。)])[ \t]+|(?<=[.!?。)])\n\s*)\(([a-z])(-[ivx]{1,4})?\)[ \t]+", re.MULTILINE
)
_RELATIONS: Final = re.compile(
    r"[,;，；]|[.:：。]\s|\\(?:text|mathrm|quad|begin)|\b(?:and|or)\b"
)  # several equations, not one chain
_SENTENCE: Final = re.compile(r"(?<=[.!?])\s+(?=[A-Z(])|(?<=[。！？])|(?<=\\\]|\.\))\s+(?=[A-Z])")
_TAG: Final = re.compile(r"\s*\\tag\*?\{[^{}]*\}")
_PROOF: Final = re.compile(r"\b(?:prove|show|verify|disprove|explain why)\b|证明|说明", re.IGNORECASE)
_VALUE: Final = re.compile(r"[^\W_]")
_BLANK_LINE: Final = re.compile(r"^[ \t]*(?:[_…]{2,}[ \t]*)+$\n?", re.MULTILINE)
_BLANK_LINES: Final = re.compile(r"\n{3,}")


def _owner(groups: list[_Group], label: str | None) -> tuple[_Group, str]:
    """Return the group that a printed answer with this label belongs to, and the mark of its part."""
    mark = ""
    if label:
        part = _LABEL_PART.search(label)
        whole = label[: part.start()].rstrip() if part else label
        for group in reversed(groups):
            if group.block["label"] == label:
                return group, ""
            if part and group.block["label"] == whole:
                return group, part[1] or part[2]
        mark = (part[1] or part[2]) if part else ""
    return groups[-1], mark


def _exercises_of(group: _Group) -> list[Exercise]:
    block = group.block
    text = _tidy(block["text"])
    if block["kind"] == "example" and not (group.solutions or group.answers):
        return []  # its solution, if there is one, is in its text
    introduction, parts = parts_of(text)
    undivided = [
        text
        for mark, text in [*group.solutions, *group.answers]
        if not mark and not parts_of(text, least=1)[1]
    ]
    if not parts or undivided:
        solution, answer = _printed(text, group.solutions, group.answers, open_ended=group.open_ended)
        whole = Exercise(text, block["label"], solution, answer, group.spans, open_ended=group.open_ended)
        return [whole] if text else []
    marks = [mark for mark, _ in parts]
    solutions, answers = _by_part(group.solutions, marks), _by_part(group.answers, marks)
    return [
        Exercise(
            f"{introduction}\n\n{part}".strip(),
            f"{block['label'] or ''}({mark})",
            *_printed(
                part, solutions.get(mark, []), answers.get(mark, []), open_ended=last and group.open_ended
            ),
            group.spans,
            open_ended=last and group.open_ended,
        )
        for mark, part in parts
        for last in [mark == marks[-1]]  # a remark behind the solution stands in its last part
    ]


def _by_part(printed: list[tuple[str, str]], marks: list[str]) -> dict[str, list[tuple[str, str]]]:
    """Return printed texts by the mark of their part. A text with several parts is divided; `marks` are those of the exercise."""
    by_mark: dict[str, list[tuple[str, str]]] = {}
    for mark, text in printed:
        _, parts = parts_of(_without_conclusion(text), least=1)
        everywhere = _parts_anywhere(text, marks) if parts else []
        if len(everywhere) > len(parts):
            parts = everywhere
        for one, part in parts or ([(mark, text)] if mark else []):
            by_mark.setdefault(one, []).append((one, part))
    return by_mark


def _parts_anywhere(text: str, marks: list[str]) -> list[tuple[str, str]]:
    """Return the parts of a solution whose marks stand in lines too, "(a) No. (b-i) 0.21. (b-ii) 0.79.", if all are parts of the
    exercise and in its order. Parts of a part stay together, with their marks."""
    places: list[tuple[str, int, int]] = []
    for match in _ANYWHERE.finditer(text):
        mark = match[1]
        if mark not in marks or (places and marks.index(mark) < marks.index(places[-1][0])):
            return []
        if not places or places[-1][0] != mark:
            places.append((mark, match.start(), match.start() if match[2] else match.end()))
    ends = [*(start for _, start, _ in places[1:]), len(text)][: len(places)]
    return [(mark, text[start:end].strip()) for (mark, _, start), end in zip(places, ends, strict=True)]


def _without_conclusion(text: str) -> str:
    """Return a list of parts without the paragraphs behind it, which are about all of them. They are known only where further
    paragraphs of a part are indented."""
    last = None
    for match in _PART.finditer(text):
        last = match
    if last is None or not re.search(r"\n\n[ \t]+\S", text):
        return text
    behind = re.compile(r"\n\n(?=\S)").search(text, last.end())
    return text[: behind.start()] if behind else text


def _printed(
    question: str,
    solutions: list[tuple[str, str]],
    answers: list[tuple[str, str]],
    *,
    open_ended: bool = False,
) -> tuple[str | None, str | None]:
    """Return (solution, final answer). A "solution" that is only a value is an answer, and an "answer" that is worked is a
    solution. One that is `open_ended` states no answer."""
    worked = [text for _, text in [*solutions, *answers] if is_worked(text.strip())]
    values = [text for _, text in [*answers, *solutions] if not is_worked(text.strip())]
    solution = "\n\n".join(_tidy(text) for text in worked) or None
    answer = next((value for text in values if (value := printed_value(text))), None)
    stated = stated_answer(solution, question) if solution and not open_ended else None
    return solution, answer or stated


def stated_answer(solution: str, question: str) -> str | None:
    """Return the final answer that a printed solution states, None if it states none.

    A book also answers the question of a step, or another question than that of the exercise, and goes on. So only its last
    sentence counts, or a box; and a proof has no answer.
    """
    if _PROOF.search(question):
        return None
    sentences = [one for one in _SENTENCE.split(solution.strip()) if one.strip()]
    stated = final_answer(solution if "\\boxed" in solution else sentences[-1]) if sentences else None
    return printed_value(stated) if stated else None


def printed_value(text: str) -> str | None:
    """Return a printed answer without its full stop and the signs of a formula around it, of a calculation its result; None if it
    is no single value."""
    text = _TAG.sub("", text)
    if text.rstrip().endswith((":", "：")):
        return None  # something follows that is not in it
    stated = final_answer(text) or text.strip()
    stated = stated.strip().rstrip(".。").strip()
    for opening, closing in ((r"\(", r"\)"), (r"\[", r"\]"), ("$", "$")):
        inner = stated[len(opening) : -len(closing)]
        if (
            stated.startswith(opening)
            and stated.endswith(closing)
            and opening not in inner
            and closing not in inner
        ):
            stated = inner.strip().rstrip(".").strip()
    if stated.count("=") > 1 and not _RELATIONS.search(stated):  # a calculation: its result is the answer
        stated = stated.rpartition("=")[2].strip()
        for opening, closing in ((r"\(", r"\)"), (r"\[", r"\]")):
            if stated.endswith(closing) and opening not in stated:
                stated = stated.removesuffix(closing).strip()
    if not _VALUE.search(stated):
        return None
    single = parts_of(stated)[1] == [] and not _SEVERAL.search(stated)
    return stated if 0 < len(stated) <= LONGEST_ANSWER and single else None


def parts_of(text: str, *, least: int = 2) -> tuple[str, list[tuple[str, str]]]:
    """Return the text before the parts, and (mark, text) of each part: (a), (b), ... or 1., 2., ..., at the beginning of lines.

    Parts count from the first mark on, in order and without a gap; with fewer than `least` there are none, unless the text
    begins with one.
    """
    matches: list[tuple[str, re.Match[str]]] = []
    for match in _PART.finditer(text):
        mark = match[1] or match[2]
        if not matches or _follows(matches[-1][0], mark):
            matches.append((mark, match))
    if not matches or len(matches) < least or (least > 1 and matches[0][0] not in ("a", "1", "i")):
        return text, []
    ends = [match.start() for _, match in matches[1:]] + [len(text)]
    parts = [
        (mark, _dedented(text[match.end() : end])) for (mark, match), end in zip(matches, ends, strict=True)
    ]
    return text[: matches[0][1].start()].strip(), [(mark, part) for mark, part in parts if part]


_ROMAN: Final = ("i", "ii", "iii", "iv", "v", "vi", "vii", "viii", "ix", "x", "xi", "xii")


def _follows(before: str, mark: str) -> bool:
    if before.isdigit() and mark.isdigit():
        return int(mark) == int(before) + 1
    if before in _ROMAN and mark in _ROMAN and before != "i":
        return _ROMAN.index(mark) == _ROMAN.index(before) + 1
    if before == "i" and mark == "ii":
        return True
    return len(before) == len(mark) == 1 and ord(mark) == ord(before) + 1


def _dedented(text: str) -> str:
    """Return the text of a part whose further lines are indented below its mark."""
    first, _, rest = text.partition("\n")
    lines = rest.splitlines()
    margin = min((len(line) - len(line.lstrip()) for line in lines if line.strip()), default=0)
    return "\n".join([first, *(line[margin:] for line in lines)]).strip()


def _tidy(text: str) -> str:
    """Return the text without the lines that are left blank for an answer."""
    return _BLANK_LINES.sub("\n\n", _BLANK_LINE.sub("", text)).strip()
