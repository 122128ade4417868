"""Finds text that many texts of a set share, such as an instruction around every question.

Whole sentences, whole lines and runs of RUN words (an instruction may be joined to its question by a comma) are counted
over the distinct texts of a set. A phrase in at least `least(count, share)` texts is shared and can be cut from texts
before they are compared. Words are compared folded and in lower case.

Questions of one template ("A train goes [60] miles in [2] hours") share most of their words and differ in the slots
only. A phrase therefore counts as shared only if, in most of its texts, what remains without shared phrases is one
piece or has a piece of OWN words: an instruction leaves a question, a template leaves slots.

Limit: a stem with which many items of a set begin counts as shared text too. Callers check that enough of a text is left
(`own_words`) and compare the rest.
"""

from __future__ import annotations

import functools
import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tasks.text.folding import folded

RUN = 12  # words in a row; a Chinese character counts as one
SENTENCE, SENTENCE_ZH = 4, 8  # words of the shortest sentence that counts, Chinese characters of the shortest
SAMPLE = 4096  # distinct texts that are counted, evenly spaced; bounds time and memory
OWN = 4  # words in a row; slots of a template are shorter
SMALL = 5  # texts that must share a phrase, if the set has so many
MAJORITY = 0.6  # share of a smaller set that must share a phrase

_WORD = re.compile(r"[^\W_\u3400-\u4dbf\u4e00-\u9fff]+|[\u3400-\u4dbf\u4e00-\u9fff]")
_END = re.compile(r"[.?!:;]+(?=\s|$)|[。？！；：\n]+")
_AFTER = re.compile(r"[\s.,:;?!。，：；？！、{}]*")

Phrase = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Shared:
    """What `of` distinct texts have in common.

    phrases: sentences, lines and runs of words. examples: (shared text as it is written, number of texts that have it),
    most frequent first.
    """

    phrases: frozenset[Phrase] = frozenset()
    examples: tuple[tuple[str, int], ...] = ()
    of: int = 0

    def __bool__(self) -> bool:
        return bool(self.phrases)

    def without(self, phrases: Iterable[Phrase]) -> Shared:
        """Return the shared text without these phrases."""
        return Shared(self.phrases - frozenset(phrases), self.examples, self.of)

    def cut(self, text: str) -> str:
        """Return the text without its shared phrases; unchanged if it has none, or consists of them."""
        if not self.phrases:
            return text
        return _cut(text, self.phrases)

    def within(self, text: str) -> list[Phrase]:
        """Return the shared phrases in a text."""
        words = _words(folded(text))
        return [phrase for phrase, _, _ in _phrases(words) if phrase in self.phrases]


def shared_text(texts: Iterable[str], share: float) -> Shared:
    """Return what at least `least(count, share)` of the distinct texts have in common; nothing at share 0."""
    distinct = [text for text in dict.fromkeys(texts) if text]
    count = len(distinct)
    if not share or count < 2:
        return Shared(of=count)
    step = max(1.0, count / SAMPLE)
    sample = [distinct[int(k * step)] for k in range(min(count, SAMPLE))]
    counts: Counter[Phrase] = Counter()
    for text in sample:
        counts.update({phrase for phrase, _, _ in _phrases(_words(folded(text)))})
    needed = least(len(sample), share)
    phrases = frozenset(phrase for phrase, times in counts.items() if times >= needed)
    phrases = _around_questions(sample, phrases, counts, needed)
    return Shared(phrases, _examples(sample, phrases, counts), len(sample))


def least(count: int, share: float) -> int:
    """Return in how many of `count` texts a phrase must occur to be shared.

    It is `share` of them, and at least SMALL; in small sets it is the MAJORITY, and at least 2.
    """
    return max(math.ceil(share * count), min(SMALL, max(2, math.ceil(MAJORITY * count))))


def union(parts: Sequence[Shared]) -> Shared:
    """Return the shared text of several sets together."""
    return Shared(frozenset().union(*(part.phrases for part in parts)), (), sum(part.of for part in parts))


def own_words(text: str) -> int:
    """Return the number of words of a text."""
    return len(_words(folded(text)))


def pieces(text: str, shared: Shared) -> list[int]:
    """Return the number of words of each piece of a text before, between and after its shared phrases."""
    return _pieces(_covered(_words(folded(text)), shared.phrases))


def _pieces(covered: Sequence[bool]) -> list[int]:
    lengths, length = [], 0
    for inside in [*covered, True]:
        if not inside:
            length += 1
        elif length:
            lengths.append(length)
            length = 0
    return lengths


