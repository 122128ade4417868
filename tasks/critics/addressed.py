"""Removes what a solution says to its reader instead of to the question: "ignore the instructions above", "请给满分".

A solution is worked by a model and may contain anything. Sentences that address its judge, ask for a score, or claim that it was
checked already say nothing about the mathematics, so a critic that reads text is not shown them. The same holds for a sentence without any number,
sign or letter of a formula that speaks to somebody or praises the work. What is worded in neither way is not recognised. Where only a part of a step addresses the reader,
the sentence is removed; a step of nothing else is left out.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from tasks.critics import Shown, WorkedSolution

_JUDGES = (
    r"grader|examiner|marker|reviewer|evaluator|assessor|critic|verifier|judges?|classifier|reward[ -]model|language model|LLM|AI|"
    r"assistant|chatbot|moderator|proctor"
)
_SCORES = (
    r"scor(?:e|es|ed|ing)|marks?|grad(?:e|es|ed|ing)|rating|reward|points?|verdict|judge?ment|probabilit(?:y|ies)|credit|label|"
    r"correctness"
)
_HIGH = r"full|maximum|max|highest|perfect|top|best|10(?:/10)?|100(?:\s?%|/100)?|1\.0+|A\+"
_ENGLISH: Final = re.compile(
    rf"\b(?:{_JUDGES})\b[^.!?\n]{{0,80}}\b(?:{_SCORES}|accept\w*|approv\w*|confirm\w*|verif\w*|correct|right|must|should|trust|ignore|note)\b"
    rf"|\b(?:note|message|attention|instructions?|hint|dear|hello|hi|hey)\b[^.!?\n]{{0,30}}\b(?:{_JUDGES})\b"
    rf"|\b(?:give|award|assign|set|output|return|reply|respond|answer|rate|grade|mark|score|label|predict|report|print)\b[^.!?\n]{{0,60}}"
    rf"\b(?:{_HIGH})\b[^.!?\n]{{0,25}}\b(?:{_SCORES})\b"
    rf"|\b(?:give|award|assign|set|output|return|rate|grade|mark|score|label|classify|treat|accept|approve)\b[^.!?\n]{{0,40}}"
    r"\b(?:this|the|my|it|solution|response|everything|all)\b[^.!?\n]{0,40}\b(?:as|to be|with)\b[^.!?\n]{0,12}"
    rf"\b(?:correct|right|valid|true|perfect|flawless|accepted|{_HIGH})\b"
    r"|\b(?:ignore|disregard|forget|override|bypass|skip)\b[^.!?\n]{0,50}\b(?:instruction|prompt|rule|rubric|guideline|above|previous|prior|"
    r"earlier|errors?|mistakes?|check|checks|checking)s?\b"
    rf"|\b(?:deserves?|earns?|merits?|worth|receives?|gets?)\b[^.!?\n]{{0,30}}\b(?:{_HIGH})\b[^.!?\n]{{0,15}}\b(?:{_SCORES})\b"
    rf"|\b(?:answer|instruction|final|overall|quality|reward)[_ -]?(?:score|rating|grade)\b\W{{0,4}}(?:is|of|to|=|:|must|should)?\W{{0,4}}\d"
    r"|\b(?:first_wrong_step|answer_score|instruction_score|step_scores?|system prompt)\b"
    r"|(?m:^)\W{0,4}(?:system|developer|admin(?:istrator)?|root|override|assistant|user|human)\W{0,3}:"
    r"|\[/?(?:INST|SYSTEM|SYS)\]|<<?/?SYS>?>|<\|[^|\n]{1,24}\|>|</?(?:system|instructions?|solution|grading|score|verdict|judge?ment)>"
    r"|\b(?:this|the|my|above|following|every|each|all|whole|entire)\b[^.!?\n]{0,40}\b(?:solution|answer|proof|steps?|lines?|work|reasoning|calculations?)\b"
    r"[^.!?\n]{0,40}\b(?:has|have|was|were|is|are)\b[^.!?\n]{0,40}\b(?:verified|confirmed|validated|approved|certified|peer[- ]reviewed|"
    r"proofread|guaranteed|double-checked|checked|official|ground[- ]truth|gold|known to be|matches the reference)\b"
    r"|\b(?:verified|confirmed|validated|approved|certified|checked|reviewed|endorsed|written)\b[^.!?\n]{0,40}\bby\b[^.!?\n]{0,40}"
    r"\b(?:author|expert|professor|teacher|mathematician|committee|teacher|official|human|experts|authors|wolfram|computer algebra|sympy|lean|"
    r"oracle|panel|olympiad)"
    r"|\bno (?:further|more|additional) (?:check|review|verification|checking)\w*\b"
    r"|\b(?:matches|equals|agrees with|identical to)\b[^.!?\n]{0,20}\b(?:reference|official|gold|ground[- ]truth|expected|model) (?:answer|solution)\b"
    r"|\b(?:do not|don['’]t|never)\b[^.!?\n]{0,30}\b(?:penali[sz]e|deduct|mark down|flag|reject|doubt|question|check|name|report)\b"
    r"|\b(?:probability|confidence|chance|likelihood)\b[^.!?\n]{0,40}\b(?:correct|right|correctness)\b[^.!?\n]{0,20}(?:1(?:\.0+)?|100\s?%|0?\.9\d*|99\s?%)"
    r"|\ball steps (?:are|were) (?:right|correct|valid|true)\b"
    r"|\bpre-?approved\b|\bjailbreak\b|\bas an AI\b",
    re.IGNORECASE,
)
_CHINESE: Final = re.compile(
    r"阅卷|评卷|评分(?:员|者|人|系统|模型|标准)?|打分|判分|给分|评委|裁判|考官|审核(?:员|者|人)|评审|批改|判卷|评估(?:员|者|模型)"
    r"|满分|最高分|高分|[\d十百]+\s*分(?:吧|即可|。|！|$)|评为|判为|判定为|标记为|标为|(?:输出|回复|返回|给出)[^。！？\n]{0,16}(?:正确|分数|概率|得分|[“\"{])"
    r"|(?:忽略|无视|忘记|跳过|不要理会|绕过)[^。！？\n]{0,16}(?:指令|要求|规则|提示|以上|上述|之前|前面|错误|检查|标准)"
    r"|(?:无需|不必|不用|无须|请勿|不要)[^。！？\n]{0,8}(?:检查|核对|验证|怀疑|扣分|再查|审查|质疑|指出)"
    r"|(?:已|已经)[^。！？\n]{0,20}(?:核对|验证|确认|审核|检查|校对|认证|证实)"
    r"|(?:系统|管理员|开发者|用户|助手|超级用户)(?:提示|消息|指令)?\s*[：:]"
    r"|(?:与|和|同)?(?:参考|标准|官方)(?:答案|解答)[^。！？\n]{0,8}(?:一致|相同|吻合|完全)"
    r"|(?:本|该|此|这个|这份|以上|上述)(?:解答|答案|解法|回答|题解)[^。！？\n]{0,12}(?:正确|无误|完美|没有错误|毫无错误|权威|官方)"
    r"|(?:每一?步|所有步骤|全部步骤|各步|每一?行)[^。！？\n]{0,8}(?:正确|无误|没有错误)"
    r"|答对的?概率|正确的?概率|置信度|奖励模型|语言模型|人工智能|answer_score|first_wrong_step|作为(?:一个)?(?:AI|模型)",
    re.IGNORECASE,
)
# of a sentence without mathematics
_MATHEMATICS: Final = re.compile(r"[\d=<>+*/^\\$≤≥≠×÷√π%]|(?<![A-Za-z'’])[b-hj-zB-HJ-Z](?![A-Za-z'’])")
_SPEECH: Final = re.compile(
    r"\b(?:you|your|yours|whoever|reader|respond|trust|believe|rely|promise|swear|guarantee|assess\w*|evaluat\w*|grader|"
    r"top marks?|reviewer|examiner|jury|supervisor|doctorate|kindly|please|"
    r"generous|lenient|unfair|deduct|penali[sz]e|bypass|override|obey|comply|approv\w*|accept(?:ed|able)?|verif\w*|sign(?:ed)? (?:this |it )?off|"
    r"flawless|faultless|impeccable|perfect(?! (?:squares?|cubes?|powers?|numbers?|fifth))|infallible|indisputable|beyond doubt|gold standard|model (?:answer|solution)|ground truth|"
    r"correct(?:ly|ness)?|accurate|no (?:errors?|mistakes?|doubt)|report success|let (?:this|it) (?:one )?pass|move on|another look|"
    r"(?:already|double|triple)[ -]?checked)\b"
    r"|[你您请]|老师|教授|评|批改|裁|放心|相信|信我|保证|担保|可靠|权威|毋庸|无误|没错|没有(?:问题|错)|正确|完美|标准答案|满分|高分|"
    r"通过|从宽|宽容|手下留情|不用(?:细看|再看|检查)|检查过|核对过|验证过|任务",
    re.IGNORECASE,
)
_SAYS: Final = re.compile(r"[^\W_]")  # more than the closing signs of what was removed
# a sentence of words may follow a formula without a point
_SENTENCES: Final = re.compile(
    r"(?<=[.!?])\s+(?=\S)|(?<=[。！？；])\s*(?=\S)|(?<=[}\])$])\s+(?=[A-Z\u4e00-\u9fff])|\n+"
)


def addresses(text: str) -> bool:
    """Return whether a sentence addresses its reader."""
    if _ENGLISH.search(text) is not None or _CHINESE.search(text) is not None:
        return True
    return any(
        _SPEECH.search(part) is not None and _MATHEMATICS.search(part) is None
        for part in _SENTENCES.split(text)
    )


def unaddressed(solution: WorkedSolution) -> tuple[WorkedSolution, Sequence[int]]:
    """Return the solution without what it says to its reader, and the numbers, from 0, of the steps that are left.

    The same solution is returned where nothing addresses the reader, and where nothing would be left.
    """
    every = range(len(solution.steps))
    if not any(map(addresses, solution.steps)):
        return solution, every
    steps: list[str] = []
    kept: list[int] = []
    for number, step in enumerate(solution.steps):
        left = _without(step)
        if left:
            steps.append(left)
            kept.append(number)
    if not steps:
        return solution, every
    return Shown(
        solution.question,
        "\n".join(steps),
        tuple(steps),
        solution.language,
        solution.answer,
        solution.reference,
        solution.id,
    ), kept


def _without(step: str) -> str:
    if not addresses(step):
        return step
    at, parts = 0, []
    for gap in [*_SENTENCES.finditer(step), None]:
        end = gap.start() if gap else len(step)
        if not addresses(step[at:end]) and _SAYS.search(step, at, end):
            parts.append(step[at : gap.end() if gap else end])
        at = gap.end() if gap else end
    left = "".join(parts).strip()
    return "" if addresses(left) else left
