"""Finds and removes instructions to a model in a question: how to think, how to format the reply and its last line.

They say nothing about the problem. If they were left in, the questions of a file would resemble each other and any
benchmark that is prompted in the same way. They are recognised by their words (`without_instruction`), and because they
begin or end many questions of a file (`shared`). Text that decides the form of the answer ("Round to the nearest
tenth.", "Express your answer as a common fraction.") belongs to the problem and is kept.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from tasks.text.cleaning import BLANK

SHARE = 0.3  # of a file's questions: a text that begins or ends so many belongs to none of them
LEAST = 3  # questions that must share a text

# about the reply's layout and the reasoning, never about a problem
_PROTOCOL = re.compile(
    r"\\boxed|\bboxed\b|step[- ]by[- ]step|one step at a time|\blet'?s think\b(?! (?:of|about) )|therefore, the final answer is|where answer is|chain of thought|</?(?:answer|think|thinking|reasoning|solution)>|####|"
    r"\bthink (?:carefully|first|it through|aloud|hard|before (?:answering|you|responding))|"
    r"\bthe (?:very )?(?:final|last|closing) line (?:of (?:your|the) (?:response|reply|answer|output|solution)|should|must)|on its own line|"
    r"\byour final answer\b|\bthe final answer (?:in|within|inside|should|must|after|between|on|at)\b|I hope it is correct|without quotes|\$answer\b|"
    r"\b(?:valid )?json (?:object|format)\b|\breason(?:ing)? (?:carefully|process)|\breason (?:step|through)|"
    r"show (?:all )?(?:your|the) (?:work|working|reasoning|steps)|"
    r"\b(?:your|the) (?:reply|response|output) (?:should|must|needs)|\b(?:in|of) your (?:reply|response)\b|\b(?:respond|reply) (?:only )?(?:with|in|by)\b|(?:output|answer|response) format\b|"
    r"\b(?:solve|answer|work through|consider|read|complete|address|think about|attempt) (?:the|this|each of the) (?:(?:following|given|next) )?(?:math(?:s|ematical|ematics)? )?(?:word |reasoning |competition )?(?:task|problem|question|exercise)s?\b|"
    r"\b(?:here is|below is|you will be given|you are given|i will give you) (?:a|an|the) (?:math(?:s|ematical|ematics)? )?(?:word )?(?:task|problem|question|exercise)\b|"
    r"\b(?:put|place|write|enclose|wrap|box|present|output|return|provide|give|state|include|report|end|finish|conclude)\b[^.?!]{0,40}\b(?:answer|solution|response)\b[^.?!]{0,40}\b(?:inside|within|between|after (?:the|\")|at the (?:very )?end|on (?:its own|the last|a (?:new|separate)) line|in (?:a )?(?:box|brackets|latex|json|square|double|curly|bold))|"
    r"\b(?:you are|act as|imagine you are) (?:a|an|the)\b[^.?!]{0,60}\b(?:assistant|mathematician|tutor|expert|solver|language model|math teacher|ai)\b|"
    r"below is an instruction|appropriately completes the request|translate the above text|retain the original text|"
    r"一步一步|一步步|逐步(?:推理|思考|分析|解答|解决|地)|分步(?:解答|推理)|你的最终答案|最终答案(?:放|写|填|置|用|以)|(?:请把|请将|并将|并把|把|将)[^。]{0,12}答案[^。]{0,10}(?:放|写|填|置|用|包)|请(?:仔细)?(?:思考|推理)|你是一[个名位][^。]{0,20}(?:助手|专家|老师|数学家)",
    re.IGNORECASE,
)
# words that decide the form of the answer
_FORM = re.compile(
    r"\bround(?:ed|ing)?\b|\bnearest\b|decimal|simplest|lowest terms|simplif|\bin terms of\b|\bfraction|mixed number|\bradical|\bunits?\b|\bin the form\b|\bof the form \$|"
    r"significant|\bdegrees\b|\bradians\b|percent|\bexpress\b|\bcompute\b|m ?\+ ?n\b|relatively prime|notation|ordered (?:pair|triple)|separated by|\bcommas?\b|"
    r"mm/dd|dd/mm|\byyyy\b|\bmod(?:ulo)?\b|\bbase[- ]?\d|\bin (?:cm|dollars|cents|meters|hours|minutes|seconds|days|years)\b|\bexact\b|\bsum of\b|\bincreasing order|"
    r"保留|四舍五入|小数|分数|最简|单位|精确",
    re.IGNORECASE,
)
# words about a reply: a text with them that many questions of a file share is an instruction
_REPLY = re.compile(
    r"\b(answer|response|reply|solution|result|closing|final|last|line|format|steps?|think|reason|reasoning|explain|explanation|output|work|task|problem|question|instruction|"
    r"remember|do not forget|don't forget|make sure|please|below|following|solve|finish|conclude|begins?|tags?|write|letter|option|asked|nothing else|stands? alone)\b|"
    r"(答案|回答|请|步骤|解答|输出|格式|选项|题目|最后一行|结果|务必|记住|不要忘记)",
    re.IGNORECASE,
)
_ORDERS = re.compile(
    r"\W*(?:please|kindly|now|then|finally|first|also|and|next|at the end|in the end|when (?:done|finished)|once [^,]{3,30}|after [^,]{3,30}|before [^,]{3,30})?[\s,]*"
    r"(?:please|work|finish|solve|answer|write|put|give|end|conclude|think|explain|show|state|return|output|provide|read|use|follow|begin|start|keep|be|reply|respond|present|place|"
    r"choose|pick|select|report|let|reason|consider|address|complete|take|do not|don't|never|always|remember|note|make sure|ensure|you|your|nothing|only|the (?:closing|final|last|answer|response|reply|line|result)|"
    r"here is|below is|this is a|it is important|leave|close|format|wrap|enclose|box|mark|print|say|tell|recall|check|go|avoid|limit|no\b)|\W*(?:请|务必|记住|注意|不要|最后|你|先|把|将|用|在|答案|只|并)",
    re.IGNORECASE,
)
_STOP = re.compile(r"(?<=[.!?。！？])(?=[\s\"'”’)]|[\u4e00-\u9fff])[\"'”’)]*\s*|\n+")
_SENTENCE = re.compile(
    r"(?<=[.!?。！？])(?=[\s\"'”’)]|[\u4e00-\u9fff])[\"'”’)]*\s*|(?<=[:：;；])\s+|(?<=[：；])|\n+"
)
_LABEL = re.compile(
    r"^(?:#+\s*)?(?:\*\*)?(?:question|problem|q|math problem|task|instruction|题目|问题)(?:\*\*)?\s*[:：]\s*(?:\*\*)?\s*(?=\S)",
    re.IGNORECASE,
)
# the label of an option; what follows is an answer to choose, whatever it asks for
_OPTION = re.compile(r"[(\[（]\s*[A-J]\s*[)\]）]|[A-J]\s*[)）.．、](?=\s|[^\x00-\x7f])|[A-J][:：]\s")
_ASKS_BACK = re.compile(
    r"\n\s*(?:\*\*)?(?:answer|solution|response|a|答案|解答|解|答)(?:\*\*)?\s*[:：]\s*$", re.IGNORECASE
)
# a request to answer before the question; "Solve:" is part of a problem: it says what to do with an equation
_ASKS_FIRST = re.compile(
    r"^\W{0,4}(?:(?:please|kindly)[ ,]+(?:now +)?(?:answer|respond|reply)(?: +to)?"
    r"(?: +(?:this|these|the|my|the following|following))?(?: +(?:math )?(?:question|problem|one)s?)?(?: +(?:carefully|correctly|briefly|now|below))?"
    r"|answer +(?:this|the following|the question below)|here(?:'s| is) +(?:the|a|my|your|one) +(?:math )?(?:question|problem|task|exercise)"
    r"|请(?:你)?(?:直接|认真|仔细)?(?:回答|解答|作答)(?:下列|以下|下面|这个|这道|如下)?(?:的)?(?:数学)?(?:问题|题目|题)?)"
    r"\W{0,3}[:：.。\n]\W{0,4}(?=[\w$(\\])",
    re.IGNORECASE,
)
# the same after the question, as a separate sentence or line
_ASKS_LAST = re.compile(
    r"(?:(?<=[.?!。？！)\]$\"'”])[ \t]{0,4}|\n\s{0,4})(?:#{1,6} {0,2}|\*\* {0,2})?"
    r"(?:(?:(?:please|kindly|now)[ ,]+){0,2}(?:(?:answer|respond|reply)(?: +(?:it|this|me|here|below|now|carefully|correctly|the question|the following))?"
    r"|(?:provide|give|write|state|enter|tell)(?: +(?:me|us|down))? +(?:your|the|an|a) +(?:final +|correct +)?(?:answer|solution|response)(?: +(?:here|below|now))?)[ *]{0,4}[:：.!…]{1,3}"
    r"|(?:(?:your|the|final|my) +){0,2}(?:answer|solution|response)(?:[ *]{0,4}[:：]| +is[ *]{0,4}[:：.…]{0,3})"
    r"|请(?:你)?(?:直接|认真|仔细)?(?:回答|解答|作答)(?:这个|这道|下列|以下|上述)?(?:问题|题目|题)?[:：。！]?"
    r"|(?:你的)?(?:最终)?(?:答案|解答|回答)(?:是|为|[:：])[:：]?)"
    r"[\s*_.…]{0,8}$",
    re.IGNORECASE,
)
_TAIL = 120  # characters at the end that are searched for such a request
_LONGEST = 1_500  # characters of an instruction, and of each end of a question that is searched


@dataclass(frozen=True, slots=True)
class SharedEnds:
    """The texts that many questions of a file begin or end with, longest first."""

    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()


NOTHING = SharedEnds()


def shared(questions: Sequence[str]) -> SharedEnds:
    """Return the instructions with which at least a share SHARE of the questions, and LEAST of them, begin or end."""
    texts = list(dict.fromkeys(text.strip(BLANK) for text in questions))
    least = max(LEAST, int(SHARE * len(texts)))
    if len(texts) < least:
        return SharedEnds()
    before, after = Counter[str](), Counter[str]()
    for text in texts:
        for cut in _cuts(text[:_LONGEST]):
            if text[cut:].strip(BLANK):
                before[text[:cut].strip(BLANK)] += 1
        tail = max(0, len(text) - _LONGEST)
        for cut in _cuts(text[tail:]):
            if text[: tail + cut].strip(BLANK):
                after[text[tail + cut :].strip(BLANK)] += 1
    return SharedEnds(_common(before, least), _common(after, least))


def _common(counts: Counter[str], least: int) -> tuple[str, ...]:
    many = [text for text, times in counts.items() if times >= least and _is_shared_instruction(text)]
    return tuple(sorted(many, key=len, reverse=True))


def _is_shared_instruction(text: str) -> bool:
    """Return whether every sentence is about the reply, and none asks something or decides the form of the answer."""
    sentences = _sentences(text)
    if len(text) < 10 or not sentences:
        return False
    if any(_asks(one) or _OPTION.match(one) or _FORM.search(one) for one in sentences):
        return False
    return all(_PROTOCOL.search(one) or (_ORDERS.match(one) and _about_a_reply(one)) for one in sentences)


def _about_a_reply(sentence: str) -> bool:
    words = {(match[1] or match[2]).lower() for match in _REPLY.finditer(sentence)}
    return len(words) >= 2 and not re.search(r"\d", sentence)


def _asks(sentence: str) -> bool:
    return sentence.rstrip("\"'”’)").endswith(("?", "？"))


def without_instruction(text: str, common: SharedEnds = NOTHING) -> str:
    """Return the question without instructions. A text that is nothing but instructions is returned unchanged."""
    text = text.strip(BLANK)
    before = None
    while before != text:
        before = text
        for part in common.before:
            if text.startswith(part) and text[len(part) :].strip(BLANK):
                text = text[len(part) :].strip(BLANK)
        for part in common.after:
            if text.endswith(part) and text[: -len(part)].strip(BLANK):
                text = text[: -len(part)].strip(BLANK)
        text = _peeled(text)
    return text


def _peeled(text: str) -> str:
    """Return the text without the instructions at its beginning and end, and without the label before it."""
    head = text[:_LONGEST]
    keep = 0
    for cut in _cuts(head):
        sentence = head[keep:cut].strip(BLANK)
        if not _is_protocol(sentence):
            break
        keep = cut
    if keep and text[keep:].strip(BLANK):
        text = text[keep:].strip(BLANK)
    tail = max(0, len(text) - _LONGEST)
    end = len(text)
    for cut in sorted(_cuts(text[tail:]), reverse=True):
        sentence = text[tail + cut : end].strip(BLANK)
        if not sentence:
            continue
        if not _is_protocol(sentence):
            break
        end = tail + cut
    if end < len(text) and text[:end].strip(BLANK):
        text = text[:end].strip(BLANK)
    labelled = _ASKS_FIRST.sub("", _LABEL.sub("", text, count=1), count=1)
    tail = max(0, len(labelled) - _TAIL)
    last = labelled[tail:]
    shorter = _ASKS_LAST.sub("", _ASKS_BACK.sub("", last), count=1)
    closed = labelled if shorter == last else labelled[:tail] + shorter  # avoids copying most texts
    return closed.strip(BLANK) if closed.strip(BLANK) else text


def _is_protocol(sentence: str) -> bool:
    if not sentence or _asks(sentence) or _OPTION.match(sentence):
        return False
    if len(sentence) > 600 or _PROTOCOL.search(sentence) is None or _FORM.search(sentence):
        return False
    # sentences of a problem have numbers; numbers in instructions are in a box or after a mark
    return "boxed" in sentence or "####" in sentence or "<" in sentence or not re.search(r"\d", sentence)


def _cuts(text: str) -> list[int]:
    """Return the positions where a sentence or a paragraph ends, outside of formulas between dollar signs."""
    cuts = []
    for match in _SENTENCE.finditer(text):
        if text.count("$", 0, match.start()) % 2 == 0 or "\n" in match.group() or "$answer" in text.lower():
            cuts.append(match.end())
    return cuts


def _sentences(text: str) -> list[str]:
    places = [0, *(match.end() for match in _STOP.finditer(text)), len(text)]
    return [part for a, b in pairwise(places) if (part := text[a:b].strip(BLANK))]
