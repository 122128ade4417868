"""What a question has that those it was made from do not have: words that change the problem, or padding that changes nothing.

An addition changes a problem if it states a number, asks something, names a condition or a quantity, or has a formula. The words that show
this are listed; what has none of them ("It was a sunny day.", "Think carefully.") is padding. A fact with a number of its own that nobody needs
("He had been there 3 times.") is not noticed here, but by the selector needed_numbers, once there are solutions; neither is one with a listed word ("All of them were happy.").
"""

from __future__ import annotations

import functools
import re
from collections import Counter
from collections.abc import Sequence
from typing import Final

from rapidfuzz.distance import LCSseq

from tasks.dedup.normalise import canonical
from tasks.rewriting.numbers import values_of

KEPT: Final = 0.9  # share of the words of a question that a padded one still has, in their order
OWN_WORDS: Final = 0.25  # share of the words of one half alone that a joined problem has at least, where that half has no number of its own
LONGEST: Final = 3_000  # words that are compared

_TOKEN = re.compile(r"\\[A-Za-z]+|[A-Za-z]+(?:['’][a-z]+)?|\d+(?:[.,]\d+)*|[\u4e00-\u9fff]|[^\w\s]")
_FORMULA = re.compile(r"[=<>+*/^_{}\\%$£€¥|≤≥×÷√∑∫°]|(?<!\w)-(?=\d)")
_SIGN_OF_A_CHANGE = re.compile(
    r"\b(?:how (?:many|much|long|far|old|often|big|tall|fast|high|wide)|what (?:is|are|was|were|would|will|fraction|percent\w*|number|if|share|remainder|time|day|value|total)|which|when|where|who|find|determine|compute|evaluate|"
    r"if|unless|except|exclud\w+|only|without|not|no|never|none|nothing|nobody|nor|cannot|can't|n't|don't|doesn't|didn't|each|every|all|any|both|either|neither|"
    r"more|less|fewer|greater|larger|smaller|bigger|longer|shorter|older|younger|higher|lower|faster|slower|cheaper|heavier|lighter|least|most|than|"
    r"maximum|minimum|maximal|minimal|largest|smallest|greatest|highest|lowest|exactly|same|equal\w*|different|distinct|identical|other|others|another|again|twice|thrice|half|halves|double\w*|triple\w*|third|quarter|"
    r"rest|remain\w*|remainder|left|leftover|total|altogether|sum|difference|product|quotient|average|mean|median|mode|percent\w*|ratio|rate|proportion\w*|discount|tax|interest|profit|loss|cost\w*|"
    r"even|odd|prime|composite|integers?|whole|positive|negative|divisible|multiples?|factors?|divisors?|round\w*|nearest|modulo|square\w*|cube\w*|radius|perimeter|area|volume|length|width|height|angle|parallel|perpendicular|"
    r"must|instead|before|after|until|while|together|share\w*|split|divid\w*|multipl\w*|add\w*|subtract\w*|increas\w*|decreas\w*|doubl\w*|replac\w*|remov\w*|los(?:e|es|t)|"
    r"buys?|bought|sells?|sold|eats?|ate|gives?|gave|takes?|took|spends?|spent|earns?|earned|breaks?|broke|uses?|used|pays?|paid|gets?|got|finds?|found|result\w*|one|ones|"
    r"two|three|four|five|six|seven|eight|nine|ten|first|second|last|next|order|row|circle|adjacent|repetition|replacement|probab\w*|expected|random\w*)\b",
    re.IGNORECASE,
)  # fmt: skip
_SIGN_OF_A_CHANGE_ZH = re.compile(
    r"[几多少哪谁问求若如则除非只仅不无没未每都均全各另其余剩共总和差积商比率倍半最大小长短高低快慢贵轻重至恰相等同奇偶质素整正负因约余平均先后再又还给拿取买卖吃用花加减乘乙丙]"
)
# words of addresses and instructions that have a listed word and change nothing
_PLAIN_PHRASE = re.compile(
    r"\b(?:show (?:all|each|every)(?: of)? (?:your |the )?(?:steps?|work(?:ing)?)|find the (?:answer|solution)(?: to (?:this|the following) (?:problem|question))?|step by step|take your time|"
    r"(?:use|using) (?:a )?(?:pencil|paper|pen|scratch paper)|no (?:calculator|rush|hurry)|without (?:a calculator|hurry)|give (?:a|the|your) (?:answer|reason|explanation)s?|"
    r"what (?:is|are) (?:the (?:answer|solution|result)|your answer)|(?:find|found) it|get ready|not easy|is not (?:hard|difficult)|all the best|first of all|as usual|one day|once upon a time|(?:took|takes|taking) place|before (?:you|answering|starting)(?: \w+)?)\b"
    r"|请?(?:认真|仔细)(?:读题|思考|计算|作答|审题)|不要(?:着急|粗心)|写出(?:全部|每一步)?(?:过程|步骤)|解答(?:下面|下列)(?:的)?(?:问题|题目)|请?解?答?这道题|回答(?:下面|下列|以下)(?:的)?问题",
    re.IGNORECASE,
)


