"""Reads the options of a multiple-choice record, by every usual convention, and which of them its answer names.

Conventions: a list, a mapping of letters to texts, a list of objects (`{"label": "A", "text": "3"}`), ARC's
`{"text": [...], "label": [...]}`, one column per option (A to E, option_a, choice1, opa), one text that lists them, and the
text of a Python, JSON or numpy value, as CSV files hold it. Only literals are evaluated.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

NAMES = (
    "options", "choices", "option", "choice", "answer_choices", "answer_options", "answer_candidates", "mc_options",
    "multiple_choice", "multiple_choices", "alternatives", "candidates", "endings", "possible_answers", "option_list",
    "choice_list", "options_list", "choices_list", "选项",
)  # fmt: skip
MOST = 26  # options, one per letter
_LONGEST = 20_000  # characters of a text that is parsed as a value
_DEEPEST = 100  # nested brackets that are parsed

_TEXTS = (
    "text",
    "texts",
    "content",
    "option",
    "choice",
    "value",
    "body",
    "answer",
    "option_text",
    "choice_text",
    "string",
)
_LABELS = (
    "label",
    "labels",
    "letter",
    "key",
    "id",
    "letters",
    "keys",
    "option_label",
    "name",
    "index",
    "identifier",
)
# a column per option: its prefix and the label of the option
_COLUMN = re.compile(
    r"(?P<prefix>(?:option|options|opt|op|choice|choices|answer|ans|ending|alternative|alt|candidate|sol|选项)_?)?"
    r"(?P<label>[a-j]|\d{1,2})"
)
_QUOTED = r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\""
_NUMPY = re.compile(rf"\[\s*(?:{_QUOTED})(?:\s+(?:{_QUOTED}))+\s*\]", re.DOTALL)
_NUMPY_NUMBERS = re.compile(r"\[\s*-?[\d.]+(?:\s+-?[\d.]+)+\s*\]")
_ARRAY = re.compile(r"\b(?:np\.|numpy\.)?array\(")
_DTYPE = re.compile(r",\s*dtype=[\w.<>'\"|]+\s*\)")
_WRAPPED = re.compile(
    r"\\(?:text|textbf|textrm|textit|mathrm|mathbf|mathit|boxed|fbox|mbox|rm|bf)\s*\{([^{}]*)\}"
)
_WRITTEN = re.compile(r"\n[A-Z]\) ")  # a line of an option, as `Options.lines` writes it
_LETTER = re.compile(r"[(\[（]?\s*([A-Za-z])\s*[)\]）.:：、]?")
_NAMED = re.compile(
    r"(?:the\s+)?(?:correct\s+|right\s+|final\s+|best\s+)?(?:option|choice|answer|ans|答案|选项?|故选)\s*(?:is|是|为)?\s*[:：_]?\s*",
    re.IGNORECASE,
)
_LED = re.compile(r"[(\[（]?\s*([A-Za-z])\s*[)\]）.:：、]\s*(?=\S)|[(\[（]\s*([A-Za-z])\s*[)\]）]\s*(?=\S)")
_SEVERAL = re.compile(r"[(\[]?[A-J][)\]]?(?:\s*(?:,|;|/|、|，|&|\+|\band\b|和|\s)?\s*[(\[]?[A-J][)\]]?)+")

# how a text marks its options: (A)  A)  A.  A:  A、  (1)  1)  1.  and circled numbers
_STYLES = (
    re.compile(r"(?<![A-Za-z0-9\\])[(\[（]\s*(?P<label>[A-Ja-j])\s*[)\]）]"),
    re.compile(r"(?<![A-Za-z0-9\\(（])(?P<label>[A-Ja-j])\s*[)）]"),
    re.compile(r"(?<![A-Za-z0-9\\(（])(?P<label>[A-Ja-j])\s?[.．、](?!\w\.)"),
    re.compile(r"(?<![A-Za-z0-9\\(（])(?P<label>[A-Ja-j])\s*[:：]"),
    re.compile(r"(?<![A-Za-z0-9\\.])[(\[（](?P<label>[1-9])[)\]）]"),
    re.compile(r"(?<![A-Za-z0-9\\.(（])(?P<label>[1-9])[)）]"),
    re.compile(r"(?:(?<=\n)|^)\s*(?P<label>[1-9])[.．、]\s"),
    re.compile(r"(?P<label>[①②③④⑤⑥⑦⑧⑨])"),
    re.compile(r"(?:(?<=\n)|^)\s*(?P<label>[A-J])(?=[ \t]+\S)"),
)
_LETTERED = (*_STYLES[:4], _STYLES[-1])
_LETTERS = "abcdefghij"
_OPERATORS = ("+", "-", "*", "/", "=", "<", ">", "^")
_CIRCLED = "①②③④⑤⑥⑦⑧⑨"
_STRAY = re.compile(r"\$?\\(?:textbf|text|mathrm|mathbf|textrm)\s*\{\s*$")
_TAIL = re.compile(r"(?:\$?\\bullet\$?|[•*]|\\qquad|\\quad|\\hspace\{[^{}]*\}|\\\\|~|[\s,;，；])+$")
_LEADING = re.compile(r"^(?:\s|~|\\ |\\,|\})+")


@dataclass(frozen=True, slots=True)
class Options:
    """The texts of the options in order, without their labels, and the labels that the record gives them (or A, B, ...)."""

    texts: tuple[str, ...]
    labels: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.texts)

    def lines(self) -> list[str]:
        """Return the options as lines under a question: "A) 3", "B) 4"."""
        return [f"{chr(65 + place)}) {text}" for place, text in enumerate(self.texts)]


class Unreadable(ValueError):
    """Options that follow no known convention; the message is the reason."""


def options_of(record: Mapping[str, Any]) -> Options | None:
    """Return the options of a record whose names are `plain` (tasks.ingestion.column_names), None where it has none.

    Raises Unreadable if a column of options holds a value that cannot be read as options.
    """
    for name in NAMES:
        value = record.get(name)
        if value is None or value == "" or value == [] or value == {}:
            continue
        options = _read(value)
        if options is None:
            raise Unreadable(f"the {name} cannot be read as options")
        return options
    answers, place = record.get("answers"), record.get("label")
    if (
        isinstance(answers, list)
        and type(place) is int
        and 0 <= place <= len(answers) > 1
        and all(isinstance(one, str) for one in answers)
    ):
        return _read(answers)  # ReClor; without a place, these are the answers that are accepted
    return _columns(record)


def is_option_column(name: str) -> bool:
    """Return whether a column of this plain name may hold options."""
    return name in NAMES or _COLUMN.fullmatch(name) is not None


def written_in(question: str) -> tuple[str, Options] | None:
    """Return (stem, options) of a question that ends with options as `Options.lines` writes them, None for other questions."""
    places = [match.start() for match in _WRITTEN.finditer(question)]
    for first in reversed([place for place in places if question[place + 1] == "A"]):
        run = [place for place in places if place >= first]
        if len(run) >= 2 and [question[place + 1] for place in run] == [chr(65 + i) for i in range(len(run))]:
            ends = [*run[1:], len(question)]
            texts = tuple(question[place + 3 : end].strip() for place, end in zip(run, ends, strict=True))
            if not all(texts) or not question[:first].strip():
                return None
            return question[:first], Options(texts, tuple(chr(65 + i) for i in range(len(run))))
    return None


def listed_in(text: str, *, letters: bool = True) -> tuple[str, Options] | None:
    """Return (stem, options) of a question that lists its options itself, None where it lists none from A on.

    Unless `letters`, numbers label options too; in a question, (1) and (2) are more often statements.
    """
    best: tuple[int, list[tuple[int, int, str]]] | None = None
    for style in _LETTERED if letters else _STYLES:
        labels = _run(text, style)
        if len(labels) >= 2 and (best is None or len(labels) > len(best[1])):
            best = labels[0][0], labels
    if best is None:
        return None
    begin, labels = best
    # a separate paragraph after the last option is no part of it
    last = text.find("\n\n", labels[-1][1] + 1)
    ends = [start for start, _, _ in labels[1:]] + [len(text) if last < 0 else last]
    texts = [_trimmed(text[after:end]) for (_, after, _), end in zip(labels, ends, strict=True)]
    if not all(texts):
        return None
    stem = _STRAY.sub("", text[:begin]).rstrip(" \t\n$")
    if stem.count("$") % 2:
        stem += "$"
    return stem, Options(tuple(texts), tuple(label for _, _, label in labels))


def _run(text: str, style: re.Pattern[str]) -> list[tuple[int, int, str]]:
    """Return (start, end, label) of the labels of one style in the last run that starts with the first label."""
    runs: list[list[tuple[int, int, str]]] = []
    for match in style.finditer(text):
        label = match["label"]
        number = _number(label)
        if text[: match.start()].rstrip()[-1:] in _OPERATORS:
            continue  # (x - a)(x - b) lists no options
        if (
            runs
            and runs[-1]
            and number == len(runs[-1]) - 1
            and not text[runs[-1][-1][1] : match.start()].strip()
        ):
            runs[-1][-1] = (runs[-1][-1][0], match.end(), label)  # "a ) a ) 45": labelled twice
            continue
        if number == 0:
            runs.append([])
        if runs and number == len(runs[-1]) and (not runs[-1] or label.isupper() == runs[-1][0][2].isupper()):
            runs[-1].append((match.start(), match.end(), label))
    long = [run for run in runs if len(run) >= 2]
    return long[-1] if long else []


def _number(label: str) -> int:
    if label in _CIRCLED:
        return _CIRCLED.index(label)
    return int(label) - 1 if label.isdigit() else ord(label.upper()) - 65


def _trimmed(text: str) -> str:
    """Return an option that was cut out of a text, without the separator before the next one."""
    text = _STRAY.sub("", text.rstrip())
    text = _LEADING.sub("", _TAIL.sub("", text)).strip()
    if text.count("$") % 2:
        text = text.removesuffix("$") if text.endswith("$") else f"${text}$".replace("$$", "$")
    return text.strip()


def letter_of(options: Options, value: Any, *, first: int | None = 0) -> str | None:
    """Return the letter ("B") or the letters ("AC") of the options that a record's answer names, None where it names none.

    An answer is a label, a letter, an index (counted from `first`), or the text of an option. If `first` is None, a number
    is no index.
    """
    if isinstance(value, (list, tuple)):
        each = [letter_of(options, one, first=first) for one in value]
        return "".join(sorted({*"".join(one or "" for one in each)})) or None if all(each) else None
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, (int, float, Decimal)) and first is not None:
        return _place(options, value, first)
    text = str(value).strip()
    if not text:
        return None
    plainly = bare(text)
    labels = [label.strip().casefold() for label in options.labels]
    if plainly.casefold() in labels and labels.count(plainly.casefold()) == 1:
        return chr(65 + labels.index(plainly.casefold()))
    match = _LETTER.fullmatch(plainly)
    if match and ord(match[1].upper()) - 65 < len(options):
        return match[1].upper()
    texts = [folded(one) for one in options.texts]
    if texts.count(folded(text)) == 1:
        return chr(65 + texts.index(folded(text)))
    if first is not None and re.fullmatch(r"\d{1,2}(?:\.0)?", plainly):
        return _place(options, int(float(plainly)), first)
    named_label = re.fullmatch(rf"{_COLUMN.pattern}", plainly.lower().replace(" ", "_"))
    if named_label and named_label["prefix"] and named_label["label"] in labels:
        return chr(65 + labels.index(named_label["label"]))
    led = _LED.match(plainly)
    if led:
        letter = (led[1] or led[2]).upper()
        place = ord(letter) - 65
        if place < len(options) and folded(plainly[led.end() :]) == texts[place]:
            return letter
    if _SEVERAL.fullmatch(plainly):
        letters = re.findall(r"[A-J]", plainly.replace("and", ""))
        if len(set(letters)) == len(letters) and all(ord(one) - 65 < len(options) for one in letters):
            return "".join(sorted(letters))
    return None


def names_letters(answer: str) -> bool:
    """Return whether an answer is a letter, or several, of options: "E", "(e)", "A, C"."""
    plainly = bare(answer)
    return bool(_LETTER.fullmatch(plainly) or _SEVERAL.fullmatch(plainly))


def _place(options: Options, value: float | Decimal, first: int) -> str | None:
    place = int(value) - first
    if value != int(value):
        return None
    return chr(65 + place) if 0 <= place < len(options) else None


def bare(text: str) -> str:
    """Return an answer without the LaTeX and the words ("Option", "the answer is") around its letter."""
    before = None
    while before != text:
        before, text = text, _WRAPPED.sub(r"\1", text)
    text = text.replace("\\ ", " ").replace("~", " ").strip(" $*`\"'\n\t")
    shorter = _NAMED.sub("", text, count=1).strip(" $*`\"'\n\t") if _NAMED.match(text) else text
    return shorter.rstrip(".。") if len(shorter) > 2 else shorter


def folded(text: str) -> str:
    """Return a text in the form in which options are compared: without letter case, spacing and the last period."""
    return " ".join(text.casefold().split()).rstrip(".。")


def _read(value: Any) -> Options | None:
    if isinstance(value, Mapping):
        return _mapping(value)
    if isinstance(value, (list, tuple)):
        return _list(value)
    if isinstance(value, str):
        return _string(value)
    return None


def _mapping(value: Mapping[Any, Any]) -> Options | None:
    names = {str(name).strip().lower(): name for name in value}
    texts = next(
        (value[names[name]] for name in _TEXTS if isinstance(value.get(names.get(name)), (list, tuple))), None
    )
    if texts is None and isinstance(value.get("choices"), (list, tuple)):
        texts = value["choices"]  # TruthfulQA's mc1_targets
    if texts is not None:
        labels = next(
            (value[names[name]] for name in _LABELS if isinstance(value.get(names.get(name)), (list, tuple))),
            None,
        )
        plain = _list(texts)
        if plain is None or labels is None or len(labels) != len(plain):
            return plain
        return Options(plain.texts, tuple(str(label) for label in labels))
    pairs = [(str(label).strip(" ().:"), text) for label, text in value.items() if text is not None]
    if not pairs or not all(_is_plain(text) for _, text in pairs):
        return None
    if all(re.fullmatch(r"[A-Za-z]|\d{1,2}", label) for label, _ in pairs):
        pairs.sort(key=lambda pair: int(pair[0]) if pair[0].isdigit() else ord(pair[0].upper()))
    if all(
        re.fullmatch(r"(?:option|choice|opt)[ _-]?(?:[A-Za-z]|\d{1,2})", label, re.IGNORECASE)
        for label, _ in pairs
    ):
        pairs = sorted(
            (re.sub(r"^[a-z]+[ _-]?", "", label, flags=re.IGNORECASE) if len(label) > 2 else label, text)
            for label, text in pairs
        )
    return _options([_spelled(text) for _, text in pairs], [label for label, _ in pairs])


def _list(value: Sequence[Any]) -> Options | None:
    present = list(value)
    while present and present[-1] is None:
        present.pop()
    if not present:
        return None
    if all(isinstance(one, Mapping) for one in present):
        return _objects(present)
    if all(isinstance(one, (list, tuple)) and len(one) == 2 for one in present):  # [["A", "3"], ["B", "4"]]
        return _options([_spelled(one[1]) for one in present], [str(one[0]) for one in present])
    if not all(_is_plain(one) for one in present):
        return None
    texts = [_spelled(one) for one in present]
    stripped = _without_marks(texts)
    return _options(stripped, None)


def _objects(value: Sequence[Mapping[str, Any]]) -> Options | None:
    texts: list[str] = []
    labels: list[str] = []
    for one in value:
        named = {str(name).strip().lower(): part for name, part in one.items()}
        text = next((named[name] for name in _TEXTS if _is_plain(named.get(name))), None)
        label = next((named[name] for name in _LABELS if _is_plain(named.get(name))), None)
        if text is None and len(named) == 1:  # [{"A": "3"}, {"B": "4"}]
            ((label, text),) = named.items()
        if text is None or not _is_plain(text):
            return None
        texts.append(_spelled(text))
        labels.append(str(label).strip(" ().:") if label is not None else "")
    return _options(_without_marks(texts), labels if all(labels) else None)


def _string(value: str) -> Options | None:
    value = value.strip()
    if value[:1] in "[{(" or value.startswith(("array", "np.", "numpy")):
        parsed = literal(value)
        if parsed is not None:
            return _read(parsed) if not isinstance(parsed, str) else None
    lines = [line.strip() for line in value.splitlines() if line.strip()]
    listed = listed_in(value, letters=False)
    if listed is not None and not listed[0].strip(" \n,;:") and len(listed[1]) >= 2:
        return _options(list(listed[1].texts), None)
    for parts in (lines, value.split("||"), value.split("|"), value.split(";"), value.split("\t")):
        if len(parts) >= 2 and all(part.strip() for part in parts):
            return _options(_without_marks([part.strip() for part in parts]), None)
    one = _without_marks([value])
    if one != [value]:
        return _options(one, None)
    commas = re.split(r",\s+", value)
    return _options(commas, None) if len(commas) >= 2 and all(commas) else None


def literal(text: str) -> Any:
    """Return the value that a text spells in JSON, Python or numpy, None where it spells none."""
    if len(text) > _LONGEST or sum(map(text.count, "[({")) > 50 * _DEEPEST or _depth(text) > _DEEPEST:
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        pass  # not JSON: try the other spellings
    if _NUMPY.fullmatch(text):
        return [ast.literal_eval(part) for part in re.findall(_QUOTED, text, re.DOTALL)]
    if _NUMPY_NUMBERS.fullmatch(text):
        return text.strip("[]").split()
    try:
        return ast.literal_eval(_DTYPE.sub(")", _ARRAY.sub("(", text)))
    except (ValueError, SyntaxError, RecursionError, MemoryError, TypeError):
        return None


def _depth(text: str) -> int:
    depth = most = 0
    for char in text:
        if char in "[({":
            depth += 1
            most = max(most, depth)
        elif char in "])}":
            depth -= 1
    return most


def _columns(record: Mapping[str, Any]) -> Options | None:
    """Return options that have a column each, None unless their labels start with the first and have no gap."""
    groups: dict[str, dict[str, Any]] = {}
    for name, value in record.items():
        match = _COLUMN.fullmatch(name)
        if match is None or value is None or not _is_plain(value) or str(value).strip() == "":
            continue
        if match["prefix"] is None and match["label"].isdigit():
            continue
        groups.setdefault((match["prefix"] or "").rstrip("_"), {})[match["label"]] = value
    for prefix, parts in groups.items():
        for labels in ("abcdefghij", "".join("123456789"), "0123456789"):
            present = [label for label in labels if label in parts]
            if len(present) < 2 or present != list(labels[: len(present)]) or len(present) != len(parts):
                continue
            if not prefix and not _names_one(record, present):
                continue
            return _options([_spelled(parts[label]) for label in present], list(present))
    return None


def _names_one(record: Mapping[str, Any], labels: Sequence[str]) -> bool:
    """Return whether an answer of the record is a letter: columns a, b and c may also hold numbers of a problem."""
    names = (
        "answer",
        "answer_key",
        "answerkey",
        "correct",
        "correct_answer",
        "correct_option",
        "label",
        "target",
        "gold",
        "ans",
        "key",
        "ground_truth",
        "solution",
        "正确答案",
        "答案",
    )
    answers = [record.get(name) for name in names]
    given = [
        str(one).strip(" ().").lower()
        for one in answers
        if isinstance(one, (str, int)) and not isinstance(one, bool)
    ]
    # a letter behind the last of them still says that they are options: its record is refused
    return not given or any(
        one in labels or one.isdigit() or (len(one) == 1 and one in _LETTERS) for one in given
    )


def _options(texts: Sequence[str], labels: Sequence[str] | None) -> Options | None:
    texts = [text.strip() for text in texts]
    if not texts or not all(texts) or len(texts) > MOST:
        return None
    return Options(tuple(texts), tuple(labels or [chr(65 + place) for place in range(len(texts))]))


_MARKED = re.compile(r"\s*[(\[（]?\s*(?P<label>[A-Za-z]|[1-9])\s*[)\]）.:：、．]\s*")


def _without_marks(texts: list[str]) -> list[str]:
    """Return the texts without "A)", "(B)", "C." before them, where all are labelled in order."""
    marks = [_MARKED.match(text) for text in texts]
    if not all(
        mark and _number(mark["label"]) == place and text[mark.end() :].strip()
        for place, (mark, text) in enumerate(zip(marks, texts, strict=True))
    ):
        return texts
    if marks[0] is not None and marks[0]["label"].isdigit():
        # 1.5 is a number, and so is (1)
        spaced = all(
            mark and (mark.group()[-1].isspace() or mark.group().rstrip()[-1] in ")]）、") for mark in marks
        )
        if len(texts) == 1 or not spaced:
            return texts
    return [text[mark.end() :].strip() for mark, text in zip(marks, texts, strict=True) if mark]


def _is_plain(value: Any) -> bool:
    return isinstance(value, (str, int, float, Decimal))


def _spelled(value: Any) -> str:
    if isinstance(value, (bool, str)):
        return str(value)
    if isinstance(value, (float, Decimal)):
        number = Decimal(repr(value)) if isinstance(value, float) else value
        if number.is_finite() and abs(number) < 10**30 and number == int(number):
            return str(int(number))
        return str(number)
    return str(value)