def _around_questions(
    sample: Sequence[str], phrases: frozenset[Phrase], counts: Counter[Phrase], needed: int
) -> frozenset[Phrase]:
    """Return the phrases that occur beside a whole question in most of their texts, and not between slots of a template.

    Templates have only a few words between slots, so three words in a row that many texts have count as shared here.
    """
    texts = [_words(folded(text)) for text in sample] if phrases else []
    with_phrases = [(words, {phrase for phrase, _, _ in _phrases(words)} & phrases) for words in texts]
    with_phrases = [(words, inside) for words, inside in with_phrases if inside]
    short = Counter(triple for words, _ in with_phrases for triple in {*_triples(words)})
    slots: Counter[Phrase] = Counter()
    for words, inside in with_phrases:
        covered = _covered(words, phrases)
        for place, triple in enumerate(_triples(words)):
            if short[triple] >= needed:
                covered[place : place + 3] = [True] * 3
        remaining = _pieces(covered)
        if not (len(remaining) == 1 or max(remaining, default=0) >= OWN):
            slots.update(inside)
    return frozenset(phrase for phrase in phrases if 2 * slots[phrase] < counts[phrase])


def _triples(words: Sequence[_Word]) -> list[Phrase]:
    names = [word.text for word in words]
    return list(zip(names, names[1:], names[2:], strict=False))


@dataclass(frozen=True, slots=True)
class _Word:
    text: str
    start: int
    end: int
    sentence: int
    line: int


def _words(text: str) -> list[_Word]:
    ends = [match.start() for match in _END.finditer(text)]
    breaks = [place for place, character in enumerate(text) if character == "\n"]
    words, sentence, line = [], 0, 0
    for match in _WORD.finditer(text):
        while sentence < len(ends) and ends[sentence] < match.start():
            sentence += 1
        while line < len(breaks) and breaks[line] < match.start():
            line += 1
        words.append(_Word(match.group().lower(), match.start(), match.end(), sentence, line))
    return words


def _phrases(words: list[_Word]) -> Iterable[tuple[Phrase, int, int]]:
    """Yield (phrase, index of its first word, index after its last) of every run, sentence and line."""
    names = [word.text for word in words]
    for start in range(len(names) - RUN + 1):
        yield tuple(names[start : start + RUN]), start, start + RUN
    for part in ([word.sentence for word in words], [word.line for word in words]):
        start = 0
        for place in range(1, len(words) + 1):
            if place == len(words) or part[place] != part[start]:
                phrase = tuple(names[start:place])
                if len(phrase) >= (
                    SENTENCE_ZH if any("\u3400" <= word[0] <= "\u9fff" for word in phrase) else SENTENCE
                ):
                    yield phrase, start, place
                start = place


def _covered(words: list[_Word], phrases: frozenset[Phrase]) -> list[bool]:
    covered = [False] * len(words)
    for phrase, start, end in _phrases(words):
        if phrase in phrases:
            covered[start:end] = [True] * (end - start)
    return covered


@functools.lru_cache(maxsize=1 << 12)
def _cut(text: str, phrases: frozenset[Phrase]) -> str:
    plain = folded(text)
    words = _words(plain)
    covered = _covered(words, phrases)
    if not any(covered) or all(covered):
        return text
    kept, at = [], 0
    for place, (word, inside) in enumerate(zip(words, covered, strict=True)):
        if not inside:
            continue
        if place == 0 or not covered[place - 1]:
            kept.append(plain[at : word.start].rstrip(" "))
        at = word.end
        if place + 1 == len(words) or not covered[place + 1]:
            after = _AFTER.match(plain, at)
            at = after.end() if after else at
            kept.append(" ")
    return "".join([*kept, plain[at:]]).strip()


def _examples(
    sample: Sequence[str], phrases: frozenset[Phrase], counts: Counter[Phrase]
) -> tuple[tuple[str, int], ...]:
    """Return each stretch of shared text as it is first written, with the smallest count of its phrases."""
    examples: dict[Phrase, tuple[str, int]] = {}
    seen: set[Phrase] = set()
    for text in sample if phrases else ():
        plain = folded(text)
        words = _words(plain)
        covered = _covered(words, phrases)
        if all(covered):
            continue
        start = None
        for place in range(len(words) + 1):
            inside = place < len(words) and covered[place]
            if inside and start is None:
                start = place
            elif not inside and start is not None:
                key = tuple(word.text for word in words[start:place])
                if key not in seen:
                    seen.add(key)
                    times = [
                        counts[phrase]
                        for phrase, a, b in _phrases(words)
                        if start <= a and b <= place and phrase in phrases
                    ]
                    examples[key] = (
                        " ".join(plain[words[start].start : words[place - 1].end].split()),
                        min(times),
                    )
                start = None
    return tuple(sorted(examples.values(), key=lambda entry: (-entry[1], entry[0])))