@functools.lru_cache(maxsize=1024)
def additions(question: str, new: str) -> tuple[str, ...] | None:
    """Return the pieces of a text that it adds to a question which it has in full, in the question's order; None for a text that has not all of
    it."""
    old_words, new_words = _words(question), _words(new)
    steps = LCSseq.opcodes(_folded(old_words), _folded(new_words))
    if sum(step.src_end - step.src_start for step in steps if step.tag == "equal") < KEPT * len(old_words):
        return None
    missing = Counter(_folded(old_words)) - Counter(_folded(new_words))
    if any(changes(word) for word in missing):
        return None  # a word that matters is not there any more
    added = [" ".join(new_words[step.dest_start : step.dest_end]) for step in steps if step.tag != "equal"]
    return tuple(piece for piece in added if re.search(r"\w", piece))


def harder(question: str, new: str) -> bool:
    """Return whether a text has the question in full, and adds words that change it."""
    pieces = additions(question, new)
    if not pieces:
        return False
    # where a word of the addition stands in the question too, the pieces may lack it
    whole = Counter(_folded(_words(new))) - Counter(_folded(_words(question)))
    return any(changes(piece) for piece in pieces) or changes(" ".join(whole.elements()))


def padding(question: str, new: str) -> str | None:
    """Return the words that a text adds to a question if it has the question in full and they change nothing; None for other texts, and if it
    adds none."""
    pieces = additions(question, new)
    return " … ".join(pieces) if pieces and not harder(question, new) else None


def unused_half(first: str, second: str, joined: str) -> str | None:
    """Return why a problem that was joined out of two does not need both; None if that cannot be seen.

    Nothing joins two texts that stand one behind the other. A half without a number of its own has to occur by its words.
    """
    words = Counter(_folded(_words(joined)))
    halves = [Counter(_folded(_words(half))) for half in (first, second)]
    values = [values_of(half) for half in (first, second)]
    for place, name in ((0, "first"), (1, "second")):
        own = [
            word
            for word in halves[place]
            if word not in halves[1 - place]
            and re.match(r"\w|\\", word)
            and (len(word) > 3 or not word.isascii())
        ]
        if not values[place] - values[1 - place] and sum(word in words for word in own) < OWN_WORDS * len(
            own
        ):
            return f"nothing of the {name} problem is in it"
    added = " ".join((words - halves[0] - halves[1]).elements())
    whole = all(sum((half & words).values()) >= KEPT * sum(half.values()) for half in halves)
    if (
        whole
        and sum(words.values()) >= KEPT * sum(map(sum, (half.values() for half in halves)))
        and not changes(added)
    ):
        return "the two problems stand side by side, and nothing joins them"
    return None


def changes(text: str) -> bool:
    """Return whether words that are added to a problem, or taken from it, change it."""
    plain = _PLAIN_PHRASE.sub(" ", text)
    if (
        _FORMULA.search(plain)
        or values_of(plain)
        or re.search(r"\d", plain)
        or re.search(r"(?<![\w'’])[B-HJ-Zb-hj-z](?![\w'’])", plain)
    ):
        return True
    return bool(
        _SIGN_OF_A_CHANGE.search(plain) or "?" in plain or "？" in plain or _SIGN_OF_A_CHANGE_ZH.search(plain)
    )


@functools.lru_cache(maxsize=1024)  # a question is compared several times
def _words(text: str) -> tuple[str, ...]:
    return tuple(_TOKEN.findall(canonical([text])[0] or "")[:LONGEST])


def _folded(words: Sequence[str]) -> list[str]:
    return [word.casefold() for word in words]
