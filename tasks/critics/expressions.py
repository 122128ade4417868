"""Reads the expressions of a worked solution: tokens -> an expression in one spelling.

"48 clips / 2", "50% of $20", "3个苹果加5个苹果" and "\\frac{1}{2} \\times 8" are expressions: numbers, operations in signs or words, brackets,
fractions, roots and pi, with units and counted things behind the numbers. `step_tokens` divides a text into tokens, `values` computes the spelling.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

from tasks.answers.units import UNITS
from tasks.critics.step_tokens import LONGEST, SIGNS, ReadToken, tokenized

_TOKENS: Final = 160  # tokens of one side


@dataclass(frozen=True, slots=True)
class Side:
    """An expression at text[start:end]; what is counted behind its last number is not in it.

    key: the expression in one spelling, "" if it has no value. letters: the variables in it, "" for none. operations: how many it has. nouns:
    what stands behind its numbers, in their order, "" behind a number alone. decimals: the digits behind the point if it is one number.
    loose: whether parts of it can be read in two ways.
    """

    start: int
    end: int
    key: str
    letters: str
    operations: int
    nouns: tuple[str, ...]
    decimals: int | None
    loose: bool = False

    @property
    def lone(self) -> bool:
        """Whether it is one number."""
        return self.operations == 0


# words that end what is counted: verbs, conjunctions and the like
_ENDING_WORDS = (
    "is are was were be been equals equal and or so then which that has have had he she it they we i "
    "you his her their its because since if when while but as at in on from to by with for into than "
    "after before until means makes gives get gets got do does did can could will would should must "
    "may might let therefore thus hence where there this these those what who how not no yes also "
    "only just again now once each altogether total remainder mod rem modulo left remaining more "
    "less fewer plus minus times of over per cent percent million billion thousand hundred dozen "
    "trillion both either all about approximately around roughly using step answer"
)
WORD_ENDS: Final = frozenset(_ENDING_WORDS.split())
SCALES: Final = {
    "hundred": 100, "thousand": 1000, "million": 10**6, "billion": 10**9, "trillion": 10**12, "dozen": 12, "dozens": 12, "万": 10**4, "亿": 10**8,
}  # fmt: skip
HAN_ENDS: Final = frozenset(
    "是有为共和的了在从用需约即则故所以得到与及或比还剩余又再而因由把被将可能等乘除加减每第不只就都也要去"
)
OPERAND_FIRST: Final = frozenset("nfqpbc")


def scanned_side(tokens: list[ReadToken], at: int, end: int, text: str) -> tuple[int, Side] | None:
    """Return the longest expression in tokens[at:end] that begins at its first token, and the index behind it, None if there is none."""
    return _Scan(tokens, at, end, text).side()


class _Scan:
    """Reads one expression token by token. Each method reads the tokens of one kind and returns what follows from it: _TAKEN, the
    expression may end behind it; _MORE, it needs what follows; _END, it has ended before."""

    __slots__ = (
        "at", "begin", "best", "closers", "currency", "end", "in_signs", "in_words", "letters", "loose", "nouns", "operand",
        "operations", "pieces", "stop", "text", "tokens", "value_end",
    )  # fmt: skip

    def __init__(self, tokens: list[ReadToken], at: int, end: int, text: str) -> None:
        self.tokens, self.at, self.end, self.text = tokens, at, end, text
        self.stop = min(end, at + _TOKENS)
        self.pieces: list[str] = []
        self.nouns: list[str] = []
        self.letters = self.currency = ""
        # what ends each open bracket, and how many arguments of a fraction follow it
        self.closers: list[tuple[str, int]] = []
        self.operand = self.loose = False
        self.operations = 0
        self.in_words = self.in_signs = False  # "3 times 6 / 2" may be 3 times what follows
        first = at
        while first < end and tokens[first].kind == "c":
            first += 1
        self.begin = self.value_end = tokens[first if first < end else at].start
        self.best: tuple[int, int, int, int, str, bool, int] | None = None

    def side(self) -> tuple[int, Side] | None:
        tokens, stop = self.tokens, self.stop
        while self.at < stop:
            token = tokens[self.at]
            kind = token.kind
            self.at += 1
            read = (_BEHIND if self.operand else _BEFORE).get(kind)
            outcome = _END if read is None else read(self, token)
            if outcome is _MORE:
                continue
            if outcome is _END:
                break
            if kind not in "wth":
                self.value_end = tokens[self.at - 1].end
            if self.operand and not self.closers:
                self._may_end()
        return self._longest()

    def _may_end(self) -> None:
        self.best = (
            self.at, len(self.pieces), len(self.nouns), self.operations, self.letters, self.loose, self.value_end,
        )  # fmt: skip

    def _longest(self) -> tuple[int, Side] | None:
        if self.best is None:
            return None
        at, count, named, operations, letters, loose, value_end = self.best
        tokens = self.tokens
        while at < self.end and tokens[at].kind == "c" and tokens[at].text[-1] == "$":
            at += 1  # the end of a formula
        key = "".join(self.pieces[:count])
        decimals = None
        if operations == 0 and not letters:
            digits = key.rstrip("%").lstrip("-(").rstrip(")")
            decimals = len(digits.partition(".")[2]) if digits.replace(".", "", 1).isdigit() else None
        loose = self.loose or loose or (self.in_words and self.in_signs)
        return at, Side(
            self.begin, value_end, key, letters, operations, tuple(self.nouns[:named]), decimals, loose
        )

    def _opened(self, piece: str, closer: str, arguments: int = 0) -> None:
        self.pieces.append(piece)
        self.closers.append((closer, arguments))
        self.operand = False

    def _operation(self, piece: str) -> None:
        self.pieces.append(piece)
        self.operations += 1
        self.operand = False

    def _letter(self, written: str) -> None:
        if written not in self.letters:
            self.letters += written

    # before an operand

    def number(self, token: ReadToken) -> _Outcome:
        self.pieces.append(_digits(token.text))
        self.nouns.append(self.currency)
        self.currency = ""
        self.operand = True
        return _TAKEN

    def currency_before(self, token: ReadToken) -> _Outcome:
        self.currency = token.text.removeprefix("\\")
        return _MORE

    def sign_before(self, token: ReadToken) -> _Outcome:
        sign = SIGNS[token.text]
        if sign not in "+-":
            return _END
        if sign == "-":
            if self.pieces and self.pieces[-1] == "-":
                return self._subtracted_negative(token)
            self.pieces.append("-")
        return _MORE

    def _subtracted_negative(self, token: ReadToken) -> _Outcome:
        """Read the number of "9 - -7". Two signs without a blank between them are a dash."""
        following = self.tokens[self.at] if self.at < self.stop else None
        behind = self.tokens[self.at + 1] if self.at + 1 < self.stop else None
        if (
            following is None
            or following.kind != "n"
            or following.start != token.end
            or self.tokens[self.at - 2].end == token.start
            or (behind is not None and behind.text in ("^", "**"))
        ):
            return _END
        return self._argument(f"(-{_digits(following.text)})")

    def bracket_before(self, token: ReadToken) -> _Outcome:
        self._opened("(", ")")
        return _MORE

    def fraction(self, token: ReadToken) -> _Outcome:
        following = self.tokens[self.at] if self.at < self.stop else None
        if following is None:
            return _END
        if following.text == "{":
            self._opened("((", ")/(", 1)
            self.operations += 1
            self.at += 1
            return _MORE
        if following.kind == "n" and len(following.text) == 2:  # \\frac12
            return self._argument(f"({following.text[0]}/{following.text[1]})")
        return _END

    def root(self, token: ReadToken) -> _Outcome:
        following = self.tokens[self.at] if self.at < self.stop else None
        if following is None:
            return _END
        if following.kind == "b" and following.text != "[":
            self._opened("√(", ")")
            self.operations += 1
            self.at += 1
            return _MORE
        return self._argument(f"√({_digits(following.text)})") if following.kind == "n" else _END

    def _argument(self, piece: str) -> _Outcome:
        self.pieces.append(piece)
        self.nouns.append("")
        self.at += 1
        self.operand = True
        return _TAKEN

    def pi(self, token: ReadToken) -> _Outcome:
        self.pieces.append("\\pi ")
        self.operand = True
        self.operations += 1
        return _TAKEN

    def letter_before(self, token: ReadToken) -> _Outcome:
        self._letter(token.text)
        self.pieces.append(token.text)
        self.operand = True
        return _TAKEN

    # behind an operand

    def sign(self, token: ReadToken) -> _Outcome:
        written = token.text
        sign, word = SIGNS[written], written[0].isalpha()
        following = self.tokens[self.at] if self.at < self.stop else None
        if sign == "±" or following is None:
            self.loose = True  # an expression that is broken over lines
            return _END
        if word and _is_factor(self.tokens, self.at, self.stop):
            return _END
        nouns = self.nouns
        if sign == "/" and (
            following.kind in "wht" or (following.text in _UNIT_LETTERS and nouns and nouns[-1])
        ):
            self.at += 1  # 10 dollars/hour
            nouns[-1:] = [f"{nouns[-1] if nouns else ''}/{following.text}".strip()]
            if not self.closers:
                self._may_end()
            return _MORE
        if following.kind not in "nfqpbcl" and not (following.kind == "o" and SIGNS[following.text] == "-"):
            self.loose |= following.kind in "twh" and not word  # 6 apples - Bob's
            return _END
        self.in_words, self.in_signs = self.in_words or word, self.in_signs or not word
        self._operation(sign)
        return _MORE

    def closing(self, token: ReadToken) -> _Outcome:
        if not self.closers:
            return _END
        closer, arguments = self.closers.pop()
        self.pieces.append(closer)
        if not arguments:
            return _TAKEN
        if self.at < self.stop and self.tokens[self.at].text == "{":
            self.closers.append(("))", 0))
            self.at += 1
            self.operand = False
            return _MORE
        return _END

    def percent(self, token: ReadToken) -> _Outcome:
        self.pieces.append("%")
        return _TAKEN

    def factorial(self, token: ReadToken) -> _Outcome:
        self.pieces.append("!")
        self.operations += 1
        return _TAKEN

    def degrees(self, token: ReadToken) -> _Outcome:
        self.nouns[-1:] = ["°"]
        return _TAKEN

    def currency_behind(self, token: ReadToken) -> _Outcome:
        return _MORE  # the end of a formula, or the currency of what follows an operation

    def bracket(self, token: ReadToken) -> _Outcome:
        before = self.tokens[self.at - 2]
        if self.text[before.end : token.start] not in ("", "\\left") and before.kind != "e":
            return _END
        self._opened("*(", ")")
        self.operations += 1
        return _MORE

    def factor(self, token: ReadToken) -> _Outcome:
        mixed = _mixed(self.tokens, self.at - 2, self.stop)
        if mixed is not None:  # 3 1/2, 3\\frac{1}{2}
            part, length = mixed
            self.pieces[-1:] = [f"({self.pieces[-1]}+{part})"]
            self.at += length - 1
            return _TAKEN
        if token.kind == "n":
            return _END
        self._operation("*")
        self.at -= 1
        return _MORE

    def letter(self, token: ReadToken) -> _Outcome:
        tokens, at = self.tokens, self.at
        before = tokens[at - 2]
        if token.text in "xX" and at < self.stop and tokens[at].kind in OPERAND_FIRST and before.kind != "o":
            self._operation("*")
            return _MORE
        if token.start != before.end:
            return _END
        self._letter(token.text)
        self.pieces.append("*" + token.text)
        self.operations += 1
        return _TAKEN

    def word(self, token: ReadToken) -> _Outcome:
        tokens, at = self.tokens, self.at
        scale = SCALES.get(token.text.lower())
        if scale is not None and tokens[at - 2].kind == "n":
            self.pieces[-1:] = [f"({self.pieces[-1]}*{scale})"]
            if not self.closers:
                self._may_end()
            return _MORE
        if is_name(tokens, at - 1):
            self.loose = True
            return _END
        behind = _noun(tokens, at - 1, self.stop)
        if behind is None or (behind == -1 and not _is_part(self.pieces)):
            return _END
        if behind == -1:  # "50% of 20"
            self._operation("*")
            return _MORE
        words = [*self.nouns[-1:], *(one.text for one in tokens[at - 1 : behind])]
        self.nouns[-1:] = [" ".join(words).strip()]
        self.at = behind
        return _TAKEN

    def text_command(self, token: ReadToken) -> _Outcome:
        self.nouns[-1:] = [token.text]
        return _TAKEN

    def han(self, token: ReadToken) -> _Outcome:
        tokens, at, stop = self.tokens, self.at, self.stop
        if token.text == "的" and _is_part(self.pieces) and at < stop and tokens[at].kind in OPERAND_FIRST:
            self._operation("*")
            return _MORE
        behind = at - 1
        while (
            behind < min(stop, at + 3) and tokens[behind].kind == "h" and tokens[behind].text not in HAN_ENDS
        ):
            behind += 1
        if behind == at - 1:
            return _END
        counted = "".join(one.text for one in tokens[at - 1 : behind])
        self.nouns[-1:] = [(self.nouns[-1] if self.nouns else "") + counted]
        self.at = behind
        return _TAKEN


_Outcome = Literal[0, 1, 2]
_END: Final = 0
_MORE: Final = 1
_TAKEN: Final = 2
_Read = Callable[[_Scan, ReadToken], _Outcome]
# by the kind of the token: what reads it where an operand is expected, and behind one
_BEFORE: Final[dict[str, _Read]] = {
    "n": _Scan.number, "c": _Scan.currency_before, "o": _Scan.sign_before, "b": _Scan.bracket_before, "f": _Scan.fraction,
    "q": _Scan.root, "p": _Scan.pi, "l": _Scan.letter_before,
}  # fmt: skip
_BEHIND: Final[dict[str, _Read]] = {
    "o": _Scan.sign, "e": _Scan.closing, "z": _Scan.percent, "m": _Scan.factorial, "d": _Scan.degrees, "c": _Scan.currency_behind,
    "b": _Scan.bracket, "f": _Scan.factor, "q": _Scan.factor, "p": _Scan.factor, "n": _Scan.factor, "l": _Scan.letter,
    "w": _Scan.word, "t": _Scan.text_command, "h": _Scan.han,
}  # fmt: skip


def _digits(written: str) -> str:
    """Return a number without the marks between its thousands."""
    if written[0] == ".":
        return "0" + written
    return written.replace("{,}", "").replace(",\\!", "").replace(",", "") if "," in written else written


def _mixed(tokens: list[ReadToken], at: int, stop: int) -> tuple[str, int] | None:
    """Return the fraction of the mixed number whose integer is tokens[at], and its number of tokens, None if it is none."""
    if tokens[at].kind != "n" or "." in tokens[at].text or at + 2 >= stop:
        return None
    if tokens[at + 1].kind == "n":
        one, slash, other = tokens[at + 1 : at + 4] if at + 3 < stop else (None, None, None)
        if (
            one is None
            or slash is None
            or other is None
            or slash.text != "/"
            or other.kind != "n"
            or slash.start != one.end
        ):
            return None
        length = 3
    elif tokens[at + 1].kind == "f":
        group = tokens[at + 2 : min(at + 8, stop)]
        if [token.text if token.kind in "be" else token.kind for token in group] != [
            "{",
            "n",
            "}",
            "{",
            "n",
            "}",
        ]:
            return None
        one, other, length = group[1], group[4], 7
    else:
        return None
    if not (one.text.isdigit() and other.text.isdigit()) or not 0 < int(one.text) < int(other.text) < 10_000:
        return None
    return f"{one.text}/{other.text}", length


def _is_part(pieces: list[str]) -> bool:
    """Whether the last piece is a percentage or a fraction, of which "of" makes a product."""
    return bool(pieces) and (
        pieces[-1] == "%"
        or pieces[-1] == "))"
        or (len(pieces) > 2 and pieces[-2] == "/" and pieces[-3].isdigit())
    )


_UNIT_LETTERS: Final = ("h", "s", "m", "g", "L", "l")  # 105/2 km/h


def _is_factor(tokens: list[ReadToken], at: int, stop: int) -> bool:
    """Whether tokens[at] is pi or a root, as in "2 * 31 = 62 times $\\pi$", where the words give the result its factor."""
    if tokens[at].kind == "c" and at + 1 < stop:
        at += 1
    return tokens[at].kind in "pq"


def is_name(tokens: list[ReadToken], at: int) -> bool:
    """Whether the word tokens[at] is a product of variables or the name of a segment: the ab of 2ab, the BC of 4BC."""
    word = tokens[at].text
    if word in UNITS or word.lower() in UNITS or word.lower() in WORD_ENDS or word.lower() in SCALES:
        return False
    if len(word) < 3 or (len(word) < 5 and word.isupper()) or not _VOWEL.search(word):
        return True
    before = tokens[at - 1] if at else None
    return len(word) < 5 and before is not None and before.end == tokens[at].start and before.kind in "ne"


_VOWEL: Final = re.compile(r"[aeiouyAEIOUY]")


def _noun(tokens: list[ReadToken], at: int, stop: int) -> int | None:
    """Return the index behind the words at tokens[at] that say what is counted, -1 for an "of" between a part and its whole, None for
    other words."""
    if tokens[at].text == "of" and at + 1 < stop and tokens[at + 1].kind in OPERAND_FIRST:
        return -1
    behind = at
    while behind < stop and behind < at + 5:
        kind, word, _, _ = tokens[behind]
        if kind == "l" and word in "aA" and behind + 1 < stop and tokens[behind + 1].kind == "w":
            behind += 1
        elif kind != "w" or word.lower() in WORD_ENDS:
            if word == "of" and behind > at and behind + 1 < stop and tokens[behind + 1].kind == "w":
                behind += 1
                continue
            break
        else:
            behind += 1
    return behind if behind > at else None


def side_of(text: str) -> Side | None:
    """Return the expression that a whole text is, with its unit or currency, None if it is none."""
    tokens = tokenized(text[:LONGEST])
    scanned = scanned_side(tokens, 0, len(tokens), text) if tokens else None
    return (
        scanned[1]
        if scanned is not None and all(token.kind in "xc" for token in tokens[scanned[0] :])
        else None
    )
